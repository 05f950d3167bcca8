package cluster

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Reload is the operator's order to end this life of the daemon, so that the
// next one begins with another configuration (docs/protocol.md, "Reload"). What
// does not change goes on running and is adopted (rule B2); what does is stopped
// here first, while its group keeps its owner.
type Reload struct {
	ID    uint64
	Dry   bool // say what speaks against it, do nothing
	Alone bool // the operator answers for the other node
	// What happens before this life ends.
	Halt    []Member // is stopped, the last of a group first
	Cold    []Member // is stopped where its group is not served: it is warm no more
	Renew   []Member // goes on, and is started once more in the next life to take in its settings
	Fresh   []Member // is started in the next life: that it does not run is no failure then
	Silence []string // groups that do not answer meanwhile: an address comes, which has to be asked for (rule S4)
	Remove  []string // groups that are stopped whole
	// What the other node has to do with it.
	Moved    []string      // what stands in another group than before, a sentence each: both nodes would run it
	Signs    string        // why the other node would no longer understand us; empty: it does
	Watchdog bool          // there is another watchdog, or none any more
	DeadTime time.Duration // of the next life
	Digests  []Digest      // of the next life's files
	With     any           // comes back with Exit
}

// Member names a resource of a group.
type Member struct{ Group, Resource string }

// reloading is how far a reload has come.
type reloading struct {
	order *Reload // nil: there is none
	since Time
	was   []State // of the groups, in their order
	short bool    // everything is stopped, and the leases are cut to the next life's measure
	ended bool
}

// answerTime is how long the answer to the operator has to arrive before
// anything is done: with this life the control socket goes.
const answerTime = 100 * time.Millisecond

func (l *reloading) begins() Time { return l.since.Add(answerTime) }

func (o *Reload) halts(g *group, r *resource) bool {
	is := Member{g.cfg.Name, r.cfg.Name}
	return slices.Contains(o.Remove, g.cfg.Name) || slices.Contains(o.Halt, is) || !g.state.owns() && slices.Contains(o.Cold, is)
}

// absorbOrder takes in what the operator wants.
func (m *Machine) absorbOrder(in Input) {
	switch in := in.(type) {
	case Command:
		m.absorbCommand(in)
	case Reload:
		m.absorbReload(in)
	}
}

// absorbReload begins a reload, or refuses it and says everything that speaks against it.
func (m *Machine) absorbReload(in Reload) {
	reply := Reply{ID: in.ID, Differs: m.strange(in.Digests)}
	switch against := m.against(in); {
	case len(against) > 0:
		reply.Words = "refused: " + strings.Join(against, "; ")
	case in.Dry:
		reply.OK, reply.Words = true, "nothing speaks against it"
	default:
		reply.OK, reply.Words = true, fmt.Sprintf("%s takes in the new configuration", m.cfg.Self)
		m.reload = reloading{order: &in, since: m.now}
		for _, g := range m.groups {
			m.reload.was = append(m.reload.was, g.state)
		}
		m.emit(Event{Kind: "reload", Words: reply.Words + " by the operator's order"})
	}
	m.replies = append(m.replies, reply)
}

// strange are the files in which the peer is not known to run what these digests say.
func (m *Machine) strange(digests []Digest) []string {
	var theirs []Digest
	if m.peer.echoes && m.silence() < m.deadTime() {
		theirs = m.peer.beat.Digests
	}
	return differing(digests, theirs)
}

// differing are the settings that two nodes do not have alike. What watched files hold is not known yet.
func differing(mine, theirs []Digest) (files []string) {
	for _, d := range mine {
		if !isWatched(d.File) && !slices.Contains(theirs, d) {
			files = append(files, d.File)
		}
	}
	for _, d := range theirs {
		if !isWatched(d.File) && !slices.ContainsFunc(mine, func(m Digest) bool { return m.File == d.File }) {
			files = append(files, d.File)
		}
	}
	return files
}

// against says why the configuration cannot be changed now.
func (m *Machine) against(in Reload) []string {
	switch {
	case m.reload.order != nil:
		return []string{"a reload is under way already"}
	case m.leaving.since != 0:
		return []string{fmt.Sprintf("lubdub ends on %s", m.cfg.Self)}
	case m.fence.running:
		return []string{fmt.Sprintf("%s is being fenced; try again when that has ended", m.cfg.Peer)}
	}
	var why []string
	for _, g := range m.groups {
		if g.handsOff() {
			why = append(why, fmt.Sprintf("%s is in maintenance; first: lubdub maintenance off %s", g.cfg.Name, g.cfg.Name))
		} else if words := m.unsettled(g); words != "" {
			why = append(why, words)
		}
	}
	if m.peer.is == up || !in.Alone && !m.gone() {
		why = append(why, in.Moved...)
		if in.Signs != "" && !in.Alone {
			why = append(why, in.Signs)
		}
	}
	if in.Watchdog && m.dog.open {
		why = append(why, fmt.Sprintf("the watchdog runs and nobody would feed it any more: first give everything up: lubdub standby, on %s", m.cfg.Self))
	}
	if !in.Alone {
		why = append(why, m.withoutPeer(in)...)
	}
	return why
}

