package sim

import (
	"math"
	"math/rand/v2"
	"time"

	"lubdub/internal/cluster"
)

// draw draws the night of a seed.
func draw(seed uint64) night {
	r := rand.New(rand.NewPCG(seed, 0))
	n := night{seed: seed, setup: drawSetup(r)}
	d := n.setup.DeadTime
	n.lag = min(30*time.Millisecond, d/20)
	if r.IntN(4) == 0 {
		n.lag = d / 10
	}
	n.wired = r.IntN(8) == 0
	for i := range n.boots {
		n.boots[i] = boot{micro(between(r, 0, d)), micro(between(r, 0, 2*d))}
	}
	begin := micro(between(r, 0, n.setup.InitDead*2))
	n.calm = begin + micro(between(r, 20*d, 50*d))
	n.drawStrikes(r, begin)
	return n
}

// drawSetup draws a cluster.
func drawSetup(r *rand.Rand) Setup {
	s := Setup{Keepalive: 250 * time.Millisecond, DeadTime: 2 * time.Second}
	switch r.IntN(5) {
	case 0:
		s.Keepalive, s.DeadTime = 50*time.Millisecond, 500*time.Millisecond
	case 1:
		s.Keepalive, s.DeadTime = time.Second, 10*time.Second
	}
	s.InitDead = s.DeadTime * time.Duration(10+r.IntN(20)) / 10
	s.Links = 1 + r.IntN(2)
	s.Failback = r.IntN(2) == 0
	s.Gateway = r.IntN(3) > 0
	s.Strict = r.IntN(8) == 0
	s.Groups = drawGroups(r)
	s.drawGuards(r)
	s.monitored()
	return s
}

// monitored lets resources be looked at each two dead times: often enough for a short night.
func (s *Setup) monitored() {
	for g := range s.Groups {
		for i := range s.Groups[g].Resources {
			s.Groups[g].Resources[i].Interval = 2 * s.DeadTime
		}
	}
}

func drawGroups(r *rand.Rand) []cluster.Group {
	switch r.IntN(6) {
	case 0:
		return []cluster.Group{group("web", "a", address("ip0", 100), agent("httpd"))}
	case 1:
		return []cluster.Group{group("web", "a", address("ip0", 100), proxy("proxy"))}
	case 2:
		return []cluster.Group{group("web", "b", agent("fs"), agent("httpd"), address("ip0", 100))}
	case 3:
		return []cluster.Group{
			group("web", "a", address("ip0", 100), proxy("proxy")),
			group("mail", "b", address("ip1", 101), agent("postfix")),
		}
	case 4:
		return []cluster.Group{group("web", "a", address("ip0", 100))}
	}
	return []cluster.Group{
		group("web", "a", address("ip0", 100), proxy("proxy")),
		group("mail", "b", address("ip1", 101), proxy("relay")),
	}
}

// swarm is the part of the alphabet that a seed knows, and how often it uses
// each letter: some are a hundred times as frequent as others.
type swarm struct {
	kinds  []*fault
	weight []float64
	sum    float64
}

// drawSwarm draws what a night knows: a tenth of the alphabet, or up to a half,
// for of a night in which everything happens at once little is to be learned. One
// in sixteen knows nothing, and one only what leaves nodes and networks alone.
func (n *night) drawSwarm(r *rand.Rand, kinds []fault) swarm {
	var s swarm
	style := r.IntN(16)
	n.peaceful = style <= 1
	share := []float64{0.1, 0.2, 0.5}[r.IntN(3)]
	for i := range kinds {
		f := &kinds[i]
		if style > 1 && r.Float64() < share || style == 1 && f.peaceful {
			w := math.Pow(10, 2*r.Float64()-1)
			s.kinds, s.weight, s.sum = append(s.kinds, f), append(s.weight, w), s.sum+w
		}
	}
	return s
}

func (s *swarm) next(r *rand.Rand) *fault {
	x := r.Float64() * s.sum
	for i, w := range s.weight {
		if x -= w; x < 0 {
			return s.kinds[i]
		}
	}
	return s.kinds[len(s.kinds)-1]
}

// drawStrikes draws faults, one after the other, until the calm begins. They
// last and overlap as the seed says.
func (n *night) drawStrikes(r *rand.Rand, from time.Duration) {
	d := n.setup.DeadTime
	gap := []time.Duration{d / 2, d, 2 * d, 4 * d, 12 * d}[r.IntN(5)]
	last := min([]time.Duration{d / 2, d, 2 * d, 4 * d}[r.IntN(4)], 3*gap)
	// The faults speak of a world's nodes and links: they are drawn in one that is never played.
	s := newSchedule(New(n.seed, n.setup, Options{}))
	known := n.drawSwarm(r, s.kinds)
	if len(known.kinds) == 0 {
		return
	}
	s.w.judge.peaceful = n.peaceful
	for at := from; ; {
		at += micro(time.Duration(r.ExpFloat64() * float64(gap)))
		if at >= n.calm {
			return
		}
		n.strikes = append(n.strikes, s.drawStrike(known.next(r), r, at, last)...)
	}
}
