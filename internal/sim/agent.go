package sim

import (
	"time"

	"lubdub/internal/cluster"
)

// mood is how the agent of a resource behaves on a node.
type mood uint8

const (
	sane mood = iota
	failsStart
	failsStop
	failsMonitor
	hangs
	liesStarted // start says OK and does nothing
	liesStopped // stop says OK and does nothing
	liesFailed  // start does it and says that it failed
	moods
)

var moodNames = [moods]string{"sane", "fails to start", "fails to stop", "fails to monitor", "hangs",
	"says started, is not", "says stopped, is not", "starts, says it failed"}

// action is a running agent.
type action struct {
	d      *daemon
	run    cluster.Run
	g, r   int
	boot   int
	began  time.Duration
	over   bool // ended or killed
	done   bool // its effect has come
	effect bool // it has one
}

// run starts an agent. Addresses are the daemon's own work and quick; the rest
// are processes, which a frozen daemon does not stop.
func (d *daemon) run(o cluster.Run) {
	w := d.w
	g := w.groupIndex(o.Group)
	r := w.resourceIndex(g, o.Resource)
	w.judge.ran(d, o, g, r)
	a := &action{d: d, run: o, g: g, r: r, boot: d.n.boots, began: w.now}
	d.actions = append(d.actions, a)
	if isAddress(w.setup.Groups[g].Resources[r]) {
		d.placed[g][r] = d.placed[g][r] && o.Action != cluster.Stop
		d.later(between(w.agents, 100*time.Microsecond, time.Millisecond), func() {
			if a.over {
				return
			}
			a.apply(true)
			a.end(a.truth(), "")
		})
		return
	}
	result, took, effect := a.play()
	a.effect = effect
	if took > o.Timeout {
		took, result = o.Timeout, cluster.TimedOut
		a.effect = w.agents.IntN(2) == 0
	}
	d.n.after(took-took/4, func() {
		if !a.over && a.effect {
			a.apply(false)
		}
	})
	d.n.after(took, func() {
		d.do(func() {
			if result == cluster.OK && o.Action == cluster.Monitor {
				result = a.truth()
			}
			a.end(result, "the agent's words")
		})
	})
}

// play is how the agent will behave this time.
func (a *action) play() (result cluster.Result, took time.Duration, effect bool) {
	w := a.d.w
	m := a.d.n.moods[a.g][a.r]
	took = a.duration()
	effect = a.run.Action != cluster.Monitor
	switch {
	case m == hangs && w.agents.IntN(2) == 0:
		return cluster.TimedOut, a.run.Timeout + time.Second, effect
	case m == failsStart && a.run.Action == cluster.Start:
		return cluster.Failed, took, w.agents.IntN(4) == 0
	case m == failsStop && a.run.Action == cluster.Stop:
		return cluster.Failed, took, false
	case m == failsMonitor && a.run.Action == cluster.Monitor:
		return cluster.Failed, took, false
	case m == liesStarted && a.run.Action == cluster.Start:
		return cluster.OK, took, false
	case m == liesStopped && a.run.Action == cluster.Stop:
		a.d.n.lied[a.g][a.r] = true
		return cluster.OK, took, false
	case m == liesFailed && a.run.Action == cluster.Start:
		return cluster.Failed, took, true
	}
	return cluster.OK, took, effect
}

func (a *action) duration() time.Duration {
	r := a.d.w.agents
	if a.run.Action == cluster.Monitor {
		return between(r, 5*time.Millisecond, 60*time.Millisecond)
	}
	return between(r, 20*time.Millisecond, 800*time.Millisecond)
}

// apply makes the effect of a start or stop true.
func (a *action) apply(own bool) {
	n, w := a.d.n, a.d.w
	if n.boots != a.boot || !n.powered || a.done || a.run.Action == cluster.Monitor {
		return
	}
	a.done = true
	n.lied[a.g][a.r] = false
	n.runs[a.g][a.r] = a.run.Action == cluster.Start
	if own && a.run.Action == cluster.Start {
		a.d.placed[a.g][a.r] = true
	}
	w.answered(a.g)
}

// truth is what an honest monitor says.
func (a *action) truth() cluster.Result {
	n := a.d.n
	if a.run.Action != cluster.Monitor || n.runs[a.g][a.r] {
		if a.run.Action == cluster.Monitor && isAddress(a.d.w.setup.Groups[a.g].Resources[a.r]) {
			a.d.placed[a.g][a.r] = true
		}
		return cluster.OK
	}
	return cluster.NotRunning
}

// end hands the outcome over, once.
func (a *action) end(result cluster.Result, words string) {
	if a.over {
		return
	}
	a.over = true
	d := a.d
	for i := range d.actions {
		if d.actions[i] == a {
			d.actions = append(d.actions[:i], d.actions[i+1:]...)
			break
		}
	}
	o := cluster.Outcome{ID: a.run.ID, Result: result, Words: words, Took: d.w.now - a.began}
	d.w.judge.told(a, result)
	d.post(o)
}

// kill ends an agent with its daemon: it may have done its work.
func (a *action) kill() {
	if !a.over && a.effect && a.d.w.agents.IntN(2) == 0 {
		a.apply(false)
	}
	a.over = true
}

// cancel ends a running action: its outcome still comes.
func (d *daemon) cancel(id uint64) {
	for _, a := range d.actions {
		if a.run.ID != id {
			continue
		}
		d.later(between(d.w.agents, time.Millisecond, 10*time.Millisecond), func() {
			if a.over {
				return
			}
			if a.effect && d.w.agents.IntN(2) == 0 {
				a.apply(false)
			}
			a.end(cluster.Failed, "cancelled")
		})
	}
}

// die ends a resource's process.
func (n *node) die(g, r int) {
	n.runs[g][r] = false
	n.w.answered(g)
}

// restoreTime is within what the daemon's watch puts a removed address back.
const restoreTime = 100 * time.Millisecond

// strip is another program that removes an address; the daemon's watch puts it back.
func (n *node) strip(g, r int) {
	n.runs[g][r] = n.w.setup.NoLease
	n.stripped = n.w.now
	if n.w.setup.NoLease {
		n.grant(g, element{}) // its life-time went with it, and the next grant finds it gone
		return
	}
	n.w.answered(g)
	d := n.daemon
	if d == nil || !d.placed[g][r] {
		return
	}
	d.later(between(n.w.sched, time.Millisecond, restoreTime), func() {
		if d.placed[g][r] && n.powered {
			n.runs[g][r] = true
			n.w.answered(g)
		}
	})
}
