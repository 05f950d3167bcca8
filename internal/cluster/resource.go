package cluster

import (
	"fmt"
	"time"
)

// activity is what a resource does on this node.
type activity uint8

const (
	unknown  activity = iota // not looked at since our start
	stopped                  // it does not run
	starting                 // its start action runs
	running                  // it runs, as far as the last action told
	stopping                 // its stop action runs
	failed                   // an action on it failed: it must be stopped before it is started
)

func (a activity) String() string {
	return [...]string{"unknown", "stopped", "starting", "running", "stopping", "failed"}[a]
}

// resource is what the core knows of one member of a group on this node.
type resource struct {
	cfg       *Resource
	state     activity
	since     Time
	action    uint64 // the running action; 0: none
	verb      Action
	cancelled bool // the running action was told to end
	unclean   bool // it must be stopped before it is started
	lookAt    Time // the next monitor action
	suspect   bool // it may have failed since the running monitor action began
	degraded  string
	fresh     bool // a reload brought it: that it does not run yet is no failure
	renewed   bool // it is started although it runs: it has new settings
	failures  []Time
	tries     int  // failed starts in a row, where they do not stop the group
	failedAt  Time // when it last failed; 0: that is forgotten
	words     string
	lines     []string
	took      time.Duration
}

func (r *resource) become(a activity, now Time) {
	if r.state != a {
		r.state, r.since = a, now
	}
}

// run starts an action on a resource: never two at once.
func (m *Machine) run(g *group, r *resource, verb Action, timeout time.Duration) {
	m.actions++
	r.action, r.verb = m.actions, verb
	switch verb {
	case Start:
		r.become(starting, m.now)
		m.dog.now = m.dog.now || g.state == Starting
	case Stop:
		r.become(stopping, m.now)
	}
	m.do(Run{ID: r.action, Group: g.cfg.Name, Resource: r.cfg.Name, Action: verb, Timeout: timeout, Epoch: g.epoch})
}

// advance brings the resources of a group nearer to what its state wants.
func (m *Machine) advance(g *group) {
	if m.unload(g) {
		return
	}
	if g.handsOff() {
		m.leaveAlone(g)
		return
	}
	m.look(g)
	m.keepWarm(g)
	switch g.state {
	case Starting, Running:
		m.forward(g)
	case Stopping:
		m.backward(g)
	case Stopped:
		m.clear(g)
	}
}

// leaveAlone does for a group in maintenance what concerns its addresses alone: they are served on.
func (m *Machine) leaveAlone(g *group) {
	m.look(g)
	if g.state == Stopping { // a rule demands it: somebody else serves, or will
		m.backward(g)
		return
	}
	if !g.state.serves() {
		return
	}
	stand := true
	for _, r := range g.resources {
		if !r.cfg.isAddress() {
			continue
		}
		stand = stand && r.state == running
		switch {
		case r.state != stopped || r.action != 0:
		case m.now < r.lookAt:
			m.at(r.lookAt)
		default:
			m.run(g, r, Start, r.cfg.Timeouts.Start)
		}
	}
	if g.state == Starting && stand && m.requestLease(g) {
		m.enter(g, Running, Event{Words: fmt.Sprintf("%s is served by %s, as far as that is known in maintenance", g.cfg.Name, m.cfg.Self)})
	}
}

// look runs the monitor actions that are due. At our start everything is looked at.
func (m *Machine) look(g *group) {
	for _, r := range g.resources {
		if r.action != 0 || !m.watched(g, r) {
			continue
		}
		if m.now < r.lookAt {
			m.at(r.lookAt)
			continue
		}
		m.run(g, r, Monitor, r.cfg.Timeouts.Monitor)
	}
}

func (m *Machine) watched(g *group, r *resource) bool {
	if g.handsOff() && !r.cfg.isAddress() {
		return false
	}
	if r.state == unknown {
		return true
	}
	if m.leaving.since != 0 && r.cfg.Warm {
		return false
	}
	return r.cfg.Interval > 0 && r.state == running && (g.state.owns() || g.state == Blocked || r.cfg.Warm)
}

