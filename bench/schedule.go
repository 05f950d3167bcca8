package main

import (
	"math/rand/v2"
	"time"
)

// setup is how the cluster of a night is configured.
type setup struct {
	single   bool // one fault at a time, each in a cluster that serves steadily
	ping     bool // ha.cf names the gateway as a ping node
	failback bool // auto_failback on
	storage  bool // the group has a resource that may run once only
}

func (s setup) String() string {
	text := "faults overlap"
	if s.single {
		text = "one fault at a time"
	}
	for _, option := range []struct {
		on    bool
		words string
	}{{s.ping, "a ping node"}, {s.failback, "auto_failback on"}, {s.storage, "storage"}} {
		if option.on {
			text += ", " + option.words
		}
	}
	return text
}

const (
	// storm is how long the faults of a night go on; with the boot and the calm behind it a night is about a minute.
	storm = 42 * time.Second
	// between is the mean time from one fault to the next, where they overlap.
	between = 2500 * time.Millisecond
	// singles is how many faults a night has that come one at a time.
	singles = 8
	// briefest is the shortest fault.
	briefest = 200 * time.Millisecond
)

// draw makes the setup and the faults of a night from its seed, and of nothing else.
func draw(seed uint64, pings bool) (setup, []fault) {
	r := rand.New(rand.NewPCG(seed, 0x10bd0b))
	s := setup{single: seed%2 == 1, ping: r.IntN(2) == 0 && pings, failback: r.IntN(3) == 0, storage: r.IntN(3) > 0}
	if s.single {
		return s, drawSingles(r, seed)
	}
	return s, drawStorm(r)
}

// drawSingles takes the kinds in turn, so that a run of some nights has met them all. They hit the node that serves: what hits the
// other one interrupts nothing.
func drawSingles(r *rand.Rand, seed uint64) (all []fault) {
	every := kinds()
	first := int(seed/2%uint64(len(every))) * singles
	for i := range singles {
		f := drawFault(r, every[(first+i)%len(every)])
		if f.target == waiting {
			f.target = serving
		}
		all = append(all, f)
	}
	return all
}

// drawStorm takes some of the kinds, and lets their faults overlap.
func drawStorm(r *rand.Rand) (all []fault) {
	every := kinds()
	var chosen []kind
	for _, k := range every {
		if r.IntN(5) < 3 {
			chosen = append(chosen, k)
		}
	}
	if len(chosen) == 0 {
		chosen = every
	}
	at := time.Duration(0)
	for {
		at += time.Duration(r.ExpFloat64() * float64(between)).Truncate(time.Millisecond)
		f := drawFault(r, chosen[r.IntN(len(chosen))])
		if f.at = at; at+f.length > storm {
			return all
		}
		all = append(all, f)
	}
}

func drawFault(r *rand.Rand, k kind) fault {
	f := fault{kind: k.name, target: serving, length: briefest + time.Duration(r.Int64N(int64(k.most-briefest)))}
	f.length = f.length.Truncate(time.Millisecond)
	switch {
	case k.both:
		f.target = both
	case r.IntN(3) == 0:
		f.target = waiting
	}
	if k.drops == "some" {
		f.percent = 5 + r.IntN(86)
	}
	return f
}
