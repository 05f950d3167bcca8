package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// reaction is one row of the table of what is done when an action on a resource
// fails: the first row of its action that holds.
type reaction struct {
	verb  Action
	when  string
	then  string
	holds func(*Machine, *group, *resource) bool
	do    func(*Machine, *group, *resource, Outcome, uint64)
}

// reactions is the whole table (docs/protocol.md, "When something fails").
func reactions() []reaction {
	return []reaction{
		{Monitor, "the group is silent here (mute)",
			"nothing: the silence may be what the monitor noticed", (*Machine).isMute, (*Machine).failMute},
		{Monitor, "it failed fewer times than its limit",
			"it is restarted in place, with what stands behind it", (*Machine).withinLimit, (*Machine).restart},
		{Monitor, "it reached its limit, and the other node can run the group",
			"the group moves", (*Machine).canMove, (*Machine).failMoving},
		{Monitor, "it reached its limit, and the group failed on the other node as well",
			"an alarm. The group stays: it is restarted in place after rests that double, and no failure moves it any more until it has run for a whole window without one",
			(*Machine).failedThere, (*Machine).failBoth},
		{Monitor, "it reached its limit, and the other node cannot run the group",
			"it is restarted in place after rests that double; the group moves as soon as the other node can run it", always, (*Machine).restart},
		{Start, "`on-failure` says `start=stay`",
			"it is stopped and started again after rests that double; what stands before it stays up", (*Machine).startStays, (*Machine).failStaying},
		{Start, "`on-failure` says `start=ignore`",
			"the group goes on without it; it is tried again after rests that double", (*Machine).startIgnored, (*Machine).failStaying},
		{Start, "else",
			"the group is stopped, and the other node tries at once; when that cannot run it either, it is tried again after rests that double", always, (*Machine).failStart},
		{Stop, "`on-failure` says `stop=ignore`",
			"it counts as stopped, with a warning", (*Machine).stopIgnored, (*Machine).failStopIgnored},
		{Stop, "else",
			"the group is blocked, with an alarm: nothing is done with it until somebody has looked. Where there is a fence device the other node ends this one",
			always, (*Machine).failStop},
	}
}

// react does what the table says.
func (m *Machine) react(verb Action, g *group, r *resource, in Outcome, cause uint64) {
	for _, row := range reactions() {
		if row.verb == verb && row.holds(m, g, r) {
			row.do(m, g, r, in, cause)
			return
		}
	}
}

func always(*Machine, *group, *resource) bool { return true }

func (m *Machine) isMute(g *group, _ *resource) bool { return g.state == Mute }
func (m *Machine) startStays(g *group, r *resource) bool {
	return g.state.serves() && r.cfg.OnStart == StartStay
}
func (m *Machine) startIgnored(g *group, r *resource) bool { return g.state.serves() && r.optional() }
func (m *Machine) stopIgnored(_ *group, r *resource) bool  { return r.cfg.LetGo }
func (m *Machine) withinLimit(g *group, _ *resource) bool  { return m.now >= g.failedUntil }
func (m *Machine) canMove(g *group, _ *resource) bool {
	return g.state == Running && !g.both && m.peerCan(g)
}
func (m *Machine) failedThere(g *group, _ *resource) bool {
	return g.both || m.peer.is == up && m.said(g).Failed
}
func (r *resource) optional() bool                               { return r.cfg.OnStart == StartIgnore }
func (m *Machine) failMoving(*group, *resource, Outcome, uint64) {} // place finds the reason to go

// failMute takes in a failure of a group that is silent here. It does not count
// (rule K1). What does not run at all is started in its order when the group may answer again.
func (m *Machine) failMute(g *group, r *resource, in Outcome, _ uint64) {
	if in.Result != NotRunning {
		r.become(running, m.now)
		return
	}
	r.become(failed, m.now)
	r.lookAt = m.now
	g.redo(r)
}

