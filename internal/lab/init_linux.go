package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The roles in which the lab starts its own binary, by the name it gives it.
const (
	roleInit  = "lubdub-lab-init"
	roleHost  = "lubdub-lab-host"
	roleProbe = "lubdub-lab-probe"
	roleLoad  = "lubdub-lab-load"
	roleServe = "lubdub-lab-serve"
)

// disks are the directories of which each host has its own view: what the machine has, and on top what the host wrote.
func disks() []string { return []string{"/etc", "/var"} }

// labInit is PID 1 of the lab. It sets up the world, runs the program, and ends with it or with the caller.
func labInit(args []string) int {
	alive, report := os.NewFile(3, "alive"), os.NewFile(4, "report")
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, roleInit+" is a role of the lab, not a command")
		return initFailed
	}
	unix.CloseOnExec(3)
	unix.CloseOnExec(4)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, forwarded()...)
	pid, err := startProgram(args)
	if err != nil {
		fmt.Fprint(report, err)
		return initFailed
	}
	fmt.Fprint(report, ready)
	report.Close()
	go func() {
		// The caller holds the other end: end of file means that it is gone. Exit makes the kernel kill all the rest.
		_, _ = io.Copy(io.Discard, alive)
		os.Exit(initFailed)
	}()
	go func() {
		for s := range signals {
			_ = unix.Kill(pid, s.(syscall.Signal))
		}
	}()
	return reap(pid)
}

// startProgram furnishes the namespaces and starts the program in them.
func startProgram(args []string) (int, error) {
	if err := furnishLab(); err != nil {
		return 0, err
	}
	own, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return 0, err
	}
	p, err := os.StartProcess(self, args, &os.ProcAttr{
		Env:   append(os.Environ(), marker+"="+own),
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
	})
	if err != nil {
		return 0, err
	}
	pid := p.Pid
	_ = p.Release() // reap waits for every child, this one too
	return pid, nil
}

// reap waits for all children, orphans that the kernel hands over included, until the one that counts ends (0: none does).
func reap(program int) int {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return initFailed
		case pid == program && status.Signaled():
			return 128 + int(status.Signal())
		case pid == program && status.Exited():
			return status.ExitStatus()
		}
	}
}

// mounting is one mount call.
type mounting struct {
	source, target, kind string
	flags                uintptr
	options              string
}

// mountAll does the mounts in order.
func mountAll(mounts []mounting) error {
	for _, m := range mounts {
		if err := unix.Mount(m.source, m.target, m.kind, m.flags, m.options); err != nil {
			return fmt.Errorf("mount %s on %s: %w", m.kind, m.target, err)
		}
	}
	return nil
}

const quietMount = unix.MS_NOSUID | unix.MS_NODEV

// furnishLab makes the lab's mounts private and gives it its own /proc and /run.
func furnishLab() error {
	err := mountAll([]mounting{
		{"", "/", "", unix.MS_REC | unix.MS_PRIVATE, ""},
		{"proc", "/proc", "proc", quietMount | unix.MS_NOEXEC, ""},
		{"tmpfs", "/run", "tmpfs", quietMount, "mode=755"},
	})
	if err != nil {
		return err
	}
	if err := os.Mkdir(namedDir, 0o755); err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	return netlink.LinkSetUp(lo)
}

// station is what a host init must know to set up its host.
type station struct {
	Name string
	Disk string // where the host's own layers of /etc and /var are kept
}

// hostInit is PID 1 of a host: it sets up the host's view, says so, and reaps until it is killed. That is the power loss.
func hostInit(args []string) int {
	report := os.NewFile(3, "report")
	var s station
	if os.Getpid() != 1 || len(args) != 1 || json.Unmarshal([]byte(args[0]), &s) != nil {
		fmt.Fprintln(os.Stderr, roleHost+" is a role of the lab, not a command")
		return initFailed
	}
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	if err := furnishHost(s); err != nil {
		fmt.Fprint(report, err)
		return initFailed
	}
	fmt.Fprint(report, ready)
	report.Close()
	// Processes come from outside by setns; only their orphans become children of this init.
	orphans := make(chan os.Signal, 1)
	signal.Notify(orphans, syscall.SIGCHLD)
	for range orphans {
		for {
			if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); pid <= 0 && !errors.Is(err, unix.EINTR) {
				break
			}
		}
	}
	return 0
}

// furnishHost gives a host its name, its layers of /etc and /var, and empty places for what does not survive a boot.
func furnishHost(s station) error {
	if err := unix.Sethostname([]byte(s.Name)); err != nil {
		return fmt.Errorf("set host name %s: %w", s.Name, err)
	}
	mounts := []mounting{
		{"", "/", "", unix.MS_REC | unix.MS_PRIVATE, ""},
		{"proc", "/proc", "proc", quietMount | unix.MS_NOEXEC, ""},
		{"sysfs", "/sys", "sysfs", quietMount | unix.MS_NOEXEC, ""},
	}
	for _, dir := range disks() {
		layer := filepath.Join(s.Disk, dir)
		options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s.work", dir, layer, layer)
		if mappedUser() {
			options += ",userxattr" // only then may a user namespace record what it removed
		}
		mounts = append(mounts, mounting{"overlay", dir, "overlay", quietMount, options})
	}
	mounts = append(mounts, mounting{"tmpfs", "/run", "tmpfs", quietMount, "mode=755"})
	if _, err := os.Stat("/dev/shm"); err == nil {
		mounts = append(mounts, mounting{"tmpfs", "/dev/shm", "tmpfs", quietMount, "mode=1777"})
	}
	if err := mountAll(mounts); err != nil {
		return err
	}
	if err := os.MkdirAll("/run/lock", 0o755); err != nil {
		return err
	}
	return os.Chmod("/run/lock", 0o1777)
}

// mappedUser reports whether this process lives in a user namespace that knows one user only.
func mappedUser() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false
	}
	fields := strings.Fields(string(text))
	return len(fields) == 3 && fields[2] == "1"
}
