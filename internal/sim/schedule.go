package sim

import (
	"math/rand/v2"
	"time"

	"lubdub/internal/cluster"
)

// Run plays the schedule of a seed: a cluster, faults, then a calm in which
// progress is owed. A schedule that breaks a rule is played again with a transcript.
func Run(seed uint64, opts Options) Report {
	w := play(seed, opts)
	if w.stop != nil && !opts.Trace {
		opts.Trace = true
		w = play(seed, opts)
	}
	r := Report{
		Seed: seed, Faults: w.tally.faults, Simulated: w.now, Events: w.tally.events, Steps: w.tally.steps,
		Beats: w.tally.beats, Hash: w.hash, Outages: w.judge.outages, Violation: w.stop,
	}
	for g := range w.judge.groups {
		r.Moves += w.judge.groups[g].moves
	}
	if w.stop != nil {
		w.stop.Seed = seed
		w.stop.Transcript = w.log.tell(max(maxTail, opts.Tail))
	}
	return r
}

func play(seed uint64, opts Options) *World {
	rng := rand.New(rand.NewPCG(seed, 0))
	setup := drawSetup(rng)
	w := New(seed, setup, opts)
	s := newSchedule(w, rng)
	for _, n := range w.nodes {
		w.At(between(rng, 0, setup.DeadTime), func() {
			n.boot()
			w.after(between(rng, 0, 2*setup.DeadTime), n.start)
		})
	}
	w.Pass(between(rng, 0, setup.InitDead*2))
	s.next()
	w.Pass(between(rng, 20*setup.DeadTime, 50*setup.DeadTime))
	if w.stop == nil {
		s.calm()
	}
	return w
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
	for g := range s.Groups {
		for i := range s.Groups[g].Resources {
			s.Groups[g].Resources[i].Interval = 2 * s.DeadTime
		}
	}
	return s
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

// schedule draws faults, one after the other, as a seed says.
type schedule struct {
	w     *World
	rng   *rand.Rand
	kinds []fault
	gap   time.Duration // the mean time between two faults
	last  time.Duration // the mean time that a fault lasts
	over  bool          // the calm has begun: nothing heals or strikes any more
	asked [2]int        // how often the calm's commands were given
}

// newSchedule draws which faults this seed knows and how dense they are.
func newSchedule(w *World, rng *rand.Rand) *schedule {
	s := &schedule{w: w, rng: rng}
	d := w.setup.DeadTime
	s.gap = []time.Duration{d / 2, d, 2 * d, 4 * d, 12 * d}[rng.IntN(5)]
	s.last = []time.Duration{d / 2, d, 2 * d, 4 * d}[rng.IntN(4)]
	style := rng.IntN(16)
	for _, f := range faults {
		if style > 1 && rng.IntN(5) < 2 || style == 1 && f.peaceful {
			s.kinds = append(s.kinds, f)
		}
	}
	w.judge.peaceful = style <= 1
	w.wired = rng.IntN(8) == 0
	if rng.IntN(4) == 0 {
		w.maxLag = d / 10
	}
	return s
}

// next waits for the next fault.
func (s *schedule) next() {
	if len(s.kinds) == 0 {
		return
	}
	s.w.after(time.Duration(s.rng.ExpFloat64()*float64(s.gap)), func() {
		if s.over {
			return
		}
		s.strike()
		s.next()
	})
}

func (s *schedule) strike() {
	s.w.tally.faults++
	s.kinds[s.rng.IntN(len(s.kinds))].strike(s)
}

// span is how long a fault lasts.
func (s *schedule) span() time.Duration {
	return time.Millisecond + time.Duration(s.rng.ExpFloat64()*float64(s.last))
}

func (s *schedule) node() *node { return s.w.nodes[s.rng.IntN(2)] }

// later does something unless the calm has begun.
func (s *schedule) later(after time.Duration, do func()) {
	s.w.after(after, func() {
		if !s.over {
			do()
		}
	})
}
