package cluster

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// departure is how far this daemon's leave has come.
type departure struct {
	since   Time // 0: it does not leave
	left    bool // everything is stopped: the heartbeats say so
	leftSeq uint64
	leftAt  Time
	done    bool
}

// wantTime is how long an operator's wish for a group is told to the peer: it
// needs one heartbeat, and the peer may be busy with a move.
const wantTime = 10 * time.Second

// absorbCommand carries out an operator's order, or refuses it and says why.
func (m *Machine) absorbCommand(in Command) {
	var words string
	ok := false
	switch in.Verb {
	case Standby:
		words, ok = m.goStandby(in)
	case Online:
		words, ok = m.goOnline(in)
	case Move:
		words, ok = m.moveGroup(in)
	case Cleanup:
		words, ok = m.cleanup(in)
	case Restart:
		words, ok = m.restartResource(in)
	case MaintenanceOn, MaintenanceOff:
		words, ok = m.orderMaintenance(in)
	case FenceConfirm:
		words, ok = m.confirmFence(in)
	case Leave:
		words, ok = m.leave()
	default:
		words = fmt.Sprintf("there is no order %q", in.Verb)
	}
	m.replies = append(m.replies, Reply{ID: in.ID, OK: ok, Words: words})
}

func (m *Machine) goStandby(in Command) (string, bool) {
	if m.standby {
		return fmt.Sprintf("%s is in standby already", m.cfg.Self), true
	}
	for _, g := range m.groups {
		if g.handsOff() && g.state.owns() {
			return fmt.Sprintf("refused: %s is in maintenance; first: lubdub maintenance off %s", g.cfg.Name, g.cfg.Name), false
		}
		if g.state.owns() && g.drainEnd == 0 && !m.peerCan(g) && !in.Force {
			return fmt.Sprintf("refused: %s cannot take %s: %s; --force does it all the same, and then nobody serves it",
				m.cfg.Peer, g.cfg.Name, m.cannotWords(g)), false
		}
	}
	if in.Dry {
		return fmt.Sprintf("%s would give up everything it serves", m.cfg.Self), true
	}
	m.standby = true
	m.emit(Event{Kind: "standby", Level: Warning, Words: fmt.Sprintf(
		"%s goes into standby by the operator's order: it takes nothing, not even when %s dies, until: lubdub online", m.cfg.Self, m.cfg.Peer)})
	return fmt.Sprintf("%s goes into standby: it takes nothing, not even when %s dies, until: lubdub online", m.cfg.Self, m.cfg.Peer), true
}

func (m *Machine) goOnline(in Command) (string, bool) {
	if !m.standby && (m.coldWord || !m.cfg.StrictStart) {
		return fmt.Sprintf("%s is online already", m.cfg.Self), true
	}
	if in.Dry {
		return fmt.Sprintf("%s would be online again", m.cfg.Self), true
	}
	m.standby, m.coldWord = false, true
	m.emit(Event{Kind: "standby", Words: fmt.Sprintf("%s is online again by the operator's order", m.cfg.Self)})
	return fmt.Sprintf("%s is online", m.cfg.Self), true
}

func (m *Machine) moveGroup(in Command) (string, bool) {
	g := m.group(in.Group)
	if g == nil {
		return fmt.Sprintf("there is no group %q; the groups are: %s", in.Group, m.groupNames()), false
	}
	if g.handsOff() {
		return fmt.Sprintf("refused: %s is in maintenance; first: lubdub maintenance off %s", g.cfg.Name, g.cfg.Name), false
	}
	to := m.fullName(in.Node)
	if to == "" {
		to = m.cfg.Peer
		if !g.state.owns() {
			to = m.cfg.Self
		}
	}
	switch to {
	case m.cfg.Self:
		return m.moveHere(g, in.Dry)
	case m.cfg.Peer:
		return m.moveAway(g, in.Dry)
	}
	return fmt.Sprintf("there is no node %q; the nodes are %s and %s", to, m.cfg.Self, m.cfg.Peer), false
}

// fullName completes a node's name: what stands before its first dot is enough.
func (m *Machine) fullName(name string) string {
	for _, full := range []string{m.cfg.Self, m.cfg.Peer} {
		if short, _, _ := strings.Cut(full, "."); name == short {
			return full
		}
	}
	return name
}

