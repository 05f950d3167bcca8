package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Host is one machine of a lab: namespaces of its own under one init, with its own name, interfaces, /etc, /var and /run.
type Host struct {
	name  string
	lab   *Lab
	disk  string
	ports []*port

	mu      sync.Mutex // guards power and started; taken before Lab.mu
	power   *power
	started int // counts processes, for the names of their logs
}

// power is one life of a host, from power on to power off.
type power struct {
	init  *exec.Cmd
	pidfd int
	ns    netns.NsHandle
	links *netlink.Handle // to the host's interfaces
	ice   *ice            // holds its processes while it is frozen
}

// Name returns the host's name, which is also its uname -n.
func (h *Host) Name() string { return h.name }

// Interface returns the name of the host's interface on a network, and its MAC address. It panics when the plan has none.
func (h *Host) Interface(network string) (name, mac string) {
	for _, p := range h.ports {
		if h.lab.networks[p.network].Name == network {
			return p.eth, p.mac.String()
		}
	}
	panic(fmt.Sprintf("lab: host %s has no port on a network %q", h.name, network))
}

// prepareDisk lays out the host's own layers of /etc and /var.
func (h *Host) prepareDisk() error {
	for _, dir := range disks() {
		layer := filepath.Join(h.disk, dir)
		for _, d := range []string{layer, layer + ".work"} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				return err
			}
		}
	}
	if mappedUser() {
		// The machine's directories belong to a user this namespace does not know. Own ones in front of them can be
		// written, and still show what lies below.
		for _, dir := range []string{"/etc/ha.d", "/var/lib", "/var/log", "/var/cache", "/var/tmp"} {
			if err := os.MkdirAll(filepath.Join(h.disk, dir), 0o755); err != nil {
				return err
			}
		}
	}
	for path, text := range map[string]string{"hosts": h.lab.plan.hostsFile(), "hostname": h.name + "\n"} {
		if err := os.WriteFile(filepath.Join(h.disk, "etc", path), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// PowerOn boots the host: a fresh init, the same name, interfaces, addresses and MAC addresses, /etc and /var as they were. It
// returns when the interfaces are up. A host that is on stays as it is.
func (h *Host) PowerOn() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.power != nil {
		return nil
	}
	if err := h.boot(); err != nil {
		return errors.Join(fmt.Errorf("power on %s: %w", h.name, err), h.powerOff())
	}
	return nil
}

// PowerOff takes the host's power away: first its links, so that nothing says goodbye, then all its processes at once. When it
// returns they are gone. A host that is off stays off.
func (h *Host) PowerOff() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.powerOff(); err != nil {
		return fmt.Errorf("power off %s: %w", h.name, err)
	}
	return nil
}

func (h *Host) boot() error {
	p, err := startHostInit(station{Name: h.name, Disk: h.disk})
	if err != nil {
		return err
	}
	h.power = p
	if err := nameNamespace(h.name, p.ns); err != nil {
		return err
	}
	if p.links, err = netlink.NewHandleAt(p.ns); err != nil {
		return err
	}
	if _, err := setUp(p.links, "lo"); err != nil {
		return err
	}
	return h.lab.attach(h.ports, p)
}

// startHostInit starts the init of a host and waits until the host's view is set up.
func startHostInit(s station) (*power, error) {
	config, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	status, report, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer status.Close()
	cmd := &exec.Cmd{
		Path: self, Args: []string{roleHost, string(config)}, Env: environment(),
		Stderr: os.Stderr, ExtraFiles: []*os.File{report},
		SysProcAttr: &syscall.SysProcAttr{Cloneflags: freshNamespaces, Setsid: true},
	}
	err = cmd.Start()
	report.Close()
	if err != nil {
		return nil, fmt.Errorf("start its init: %w", err)
	}
	p := &power{init: cmd, pidfd: -1, ns: netns.None()}
	said, _ := io.ReadAll(status)
	if string(said) != ready {
		return nil, errors.Join(fmt.Errorf("set up its view: %s", strings.TrimSpace(string(said))), p.cut())
	}
	if p.pidfd, err = unix.PidfdOpen(cmd.Process.Pid, 0); err == nil {
		p.ns, err = netns.GetFromPid(cmd.Process.Pid)
	}
	if err != nil {
		return nil, errors.Join(err, p.cut())
	}
	return p, nil
}

