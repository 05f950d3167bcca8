package cluster

import (
	"fmt"
	"slices"
	"time"
)

// conflict is what an owner saw of the peer's answers for its address.
type conflict struct{ first, last Time }

// strangerPause is the time between two defences against a stranger's claim (RFC 5227, DEFEND_INTERVAL).
const strangerPause = 10 * time.Second

// heal compares what both nodes say, and leaves one owner.
func (m *Machine) heal(g *group) {
	if m.silence() < m.deadTime() {
		m.obey(g)
		m.compare(g, m.said(g))
		m.outrank(g, m.said(g))
		if !g.state.owns() && m.said(g).State.serves() {
			m.revoke(g) // what stops slowly, or not at all, is silent at least (rule H1)
		}
	}
	m.confirm(g)
}

// obey makes an unconfirmed owner yield to a peer who is about to take the group
// (rule O6). An intent acts even when it does not echo our present life: a peer
// that cannot hear us cannot know of it.
func (m *Machine) obey(g *group) {
	switch {
	case !m.intended(g) || !m.unconfirmed():
	case g.state.serves():
		m.yieldTo(g, "O6", fmt.Sprintf("%s does not hear us and will take it", m.cfg.Peer))
	case g.state == Quiet:
		m.revoke(g)
		m.mute(g, fmt.Sprintf("%s is silent here: %s does not hear us and will take it", g.cfg.Name, m.cfg.Peer), "O6")
	case g.state == Stopping || g.state == Blocked:
		m.revoke(g) // it is on its way out: let it be silent at once
	}
}

// intended says that the peer's newest heartbeat announces that it takes the group.
func (m *Machine) intended(g *group) bool {
	for _, b := range m.peer.beat.Groups {
		if b.Name == g.cfg.Name {
			return b.Intent
		}
	}
	return false
}

// compare applies rule H1 to the peer's newest heartbeat.
func (m *Machine) compare(g *group, said GroupBeat) {
	later := said.Epoch > g.epoch || said.Epoch == g.epoch && !m.preferred(g)
	switch {
	case g.state.serves() && said.State.serves() && later:
		m.yieldTo(g, "H1", fmt.Sprintf("%s serves it too, since epoch %d (here: %d)", m.cfg.Peer, said.Epoch, g.epoch))
	case g.state == Mute && said.State.serves():
		m.enter(g, Stopping, Event{Rule: "H1", Words: fmt.Sprintf("%s is stopped on %s: %s serves it", g.cfg.Name, m.cfg.Self, m.cfg.Peer)})
	case (g.state == Mute || g.state == Quiet && !g.offer) && (said.State == Mute || said.State == Quiet && !said.Offer) && later:
		m.revoke(g)
		m.enter(g, Stopping, Event{Rule: "H1", Words: fmt.Sprintf("%s is stopped on %s: %s has the better claim", g.cfg.Name, m.cfg.Self, m.cfg.Peer)})
	}
}

// outrank gives a group that the peer had meanwhile, and has stopped, an epoch of
// its own again: what is started here from now on comes after what ran there (rule C2).
func (m *Machine) outrank(g *group, said GroupBeat) {
	if !g.state.owns() || m.peer.is != up || said.State != Stopped || g.seen <= g.epoch {
		return
	}
	g.epoch = g.seen + 1
	g.seen = g.epoch
	m.changed = true
}

// yieldTo makes the address silent at once and stops the group.
func (m *Machine) yieldTo(g *group, rule, why string) {
	m.revoke(g)
	g.conflict, g.move = conflict{}, handover{}
	m.enter(g, Stopping, Event{Level: Alarm, Rule: rule, Words: fmt.Sprintf("%s gives %s up: %s", m.cfg.Self, g.cfg.Name, why)})
}

// confirm lets an owner without the peer's confirmation announce and ask for
// its own address each keepalive: the front network may know of another owner (rule H2).
// An owner who meets another one in its heartbeats announces too.
func (m *Machine) confirm(g *group) {
	if !g.state.serves() || !m.holds(g) || !g.cfg.addressed() {
		return
	}
	double := m.peer.echoes && m.silence() < m.deadTime() && m.said(g).State.serves()
	if !m.unconfirmed() && !double {
		g.conflict = conflict{}
		return
	}
	if m.now < g.confirmAt {
		m.at(g.confirmAt)
		return
	}
	g.confirmAt = m.now.Add(m.cfg.Keepalive)
	m.at(g.confirmAt)
	m.do(Announce{g.cfg.Name})
	m.ask4(g, m.now)
}

