package lab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrOutside says that the program is not inside a lab's own namespaces: Enter was not called, or was not allowed to.
var ErrOutside = errors.New("lab: not in namespaces of its own")

const (
	// marker names the environment variable that holds the lab's PID namespace. Programs inside compare it with theirs.
	marker = "LUBDUB_LAB"
	// self is this program's own binary, also after the file was replaced or removed.
	self = "/proc/self/exe"
	// freshNamespaces are those that a lab, and again each host, has to itself.
	freshNamespaces = unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC
	// ready is what a child reports when its world is set up; anything else it reports is an error.
	ready = "ready"
	// initFailed is the exit status of an init that could not set up its world.
	initFailed = 125
)

// Child runs the role this process was started for, if the lab started it for one, and then exits. Otherwise it returns at
// once. It must be the first call of main in every program that uses the lab.
func Child() {
	roles := map[string]func([]string) int{
		roleInit:  labInit,
		roleHost:  hostInit,
		roleProbe: tool(probe),
		roleLoad:  tool(load),
		roleServe: tool(serve),
	}
	if run, ok := roles[os.Args[0]]; ok {
		os.Exit(run(os.Args[1:]))
	}
}

// Enter moves the program into namespaces of its own: it runs the same binary with the same arguments inside them, and exits
// with its status. Inside, Enter returns nil. Where namespaces are not allowed it returns an error that wraps ErrOutside and
// says why; New then refuses with ErrOutside. It must come before any other work of the program, for that work would be done
// twice.
func Enter() error {
	Child()
	if inside() {
		return nil
	}
	// The kernel ties the death signal of a child to the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	asRoot := os.Geteuid() == 0
	if asRoot {
		code, err := descend(false)
		if err == nil {
			os.Exit(code)
		}
		if !errors.Is(err, unix.EPERM) {
			return fmt.Errorf("%w: %w", ErrOutside, err)
		}
	}
	code, err := descend(true)
	if err != nil {
		return fmt.Errorf("%w: run as root, or allow user namespaces: %w", ErrOutside, err)
	}
	os.Exit(code)
	return nil
}

// inside reports whether this process lives in the PID namespace of a lab that Enter made.
func inside() bool {
	own, err := os.Readlink("/proc/self/ns/pid")
	return err == nil && own == os.Getenv(marker)
}

// descend starts lab init and waits for it. The error is nil once the program runs inside.
func descend(mapped bool) (int, error) {
	alive, lifeline, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer lifeline.Close()
	status, report, err := os.Pipe()
	if err != nil {
		alive.Close()
		return 0, err
	}
	defer status.Close()
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, forwarded()...)
	defer signal.Stop(signals)

	cmd := &exec.Cmd{
		Path: self, Args: append([]string{roleInit}, os.Args...),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		ExtraFiles:  []*os.File{alive, report},
		SysProcAttr: &syscall.SysProcAttr{Cloneflags: freshNamespaces, Pdeathsig: syscall.SIGKILL},
	}
	if mapped {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	err = cmd.Start()
	alive.Close()
	report.Close()
	if err != nil {
		return 0, fmt.Errorf("start lab init in new namespaces: %w", err)
	}
	if said, _ := io.ReadAll(status); string(said) != ready {
		_ = cmd.Wait()
		return 0, fmt.Errorf("set up the lab's namespaces: %s", strings.TrimSpace(string(said)))
	}
	return relay(cmd, signals), nil
}

// relay passes signals on to the child until it ends, and returns its exit status.
func relay(cmd *exec.Cmd, signals <-chan os.Signal) int {
	ended := make(chan struct{})
	relayed := make(chan struct{})
	go func() {
		defer close(relayed)
		for {
			select {
			case s := <-signals:
				_ = cmd.Process.Signal(s)
			case <-ended:
				return
			}
		}
	}()
	_ = cmd.Wait()
	close(ended)
	<-relayed
	if code := cmd.ProcessState.ExitCode(); code >= 0 {
		return code
	}
	return 1
}

// forwarded lists the signals that reach the program inside.
func forwarded() []os.Signal {
	return []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}
}

// Now returns the time of the boot clock, which all processes and hosts of the machine share.
func Now() time.Duration {
	var ts unix.Timespec
	// The call cannot fail: the clock exists since Linux 2.6.39.
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts)
	return time.Duration(ts.Nano())
}
