package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lubdub/internal/lab"
)

const (
	// steady is how long a cluster must have served before it counts as serving; with failback that comes later.
	steady         = 1500 * time.Millisecond
	steadyFailback = 2*stormDead + 2*time.Second
	// calmSpan is how long the calm at the end is watched, and calmEnd the part of it in which nobody may move any more.
	calmSpan = 3 * time.Second
	calmEnd  = time.Second
)

// run lets the faults happen, heals everything, and watches the calm.
func (n *night) run(ctx context.Context) error {
	span := steady
	if n.setup.failback {
		span = steadyFailback
	}
	if ok, err := n.await(ctx, steady); err != nil || !ok {
		return errors.Join(err, fmt.Errorf("%s does not serve within %v of its first start", n.who.title, recovery))
	}
	n.began = lab.Now()
	faults := n.singles
	if !n.setup.single {
		faults = n.overlapping
	}
	if err := faults(ctx, span); err != nil {
		return err
	}
	for _, end := range n.late { // such as an order that a node without power did not hear
		if err := end(ctx); err != nil {
			n.deaths = append(n.deaths, "could not be healed: "+err.Error())
		}
	}
	ok, err := n.await(ctx, span)
	if err != nil {
		return err
	}
	if !ok {
		n.unserved = append(n.unserved, "everything healed")
	}
	n.calm.From = lab.Now()
	err = n.rest(ctx, n.calm.From+calmSpan)
	n.calm.To = lab.Now()
	return err
}

// singles lets one fault happen after the other, each to a cluster that serves steadily.
func (n *night) singles(ctx context.Context, span time.Duration) error {
	for _, f := range n.faults {
		at := lab.Now()
		if !n.strike(ctx, f) {
			continue
		}
		if err := n.rest(ctx, at+f.length); err != nil {
			return err
		}
		n.heal(ctx, len(n.happened)-1)
		ok, err := n.await(ctx, span)
		if err != nil {
			return err
		}
		for len(n.windows) < len(n.happened) {
			n.windows = append(n.windows, lab.Span{From: at, To: lab.Now()})
		}
		if !ok {
			n.unserved = append(n.unserved, f.String())
			if err := n.startOver(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// startOver does what an operator does when nothing else helps: both machines are booted anew. The next fault then finds a cluster
// that serves, if anything can.
func (n *night) startOver(ctx context.Context) error {
	boot, err := n.powerBoth(ctx, happening{})
	if err = errors.Join(err, boot(ctx)); err != nil {
		return err
	}
	_, err = n.await(ctx, steady)
	return err
}

// overlapping lets the faults happen when they are due.
func (n *night) overlapping(ctx context.Context, _ time.Duration) error {
	due := slices.Clone(n.faults)
	for {
		next, at := n.soonest()
		if len(due) > 0 && (next < 0 || n.began+due[0].at <= at) {
			next, at = -1, n.began+due[0].at
		} else if next < 0 {
			return nil
		}
		if err := n.rest(ctx, at); err != nil {
			return err
		}
		if next >= 0 {
			n.heal(ctx, next)
			continue
		}
		n.strike(ctx, due[0])
		due = due[1:]
	}
}

// soonest is the fault in force that ends first, and when; -1 when none is.
func (n *night) soonest() (int, time.Duration) {
	best, at := -1, time.Duration(0)
	for i, h := range n.happened {
		if h.end == nil {
			continue
		}
		if ends := h.from + h.length; best < 0 || ends < at {
			best, at = i, ends
		}
	}
	return best, at
}

// strike begins a fault, if it can be.
func (n *night) strike(ctx context.Context, f fault) bool {
	k, _ := kindOf(f.kind) // it was drawn from them, or checked when it was read
	if slices.Contains(n.who.skips, k.name) {
		return false
	}
	h := happening{fault: f, kind: k, node: n.target(f.target)}
	if n.claimed(h) || !n.reachable(h) {
		return false
	}
	begin := k.begin
	if begin == nil {
		begin = func(n *night, _ context.Context, h happening) (undo, error) { return n.drop(h) }
	}
	ordered, cancel := context.WithTimeout(ctx, orderTime)
	defer cancel()
	h.from = lab.Now()
	h.end, h.err = begin(n, ordered, h)
	n.happened = append(n.happened, h)
	return true
}

// heal ends a fault.
func (n *night) heal(ctx context.Context, i int) {
	h := &n.happened[i]
	if h.end == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, orderTime)
	defer cancel()
	if err := h.end(ctx); err != nil {
		h.err = errors.Join(h.err, err)
		n.late = append(n.late, h.end)
	}
	h.end, h.to = nil, lab.Now()
}

// target is the node that a fault's target stands for now.
func (n *night) target(name string) string {
	switch name {
	case serving:
		return n.last()
	case waiting:
		return peerOf(n.last())
	}
	return name
}

// claimed says that a fault in force holds what this one needs.
func (n *night) claimed(h happening) bool {
	return h.kind.claim != "" && slices.ContainsFunc(n.happened, func(o happening) bool {
		return o.end != nil && o.kind.claim == h.kind.claim && (o.node == h.node || o.kind.both || h.kind.both || h.kind.name == kindPowerLate || o.kind.name == kindPowerLate)
	})
}

// reachable says that the target is there to be hit: nothing can be ordered of a node without power, or that stands still.
func (n *night) reachable(h happening) bool {
	needs := h.kind.claim == "order" || h.kind.claim == "cpu" || h.kind.name == "down-front" || h.kind.name == "down-cable"
	return !needs || !slices.ContainsFunc(n.happened, func(o happening) bool {
		return o.end != nil && o.kind.stops && (o.node == h.node || o.kind.both || o.kind.name == kindPowerLate)
	})
}

// inForce says when the fault was in force; one that still is has no end yet.
func (h happening) inForce() lab.Span {
	to := h.to
	if to == 0 {
		to = lab.Now()
	}
	return lab.Span{From: h.from, To: to}
}
