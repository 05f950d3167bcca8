package sim

import (
	"net/netip"
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
	// Trace keeps a transcript of the whole schedule.
	Trace bool
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
	Gateway   bool // a third station talks on the front
	Strict    bool // policy coldstart strict
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
		Groups:       s.Groups,
		Digests:      []cluster.Digest{{File: "haresources", Sum: "5eed"}},
	}
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

func proxy(name string) cluster.Resource {
	r := agent(name)
	r.Class, r.Warm = "proxy", true
	return r
}
