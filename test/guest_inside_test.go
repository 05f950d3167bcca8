package test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// storyVariable tells the first process of a guest its story. The kernel hands it on from its command line.
const storyVariable = "LUBDUB_GUEST_STORY"

// The stories of a guest.
const (
	storyLeave    = "leave"          // serve for three time-outs, leave, stand by for three more
	storyStop     = "stopped"        // the daemon gets SIGSTOP
	storyKill     = "killed"         // the daemon gets SIGKILL
	storyStopKill = "stopped-killed" // SIGSTOP, and SIGKILL before the reset
	storyRestart  = "restart"        // SIGKILL, and a new daemon at once
	storyIdle     = "idle"           // a daemon that serves nothing
	storyWrites   = "writes"         // no daemon: how long a feeding takes
)

// What the test outside looks for.
const (
	guestFailed   = "GUEST failed"
	guestSurvived = "GUEST survived"
)

// stoppedFor is the time between SIGSTOP and SIGKILL.
const stoppedFor = 2 * time.Second

// beInit is the life of a guest's first process. It does not return.
func beInit() {
	if err := inGuest(os.Getenv(storyVariable)); err != nil {
		fmt.Printf("%s: %v\n", guestFailed, err)
	}
	tell("done")
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}

func inGuest(story string) error {
	if err := prepare(); err != nil {
		return err
	}
	if story == storyWrites {
		return timeWrites()
	}
	if story == storyRestart {
		if err := startPeer(); err != nil {
			return fmt.Errorf("the other node: %w", err)
		}
	}
	d, err := startInGuest()
	if err != nil {
		return err
	}
	if story == storyIdle {
		return d.idle()
	}
	if err := d.serves(); err != nil {
		return err
	}
	switch story {
	case storyLeave:
		return d.leave()
	case storyStop:
		return d.signalled(unix.SIGSTOP)
	case storyKill:
		return d.signalled(unix.SIGKILL)
	case storyStopKill:
		tell("now")
		if err := d.Process.Signal(unix.SIGSTOP); err != nil {
			return err
		}
		time.Sleep(stoppedFor)
		return d.signalled(unix.SIGKILL)
	case storyRestart:
		time.Sleep(guestDeadTime) // confirmed by then
		if err := errors.Join(d.Process.Kill(), ended(d.Wait())); err != nil {
			return err
		}
		tell("killed: %s", dogState())
		if d, err = startInGuest(); err != nil {
			return err
		}
		return d.leave()
	}
	return fmt.Errorf("no story %q", story)
}

// ended takes the end by a signal for what it is.
func ended(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}

// prepare makes a machine of the bare kernel.
func prepare() error {
	mounts := []struct{ kind, at string }{{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/run"}}
	for _, m := range mounts {
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	files, err := filepath.Glob("/modules/*.ko")
	if err != nil {
		return err
	}
	slices.Sort(files)
	for _, f := range files {
		parameters, err := os.ReadFile(strings.TrimSuffix(f, ".ko") + ".parameters")
		if err != nil {
			return err
		}
		code, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		if err := unix.InitModule(code, string(parameters)); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("load %s %s: %w", f, parameters, err)
		}
	}
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "cable"}
	if err := netlink.LinkAdd(pair); err != nil {
		return err
	}
	for _, name := range []string{"lo", "eth0", "cable"} {
		l, err := netlink.LinkByName(name)
		if err == nil {
			err = netlink.LinkSetUp(l)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if name == "eth0" {
			if err := netlink.AddrAdd(l, frontAddress(11)); err != nil {
				return err
			}
		}
	}
	return nil
}

// frontAddress is one of the network of the shared address.
func frontAddress(last byte) *netlink.Addr {
	return &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(192, 0, 2, last), Mask: net.CIDRMask(24, 32)}}
}

// startPeer starts the other node in a network namespace of its own, at the other end of the cable, without a watchdog.
func startPeer() error {
	d := nodeInGuest("beta", "/peer.d")
	d.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	if err := d.Start(); err != nil {
		return err
	}
	cable, err := netlink.LinkByName("cable")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetNsPid(cable, d.Process.Pid); err != nil {
		return err
	}
	ns, err := netns.GetFromPid(d.Process.Pid)
	if err != nil {
		return err
	}
	defer ns.Close()
	there, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer there.Close()
	if cable, err = there.LinkByName("cable"); err != nil {
		return err
	}
	return errors.Join(there.LinkSetName(cable, "eth0"), there.AddrAdd(cable, frontAddress(12)), there.LinkSetUp(cable))
}

