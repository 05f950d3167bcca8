package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lubdub/internal/lab"
)

// The hosts of a night beside those of the measurements.
const (
	gateway  = "gateway"
	intruder = "stranger"

	shared6 = "2001:db8::100"
	routed  = "192.0.2.1" // the gateway's address, and the ping node
)

// The times of both nodes. keepalived counts by one interval: three of 0.6 s, and a skew, are about as long.
const (
	stormKeepalive = 250 * time.Millisecond
	stormDead      = 2 * time.Second
	stormInitDead  = 4 * time.Second
	stormAdvert    = 600 * time.Millisecond
)

const (
	// askPace is the time between two questions, and between two connections.
	askPace = 10 * time.Millisecond
	// watchPace is how often a supervisor looks whether its daemon runs.
	watchPace = 250 * time.Millisecond
	// orderTime is how long an operator waits for a command.
	orderTime = 10 * time.Second
	// recovery is how long a cluster may take from the last heal until it serves steadily. A client that has learnt a stranger's
	// hardware address alone needs ten seconds to forget it.
	recovery = 25 * time.Second
	// stateSize is the size of the file system that holds a node's state, as a mount option.
	stateSize = "size=1m"
)

// deed begins a fault, and returns what ends it.
type deed func(*night, context.Context, happening) (undo, error)

// undo ends a fault.
type undo func(context.Context) error

// happening is a fault as it came about.
type happening struct {
	fault
	kind     kind
	node     string // the target's name; both nodes: both
	from, to time.Duration
	end      undo
	err      error // it did not come about, or could not be ended
}

// night is one cluster and what happens to it.
type night struct {
	seed   uint64
	who    contestant
	setup  setup
	faults []fault
	dir    string

	lab     *lab.Lab
	daemons map[string]*lab.Process
	servers map[string]*lab.Process
	ours    map[string][]int // further processes of the harness on a node
	wanted  map[string]bool  // the daemon should run
	powered map[string]bool
	late    []undo // of faults that could not be ended in time
	boots   int
	deaths  []string // daemons that ended by themselves

	page      *lab.Load
	probers   []*lab.Prober
	capture   *lab.Capture
	wall      time.Time // the wall clock's time when the boot clock began
	happened  []happening
	windows   []lab.Span // of the faults that came one at a time, in the order of happened
	began     time.Duration
	calm      lab.Span
	unserved  []string // after which faults it did not serve again
	lastWatch time.Duration
}

// stormPlan is the tutorial's world with a gateway and a stranger.
func stormPlan() []lab.Network {
	return []lab.Network{
		{Name: front, Ports: []string{
			owner + " 192.0.2.11/24 2001:db8::11/64", other + " 192.0.2.12/24 2001:db8::12/64", client + " 192.0.2.50/24 2001:db8::50/64",
			gateway + " " + routed + "/24", intruder + " 192.0.2.66/24",
		}},
		{Name: cable, Ports: []string{owner + " 10.0.0.1/24", other + " 10.0.0.2/24"}, CrossOver: true},
	}
}

// newNight boots the hosts, starts the product on both nodes, and the judges.
func newNight(ctx context.Context, n *night) (err error) {
	n.daemons, n.servers, n.ours = map[string]*lab.Process{}, map[string]*lab.Process{}, map[string][]int{}
	n.wanted, n.powered = map[string]bool{}, map[string]bool{owner: true, other: true}
	if n.dir, err = filepath.Abs(n.dir); err != nil {
		return err
	}
	if err := n.mountStates(); err != nil {
		return err
	}
	if n.lab, err = lab.New(n.dir, stormPlan()...); err != nil {
		return err
	}
	for _, node := range []string{owner, other} {
		if err := n.who.prepare(n.lab.Host(node), nodes{owner, other}, n.setup, n.storageLog()); err != nil {
			return err
		}
		if err := n.furnish(ctx, node); err != nil {
			return err
		}
	}
	if err := n.judges(); err != nil {
		return err
	}
	n.wall = time.Now().Add(-lab.Now())
	return errors.Join(n.start(ctx, owner), n.start(ctx, other))
}

// judges starts what looks at the cluster from outside.
func (n *night) judges() (err error) {
	c := n.lab.Host(client)
	if n.capture, err = c.Capture(front, "arp or icmp6"); err != nil {
		return err
	}
	for _, address := range []string{shared, shared6} {
		p, err := c.Probe(front, address, askPace)
		if err != nil {
			return err
		}
		n.probers = append(n.probers, p)
	}
	n.page, err = c.Load("http://"+shared+":80", lab.Pace{Every: askPace})
	return err
}

func (n *night) stateDir(node string) string { return filepath.Join(n.dir, "state-"+node) }
func (n *night) storageLog() string          { return filepath.Join(n.dir, "storage.log") }

// mountStates makes a small file system for each node's state. It is there before the hosts are, so that they see it.
func (n *night) mountStates() error {
	for _, node := range []string{owner, other} {
		if err := os.MkdirAll(n.stateDir(node), 0o755); err != nil {
			return err
		}
		if err := unix.Mount("tmpfs", n.stateDir(node), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, stateSize); err != nil {
			return fmt.Errorf("mount the state of %s: %w", node, err)
		}
	}
	return nil
}

