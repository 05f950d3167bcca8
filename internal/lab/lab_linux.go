package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// namedDir is where "ip netns" looks for namespaces by name. Inside the lab it is the lab's own.
const namedDir = "/run/netns"

// Lab is a set of hosts on networks. Its methods may be called from several goroutines.
type Lab struct {
	networks []Network
	plan     *planned
	dir      string // the caller's, for logs and captures
	disk     string // the lab's own, in its private /run
	hosts    map[string]*Host

	mu     sync.Mutex // guards the switch, the ports and the faults
	wires  *wires
	faults []Fault
	closed bool
}

// New builds the networks and boots every host on them. Logs of processes and captures go to dir, which is the caller's and
// stays. Outside of namespaces made by Enter it refuses with ErrOutside.
func New(dir string, networks ...Network) (*Lab, error) {
	if !inside() {
		return nil, fmt.Errorf("%w: call Enter first, and heed its error", ErrOutside)
	}
	plan, err := parsePlan(networks)
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	disk, err := os.MkdirTemp("/run", "lab-")
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	l := &Lab{networks: networks, plan: plan, dir: dir, disk: disk, hosts: map[string]*Host{}}
	if err := l.build(); err != nil {
		return nil, errors.Join(fmt.Errorf("lab: %w", err), l.Close())
	}
	return l, nil
}

// build makes the switch and boots the hosts.
func (l *Lab) build() error {
	wires, err := layWires("switch-"+filepath.Base(l.disk), l.networks)
	if err != nil {
		return err
	}
	l.wires = wires
	for _, name := range l.plan.hosts {
		h := &Host{name: name, lab: l, disk: filepath.Join(l.disk, name)}
		for _, p := range l.plan.ports {
			if p.host == name {
				h.ports = append(h.ports, p)
			}
		}
		if err := h.prepareDisk(); err != nil {
			return fmt.Errorf("disk of %s: %w", name, err)
		}
		l.hosts[name] = h
		if err := h.PowerOn(); err != nil {
			return err
		}
	}
	return nil
}

// Host returns the host of that name. An unknown name is a mistake in the calling program, so it panics.
func (l *Lab) Host(name string) *Host {
	h, ok := l.hosts[name]
	if !ok {
		panic(fmt.Sprintf("lab: no host %q in the plan, only %v", name, l.plan.hosts))
	}
	return h
}

// Close ends all processes and removes all hosts and networks. It may be called twice.
func (l *Lab) Close() error {
	var errs []error
	for _, name := range l.plan.hosts {
		if h := l.hosts[name]; h != nil {
			errs = append(errs, h.PowerOff())
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errors.Join(errs...)
	}
	l.closed = true
	if l.wires != nil {
		errs = append(errs, l.wires.remove())
	}
	return errors.Join(append(errs, os.RemoveAll(l.disk))...)
}

// wires is the switch: a namespace of its own with one bridge for each network.
type wires struct {
	name   string
	ns     netns.NsHandle
	handle *netlink.Handle
}

// layWires makes the switch's namespace and its bridges.
func layWires(name string, networks []Network) (*wires, error) {
	w := &wires{name: name, ns: netns.None()}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("new network namespace: %w", err)
		}
		ns, err := netns.Get()
		if err != nil {
			return err
		}
		w.ns = ns
		// The switch itself must say nothing: no router solicitations, no multicast reports.
		return os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0o644)
	})
	if err == nil {
		err = nameNamespace(name, w.ns)
	}
	if err == nil {
		w.handle, err = netlink.NewHandleAt(w.ns)
	}
	if err == nil {
		err = w.addBridges(networks)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("switch: %w", err), w.remove())
	}
	return w, nil
}

// addBridges adds one bridge a network. Without STP a port forwards as soon as it is up.
func (w *wires) addBridges(networks []Network) error {
	flood := false // snooping without a querier on the network would lose multicast heartbeats
	for _, n := range networks {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = n.Name
		bridge := &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &flood}
		if err := w.handle.LinkAdd(bridge); err != nil {
			return fmt.Errorf("add bridge %s: %w", n.Name, err)
		}
		if err := w.handle.LinkSetUp(bridge); err != nil {
			return fmt.Errorf("bridge %s up: %w", n.Name, err)
		}
	}
	return nil
}

// remove gives up the switch. The kernel then removes what is in it.
func (w *wires) remove() error {
	if w.handle != nil {
		w.handle.Close()
	}
	if !w.ns.IsOpen() {
		return nil
	}
	return errors.Join(unnameNamespace(w.name), w.ns.Close())
}

// nameNamespace lets "ip netns exec NAME" find the namespace.
func nameNamespace(name string, ns netns.NsHandle) error {
	path := filepath.Join(namedDir, name)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return fmt.Errorf("name namespace %s (does another lab of this program use the name?): %w", name, err)
	}
	f.Close()
	from := fmt.Sprintf("/proc/self/fd/%d", int(ns))
	if err := unix.Mount(from, path, "none", unix.MS_BIND, ""); err != nil {
		return errors.Join(fmt.Errorf("name namespace %s: %w", name, err), os.Remove(path))
	}
	return nil
}

// unnameNamespace takes the name away again.
func unnameNamespace(name string) error {
	path := filepath.Join(namedDir, name)
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// onThread runs do on a thread of its own, which ends with it. So do may change the thread's namespaces.
func onThread(do func() error) error {
	result := make(chan error, 1)
	var run func()
	run = func() {
		runtime.LockOSThread() // and never unlock: Go then ends the thread
		if unix.Gettid() == unix.Getpid() {
			// The main thread stands for the process in /proc and can not be ended: leave it, use another.
			done := make(chan struct{})
			go func() { defer close(done); run() }()
			<-done
			runtime.UnlockOSThread()
			return
		}
		result <- do()
	}
	go run()
	return <-result
}