// absorbSighted takes in that somebody claims an address of the group.
func (m *Machine) absorbSighted(in Sighted) {
	g := m.group(in.Group)
	if g == nil || m.isOwn(in.MAC) {
		return
	}
	if m.isPeer(in.MAC) && m.gone() {
		m.peer.newLife = m.now // it is back, although it cannot be heard
	}
	if !g.state.serves() {
		if !m.ignores(in.MAC) && (!m.isPeer(in.MAC) || !m.speaks()) {
			g.claimedAt = m.now
			g.probe.clear = false
		}
		return
	}
	m.sight(g, in.MAC)
}

// sight judges another's claim of an address that we serve.
func (m *Machine) sight(g *group, mac string) {
	switch {
	case mac == "" || m.isOwn(mac) || !g.state.serves() || !g.lease.held:
	case !m.isPeer(mac) && !m.mayBePeer(g):
		m.defend(g, mac)
	case m.unconfirmed():
		m.meet(g, mac)
	}
}

// mayBePeer says that a claim of unknown origin is taken for the peer's: it was
// never heard, so its hardware address is not known. The preferred node keeps the group.
func (m *Machine) mayBePeer(g *group) bool { return len(m.peer.macs) == 0 && !m.preferred(g) }

// meet counts the sightings of a peer that serves too and cannot be heard.
func (m *Machine) meet(g *group, mac string) {
	c := &g.conflict
	if c.first == 0 || m.now.Sub(c.last) > aloneMargin*m.cfg.Keepalive {
		c.first = m.now
		m.do(Announce{g.cfg.Name})
	}
	c.last = m.now
	lasts := m.now.Sub(c.first)
	patience := 3 * m.cfg.Keepalive / 2 // a heartbeat may come first: rule H1 knows better who goes on
	if m.preferred(g) {
		patience = m.yield() + aloneMargin*m.cfg.Keepalive
	}
	if lasts < patience {
		return
	}
	g.hold = m.now.Add(m.deadTime())
	m.yieldTo(g, "H2", fmt.Sprintf("%s (%s) answers for its address too, and cannot be heard", m.cfg.Peer, mac))
}

// defend answers a stranger's claim: an alarm and one announcement, never a flap (RFC 5227, 2.4).
func (m *Machine) defend(g *group, mac string) {
	if g.strangerAt != 0 && m.now.Sub(g.strangerAt) < strangerPause {
		return
	}
	g.strangerAt = m.now
	m.emit(Event{Kind: "conflict", Level: Alarm, Group: g.cfg.Name, Rule: "H2", Words: fmt.Sprintf(
		"another machine with hardware address %s uses the address of %s: find it and take the address from it", mac, g.cfg.Name)})
	m.do(Announce{g.cfg.Name})
}

func (m *Machine) isPeer(mac string) bool { return mac != "" && slices.Contains(m.peer.macs, mac) }

func (m *Machine) isOwn(mac string) bool {
	return slices.ContainsFunc(m.fronts, func(f front) bool { return f.mac == mac })
}

// announceAfter are the times after a grant at which the address is announced:
// at once, soon again for what was lost, then for caches that were full.
var announceAfter = [...]time.Duration{0, 200 * time.Millisecond, time.Second, 2 * time.Second,
	10 * time.Second, 20 * time.Second, 30 * time.Second, 40 * time.Second, 50 * time.Second, 60 * time.Second}

// announce sends the announcements that are due.
func (m *Machine) announce(g *group) {
	if !g.state.serves() || !m.holds(g) || g.lease.quiet || g.announceAt == 0 {
		return
	}
	for g.announced < len(announceAfter) {
		due := g.announceAt.Add(announceAfter[g.announced])
		if m.now < due {
			m.at(due)
			return
		}
		g.announced++
		if m.now.Sub(due) < time.Second { // after a stall one is enough
			m.do(Announce{g.cfg.Name})
		}
	}
}
