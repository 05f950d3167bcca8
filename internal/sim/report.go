package sim

import (
	"fmt"
	"slices"
	"time"

	"lubdub/internal/cluster"
)

// Report is what one schedule came to.
type Report struct {
	Seed      uint64
	Faults    uint64
	Simulated time.Duration
	Events    uint64
	Steps     uint64
	Beats     uint64
	Moves     int    // how often another node began to answer
	Hash      uint64 // of everything that the cores said, with Options.Hash
	Outages   Outages
	Violation *Violation // nil: none
}

// report is what a played world came to.
func (w *World) report() Report {
	r := Report{
		Seed: w.seed, Faults: w.tally.faults, Simulated: w.now, Events: w.tally.events, Steps: w.tally.steps,
		Beats: w.tally.beats, Hash: w.hash.Sum64(), Outages: w.judge.outages, Violation: w.stop,
	}
	for g := range w.judge.groups {
		r.Moves += w.judge.groups[g].moves
	}
	return r
}

// Outages is what a client missed.
type Outages struct {
	Count   int
	Total   time.Duration
	Longest time.Duration
	Overlap time.Duration // the longest time that two nodes answered, with an excuse
}

func (o *Outages) add(d time.Duration) {
	o.Count++
	o.Total += d
	o.Longest = max(o.Longest, d)
}

// Violation is a rule that was broken.
type Violation struct {
	Seed       uint64
	At         time.Duration
	Rule       string
	Words      string
	Transcript []string // what led to it, when the schedule was traced
}

func (v *Violation) Error() string {
	return fmt.Sprintf("seed %d at %v: %s: %s", v.Seed, v.At, v.Rule, v.Words)
}

// fail ends the schedule with its first violation.
func (w *World) fail(rule, format string, args ...any) {
	if w.stop == nil && !slices.Contains(w.opts.Off, rule) {
		w.stop = &Violation{At: w.now, Rule: rule, Words: fmt.Sprintf(format, args...)}
		w.log.add(true, "VIOLATION %s: %s", rule, w.stop.Words)
	}
}

// digest folds everything that an output says into the hash of the whole stream.
func (w *World) digest(node int, out cluster.Output) {
	if w.opts.Hash {
		fmt.Fprintf(w.hash, "%d %d %T %+v\n", w.now, node, out, out)
	}
}