func nodeInGuest(name, dir string) inside {
	d := inside{exec.Command("/lubdub", "run", "--dir", dir, "--state", "/state/"+name, "--runtime", "/run/"+name, "--node", name)}
	d.Stdout, d.Stderr = os.Stdout, os.Stdout
	return d
}

// inside is the daemon of a guest.
type inside struct{ *exec.Cmd }

func startInGuest() (inside, error) {
	d := nodeInGuest("alpha", "/ha.d")
	return d, d.Start()
}

// dogState is what the kernel says of the device.
func dogState() string {
	state, _ := os.ReadFile("/sys/class/watchdog/watchdog0/state")
	timeout, _ := os.ReadFile("/sys/class/watchdog/watchdog0/timeout")
	return fmt.Sprintf("the watchdog is %s, timeout %s", strings.TrimSpace(string(state)), strings.TrimSpace(string(timeout)))
}

// serves waits until the node has the address and the watchdog runs.
func (d inside) serves() error {
	if s := dogState(); !strings.Contains(s, "inactive") {
		return fmt.Errorf("before anything is served %s", s)
	}
	has := func() bool {
		eth0, err := net.InterfaceByName("eth0")
		if err != nil {
			return false
		}
		addrs, _ := eth0.Addrs()
		return slices.ContainsFunc(addrs, func(a net.Addr) bool { return a.String() == "192.0.2.100/24" })
	}
	for begin := time.Now(); !has() || strings.Contains(dogState(), "inactive"); time.Sleep(50 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			return fmt.Errorf("not served within a minute; %s", dogState())
		}
	}
	tell("serves; %s", dogState())
	return nil
}

// leave lives on, leaves in order, and stands by.
func (d inside) leave() error {
	const long = 3*guestTimeout + time.Second
	time.Sleep(long)
	if s := dogState(); !strings.Contains(s, "is active, timeout 3") {
		return errors.New(s)
	}
	tell("lived for %v; %s", long, dogState())
	if err := errors.Join(d.Process.Signal(unix.SIGTERM), d.Wait()); err != nil {
		return err
	}
	if s := dogState(); !strings.Contains(s, "inactive") {
		return fmt.Errorf("after a clean leave %s", s)
	}
	time.Sleep(long)
	tell("left, and %v later %s", long, dogState())
	return nil
}

// signalled waits for the reset that must come.
func (d inside) signalled(s unix.Signal) error {
	tell("now")
	if err := d.Process.Signal(s); err != nil {
		return err
	}
	time.Sleep(3 * guestTimeout)
	fmt.Printf("%s: %s\n", guestSurvived, dogState())
	return nil
}

// idle is a node that is asked to serve nothing, with a device that nobody can stop.
func (d inside) idle() error {
	const long = 3*guestTimeout + time.Second
	time.Sleep(2 * time.Second) // before it may serve: no time-out has passed
	standby := exec.Command("/lubdub", "standby", "--runtime", "/run/alpha")
	if out, err := standby.CombinedOutput(); err != nil {
		return fmt.Errorf("standby: %w: %s", err, out)
	}
	time.Sleep(long)
	if s := dogState(); !strings.Contains(s, "is active, timeout 3") {
		return errors.New(s)
	}
	tell("lived for %v; %s", long, dogState())
	if err := errors.Join(d.Process.Signal(unix.SIGTERM), d.Wait()); err != nil {
		return err
	}
	time.Sleep(2 * guestTimeout)
	tell("left: %s", dogState())
	return nil
}

// timeWrites feeds a device as the daemon does and says how long that took.
func timeWrites() error {
	const writes = 200
	fd, err := unix.Open("/dev/watchdog", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open the watchdog: %w", err)
	}
	var took []time.Duration
	for range writes {
		began := time.Now()
		if _, err := unix.Write(fd, []byte{0}); err != nil {
			return err
		}
		took = append(took, time.Since(began))
		time.Sleep(10 * time.Millisecond)
	}
	slices.Sort(took)
	tell("wrote %d times: median %v, longest %v", writes, took[writes/2], took[writes-1])
	_, err = unix.Write(fd, []byte{'V'})
	return errors.Join(err, unix.Close(fd))
}
