package daemon

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"lubdub/internal/agent"
	"lubdub/internal/cluster"
)

// runner performs one action of a resource: package agent, or a fake in tests.
type runner interface {
	Run(context.Context, agent.Request) cluster.Outcome
}

// actions are the agents that run: one goroutine each, a leash each, and an
// outcome each, which is never lost. The loop owns it.
type actions struct {
	runner    runner
	resources map[string]cluster.Resource // by GROUP/NAME
	leashes   map[uint64]context.CancelFunc
	running   sync.WaitGroup
	gates     gates // what a start or stop waits for
	changes   map[uint64]bool
	changing  atomic.Int64 // how many changes there are, for those outside the loop: starts and stops
}

func newActions(cfg cluster.Config, r runner) *actions {
	a := &actions{runner: r, resources: map[string]cluster.Resource{}, leashes: map[uint64]context.CancelFunc{}, changes: map[uint64]bool{}}
	for _, g := range cfg.Groups {
		for _, r := range g.Resources {
			a.resources[g.Name+"/"+r.Name] = r
		}
	}
	return a
}

// start runs an action beside the loop.
func (a *actions) start(ctx context.Context, l *loop, run cluster.Run, leaseEnd cluster.Time) {
	leash, end := context.WithCancel(ctx)
	a.leashes[run.ID] = end
	if run.Action != cluster.Monitor {
		a.changes[run.ID] = true
		a.changing.Store(int64(len(a.changes)))
	}
	q := agent.Request{Resource: a.resources[run.Group+"/"+run.Resource], Group: run.Group, Action: run.Action,
		Timeout: run.Timeout, Epoch: run.Epoch, Deadline: leaseEnd}
	first := a.gates.of(run, q.Resource)
	a.running.Go(func() {
		defer end()
		out, refused := first.pass(leash, run.Resource)
		if !refused {
			out = a.runner.Run(leash, q)
		}
		out.ID = run.ID
		l.tell(ctx, out)
	})
}

// cancel ends an action; its outcome still comes.
func (a *actions) cancel(id uint64) {
	if end, ok := a.leashes[id]; ok {
		end()
	}
}

// ended forgets the leash of an action.
func (a *actions) ended(id uint64) {
	delete(a.leashes, id)
	delete(a.changes, id)
	a.changing.Store(int64(len(a.changes)))
}

// settled waits until nothing is being started or stopped; false: ctx ended first.
func (a *actions) settled(ctx context.Context) bool {
	tick := time.NewTicker(settleLook)
	defer tick.Stop()
	for a.changing.Load() > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return ctx.Err() == nil
}

// settleLook is how often it is looked whether anything is being started or stopped.
const settleLook = 50 * time.Millisecond
