package sim

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"lubdub/internal/cluster"
)

// Core is what is judged: package cluster's Machine, or a stand-in of a test.
type Core interface {
	Step(now cluster.Time, in cluster.Input) []cluster.Output
	Deadline() cluster.Time
	Status() cluster.Status
}

// Options choose what a schedule is played with.
type Options struct {
	// New makes the core of a node; nil: package cluster's.
	New func(cluster.Config, cluster.Saved, cluster.Time) Core
	// StillClocks leaves every wall clock as it is: decisions must be the same (invariant I9).
	StillClocks bool
	prepare     func(*World) // what a test does to a new world
	// Trace keeps a transcript of the whole schedule.
	Trace bool
	// Hash folds each output into Report.Hash: two runs of a night must agree.
	Hash bool
	// Off are rules that do not count: what else catches a mutant?
	Off []string
	// Tail is how much of the time before a violation a transcript tells.
	Tail time.Duration
}

func (o Options) core(cfg cluster.Config, saved cluster.Saved, now cluster.Time) Core {
	if o.New != nil {
		return o.New(cfg, saved, now)
	}
	return cluster.New(cfg, saved, now)
}

// Setup is the cluster that a world is built around.
type Setup struct {
	Keepalive time.Duration
	DeadTime  time.Duration
	InitDead  time.Duration
	Links     int // 1: the cross-over cable only; 2: beats on the front too
	Failback  bool
	Groups    []cluster.Group
	Gateway   bool          // a third station talks on the front
	Strict    bool          // policy coldstart strict
	Take      bool          // policy partition take
	Pings     int           // ping nodes
	Far       bool          // they stand behind the gateway
	Keep      bool          // policy isolated keep
	Fencing   bool          // each node has a fence device
	NoLease   bool          // the kernels have no nftables: life-times in whole seconds
	Watchdog  time.Duration // the time-out that the devices have; zero: there are none
	Limit     int           // failures that move a group; 0: the usual number; negative: none do
	Stay      bool          // what does not start is tried again where it is (on-failure start=stay)
	Ignore    bool          // a group goes on without what does not start (on-failure start=ignore)
}

// Tutorial is the cluster of the tutorial at the recommended times: a shared
// address and a web server that may run once.
func Tutorial() Setup {
	return Setup{
		Keepalive: 250 * time.Millisecond,
		DeadTime:  2 * time.Second,
		InitDead:  4 * time.Second,
		Links:     2,
		Gateway:   true,
		Groups:    []cluster.Group{group("web", "a", address("ip0", 100), agent("httpd"))},
	}
}

// yield is Y of docs/protocol.md: how long an owner may go without being confirmed.
func (s Setup) yield() time.Duration { return s.DeadTime * 7 / 10 }

// ticket is the time-out of rule K2's ticket.
func (s Setup) ticket() time.Duration { return s.Keepalive * 4 / 10 }

// pingLease is G of docs/protocol.md: for how long an answer of a ping node counts.
func (s Setup) pingLease() time.Duration { return min(s.DeadTime*3/10, time.Second) }

// keepLease is G for an owner: longer where the kernel counts whole seconds.
func (s Setup) keepLease() time.Duration {
	if s.NoLease && s.yield() > coarseLease+time.Second {
		return coarseLease
	}
	return s.pingLease()
}

// coarseLease is G without nftables.
const coarseLease = 3 * time.Second

// pingGaps of these gaps between answers fit into G.
const pingGaps = 3

// deadPing is after what silence a ping node counts as dead.
func (s Setup) deadPing() time.Duration { return s.DeadTime }

// fenceDelay is how long the node waits that gives way when both would shoot.
func (s Setup) fenceDelay() time.Duration { return s.DeadTime }

// dead is what a node asks its peer to wait: longer than the dead time when the
// watchdog is slow.
func (s Setup) dead() time.Duration {
	needs := s.Watchdog + 3*s.Keepalive/2 + 50*time.Millisecond
	if s.Watchdog == 0 || needs <= s.DeadTime*999/1000 {
		return s.DeadTime
	}
	return needs + time.Second
}

