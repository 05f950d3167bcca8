package demo

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"lubdub/internal/lab"
)

const (
	// look is how often a condition is looked at while it is waited for.
	look = 20 * time.Millisecond
	// recent is the span in which the client must have been content to say that a node serves.
	recent = 200 * time.Millisecond
	// calm is how long nothing may happen at the end of each step: it shows that
	// the step is over, and it is the control beside the next step's figures.
	calm = time.Second
	// doubt is how long two may seem to answer: on a busy machine the last answer
	// of one comes late, and is counted with the first of the other.
	doubt = 3 * probePace
	// settleLimit is for anything to come true: some dead times, on a slow machine.
	settleLimit = time.Minute
	// enoughServed is how many requests lately served show that the client is content: a tenth of those that a calm machine sends.
	enoughServed = int(recent/requestPace) / 10
)

// evidence is what the client and the prober saw in a span.
type evidence struct {
	lab.Summary
	calm      time.Duration // the longest gap in the calm before
	path      []string      // who answered the client, in order, each once a turn
	answering []string      // MAC addresses that answered ARP in the calm behind
	both      []lab.Span    // when two answered one question
	why       string        // the first request that failed, and how
}

// gather looks at the span from an event to now; the last part of it is calm.
func (w *world) gather(from, to time.Duration) evidence {
	e := evidence{Summary: w.load.Summary(from, to), calm: w.load.Summary(from-calm, from).Gap.Duration()}
	answers := w.prober.Answers(from, to)
	for _, a := range answers {
		if !a.Announced && a.At >= to-calm && !slices.Contains(e.answering, a.MAC) {
			e.answering = append(e.answering, a.MAC)
		}
	}
	e.turns(w.load.Requests(from-calm/2, to), from)
	for _, s := range w.prober.Overlaps(from, to) {
		if s.Duration() > doubt {
			e.both = append(e.both, s)
		}
	}
	return e
}

// turns goes through the requests: who answered, and which failed first. The path
// begins with who answered before the event: a node that lost power answers
// nothing behind it.
func (e *evidence) turns(requests []lab.Request, from time.Duration) {
	for _, r := range requests {
		switch {
		case r.Err == "":
			if len(e.path) == 0 || e.path[len(e.path)-1] != r.Server {
				e.path = append(e.path, r.Server)
			}
		case e.why == "":
			e.why = fmt.Sprintf("the first %s after the step began: %s", milliseconds(r.At-from), r.Err)
		}
	}
}

// outcome is what must come of a step.
type outcome struct {
	path   []*node       // who answers the client, in order
	gap    time.Duration // the longest that the client may be without an answer, beside twice the calm's
	failed bool          // requests may fail
}

// wrong says what did not come as it must; nothing is good.
func (o outcome) wrong(e evidence) []string {
	var wrong []string
	var want []string
	for _, n := range o.path {
		want = append(want, n.name)
	}
	last := o.path[len(o.path)-1]
	if !slices.Equal(e.path, want) {
		wrong = append(wrong, fmt.Sprintf("the client was answered by %s; it should be %s", turns(e.path), turns(want)))
	}
	// A machine that is busy with other things makes the client wait in the calm too.
	if gap, most := e.Gap.Duration(), o.gap+2*e.calm; gap > most {
		wrong = append(wrong, fmt.Sprintf("the client waited %s; at most %s is good", milliseconds(gap), milliseconds(most)))
	}
	if lost := e.Failed; lost > 0 && !o.failed {
		wrong = append(wrong, fmt.Sprintf("%d requests failed; none should (%s)", lost, e.why))
	}
	if !slices.Equal(e.answering, []string{last.mac}) {
		wrong = append(wrong, fmt.Sprintf("ARP is answered by %s; it should be %s alone (%s)",
			cmp.Or(strings.Join(e.answering, " and "), "nobody"), last.mac, short(last.name)))
	}
	for _, s := range e.both {
		wrong = append(wrong, "both nodes answered ARP, for "+milliseconds(s.Duration()))
	}
	return wrong
}

// served says that the client is content, and answered by this node alone.
func (w *world) served(n *node) bool {
	now := lab.Now()
	s := w.load.Summary(now-recent, now)
	return s.Failed == 0 && len(s.Servers) == 1 && s.Servers[n.name] >= enoughServed
}

// until waits for a condition.
func until(ctx context.Context, what string, holds func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, settleLimit, fmt.Errorf("not within %v: %s", settleLimit, what))
	defer cancel()
	for !holds() {
		if err := pause(ctx, look); err != nil {
			return err
		}
	}
	return nil
}

// pause lets time pass.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// turns says who answered, one after the other.
func turns(names []string) string {
	if len(names) == 0 {
		return "nobody"
	}
	var out []string
	for _, n := range names {
		out = append(out, short(n))
	}
	return strings.Join(out, ", then ")
}

// short is a node's name without its domain.
func short(name string) string {
	name, _, _ = strings.Cut(name, ".")
	return name
}

// milliseconds is a duration as all figures of the demo are printed.
func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
}