// forward starts the first resource that does not run, after stopping what must
// be stopped first, and asks for the lease as soon as the leading addresses stand.
func (m *Machine) forward(g *group) {
	if m.cleanUp(g) {
		return
	}
	for i, r := range g.resources {
		if !r.cfg.isAddress() && !m.requestLease(g) || !m.brought(g, r) {
			return
		}
		if i == len(g.resources)-1 && !m.requestLease(g) {
			return
		}
	}
	if g.state == Starting {
		g.failures = 0
		m.enter(g, Running, Event{Words: fmt.Sprintf("%s is served by %s", g.cfg.Name, m.cfg.Self)})
	}
}

// brought says that what stands behind the resource may be started; else it starts it, or waits.
func (m *Machine) brought(g *group, r *resource) bool {
	tried := r.optional() && r.tries > 0 // then the group goes on without it
	switch {
	case r.state == running, r.state == unknown && g.state == Running, r.state == starting && tried:
		return true
	case r.state != stopped || r.action != 0:
		return false
	case m.now < r.lookAt: // it failed again and again: it rests
		m.at(r.lookAt)
		return tried
	}
	m.run(g, r, Start, r.cfg.Timeouts.Start)
	return tried
}

// requestLease asks for the lease of a group that is being started, once, and
// says whether the kernel has granted it.
func (m *Machine) requestLease(g *group) bool {
	l := &g.lease
	holds := l.held && l.until != 0
	switch {
	case !g.cfg.addressed() || holds && !l.quiet && !l.awaited():
		return true
	case g.state != Starting || l.until != 0 && l.pending || l.until == 0 && !m.silent(g):
		return false
	}
	if m.now < l.rest {
		m.at(l.rest)
		return false
	}
	until, _ := m.entitlement(g)
	if until <= m.now {
		m.revoke(g)
		m.mute(g, fmt.Sprintf("%s may not be served here: the entitlement ended before it began", g.cfg.Name), "O5")
		return false
	}
	e := Entitle{Until: until, Fresh: !holds, NotAfter: g.probe.voidAt, Announce: true}
	if g.drains {
		e.Drain = drainTime
	}
	m.ask(g, e)
	g.probe.voidAt, g.drains = 0, false
	return false
}

// cleanUp stops, last first, what must be stopped before it can be started
// again, and what stands after it. It says whether there is still something to wait for.
func (m *Machine) cleanUp(g *group) bool {
	for i := len(g.resources) - 1; i >= 0; i-- {
		r := g.resources[i]
		if !r.unclean {
			continue
		}
		if r.action == 0 {
			m.run(g, r, Stop, r.cfg.Timeouts.Stop)
		}
		return true
	}
	return false
}

// backward stops the last resource that still runs; the lease ends before its address goes.
func (m *Machine) backward(g *group) {
	for i := len(g.resources) - 1; i >= 0; i-- {
		r := g.resources[i]
		if r.cfg.Warm {
			continue
		}
		if r.action != 0 {
			m.cancel(r)
			return
		}
		if r.state == stopped {
			continue
		}
		if r.cfg.isAddress() {
			m.revoke(g)
			if !m.silent(g) {
				return
			}
		}
		m.run(g, r, Stop, r.cfg.Timeouts.Stop)
		return
	}
	m.revoke(g)
	if m.silent(g) {
		m.stoppedAll(g)
	}
}

// stoppedAll ends the way down.
func (m *Machine) stoppedAll(g *group) {
	g.alone, g.adopted = false, 0
	for _, r := range g.resources {
		r.tries = 0
	}
	words := fmt.Sprintf("%s is stopped on %s", g.cfg.Name, m.cfg.Self)
	if g.move.to != "" && !g.move.quiet {
		g.offer, g.offeredAt = true, m.now
		words += " and offered to " + g.move.to
	}
	m.enter(g, Stopped, Event{Words: words})
}

// cancel ends a start or monitor that is in the way. Its outcome still comes.
func (m *Machine) cancel(r *resource) {
	if r.verb == Stop || r.cancelled {
		return
	}
	r.cancelled = true
	m.do(Cancel{r.action})
}

// stopWarm stops what runs on both nodes: this daemon ends.
func (m *Machine) stopWarm(g *group) {
	for i := len(g.resources) - 1; i >= 0; i-- {
		r := g.resources[i]
		switch {
		case !r.cfg.Warm:
		case r.action != 0:
			m.cancel(r)
			return
		case r.state == running, r.state == failed && r.verb != Stop:
			m.run(g, r, Stop, r.cfg.Timeouts.Stop)
			return
		}
	}
}

