package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

const (
	// smooth bounds the client's longest gap when nothing goes wrong or all is planned. It takes some milliseconds; but
	// what is promised is that no request fails, and a machine may be busy.
	smooth = patience
	// respawned bounds it when the proxy's worker dies: its supervisor starts another at once.
	respawned = 500 * time.Millisecond
	// restored bounds it when all of the proxy dies: the monitor's interval, and a start.
	restored = 2 * time.Second
	// takenOver bounds it after a power loss: the dead time, and what a busy machine adds.
	takenOver = deadTime + time.Second
	// confirmTime is how long the preferred node must be there before a group goes home.
	confirmTime = 2 * deadTime
)

// step is one thing that happens, and what must come of it.
type step struct {
	title string
	tell  []string // what an onlooker should know
	do    func(ctx context.Context) error
	hold  time.Duration // at least so long it is watched
	pair  bool          // both nodes run at the end
	must  outcome
	tells *node // who is asked why: who gave the group away knows the reason; nil: who serves
	stays bool  // of what why says, what holds the group is of interest, not what brought it
}

// steps are the demo.
func (w *world) steps() []step {
	a, b := w.a, w.b
	var all []step
	all = append(all, w.first()...)
	all = append(all,
		step{
			title: "power loss of " + short(nameA),
			tell:  []string{"Its processes, its links and its kernel are gone at once. deadtime is 2 s."},
			do:    func(context.Context) error { return a.powerOff() },
			must:  outcome{path: []*node{a, b}, gap: takenOver, failed: true},
		},
		step{
			title: short(nameA) + " comes back, auto_failback no",
			tell:  []string{"Watched for more than two deadtimes: nothing may move."},
			do:    func(context.Context) error { return a.boot() },
			hold:  confirmTime + deadTime, pair: true, stays: true,
			must: outcome{path: []*node{b}, gap: smooth},
		},
		w.changeFailback(),
		step{
			title: "power loss of " + short(nameA) + " again",
			do:    func(context.Context) error { return a.powerOff() },
			must:  outcome{path: []*node{a, b}, gap: takenOver, failed: true},
		},
		step{
			title: short(nameA) + " comes back, auto_failback on",
			tell:  []string{"Heard for two deadtimes, it gets the group back: once, and without an outage."},
			do: func(ctx context.Context) error {
				if err := a.boot(); err != nil {
					return err
				}
				return until(ctx, short(nameA)+" serves again", func() bool { return w.served(a) })
			},
			hold: confirmTime + deadTime, pair: true, tells: b,
			must: outcome{path: []*node{b, a}, gap: smooth},
		},
	)
	return all
}

// first are the steps in which both nodes stay up.
func (w *world) first() []step {
	a, b := w.a, w.b
	order := func(n *node, args ...string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := n.lubdub(ctx, args...)
			return err
		}
	}
	return []step{
		{
			title: "steady state",
			do:    func(context.Context) error { return nil }, hold: calm, pair: true,
			must: outcome{path: []*node{a}, gap: smooth},
		},
		{
			title: "kill -9 of the proxy's worker on " + short(nameA),
			tell:  []string{"Its supervisor keeps the sockets open and starts another at once."},
			do:    a.killWorker, pair: true, stays: true,
			must: outcome{path: []*node{a}, gap: respawned, failed: true},
		},
		{
			title: "kill -9 of the whole proxy on " + short(nameA),
			tell:  []string{"Nobody is left to start it but lubdub, whose monitor asks each second."},
			do:    a.killProxy, pair: true,
			must: outcome{path: []*node{a}, gap: restored, failed: true},
		},
		{
			title: "planned: lubdub standby on " + short(nameA),
			do:    order(a, "standby"), pair: true, tells: a,
			must: outcome{path: []*node{a, b}, gap: smooth},
		},
		{
			title: "lubdub online on " + short(nameA),
			tell:  []string{"It may serve again, and auto_failback is no: nothing may move."},
			do:    order(a, "online"), hold: calm, pair: true, stays: true,
			must: outcome{path: []*node{b}, gap: smooth},
		},
		{
			title: "planned: lubdub move web " + short(nameA),
			do:    order(b, "move", "web", nameA), pair: true, tells: b,
			must: outcome{path: []*node{b, a}, gap: smooth},
		},
	}
}

// changeFailback does what an operator does to change a line of ha.cf.
func (w *world) changeFailback() step {
	return step{
		title: "auto_failback on: both files edited, both daemons restarted",
		tell: []string{
			"First " + short(nameA) + ", which does not serve, then " + short(nameB) + ", which hands over as it leaves.",
		},
		do: func(ctx context.Context) error {
			if err := w.configure("on"); err != nil {
				return err
			}
			if err := w.restart(ctx, w.a, w.b); err != nil {
				return err
			}
			return w.restart(ctx, w.b, w.a)
		},
		pair: true, tells: w.b,
		must: outcome{path: []*node{w.b, w.a}, gap: smooth},
	}
}

// restart restarts the daemon of a node, and waits until both are at ease, with owner as the owner.
func (w *world) restart(ctx context.Context, n, owner *node) error {
	if err := n.stop(ctx); err != nil {
		return err
	}
	if err := n.start(); err != nil {
		return err
	}
	return until(ctx, short(n.name)+" is ready after its restart", func() bool { return w.settled(ctx, owner) })
}

func (n *node) powerOff() error {
	n.daemon = nil
	return n.PowerOff()
}

// processes are those of the proxy, by the ids that they have on the node.
type processes struct{ Supervisor, Worker int }

// proxy asks the proxy which processes it has.
func (n *node) proxy(ctx context.Context) (p processes, err error) {
	out, err := n.lubdub(ctx, "proxy", "status", "web", "--json")
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal([]byte(out), &p); err != nil {
		return p, fmt.Errorf("read the proxy's status on %s: %w", n.name, err)
	}
	return p, nil
}

// killWorker kills the process that serves, and waits until there is another.
func (n *node) killWorker(ctx context.Context) error {
	old, err := n.proxy(ctx)
	if err != nil {
		return err
	}
	if err := n.kill(ctx, old.Worker); err != nil {
		return err
	}
	return until(ctx, "another worker serves", func() bool {
		fresh, err := n.proxy(ctx)
		return err == nil && fresh.Worker != 0 && fresh.Worker != old.Worker
	})
}

// killProxy kills all of the proxy, and waits until there is another.
func (n *node) killProxy(ctx context.Context) error {
	old, err := n.proxy(ctx)
	if err != nil {
		return err
	}
	if err := n.kill(ctx, old.Supervisor, old.Worker); err != nil {
		return err
	}
	return until(ctx, "another proxy serves", func() bool {
		fresh, err := n.proxy(ctx)
		return err == nil && fresh.Worker != 0 && fresh.Supervisor != old.Supervisor
	})
}

// kill kills processes by a shell of the node, for their ids are the node's own.
func (n *node) kill(ctx context.Context, ids ...int) error {
	_, err := n.Run(ctx, "/bin/sh", "-c", "kill -9 "+strings.Trim(fmt.Sprint(ids), "[]"))
	return err
}