// pingNames are the ping nodes that a cluster can have.
func pingNames() []string { return []string{"gateway", "switch", "dns"} }

func (s Setup) config(self, peer string) cluster.Config {
	links := []string{"ucast eth1", "bcast eth0"}
	return cluster.Config{
		Cluster:      "sim",
		Self:         self,
		Peer:         peer,
		Links:        links[:s.Links],
		Keepalive:    s.Keepalive,
		WarnTime:     s.DeadTime / 2,
		DeadTime:     s.DeadTime,
		InitDead:     s.InitDead,
		AutoFailback: s.Failback,
		StrictStart:  s.Strict,
		TakeAnyway:   s.Take,
		NoLease:      s.NoLease,
		Pings:        pingNames()[:s.Pings],
		DeadPing:     s.deadPing(),
		KeepIsolated: s.Keep,
		Fencing:      s.Fencing,
		FenceDelay:   s.fenceDelay(),
		Watchdog:     s.Watchdog,
		Groups:       s.reacting(),
		Digests:      []cluster.Digest{{File: "haresources", Sum: "5eed"}},
	}
}

// reacting are the groups with what is done when something fails.
func (s Setup) reacting() []cluster.Group {
	groups := slices.Clone(s.Groups)
	for g := range groups {
		groups[g].Resources = slices.Clone(groups[g].Resources)
		for i := range groups[g].Resources {
			r := &groups[g].Resources[i]
			r.Limit, r.Window = cluster.UsualLimit, cluster.UsualWindow
			switch {
			case s.Limit < 0:
				r.Limit = 0
			case s.Limit > 0:
				r.Limit = s.Limit
			}
			switch {
			case isAddress(*r) || r.Warm:
			case s.Stay:
				r.OnStart = cluster.StartStay
			case s.Ignore:
				r.OnStart = cluster.StartIgnore
			}
		}
	}
	return groups
}

func group(name, preferred string, resources ...cluster.Resource) cluster.Group {
	return cluster.Group{Name: name, Preferred: preferred, Resources: resources}
}

func address(name string, last byte) cluster.Resource {
	return cluster.Resource{
		Name:      name,
		Class:     "address",
		Addresses: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, last}), 24)},
		Interface: "eth0",
		Interval:  10 * time.Second,
		Timeouts:  cluster.Timeouts{Start: 5 * time.Second, Stop: 5 * time.Second, Monitor: 5 * time.Second},
	}
}

func agent(name string) cluster.Resource {
	return cluster.Resource{
		Name:     name,
		Class:    "ocf",
		Provider: "heartbeat",
		Type:     "apache",
		Interval: 10 * time.Second,
		Timeouts: cluster.Timeouts{Start: 6 * time.Second, Stop: 6 * time.Second, Monitor: 4 * time.Second},
	}
}

// Service is a resource that runs in one place, and is looked at that often.
func Service(name string, interval time.Duration) cluster.Resource {
	r := agent(name)
	r.Interval = interval
	return r
}

func proxy(name string) cluster.Resource {
	r := agent(name)
	r.Class, r.Warm = "proxy", true
	return r
}

// drawGuards draws what else than the peer has an opinion, and the policies.
func (s *Setup) drawGuards(r *rand.Rand) {
	if r.IntN(2) == 0 {
		s.Pings = 1 + r.IntN(3)
		s.Far = r.IntN(3) == 0
		s.Keep = r.IntN(6) == 0
		s.Gateway = s.Gateway || s.Far
	}
	s.Fencing = r.IntN(4) == 0
	s.Limit = []int{0, 0, 0, 0, 1, 2, 5, -1}[r.IntN(8)]
	s.Stay = r.IntN(6) == 0
	s.Ignore = !s.Stay && r.IntN(6) == 0
	s.Take = r.IntN(12) == 0
	// Below three seconds this is level L0: nothing is promised.
	s.NoLease = r.IntN(5) == 0 && s.DeadTime >= 3*time.Second
	if r.IntN(4) == 0 {
		seconds := max(1, s.DeadTime/2/time.Second) // drivers count whole ones
		s.Watchdog = seconds * time.Second * time.Duration(1+r.IntN(2))
	}
}