// restart repairs a running group in place: the failed resource and those after it.
func (m *Machine) restart(g *group, r *resource, _ Outcome, cause uint64) {
	if g.state == Running {
		m.restartInPlace(g, r, cause, fmt.Sprintf("%s of %s is restarted on %s", r.cfg.Name, g.cfg.Name, m.cfg.Self))
	}
}

func (m *Machine) restartInPlace(g *group, r *resource, cause uint64, words string) {
	g.move = handover{}
	m.enter(g, Starting, Event{Cause: cause, Resource: r.cfg.Name, Words: words})
}

// failBoth keeps a group where it is that failed on both nodes: to move it to and
// fro would help nobody.
func (m *Machine) failBoth(g *group, r *resource, in Outcome, cause uint64) {
	if !g.both {
		g.both = true
		cause = m.emit(Event{Kind: "group", Level: Alarm, Group: g.cfg.Name, Resource: r.cfg.Name, Cause: cause, Words: fmt.Sprintf(
			"%s failed on both nodes: it stays on %s, where %s is tried again from time to time; when you have mended it: lubdub cleanup %s, on both nodes",
			g.cfg.Name, m.cfg.Self, r.cfg.Name, g.cfg.Name)})
	}
	m.restart(g, r, in, cause)
}

// failStaying lets a resource that did not start be tried again here.
func (m *Machine) failStaying(g *group, r *resource, _ Outcome, cause uint64) {
	if r.tries++; r.tries > 1 {
		return
	}
	words := fmt.Sprintf("%s waits for %s, which is tried again on %s", g.cfg.Name, r.cfg.Name, m.cfg.Self)
	if r.optional() {
		words = fmt.Sprintf("%s goes on without %s, which is tried again on %s", g.cfg.Name, r.cfg.Name, m.cfg.Self)
	}
	m.emit(Event{Kind: "group", Level: Warning, Group: g.cfg.Name, Resource: r.cfg.Name, Cause: cause, Words: words})
}

func (m *Machine) failStart(g *group, r *resource, in Outcome, cause uint64) {
	if r.cfg.Warm {
		m.countFailure(g, r, cause)
	}
	if g.state == Starting || g.state == Running {
		m.giveUp(g, cause, r.window(), fmt.Sprintf("%s did not start: %s", r.cfg.Name, in.Words))
	}
}

func (m *Machine) failStop(g *group, r *resource, _ Outcome, cause uint64) {
	r.become(failed, m.now)
	r.lookAt = m.now.Add(firstBackoff)
	if g.state == Starting || g.state == Running || g.state == Mute || g.state == Quiet {
		m.enter(g, Stopping, Event{Level: Alarm, Cause: cause, Words: fmt.Sprintf("%s cannot be restarted in place", g.cfg.Name)})
	}
	if g.state == Stopping {
		g.move = handover{}
		m.enter(g, Blocked, Event{Level: Alarm, Cause: cause, Resource: r.cfg.Name, Words: fmt.Sprintf(
			"%s is blocked on %s: %s did not stop; make sure that it is down, then: lubdub cleanup %s",
			g.cfg.Name, m.cfg.Self, r.cfg.Name, g.cfg.Name)})
	}
}

func (m *Machine) failStopIgnored(g *group, r *resource, _ Outcome, cause uint64) {
	m.emit(Event{Kind: "resource", Level: Warning, Group: g.cfg.Name, Resource: r.cfg.Name, Cause: cause, Words: fmt.Sprintf(
		"%s of %s counts as stopped on %s all the same: lubdub.conf says stop=ignore", r.cfg.Name, g.cfg.Name, m.cfg.Self)})
	m.isStopped(r)
}