// keepWarm starts what runs on both nodes, whoever is owner.
func (m *Machine) keepWarm(g *group) {
	if m.leaving.since != 0 {
		if g.state == Stopped || g.state == Blocked {
			m.stopWarm(g)
		}
		return
	}
	for _, r := range g.resources {
		if !r.cfg.Warm || r.action != 0 {
			continue
		}
		switch {
		case r.state != stopped && r.state != failed:
		case m.now < r.lookAt:
			m.at(r.lookAt)
		case r.state == stopped:
			m.run(g, r, Start, r.cfg.Timeouts.Start)
		default:
			m.run(g, r, Stop, r.cfg.Timeouts.Stop)
		}
	}
}

// clear stops what is found running on a node that is not the owner.
func (m *Machine) clear(g *group) {
	for _, r := range g.resources {
		if r.cfg.Warm || r.state != running && r.state != failed {
			continue
		}
		g.lapse = true // nobody is entitled to what runs there
		m.enter(g, Stopping, Event{Level: Warning, Resource: r.cfg.Name, Words: fmt.Sprintf(
			"%s of %s runs on %s although nobody started it here: it is stopped; if it is started at boot, disable that",
			r.cfg.Name, g.cfg.Name, m.cfg.Self)})
		return
	}
}

// absorbSuspected makes the next monitor action of a resource due.
func (m *Machine) absorbSuspected(in Suspected) {
	g := m.group(in.Group)
	if g == nil {
		return
	}
	for _, r := range g.resources {
		if r.cfg.Name == in.Resource && r.state == running {
			r.lookAt, r.suspect = m.now, r.action != 0
		}
	}
}

// weigh notes whether a resource that runs is degraded. Only the change is an event.
func (m *Machine) weigh(g *group, r *resource, verb Action, in Outcome) {
	words := ""
	if in.Degraded && in.Result == OK && verb != Stop {
		words = in.Words
	}
	switch {
	case words != "" && r.degraded == "":
		m.emit(Event{Kind: "resource", Level: Warning, Group: g.cfg.Name, Resource: r.cfg.Name, Cause: g.cause,
			Words: fmt.Sprintf("%s of %s is degraded on %s: %s", r.cfg.Name, g.cfg.Name, m.cfg.Self, words), Lines: in.Lines})
	case words == "" && r.degraded != "" && verb == Monitor && in.Result == OK:
		m.emit(Event{Kind: "resource", Group: g.cfg.Name, Resource: r.cfg.Name,
			Words: fmt.Sprintf("%s of %s is no longer degraded on %s", r.cfg.Name, g.cfg.Name, m.cfg.Self)})
	}
	r.degraded = words
}

// absorbOutcome takes in how an action ended.
func (m *Machine) absorbOutcome(in Outcome) {
	for _, g := range m.groups {
		for _, r := range g.resources {
			if r.action == in.ID {
				verb, cancelled := r.verb, r.cancelled
				r.action, r.cancelled, r.took = 0, false, in.Took
				if cancelled && in.Result != OK {
					r.become(failed, m.now) // it tells nothing: whatever runs is to be stopped
					r.unclean = true
					return
				}
				m.ended(g, r, verb, in)
				return
			}
		}
	}
}

func (m *Machine) ended(g *group, r *resource, verb Action, in Outcome) {
	r.lookAt = m.now.Add(r.cfg.Interval)
	if r.suspect {
		r.lookAt, r.suspect = m.now, false
	}
	if g.handsOff() && g.state != Stopping {
		m.endedAlone(g, r, verb, in)
		return
	}
	m.weigh(g, r, verb, in)
	switch verb {
	case Start:
		m.startEnded(g, r, in)
	case Stop:
		m.stopEnded(g, r, in)
	case Monitor:
		m.monitorEnded(g, r, in)
	}
}

