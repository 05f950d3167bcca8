package sim

import (
	"fmt"
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
	Hash      uint64 // of everything that the cores said
	Outages   Outages
	Violation *Violation // nil: none
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
	if w.stop == nil {
		w.stop = &Violation{At: w.now, Rule: rule, Words: fmt.Sprintf(format, args...)}
		w.log.add(true, "VIOLATION %s: %s", rule, w.stop.Words)
	}
}

// digest folds an output into the hash.
func (w *World) digest(node int, out cluster.Output) {
	w.mix(uint64(w.now) ^ uint64(node)<<62)
	switch o := out.(type) {
	case cluster.Send:
		w.mix(o.Beat.Seq ^ o.Beat.Echo.Seq<<32)
		for i := range o.Beat.Groups {
			w.mix(uint64(o.Beat.Groups[i].State) ^ o.Beat.Groups[i].Epoch<<8)
		}
	case cluster.Entitle:
		w.mix(o.Seq ^ uint64(o.Until)<<8)
	case cluster.Run:
		w.mix(o.ID ^ uint64(len(o.Action))<<32)
	case cluster.Probe:
		w.mix(o.Attempt)
	case cluster.Emit:
		for _, c := range []byte(o.Event.Words) {
			w.mix(uint64(c))
		}
	}
}