// countFailure counts a failure, and marks the group as unable to run here when there are too many.
func (m *Machine) countFailure(g *group, r *resource, cause uint64) {
	r.failures = append(m.recent(r), m.now)
	if r.cfg.Limit == 0 || len(r.failures) < r.cfg.Limit {
		return
	}
	again := m.now < g.failedUntil
	m.fail(g, r.window(), fmt.Sprintf("%s failed %s within %v: %s", r.cfg.Name, times(len(r.failures)), r.window(), r.words))
	if again {
		return
	}
	g.retryAt = m.now
	m.emit(Event{Kind: "group", Level: Alarm, Group: g.cfg.Name, Resource: r.cfg.Name, Cause: cause, Words: fmt.Sprintf(
		"%s failed %s within %v on %s: %s should run on %s", r.cfg.Name, times(len(r.failures)), r.window(), m.cfg.Self, g.cfg.Name, m.cfg.Peer)})
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// window is the time in which failures count together, and after which they are forgotten.
func (r *resource) window() time.Duration { return r.cfg.Window }

// recent are the failures that still count.
func (m *Machine) recent(r *resource) []Time {
	var kept []Time
	for _, at := range r.failures {
		if m.now.Sub(at) < r.window() {
			kept = append(kept, at)
		}
	}
	return kept
}

// forgottenAt is when the last failure of a resource will be forgotten; 0: it has none.
func (r *resource) forgottenAt() Time {
	if r.failedAt == 0 {
		return 0
	}
	return r.failedAt.Add(r.window())
}

// forget lets failures expire.
func (m *Machine) forget(g *group) {
	for _, r := range g.resources {
		at := r.forgottenAt()
		m.at(at)
		if at == 0 || m.now < at || g.unwell(r) {
			continue
		}
		r.pardon()
		m.emit(Event{Kind: "resource", Group: g.cfg.Name, Resource: r.cfg.Name, Words: fmt.Sprintf(
			"the failures of %s of %s on %s are forgotten: the last one was %v ago", r.cfg.Name, g.cfg.Name, m.cfg.Self, r.window())})
	}
	m.at(g.failedUntil)
	if g.failedUntil != 0 && m.now >= g.failedUntil && !slices.ContainsFunc(g.resources, g.unwell) {
		g.failedUntil, g.both = 0, false
		m.emit(Event{Kind: "group", Group: g.cfg.Name, Words: fmt.Sprintf("%s may run on %s again: what failed there is forgotten", g.cfg.Name, m.cfg.Self)})
	}
}

// unwell says that a resource does not run although it should.
func (g *group) unwell(r *resource) bool {
	return r.state == failed || g.state.serves() && r.state != running && r.state != unknown
}

// pardon forgets what failed.
func (r *resource) pardon() {
	r.failures, r.words, r.lines, r.failedAt, r.tries = nil, "", nil, 0, 0
}

// giveUp stops a group that does not start here. The other node tries at once;
// if it cannot, this one tries again after a back-off.
func (m *Machine) giveUp(g *group, cause uint64, window time.Duration, why string) {
	g.failures++
	m.fail(g, window, why)
	g.retryAt = m.now.Add(backoff(g.failures - 1))
	g.move = handover{to: m.cfg.Peer}
	m.enter(g, Stopping, Event{Level: Alarm, Cause: cause, Words: fmt.Sprintf("%s cannot run on %s now and is stopped", g.cfg.Name, m.cfg.Self)})
}

// fail marks the group as unable to run here, for as long as failures count.
func (m *Machine) fail(g *group, window time.Duration, why string) {
	g.failedUntil, g.failedWhy = m.now.Add(window), why
}

// firstBackoff and maxBackoff bound the wait between two attempts at what failed on both nodes.
const (
	firstBackoff = 10 * time.Second
	maxBackoff   = 5 * time.Minute
)

func backoff(n int) time.Duration {
	return min(firstBackoff<<min(n, 10), maxBackoff)
}

// pause is how long a resource rests before it is started again in place: not
// at all, until it failed so often that the group should have moved.
func (m *Machine) pause(r *resource) time.Duration {
	if r.tries > 0 {
		return backoff(r.tries - 1)
	}
	patience := cmp.Or(r.cfg.Limit, UsualLimit)
	if n := len(m.recent(r)); n >= patience {
		return backoff(n - patience)
	}
	return 0
}

// note keeps what the last failure said.
func (r *resource) note(in Outcome, now Time) {
	r.words, r.lines, r.failedAt = in.Words, in.Lines, now
}