func (m *Machine) moveHere(g *group, dry bool) (string, bool) {
	switch said := m.said(g); {
	case g.drainEnd != 0:
		return fmt.Sprintf("refused: %s has just moved to %s, and %s still ends what was begun with it; try again in %v",
			g.cfg.Name, m.cfg.Peer, m.cfg.Self, round(g.drainEnd.Sub(m.now))), false
	case g.state.owns():
		return fmt.Sprintf("%s runs on %s already", g.cfg.Name, m.cfg.Self), true
	case m.peer.is != up || !said.State.owns():
		words := fmt.Sprintf("refused: %s runs nowhere, so there is nothing to move", g.cfg.Name)
		if why := m.unableWords(g); why != "" {
			words += "; here: " + why
		}
		return words + "; see: lubdub why " + g.cfg.Name, false
	case !m.able(g):
		return fmt.Sprintf("refused: %s cannot run here: %s", g.cfg.Name, m.unableWords(g)), false
	case dry:
		return fmt.Sprintf("%s would move from %s to %s", g.cfg.Name, m.cfg.Peer, m.cfg.Self), true
	}
	g.wantUntil = m.now.Add(wantTime)
	return fmt.Sprintf("%s is asked to hand %s over to %s", m.cfg.Peer, g.cfg.Name, m.cfg.Self), true
}

func (m *Machine) moveAway(g *group, dry bool) (string, bool) {
	switch {
	case m.peer.is == up && m.said(g).State.owns():
		return fmt.Sprintf("%s runs on %s already", g.cfg.Name, m.cfg.Peer), true
	case g.state != Running && !m.rests(g):
		return fmt.Sprintf("refused: %s is %s on %s: %s", g.cfg.Name, g.state, m.cfg.Self, stateWords[g.state].means), false
	case !m.peerCan(g):
		return fmt.Sprintf("refused: %s cannot take %s: %s", m.cfg.Peer, g.cfg.Name, m.cannotWords(g)), false
	case dry:
		return fmt.Sprintf("%s would move from %s to %s", g.cfg.Name, m.cfg.Self, m.cfg.Peer), true
	}
	g.moveTo = m.cfg.Peer
	return fmt.Sprintf("%s moves to %s", g.cfg.Name, m.cfg.Peer), true
}

// leave begins the end of this daemon.
func (m *Machine) leave() (string, bool) {
	if m.leaving.since == 0 {
		m.leaving.since = m.now
		m.emit(Event{Kind: "leave", Level: Warning, Words: fmt.Sprintf("lubdub ends on %s: it hands over what it serves", m.cfg.Self)})
	}
	return fmt.Sprintf("%s leaves", m.cfg.Self), true
}

// judgeLeaving ends the daemon when everything is stopped and the peer knows it.
// After a stop that failed the leave is not clean, and nothing is said (rule B4).
func (m *Machine) judgeLeaving() {
	d := &m.leaving
	if d.since == 0 || d.done {
		return
	}
	done, clean := true, true
	for _, g := range m.groups {
		ended, well := g.ended()
		done, clean = done && ended, clean && well
	}
	patience := d.leftAt.Add(aloneMargin * m.cfg.Keepalive)
	switch {
	case !done:
	case !clean:
		m.exit(false)
	case !d.left:
		d.left = true
		m.changed = true
	case d.leftSeq == 0 || m.now == d.leftAt:
	case m.peer.is != up || m.peer.beat.Echo.Seq >= d.leftSeq || m.now >= patience:
		m.exit(true)
	default:
		m.at(patience)
	}
}

// ended says that a group will not change any more on a node that leaves, and
// that everything of it was stopped.
func (g *group) ended() (ended, well bool) {
	if g.handsOff() && g.state.owns() {
		return !slices.ContainsFunc(g.resources, func(r *resource) bool { return r.action != 0 }), false
	}
	if g.state != Stopped && g.state != Blocked || g.offer {
		return false, false
	}
	well = g.state == Stopped
	for _, r := range g.resources {
		if r.action != 0 || r.cfg.Warm && r.state == running {
			return false, false
		}
		well = well && r.state != failed
	}
	return true, well
}

func (m *Machine) exit(clean bool) {
	m.leaving.done = true
	words, level := fmt.Sprintf("%s has left: everything is stopped", m.cfg.Self), Info
	switch {
	case !clean && slices.ContainsFunc(m.groups, func(g *group) bool { return g.handsOff() && g.state.owns() }):
		words, level = fmt.Sprintf("lubdub ends on %s and leaves alone what is in maintenance: its address falls silent when the lease ends", m.cfg.Self), Warning
		if !slices.ContainsFunc(m.groups, func(g *group) bool { return !g.handsOff() && g.state != Stopped }) && m.dog.open {
			m.do(Unleash{})
		}
	case !clean:
		words, level = fmt.Sprintf("lubdub ends on %s although something did not stop: %s will wait for its dead time", m.cfg.Self, m.cfg.Peer), Alarm
	}
	m.emit(Event{Kind: "leave", Level: level, Words: words})
	m.do(Exit{Clean: clean})
}
