package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
)

// supervisorRights is what a supervisor needs of root's rights: to become another user, to signal that user's
// process, to bind ports below 1024, to take rights from its workers, to read a key that belongs to another user.
func supervisorRights() map[uintptr]bool {
	return map[uintptr]bool{
		unix.CAP_SETUID: true, unix.CAP_SETGID: true, unix.CAP_KILL: true,
		unix.CAP_NET_BIND_SERVICE: true, unix.CAP_SETPCAP: true, unix.CAP_DAC_OVERRIDE: true,
	}
}

// startConfined starts the command with no right beyond keep in reach, for good: they leave the bounding set, and no
// set-uid program can bring them back. Rights belong to a thread, so it is done on one that starts the command and ends.
func startConfined(cmd *exec.Cmd, keep map[uintptr]bool) error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		if unix.Gettid() == unix.Getpid() {
			// The main thread cannot end, and /proc would show it as the whole process. Keep it busy meanwhile.
			defer runtime.UnlockOSThread()
			started <- startConfined(cmd, keep)
			return
		}
		err := giveUp(keep)
		if err == nil {
			err = cmd.Start()
		}
		started <- err
	}()
	return <-started
}

func giveUp(keep map[uintptr]bool) error {
	for right := uintptr(0); ; right++ {
		has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, right, 0, 0, 0)
		if err != nil {
			break // beyond the last one that this kernel knows
		}
		if has == 0 || keep[right] {
			continue
		}
		err = unix.Prctl(unix.PR_CAPBSET_DROP, right, 0, 0, 0)
		if errors.Is(err, unix.EPERM) {
			break // not root: then there is nothing to give up, and no_new_privs keeps it so
		}
		if err != nil {
			return fmt.Errorf("give up capability %d: %w", right, err)
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("give up ambient capabilities: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("forbid new privileges: %w", err)
	}
	return nil
}

// oneUser says that this user namespace knows no user but root, as one made
// without rights does: then there is nobody to become.
func oneUser() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	f := strings.Fields(string(text))
	return err == nil && len(f) == 3 && f[2] == "1"
}

// forgetOOMScore takes back that the kernel should spare this process when
// memory runs out: the daemon is spared, what it starts is not.
func forgetOOMScore() error {
	err := os.WriteFile("/proc/self/oom_score_adj", []byte("0"), 0)
	if errors.Is(err, os.ErrPermission) {
		return nil // it was not the daemon who set it
	}
	return err
}

// credential returns whom the worker runs as; nil, when we are not root or there is nobody else, for whom we are.
func credential(name string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 || oneUser() {
		return nil, nil
	}
	names := []string{name}
	if name == "" {
		names = []string{"lubdub-proxy", "nobody"}
	}
	for _, n := range names {
		u, err := user.Lookup(n)
		if err != nil {
			u, err = user.LookupId(n)
		}
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err = cmp.Or(err, err2); err != nil {
			return nil, fmt.Errorf("user %s: %w", n, err)
		}
		if uid == 0 {
			return nil, fmt.Errorf("user %s is root: the worker must run as an ordinary user", n)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, fmt.Errorf("users %q: none exists; create one with `useradd --system lubdub-proxy`", names)
}

// restrict puts this process under landlock as far as the kernel has it: it reads what names and certificates of back
// ends need, writes no file, opens no TCP port, and connects to the ports of the back ends and of DNS. (The kernel's
// rules know plain TCP only: multipath TCP and UDP stay open.) What it writes and where it listens came as
// descriptors. Signals stay unscoped: on older kernels that may part a program's threads.
func restrict(s Settings) error {
	_ = time.Now().String() // reads the time zone now; later it could not
	files := landlock.ROFiles("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf",
		"/etc/services", "/dev/null", "/proc/sys/net/core/somaxconn").IgnoreIfMissing()
	directories := landlock.RODirs("/etc/ssl/certs", "/etc/pki/tls", "/usr/share/ca-certificates",
		"/usr/local/share/ca-certificates").IgnoreIfMissing()
	rules := []landlock.Rule{files, directories, landlock.ConnectTCP(53)}
	// A resolver's daemon replaces the file that the link names: the directory is what stays.
	if real, err := filepath.EvalSymlinks("/etc/resolv.conf"); err == nil && filepath.Dir(real) != "/etc" {
		rules = append(rules, landlock.RODirs(filepath.Dir(real)).IgnoreIfMissing())
	}
	for _, text := range s.BackEnds {
		port, err := portOf(text)
		if err != nil {
			return err
		}
		rules = append(rules, landlock.ConnectTCP(port))
	}
	if err := landlock.V5.BestEffort().Restrict(rules...); err != nil {
		return fmt.Errorf("restrict the worker by landlock: %w", err)
	}
	return nil
}

func portOf(backEnd string) (uint16, error) {
	u, err := url.Parse(backEnd)
	if err != nil {
		return 0, err
	}
	port := u.Port()
	switch {
	case port == "" && u.Scheme == "https":
		return 443, nil
	case port == "":
		return 80, nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("back end %q: port: %w", backEnd, err)
	}
	return uint16(n), nil
}
