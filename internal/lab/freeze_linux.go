package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// freezeWithin bounds how long the kernel may take to stop the processes of a host.
const freezeWithin = 5 * time.Second

// ice is the control group that holds the processes of a frozen host. Its paths go through a descriptor of a mount that has
// no place in any file system, so nothing depends on where the machine has its control groups.
type ice struct {
	mount int
	home  string // the group in which the processes belong
	dir   string
}

// Freeze stops all processes of the host at once, as if its user space were paused; its kernel lives on: timers run, and the
// network is answered. It needs root and control groups of version 2. A host that is frozen stays so until Thaw or PowerOff.
func (h *Host) Freeze() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.power == nil:
		return fmt.Errorf("freeze %s: it is powered off", h.name)
	case h.power.ice != nil:
		return nil
	}
	i, err := newIce(h.name)
	if err != nil {
		return fmt.Errorf("freeze %s: %w", h.name, err)
	}
	h.power.ice = i
	if err := i.hold(h.power.init.Process.Pid); err != nil {
		return errors.Join(fmt.Errorf("freeze %s: %w", h.name, err), h.thaw())
	}
	return nil
}

// Thaw lets the processes of a frozen host go on.
func (h *Host) Thaw() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.power == nil || h.power.ice == nil {
		return nil
	}
	if err := h.thaw(); err != nil {
		return fmt.Errorf("thaw %s: %w", h.name, err)
	}
	return nil
}

func (h *Host) thaw() error {
	err := h.power.ice.melt()
	h.power.ice = nil
	return err
}

// newIce makes a control group whose members are frozen.
func newIce(host string) (*ice, error) {
	mount, err := mountGroups()
	if err != nil {
		return nil, fmt.Errorf("control groups of version 2: %w", err)
	}
	i := &ice{mount: mount}
	own, err := ownGroup()
	if err != nil {
		return nil, errors.Join(err, unix.Close(mount))
	}
	i.home = filepath.Join(fmt.Sprintf("/proc/self/fd/%d", mount), own)
	if i.dir, err = os.MkdirTemp(i.home, groupName(host)); err != nil {
		return nil, errors.Join(err, unix.Close(mount))
	}
	if err := os.WriteFile(filepath.Join(i.dir, "cgroup.freeze"), []byte("1"), 0); err != nil {
		return nil, errors.Join(err, i.melt())
	}
	return i, nil
}

// groupName is the pattern of the names of a host's groups: this lab's, and no other's.
func groupName(host string) string {
	return fmt.Sprintf("lubdub-lab-%s-%s-*", strings.Trim(strings.TrimPrefix(os.Getenv(marker), "pid:"), "[]"), host)
}

// mountGroups mounts the control groups nowhere, and returns the mount's descriptor.
func mountGroups() (int, error) {
	fs, err := unix.Fsopen("cgroup2", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, err
	}
	return unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
}

// ownGroup is the control group of this process, below the root of the hierarchy.
func ownGroup() (string, error) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSpace(path), nil
		}
	}
	return "", errors.New("this kernel has no control groups of version 2")
}

// hold brings every process of a PID namespace into the ice, and waits until the kernel says that all stand still. A process
// may fork until it is frozen itself, so it looks until it finds no new one.
func (i *ice) hold(init int) error {
	held := map[int]bool{}
	for fresh := true; fresh; {
		pids, err := members(init)
		if err != nil {
			return err
		}
		fresh = false
		for _, pid := range pids {
			if held[pid] {
				continue
			}
			held[pid], fresh = true, true
			if err := i.move(i.dir, pid); err != nil {
				return err
			}
		}
	}
	for deadline := Now() + freezeWithin; ; time.Sleep(time.Millisecond) {
		text, err := os.ReadFile(filepath.Join(i.dir, "cgroup.events"))
		if err != nil {
			return err
		}
		if slices.Contains(strings.Split(string(text), "\n"), "frozen 1") {
			return nil
		}
		if Now() > deadline {
			return fmt.Errorf("not frozen after %v", freezeWithin)
		}
	}
}

// move brings a process into a group. One that has just ended needs none.
func (i *ice) move(dir string, pid int) error {
	err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// melt lets the processes go on, brings them back to where they belong, and removes the group.
func (i *ice) melt() error {
	err := os.WriteFile(filepath.Join(i.dir, "cgroup.freeze"), []byte("0"), 0)
	for gone := Now() + freezeWithin; ; time.Sleep(time.Millisecond) {
		text, readErr := os.ReadFile(filepath.Join(i.dir, "cgroup.procs"))
		for _, word := range strings.Fields(string(text)) {
			if pid, wrong := strconv.Atoi(word); wrong == nil {
				err = errors.Join(err, i.move(i.home, pid))
			}
		}
		removed := unix.Rmdir(i.dir)
		if readErr != nil || removed == nil || Now() > gone {
			return errors.Join(err, readErr, removed, unix.Close(i.mount))
		}
	}
}

// members lists the processes of the PID namespace of an init, by the ids that this process knows them by.
func members(init int) ([]int, error) {
	home, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", init))
	if err != nil {
		return nil, err
	}
	all, err := filepath.Glob("/proc/[0-9]*/ns/pid")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, path := range all {
		if ns, err := os.Readlink(path); err != nil || ns != home {
			continue // another host's, or it has just ended
		}
		pid, err := strconv.Atoi(strings.Split(path, "/")[2])
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, nil
}