// close ends the night. The logs stay.
func (n *night) close() error {
	var errs []error
	for _, h := range n.happened {
		if h.end != nil && h.kind.name == "delay-cable" {
			errs = append(errs, h.end(context.Background()))
		}
	}
	if n.lab != nil {
		errs = append(errs, n.lab.Close())
	}
	for _, node := range []string{owner, other} {
		if err := unix.Unmount(n.stateDir(node), unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// furnish gives a node that was switched on what its machine would start at boot, but for the product.
func (n *night) furnish(ctx context.Context, node string) (err error) {
	h := n.lab.Host(node)
	n.boots++
	// The kernel's name for a boot is the same for all hosts; each gets one of its own.
	if err := h.WriteFile("/run/boot_id", fmt.Sprintf("00000000-0000-4000-8000-%012d\n", n.boots), 0o444); err != nil {
		return err
	}
	if err := h.Bind("/run/boot_id", "/proc/sys/kernel/random/boot_id"); err != nil {
		return err
	}
	if dir := n.who.state; dir != "" {
		if err := command(ctx, h, "mkdir", "-p", dir); err != nil {
			return err
		}
		if err := h.Bind(n.stateDir(node), dir); err != nil {
			return err
		}
	}
	// An interface that is set down keeps its IPv6 address, as an administrator's network scripts would see to.
	if err := command(ctx, h, "sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/eth0/keep_addr_on_down"); err != nil {
		return err
	}
	n.ours[node] = nil
	n.servers[node], err = h.Serve("http://"+shared+":80", 0)
	return err
}

// start starts the product on a node; from then on a supervisor sees to it that it runs.
func (n *night) start(ctx context.Context, node string) (err error) {
	n.wanted[node] = true
	n.daemons[node], err = n.who.product.start(ctx, n.lab.Host(node))
	return err
}

// boot switches a node on and starts everything on it.
func (n *night) boot(ctx context.Context, node string) error {
	if err := n.switchOn(ctx, node); err != nil {
		return err
	}
	return n.start(ctx, node)
}

func (n *night) switchOn(ctx context.Context, node string) error {
	if err := n.lab.Host(node).PowerOn(); err != nil {
		return err
	}
	n.powered[node] = true
	return n.furnish(ctx, node)
}

// switchOff takes a node's power. Its storage knows that the machine is off.
func (n *night) switchOff(node string) error {
	n.wanted[node], n.powered[node] = false, false
	err := n.lab.Host(node).PowerOff()
	return errors.Join(err, n.note(node, "off"))
}

// processes are those of the product on a node.
func (n *night) processes(node string) ([]int, error) {
	server := n.servers[node]
	pids, err := neighbours(server.Pid())
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(pids, func(pid int) bool {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		return err != nil || strings.HasPrefix(string(line), "lubdub-lab-") || slices.Contains(n.ours[node], pid)
	}), nil
}

// victims are the processes that a fault of the product hits.
func (n *night) victims(node string) ([]int, error) {
	if n.who.whole {
		return n.processes(node)
	}
	return []int{n.daemons[node].Pid()}, nil
}

// supervise starts a daemon that has ended by itself. A product that reboots its machine finds it booted.
func (n *night) supervise(ctx context.Context) error {
	if lab.Now()-n.lastWatch < watchPace {
		return nil
	}
	n.lastWatch = lab.Now()
	for _, node := range []string{owner, other} {
		if !n.wanted[node] {
			continue
		}
		pids, err := n.processes(node)
		switch {
		case err != nil:
			n.died(node, "its machine was rebooted")
			if err := errors.Join(n.switchOff(node), n.boot(ctx, node)); err != nil {
				return err
			}
		case n.gone(node, pids):
			n.died(node, "its daemon ended by itself")
			if err := n.start(ctx, node); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *night) gone(node string, pids []int) bool {
	if n.who.whole {
		return len(pids) == 0
	}
	return errors.Is(syscall.Kill(n.daemons[node].Pid(), 0), unix.ESRCH)
}

func (n *night) died(node, how string) {
	n.deaths = append(n.deaths, fmt.Sprintf("%s at %.3fs: %s", node, (lab.Now()-n.began).Seconds(), how))
}

// rest waits, with the supervisor at work.
func (n *night) rest(ctx context.Context, until time.Duration) error {
	for {
		if err := n.supervise(ctx); err != nil {
			return err
		}
		left := until - lab.Now()
		if left <= 0 {
			return nil
		}
		if err := pause(ctx, min(left, watchPace)); err != nil {
			return err
		}
	}
}

// serves names the one node that has answered every request for some time.
func (n *night) serves(span time.Duration) (string, bool) {
	now := lab.Now()
	s := n.page.Summary(now-span, now-5*askPace)
	if s.Requests == 0 || s.Failed > 0 || len(s.Servers) != 1 || s.Gap.Duration() > span/2 {
		return "", false
	}
	for node := range s.Servers {
		return node, true
	}
	return "", false
}

// last names the node that has answered last.
func (n *night) last() string {
	now, node, at := lab.Now(), owner, time.Duration(0)
	for _, r := range n.page.Requests(now-recovery, now) {
		if answered := r.At + r.Latency; r.Err == "" && answered > at {
			node, at = r.Server, answered
		}
	}
	return node
}

// await waits until one node has served for some time, but no longer than recovery.
func (n *night) await(ctx context.Context, span time.Duration) (bool, error) {
	began := lab.Now()
	for deadline := began + recovery; lab.Now() < deadline; {
		if err := n.rest(ctx, lab.Now()+glance); err != nil {
			return false, err
		}
		if _, ok := n.serves(span); ok && lab.Now()-began >= span {
			return true, nil
		}
	}
	return false, nil
}
