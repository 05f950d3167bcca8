package daemon

import (
	"context"
	"sync/atomic"
	"time"

	"lubdub/internal/cluster"
)

// inputQueue is how many inputs wait for the loop. Heartbeats are dropped and
// counted when it is full; whatever else comes waits for its place.
const inputQueue = 1024

// loop joins the machine and the edges. It is the only place where the machine
// is stepped. Nothing in it waits: not for a child, a disk, a lock or a peer.
type loop struct {
	machine *cluster.Machine
	now     func() cluster.Time
	inputs  chan cluster.Input
	asks    chan chan<- cluster.Status
	perform func(cluster.Output)
	// before sees each input ahead of the machine.
	before func(cluster.Input)
	step   uint64          // counts the steps
	last   atomic.Int64    // when the last one was; 0: there was none yet
	again  *cluster.Reload // why it ended, when a reload ended it
}

func newLoop(m *cluster.Machine, now func() cluster.Time, perform func(cluster.Output), before func(cluster.Input)) *loop {
	return &loop{
		machine: m, now: now, perform: perform, before: before,
		inputs: make(chan cluster.Input, inputQueue),
		asks:   make(chan chan<- cluster.Status),
	}
}

// run steps the machine for each input and at each deadline until the machine
// says Exit (then left is true, and clean what it said), or ctx ends.
func (l *loop) run(ctx context.Context) (clean, left bool) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var in cluster.Input
		select {
		case <-ctx.Done():
			return false, false
		case in = <-l.inputs:
		case answer := <-l.asks:
			answer <- l.machine.Status()
			continue
		case <-timer.C:
		}
		if in != nil {
			l.before(in)
		}
		l.step++
		at := l.now()
		l.last.Store(int64(at))
		for _, o := range l.machine.Step(at, in) {
			if exit, ok := o.(cluster.Exit); ok {
				l.again = exit.Again
				return exit.Clean, true
			}
			l.perform(o)
		}
		timer.Reset(max(0, l.machine.Deadline().Sub(l.now())))
	}
}

// tell hands an input over, and waits for its place: outcomes and answers are never lost.
func (l *loop) tell(ctx context.Context, in cluster.Input) {
	select {
	case l.inputs <- in:
	case <-ctx.Done():
	}
}

// offer hands an input over unless the queue is full.
func (l *loop) offer(in cluster.Input) bool {
	select {
	case l.inputs <- in:
		return true
	default:
		return false
	}
}

// status asks the machine how things stand. That it takes part in the loop
// shows that the daemon still decides.
func (l *loop) status(ctx context.Context) (cluster.Status, error) {
	answer := make(chan cluster.Status, 1)
	select {
	case l.asks <- answer:
		return <-answer, nil
	case <-ctx.Done():
		return cluster.Status{}, ctx.Err()
	}
}