// cut kills the host's init and waits for it. The kernel lets it end only after every process of the host has ended.
func (p *power) cut() error {
	err := p.init.Process.Kill()
	_ = p.init.Wait() // "signal: killed" is what was asked for
	if p.ice != nil {
		err = errors.Join(err, p.ice.melt())
	}
	if p.links != nil {
		p.links.Close()
	}
	if p.pidfd >= 0 {
		unix.Close(p.pidfd)
	}
	if p.ns.IsOpen() {
		err = errors.Join(err, p.ns.Close())
	}
	return err
}

func (h *Host) powerOff() error {
	if h.power == nil {
		return nil
	}
	// Ports go dark and processes die within a millisecond. To remove the interfaces takes the kernel some ten, so it is last.
	err := errors.Join(h.lab.darken(h.ports), h.power.cut(), h.lab.detach(h.ports), unnameNamespace(h.name))
	h.power = nil
	return err
}

// Do calls do on a thread that sees what the host's processes see: its network, files, name and PID namespace. Sockets opened
// in it stay the host's. Goroutines that do starts are not in the host, and
// /proc/self does not exist there: the calling process is not one of the host's.
func (h *Host) Do(do func() error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.do(do)
}

func (h *Host) do(do func() error) error {
	if h.power == nil {
		return fmt.Errorf("host %s is powered off", h.name)
	}
	pidfd := h.power.pidfd
	return onThread(func() error {
		if err := unix.Unshare(unix.CLONE_FS); err != nil { // else the mount namespace may not be changed
			return fmt.Errorf("enter %s: %w", h.name, err)
		}
		if err := unix.Setns(pidfd, freshNamespaces); err != nil {
			return fmt.Errorf("enter %s: %w", h.name, err)
		}
		return do()
	})
}

// WriteFile writes a file as the host sees it, and makes the directories it needs. Files in /etc and /var are the host's own and
// survive a power loss; files in /run are its own and do not.
func (h *Host) WriteFile(path, text string, mode os.FileMode) error {
	return h.Do(func() error {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		// A new file in place of the old one: without root, one that belongs to the machine can be replaced, not changed.
		fresh := path + ".new"
		if err := os.WriteFile(fresh, []byte(text), mode); err != nil {
			return err
		}
		return errors.Join(os.Chmod(fresh, mode), os.Rename(fresh, path))
	})
}

// ReadFile returns a file as the host sees it.
func (h *Host) ReadFile(path string) (string, error) {
	var text []byte
	err := h.Do(func() (err error) {
		text, err = os.ReadFile(path)
		return err
	})
	return string(text), err
}

// Bind puts the file or directory source over target for all processes of the host, until it loses power. Both must exist.
func (h *Host) Bind(source, target string) error {
	return h.Do(func() error {
		if err := unix.Mount(source, target, "none", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("bind %s over %s on %s: %w", source, target, h.name, err)
		}
		return nil
	})
}

// setUp takes an interface up and returns its index.
func setUp(handle *netlink.Handle, name string) (int, error) {
	link, err := handle.LinkByName(name)
	if err != nil {
		return 0, fmt.Errorf("find %s: %w", name, err)
	}
	if err := handle.LinkSetUp(link); err != nil {
		return 0, fmt.Errorf("%s up: %w", name, err)
	}
	return link.Attrs().Index, nil
}

// addAddresses puts the plan's addresses on an interface. They are usable at once: nobody else in the lab has them.
func addAddresses(handle *netlink.Handle, name string, addresses []netip.Prefix) error {
	link, err := handle.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	for _, prefix := range addresses {
		address := &netlink.Addr{IPNet: &net.IPNet{
			IP:   prefix.Addr().AsSlice(),
			Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen()),
		}}
		if prefix.Addr().Is6() {
			address.Flags = unix.IFA_F_NODAD
		}
		if err := handle.AddrAdd(link, address); err != nil {
			return fmt.Errorf("add %s to %s: %w", prefix, name, err)
		}
	}
	return nil
}