// unsettled says that something happens to a group just now, which the end of this life would cut.
func (m *Machine) unsettled(g *group) string {
	said := m.said(g)
	switch {
	case g.state == Blocked:
		return fmt.Sprintf("%s is blocked on %s; first: lubdub cleanup %s", g.cfg.Name, m.cfg.Self, g.cfg.Name)
	case g.state == Starting && !m.rests(g), g.state == Stopping, g.state == Quiet:
		return fmt.Sprintf("%s is %s on %s; try again when that is over", g.cfg.Name, g.state, m.cfg.Self)
	case g.offer, g.intent, g.wantUntil != 0, g.move.to != "", said.Offer, said.Want:
		return fmt.Sprintf("%s is on its way from one node to the other; try again when it has arrived", g.cfg.Name)
	case g.claim && g.state != Mute:
		return fmt.Sprintf("%s is about to be started; try again when it runs", g.cfg.Name)
	}
	for _, r := range g.resources {
		switch {
		case r.state == unknown:
			return fmt.Sprintf("%s still looks whether %s of %s runs; try again in a moment", m.cfg.Self, r.cfg.Name, g.cfg.Name)
		case r.action != 0 && r.verb != Monitor:
			return fmt.Sprintf("%s of %s is %s; try again when that is over", r.cfg.Name, g.cfg.Name, r.state)
		}
	}
	return ""
}

// withoutPeer says what cannot be done behind the other node's back.
func (m *Machine) withoutPeer(in Reload) []string {
	var why []string
	for _, g := range m.groups {
		switch name := g.cfg.Name; {
		case !g.state.owns():
		case slices.Contains(in.Remove, name) && m.peer.is == up && m.knows(g):
			why = append(why, fmt.Sprintf("%s runs on %s, and the configuration of %s has it still: %s would start it when it is stopped here; reload there first",
				name, m.cfg.Self, m.cfg.Peer, m.cfg.Peer))
		case slices.Contains(in.Silence, name) && m.peer.is != up && !m.free():
			why = append(why, fmt.Sprintf("a new address of %s has to be asked for, and while %s is %s all of %s would be silent for the dead time (%v); if %s lives, it would take it",
				name, m.cfg.Peer, m.peer.is, name, in.DeadTime, m.cfg.Peer))
		}
	}
	if in.DeadTime != m.cfg.DeadTime && m.peer.is != up && !m.gone() {
		why = append(why, fmt.Sprintf("the deadtime changes, and %s is %s: it may live and reckon with the old one", m.cfg.Peer, m.peer.is))
	}
	return why
}

// unload does with a group what a reload needs, and says that nothing else is to be done with it.
func (m *Machine) unload(g *group) bool {
	o := m.reload.order
	switch {
	case o == nil || g.state == Stopping || g.state == Blocked:
		return false
	case m.now < m.reload.begins():
		m.at(m.reload.begins())
		return true
	case slices.Contains(o.Remove, g.cfg.Name) && g.state != Stopped:
		m.enter(g, Stopping, Event{Words: fmt.Sprintf("%s is stopped on %s: the new configuration has it no more", g.cfg.Name, m.cfg.Self)})
		return true
	case g.state == Running && m.unloads(g):
		m.enter(g, Starting, Event{Words: fmt.Sprintf("what changes of %s is stopped on %s", g.cfg.Name, m.cfg.Self)})
	}
	if slices.Contains(o.Silence, g.cfg.Name) && g.state.owns() {
		m.revoke(g)
		if !m.silent(g) {
			return true
		}
	}
	m.halt(g)
	return true
}

// halt stops the last resource of the group that the reload wants stopped.
func (m *Machine) halt(g *group) {
	for _, r := range slices.Backward(g.resources) {
		switch {
		case !m.reload.order.halts(g, r) || r.state == stopped:
			continue
		case r.action != 0:
			m.cancel(r)
		case r.state == failed && r.verb == Stop && r.since >= m.reload.since:
			m.callOff(fmt.Sprintf("%s of %s did not stop", r.cfg.Name, g.cfg.Name))
		default:
			m.run(g, r, Stop, r.cfg.Timeouts.Stop)
		}
		return
	}
}

// unloads says that something of an owned group is stopped or silenced by the reload.
func (m *Machine) unloads(g *group) bool {
	return slices.Contains(m.reload.order.Silence, g.cfg.Name) ||
		slices.ContainsFunc(g.resources, func(r *resource) bool { return m.reload.order.halts(g, r) && r.state != stopped })
}

// unloaded says that the next life may find the group as it is.
func (m *Machine) unloaded(g *group) bool {
	o := m.reload.order
	for _, r := range g.resources {
		if r.action != 0 || o.halts(g, r) && r.state != stopped {
			return false
		}
	}
	if slices.Contains(o.Remove, g.cfg.Name) && g.state != Stopped {
		return false
	}
	return !slices.Contains(o.Silence, g.cfg.Name) || !g.state.owns() || m.silent(g)
}

