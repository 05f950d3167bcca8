package daemon

import (
	"context"
	"fmt"
	"sync/atomic"

	"lubdub/internal/cluster"
)

// gates are the hooks that a group's start or stop waits for. They belong to the loop.
type gates map[gateAt]*gate

// gateAt names a gate.
type gateAt struct {
	group  string
	action cluster.Action
}

// gate are the blocking hooks of one start or stop of a group. They are run as the first step of the first action on
// one of its resources; when that fails, of the next one. The machine sees an action that takes longer, and no more.
type gate struct {
	hooks  []hook
	vars   []string
	group  string
	start  bool
	passed atomic.Bool
	tell   func(cluster.Noted)
}

// set makes the gate of a start or stop that begins; the other one's is over.
func (g gates) set(o occasion, h *hooks) {
	start := o.when == beforeStart
	if !start && o.when != beforeStop {
		return
	}
	delete(g, gateAt{o.group, cluster.Start})
	delete(g, gateAt{o.group, cluster.Stop})
	if wanted := h.wanted(o, true); len(wanted) > 0 {
		at := gateAt{o.group, cluster.Stop}
		if start {
			at.action = cluster.Start
		}
		g[at] = &gate{hooks: wanted, vars: o.vars(h.cfg), group: o.group, start: start, tell: h.tell}
	}
}

// of is the gate that an action has to pass; nil if there is none. What runs on both nodes is not started with its group.
func (g gates) of(run cluster.Run, r cluster.Resource) *gate {
	if r.Warm {
		return nil
	}
	return g[gateAt{run.Group, run.Action}]
}

// pass runs the hooks, and says why the action is not to be done: only a start can be refused.
func (g *gate) pass(ctx context.Context, resource string) (out cluster.Outcome, refused bool) {
	if g == nil || g.passed.Load() {
		return out, false
	}
	for _, k := range g.hooks {
		g.tell(cluster.Noted{Level: cluster.Info, Kind: kindHook, Group: g.group, Words: fmt.Sprintf("%s waits for %s, at most %v", g.group, k.Name, k.Timeout)})
		out := k.Run(ctx, g.vars)
		if out.Result == cluster.OK {
			g.tell(noted(out, g.group, cluster.Info))
			continue
		}
		if g.start {
			// Whatever kept the hook from ending well may be over when the start is tried again.
			return cluster.Outcome{Result: cluster.Failed, Words: fmt.Sprintf("%s start: not tried, for %s", resource, out.Words), Lines: out.Lines, Took: out.Took}, true
		}
		if ctx.Err() != nil {
			// It has not failed: nobody waits any more. Whoever stops the group later waits for it again.
			return cluster.Outcome{Result: cluster.Failed, Words: resource + " stop: cancelled", Took: out.Took}, true
		}
		n := noted(out, g.group, cluster.Alarm)
		n.Words += "; the stop goes on"
		g.tell(n)
	}
	g.passed.Store(true)
	return out, false
}
