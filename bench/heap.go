package main

import (
	"context"
	"net/netip"
	"runtime"
	"time"

	"lubdub/internal/cluster"
)

// pair is two machines of the core that do nothing but beat. Every message takes no time, every order succeeds.
type pair struct {
	now   cluster.Time
	cfg   cluster.Config
	nodes map[string]*cluster.Machine
	beats int
	queue []arrival
}

// arrival is an input on its way.
type arrival struct {
	to string
	in cluster.Input
}

// heapPace is how often the two beat in the heap's test.
const heapPace = 250 * time.Millisecond

func newPair() *pair {
	p := &pair{
		now: cluster.Time(time.Hour),
		cfg: cluster.Config{
			Cluster: "bench", Links: []string{"bcast eth1", "bcast eth0"}, Keepalive: heapPace, WarnTime: time.Second, DeadTime: 2 * time.Second,
			InitDead: 4 * time.Second, AutoFailback: true, Groups: []cluster.Group{{Name: "web", Preferred: owner, Resources: []cluster.Resource{{
				Name: shared, Class: "address", Type: "IPaddr2", Addresses: []netip.Prefix{netip.MustParsePrefix(shared + "/24")}, Interface: "eth0",
				Interval: 10 * time.Second, Timeouts: cluster.Timeouts{Start: time.Minute, Stop: time.Minute, Monitor: time.Minute},
			}}}},
		},
		nodes: map[string]*cluster.Machine{},
	}
	for self, peer := range map[string]string{owner: other, other: owner} {
		c := p.cfg
		c.Self, c.Peer = self, peer
		p.nodes[self] = cluster.New(c, cluster.Saved{Incarnation: 1, Clock: 1}, p.now)
	}
	for _, self := range []string{owner, other} {
		p.step(self, cluster.FrontChanged{Interface: "eth0", Carrier: true, MAC: "mac-" + self})
	}
	return p
}

// step steps one machine and does what it wants.
func (p *pair) step(self string, in cluster.Input) {
	peer := map[string]string{owner: other, other: owner}[self]
	later := func(to string, in cluster.Input) { p.queue = append(p.queue, arrival{to, in}) }
	for _, out := range p.nodes[self].Step(p.now, in) {
		switch o := out.(type) {
		case cluster.Send:
			for link := range p.cfg.Links {
				later(peer, cluster.Heard{Link: link, Beat: o.Beat})
			}
			p.beats++
		case cluster.Entitle:
			later(self, cluster.Leased{Group: o.Group, Seq: o.Seq})
		case cluster.Run:
			later(self, cluster.Outcome{ID: o.ID, Took: time.Millisecond})
		case cluster.Probe:
			later(self, cluster.Probed{Group: o.Group, Attempt: o.Attempt, Began: p.now, Evidence: true})
		}
	}
}

// pass lets the two beat until so many beats were sent. Each reaches the other through the bytes of the wire.
func (p *pair) pass(beats int) error {
	for p.beats < beats {
		for len(p.queue) > 0 {
			a := p.queue[0]
			p.queue = p.queue[1:]
			if heard, ok := a.in.(cluster.Heard); ok {
				message, err := heard.Beat.Message([16]byte{1}, 1, "0.00 0.00 0.00 1/100 1")
				if err != nil {
					return err
				}
				if heard.Beat, err = cluster.ParseBeat(message); err != nil {
					return err
				}
				a.in = heard
			}
			p.step(a.to, a.in)
		}
		next := owner
		if p.nodes[other].Deadline() < p.nodes[owner].Deadline() {
			next = other
		}
		p.now = max(p.now, p.nodes[next].Deadline())
		p.step(next, nil)
	}
	return nil
}

// heapAlloc is what lives on the heap.
func heapAlloc() int64 {
	runtime.GC()
	runtime.GC() // what the first one only marked for finalizing
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// growth is the heap's size after a tenth of the beats, and after all.
func growth(beats int) (early, late int64, owns string, err error) {
	p := newPair()
	if err := p.pass(beats / 10); err != nil {
		return 0, 0, "", err
	}
	early = heapAlloc()
	if err := p.pass(beats); err != nil {
		return 0, 0, "", err
	}
	late = heapAlloc()
	owns = p.nodes[owner].Status().Sentence // also keeps the pair alive until here
	return early, late, owns, nil
}

// maxGrowth is what the heap may differ by between two collections of an idle program: in a million beats less than a byte for ten.
const maxGrowth = 64 << 10

// million is the number of beats of the heap's test.
const million = 1_000_000

func (r report) heap(context.Context, wishes) error {
	began := time.Now()
	early, late, sentence, err := growth(million)
	if err != nil {
		return err
	}
	r.printf("\n## The heap after a million beats\n\nTwo machines of the core, %d beats through the wire's bytes in %.1f s, a virtual time of %v; in the end: %q.\n\n",
		million, time.Since(began).Seconds(), (million / 2 * heapPace).Round(time.Hour), sentence)
	r.printf("| | HeapAlloc after GC, bytes |\n| --- | --- |\n| at 10 %% | %d |\n| at 100 %% | %d |\n| growth | %+d, %s |\n", early, late, late-early, map[bool]string{true: "flat", false: "**not flat**"}[late-early <= maxGrowth])
	return nil
}