// judgeReload ends this life when everything that changes is stopped, or calls
// the reload off when something came between.
func (m *Machine) judgeReload() {
	l := &m.reload
	if l.order == nil || l.ended {
		return
	}
	for i, g := range m.groups {
		if words := m.between(g, l.was[i]); words != "" {
			m.callOff(words)
			return
		}
	}
	if m.now < l.begins() || slices.ContainsFunc(m.groups, func(g *group) bool { return !m.unloaded(g) }) || !m.shortened() {
		return
	}
	l.ended = true
	m.emit(Event{Kind: "reload", Words: fmt.Sprintf("%s goes on with the new configuration", m.cfg.Self)})
	m.replies = append(m.replies, Exit{Again: l.order})
}

// between says that something else happened to a group than the reload wants.
func (m *Machine) between(g *group, was State) string {
	removed := slices.Contains(m.reload.order.Remove, g.cfg.Name)
	switch {
	case m.leaving.since != 0:
		return m.goesWords()
	case g.state == was, removed && (g.state == Stopping || g.state == Stopped), was == Running && g.state == Starting:
		return ""
	}
	return fmt.Sprintf("%s is %s on %s: %s", g.cfg.Name, g.state, m.cfg.Self, stateWords[g.state].means)
}

// shortened cuts the leases to what a shorter dead time of the next life allows,
// last of all: the peer will reckon with that from its first heartbeat on.
func (m *Machine) shortened() bool {
	if m.reload.order.DeadTime >= m.cfg.DeadTime {
		return true
	}
	done, most := true, m.now.Add(yieldOf(m.reload.order.DeadTime))
	for _, g := range m.groups {
		l := &g.lease
		switch {
		case l.pending:
			done = false
		case l.held && l.until > most && m.now < l.rest: // the kernel refused: it is asked again, or the lease grows old
			m.at(l.rest)
			done = false
		case l.held && l.until > most:
			m.ask(g, Entitle{Until: most, Quiet: l.quiet})
			done = false
		}
	}
	m.reload.short = true
	return done
}

// callOff ends a reload that cannot be carried out: the old configuration goes
// on, and what was stopped for the new one is started again.
func (m *Machine) callOff(why string) {
	o := m.reload.order
	m.reload = reloading{}
	m.emit(Event{Kind: "reload", Level: Alarm, Words: "the reload is called off, and the old configuration goes on: " + why})
	for _, g := range m.groups {
		if g.state == Starting && slices.Contains(o.Silence, g.cfg.Name) {
			m.mute(g, fmt.Sprintf("%s was silent for the reload, and asks for its address again", g.cfg.Name), "O5")
		}
	}
}

// inherit takes over what the life before knew and the kernel does not, when a reload ended it.
func (m *Machine) inherit(old *Machine) {
	if old == nil || old.reload.order == nil {
		return
	}
	m.coldWord = old.coldWord
	if old.peer.is == up { // it was met: its own dead time counts, and not initdead
		m.peer.met, m.peer.beat.DeadTime = true, old.peer.beat.DeadTime
	}
	for _, g := range m.groups {
		if was := old.group(g.cfg.Name); was != nil {
			g.inherit(was, old.reload.order)
		}
	}
}

// inherit takes over failures and the operator's wish. What is new, or was
// stopped for the reload, is started: that it does not run yet is no failure.
func (g *group) inherit(was *group, o *Reload) {
	g.stay, g.driven, g.drivenAt = was.stay, was.driven, was.drivenAt
	same := true
	for _, r := range g.resources {
		is := Member{g.cfg.Name, r.cfg.Name}
		r.renewed = slices.Contains(o.Renew, is)
		r.fresh = r.renewed || slices.Contains(o.Fresh, is)
		if i := slices.IndexFunc(was.resources, func(w *resource) bool { return w.cfg.Name == r.cfg.Name }); i >= 0 && !r.fresh {
			w := was.resources[i]
			r.failures, r.failedAt, r.words, r.lines, r.took, r.degraded = w.failures, w.failedAt, w.words, w.lines, w.took, w.degraded
		}
		same = same && !r.fresh
	}
	switch {
	case same:
		g.failedUntil, g.failedWhy, g.failures, g.retryAt, g.both = was.failedUntil, was.failedWhy, was.failures, was.retryAt, was.both
	case g.state == Running:
		g.state = Starting // what is fresh is to be started in its order
	}
}

// freshly takes in the first look at what a reload brought.
func (m *Machine) freshly(r *resource, in Outcome) bool {
	if !r.fresh {
		return false
	}
	r.fresh = false
	switch {
	case in.Result != OK:
		m.foundDown(r, in)
	case r.renewed:
		r.become(stopped, m.now) // its start brings its settings in
		r.lookAt = m.now
	default:
		return false
	}
	return true
}
