package sim

import (
	"math/rand/v2"
	"strings"
	"time"
)

// Run plays the schedule of a seed: a cluster, faults, then a calm in which
// progress is owed. A schedule that breaks a rule is played again with a transcript.
func Run(seed uint64, opts Options) Report { return draw(seed).run(opts) }

// night is all that a schedule consists of: a cluster, and what befalls it. A
// seed draws one, a text holds one (replay.go), and both are played alike.
type night struct {
	seed     uint64 // of the small things: delays, clocks, how long an agent takes
	setup    Setup
	lag      time.Duration // the longest scheduling delay
	wired    bool          // beats go through the wire format
	peaceful bool          // no fault but agents that fail: what may run once runs once
	boots    [2]boot
	strikes  []strike
	calm     time.Duration // when everything is repaired
}

// boot is how a machine comes up at first.
type boot struct {
	at    time.Duration
	start time.Duration // how long after that its daemon starts
}

// run plays a night, and again with a transcript when it broke a rule.
func (n night) run(opts Options) Report {
	w := n.play(opts)
	if w.stop != nil && !opts.Trace {
		opts.Trace = true
		w = n.play(opts)
	}
	r := w.report()
	if w.stop != nil {
		w.stop.Seed = n.seed
		w.stop.Transcript = w.log.tell(max(maxTail, opts.Tail))
	}
	return r
}

// play lets the faults come, and then the calm.
func (n night) play(opts Options) *World {
	w := New(n.seed, n.setup, opts)
	w.maxLag, w.wired, w.judge.peaceful = n.lag, n.wired, n.peaceful
	if opts.prepare != nil {
		opts.prepare(w)
	}
	s := newSchedule(w)
	for i, b := range n.boots {
		w.At(b.at, func() {
			w.nodes[i].boot()
			w.after(b.start, w.nodes[i].start)
		})
	}
	for i := range n.strikes {
		k := &n.strikes[i]
		w.At(k.at, func() { s.strike(k) })
	}
	s.all(n.calm)
	return w
}

// all lets the faults come until the calm. A core that panics has broken a rule
// of its own.
func (s *schedule) all(until time.Duration) {
	defer func() {
		e := recover()
		words, ours := e.(string)
		switch {
		case e == nil:
		case ours && strings.HasPrefix(words, "cluster: "):
			s.w.fail("panic", "%s", words)
		default:
			panic(e)
		}
	}()
	s.w.Pass(until)
	if s.w.stop == nil {
		s.calm()
	}
	if s.w.stop == nil {
		s.exam()
	}
}

// schedule plays the faults of a night.
type schedule struct {
	w     *World
	kinds []fault
	rng   *rand.Rand // the calm's; a fault has its parameters from its dice
	over  bool       // the calm has begun: nothing heals or strikes any more
	asked [2]int     // how often the calm's commands were given
}

func newSchedule(w *World) *schedule {
	return &schedule{w: w, kinds: alphabet(), rng: rand.New(rand.NewPCG(w.seed, 5))}
}

// strike lets a fault happen now.
func (s *schedule) strike(k *strike) {
	if s.over {
		return
	}
	s.w.tally.faults++
	do, err := s.read(k)
	if err != nil {
		s.w.fail("text", "%v", err)
		return
	}
	if do != nil {
		do()
	}
}

// later does something unless the calm has begun.
func (s *schedule) later(after time.Duration, do func()) {
	s.w.after(after, func() {
		if !s.over {
			do()
		}
	})
}