// endedAlone takes in the end of an action that was under way when maintenance began, or of one on an address.
func (m *Machine) endedAlone(g *group, r *resource, verb Action, in Outcome) {
	switch {
	case in.Result != OK && r.cfg.isAddress():
		if verb == Start && r.words == "" {
			m.emit(Event{Kind: "resource", Level: Alarm, Group: g.cfg.Name, Resource: r.cfg.Name, Words: fmt.Sprintf(
				"the address %s of %s cannot be put up on %s: %s", r.cfg.Name, g.cfg.Name, m.cfg.Self, in.Words), Lines: in.Lines})
		}
		if verb == Start {
			r.note(in, m.now)
		}
		r.become(stopped, m.now)
		r.lookAt = m.now
		if verb != Monitor {
			r.lookAt = m.now.Add(firstBackoff)
		}
	case in.Result != OK:
		r.become(unknown, m.now)
	case verb == Stop:
		r.become(stopped, m.now)
	case verb == Start:
		m.runs(g, r)
	default:
		r.become(running, m.now)
	}
}

// runs takes in that a resource runs. An address that joins its lease late is announced.
func (m *Machine) runs(g *group, r *resource) {
	r.tries = 0
	r.become(running, m.now)
	if r.cfg.isAddress() && g.lease.held {
		g.announced, g.announceAt = 0, m.now
	}
}

func (m *Machine) startEnded(g *group, r *resource, in Outcome) {
	if in.Result == OK {
		m.runs(g, r)
		return
	}
	r.note(in, m.now)
	r.become(failed, m.now)
	r.unclean = true
	r.lookAt = m.now
	cause := m.emit(Event{Kind: "resource", Level: Alarm, Group: g.cfg.Name, Resource: r.cfg.Name, Cause: g.cause,
		Words: fmt.Sprintf("%s of %s did not start on %s: %s", r.cfg.Name, g.cfg.Name, m.cfg.Self, in.Words), Lines: in.Lines})
	m.react(Start, g, r, in, cause)
}

func (m *Machine) stopEnded(g *group, r *resource, in Outcome) {
	if in.Result == OK || in.Result == NotRunning {
		m.isStopped(r)
		return
	}
	r.note(in, m.now)
	cause := m.emit(Event{Kind: "resource", Level: Alarm, Group: g.cfg.Name, Resource: r.cfg.Name, Cause: g.cause,
		Words: fmt.Sprintf("%s of %s did not stop on %s: %s", r.cfg.Name, g.cfg.Name, m.cfg.Self, in.Words), Lines: in.Lines})
	m.react(Stop, g, r, in, cause)
}

func (m *Machine) isStopped(r *resource) {
	r.unclean = false
	r.become(stopped, m.now)
	r.lookAt = m.now.Add(m.pause(r))
}

func (m *Machine) monitorEnded(g *group, r *resource, in Outcome) {
	first := r.state == unknown
	if first && m.freshly(r, in) {
		return
	}
	switch {
	case in.Result == OK:
		r.become(running, m.now)
		return
	case first && !g.state.owns():
		m.foundDown(r, in)
		return
	case g.state == Mute:
		m.react(Monitor, g, r, in, g.cause)
		return
	case r.state != running && !first || g.state == Stopping:
		return
	}
	r.note(in, m.now)
	cause := m.emit(Event{Kind: "resource", Level: Warning, Group: g.cfg.Name, Resource: r.cfg.Name, Cause: g.cause,
		Words: fmt.Sprintf("%s of %s failed on %s: %s", r.cfg.Name, g.cfg.Name, m.cfg.Self, in.Words), Lines: in.Lines})
	r.become(failed, m.now)
	r.lookAt = m.now
	g.redo(r)
	m.countFailure(g, r, cause)
	m.react(Monitor, g, r, in, cause)
}

// foundDown takes in what the first look on a node that is not owner found. A
// monitor that fails does not know: what may run is stopped, to be sure.
func (m *Machine) foundDown(r *resource, in Outcome) {
	r.lookAt = m.now
	if in.Result == NotRunning {
		r.become(stopped, m.now)
		return
	}
	r.note(in, m.now)
	if in.Result == Unusable {
		r.become(stopped, m.now) // without an agent nobody started it, and its start will say so
		return
	}
	r.become(failed, m.now)
	r.unclean = true
}

// redo marks a resource, and those after it, to be stopped before the next
// start. What is warm stays, and so does an address: to take it away would only
// add to the outage, and a silent address is one that the other node may take.
func (g *group) redo(r *resource) {
	after := false
	for _, s := range g.resources {
		if s == r || after && !s.cfg.Warm && !s.cfg.isAddress() && s.state != stopped {
			s.unclean = true
		}
		after = after || s == r
	}
}
