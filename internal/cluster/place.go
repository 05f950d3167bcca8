package cluster

import (
	"fmt"
	"slices"
	"time"
)

// handover is a move to the other node that has begun.
type handover struct {
	to      string
	quiet   bool // make before break: only the address moves
	ordered bool // by the operator: it is not to fail back
}

// offerPatience is how long an offer stays open without the peer's taking it:
// it needs one heartbeat each way and no action at all.
const offerPatience = 2 * time.Second

// failbackPatience is for how many dead times the preferred node must have been
// confirmed and able before a group goes back to it.
const failbackPatience = 2

// place decides where the group should be, and takes the next step towards it.
func (m *Machine) place(g *group) {
	m.noteAble(g)
	switch {
	case g.handsOff() && g.state == Mute:
		m.acquire(g)
	case g.handsOff() && g.state != Quiet:
		m.closeOffer(g)
	default:
		m.placeByState(g)
	}
	if g.state != Stopped && g.state != Quiet && g.state != Mute || g.handsOff() && g.state == Stopped {
		m.setClaim(g, false)
		m.setIntent(g, false)
		g.unfenced = false
	}
}

func (m *Machine) placeByState(g *group) {
	switch g.state {
	case Stopped:
		m.closeOffer(g)
		m.acquire(g)
	case Starting:
		m.leaveResting(g)
		if m.goes() && g.state == Starting {
			m.enter(g, Stopping, Event{Words: fmt.Sprintf("%s does not start on %s: %s", g.cfg.Name, m.cfg.Self, m.goesWords())})
		}
	case Running:
		m.handOver(g)
	case Quiet:
		m.waitForTaker(g)
	case Mute:
		m.recover(g)
	}
}

// rests says that a group that is being started waits for a resource that failed.
func (m *Machine) rests(g *group) bool {
	return g.state == Starting && slices.ContainsFunc(g.resources, func(r *resource) bool { return r.state == stopped && m.now < r.lookAt })
}

// leaveResting lets the operator move a group away that waits for a resource.
func (m *Machine) leaveResting(g *group) {
	asked := m.said(g).Want || g.moveTo != ""
	if asked && m.rests(g) && m.peerCan(g) {
		g.move = handover{to: m.cfg.Peer, ordered: true}
		m.enter(g, Stopping, Event{Words: fmt.Sprintf("%s moves to %s: the operator asks for it", g.cfg.Name, m.cfg.Peer)})
	}
	g.moveTo = ""
}

// noteAble remembers since when the peer could run the group.
func (m *Machine) noteAble(g *group) {
	switch able := m.peer.is == up && m.said(g).Able; {
	case !able:
		g.peerAble = 0
	case g.peerAble == 0:
		g.peerAble = m.now
	}
	if g.wantUntil != 0 {
		m.at(g.wantUntil)
		if m.now >= g.wantUntil || g.state != Stopped {
			g.wantUntil = 0
		}
	}
}

// goes says that this node is to give everything up.
func (m *Machine) goes() bool { return m.standby || m.leaving.since != 0 }

func (m *Machine) goesWords() string {
	if m.leaving.since != 0 {
		return fmt.Sprintf("lubdub ends on %s", m.cfg.Self)
	}
	return fmt.Sprintf("%s is in standby", m.cfg.Self)
}

// peerCan says that the peer would take the group now: nothing of it runs there,
// or it still ends what was begun with it.
func (m *Machine) peerCan(g *group) bool {
	said := m.said(g)
	return m.peer.is == up && said.Able && (said.State == Stopped || said.State == Quiet && !said.Offer)
}

// handOver begins a move of a running group when there is a reason for one.
func (m *Machine) handOver(g *group) {
	if g.move.quiet {
		m.askQuiet(g)
		if g.lease.quiet && !g.lease.pending {
			g.offer, g.offeredAt = true, m.now
			m.enter(g, Quiet, Event{Rule: "K3", Words: fmt.Sprintf("%s no longer answers for %s and offers it to %s", m.cfg.Self, g.cfg.Name, g.move.to)})
		}
		return
	}
	why := m.reasonToGo(g)
	ordered := !m.goes() && (m.said(g).Want || g.moveTo != "")
	g.moveTo = ""
	switch {
	case why == "":
	case m.peerCan(g):
		m.beginMove(g, why, ordered)
	case m.goes():
		m.enter(g, Stopping, Event{Level: Alarm, Words: fmt.Sprintf("%s stops and nobody takes it: %s, and %s cannot run it", g.cfg.Name, why, m.cfg.Peer)})
	}
}

func (m *Machine) beginMove(g *group, why string, ordered bool) {
	warm := g.cfg.warm() && g.cfg.addressed() && g.lease.held
	g.move = handover{to: m.cfg.Peer, quiet: warm, ordered: ordered}
	words := fmt.Sprintf("%s moves to %s: %s", g.cfg.Name, m.cfg.Peer, why)
	if !warm {
		m.enter(g, Stopping, Event{Words: words})
		return
	}
	g.cause = m.emit(Event{Kind: "group", Group: g.cfg.Name, Cause: g.cause, Words: words})
	m.askQuiet(g)
}

// askQuiet asks the kernel to withdraw the answers; again, when it refused.
func (m *Machine) askQuiet(g *group) {
	switch l := &g.lease; {
	case l.quiet || l.pending:
	case m.now < l.rest:
		m.at(l.rest)
	default:
		m.ask(g, Entitle{Until: l.until, Quiet: true})
	}
}

// reasonToGo says why a running group should leave this node; empty: it stays.
func (m *Machine) reasonToGo(g *group) string {
	switch {
	case m.goes():
		return m.goesWords()
	case m.peer.is != up:
		return ""
	case m.said(g).Want:
		return "the operator asks for it on " + m.cfg.Peer
	case g.moveTo == m.cfg.Peer:
		return "the operator asks for it"
	case m.now < g.failedUntil && !g.both:
		return g.failedWhy
	case !m.carrier(g):
		return "the interface of its address has no carrier"
	case m.blind():
		return fmt.Sprintf("%s reaches more ping nodes than %s", m.cfg.Peer, m.cfg.Self)
	case m.failsBack(g):
		return fmt.Sprintf("%s is its preferred node and is back (auto_failback on)", m.cfg.Peer)
	}
	return ""
}

// failsBack says that the group goes back to its preferred node now.
func (m *Machine) failsBack(g *group) bool {
	if !m.cfg.AutoFailback || g.cfg.Preferred != m.cfg.Peer || g.stay || g.peerAble == 0 || len(m.peer.differs) > 0 || g.driven >= maxDriven {
		return false
	}
	due := m.failbackAt(g)
	m.at(due)
	return m.now >= due && m.inWindow(g)
}

// maxDriven is how often within drivenMemory a group may come here because it failed on its
// preferred node before it no longer goes back by itself: it would only fail again.
const (
	maxDriven    = 2
	drivenMemory = 24 * time.Hour
)

// inWindow says that it is the time of day at which the group may go back.
func (m *Machine) inWindow(g *group) bool {
	f := &g.cfg.Failback
	switch {
	case f.From == f.To:
		return true
	case !m.clockTold:
		return false
	case f.From < f.To:
		return f.From <= m.minute && m.minute < f.To
	}
	return m.minute >= f.From || m.minute < f.To
}

// failbackAt is when the preferred node has proved itself.
func (m *Machine) failbackAt(g *group) Time {
	proved := max(m.peer.since, g.peerAble).Add(max(g.cfg.Failback.Delay, failbackPatience*m.cfg.DeadTime))
	if m.pings.better != 0 {
		proved = max(proved, m.pings.better.Add(sightRest))
	}
	return proved
}

// taken says that the peer took the group, whatever came of it. One that is quiet,
// or stops, still ends what was begun with it before an earlier move.
func taken(said GroupBeat) bool {
	return said.State != Stopped && said.State != Quiet && said.State != Stopping
}

// closeOffer ends an offer that was taken, or that nobody takes.
func (m *Machine) closeOffer(g *group) {
	if !g.offer {
		return
	}
	said := m.said(g)
	switch {
	case m.peer.is == up && taken(said):
		g.offer, g.move = false, handover{}
		m.changed = true
	case m.peer.is != up || !said.Able && said.State != Stopping || m.now >= g.offeredAt.Add(offerPatience):
		g.offer, g.move = false, handover{}
		m.emit(Event{Kind: "group", Level: Warning, Group: g.cfg.Name, Cause: g.cause,
			Words: fmt.Sprintf("%s did not take %s", m.cfg.Peer, g.cfg.Name)})
	default:
		m.at(g.offeredAt.Add(offerPatience))
	}
}

// waitForTaker waits, quiet, until the peer answers; or takes the offer back.
func (m *Machine) waitForTaker(g *group) {
	said := m.said(g)
	g.unfenced = g.unfenced && m.peer.is != up
	switch {
	case m.peer.is == up && said.State == Running:
		m.drain(g)
		return
	case m.peer.is == up && taken(said) && !(m.goes() && said.State == Blocked):
		m.changed = m.changed || g.offer
		g.offer, g.drainEnd = false, 0
		return
	}
	g.drainEnd = 0
	m.closeOffer(g)
	if m.goes() && !g.offer {
		m.enter(g, Stopping, Event{Level: Alarm, Words: fmt.Sprintf("%s stops: %s, and %s did not take it", g.cfg.Name, m.goesWords(), m.cfg.Peer)})
		return
	}
	m.acquire(g)
}

// drainTime is for how long the old owner of a planned move keeps the address,
// quietly, after the new one answers: what was begun with it is ended with it.
// The new owner passes it the packets of those connections.
const drainTime = 2 * time.Second

// drain keeps the address of a group that moved away until its connections had their time.
func (m *Machine) drain(g *group) {
	if g.drainEnd == 0 {
		g.drainEnd = m.now.Add(drainTime)
		g.offer, g.move = false, handover{}
		g.cause = m.emit(Event{Kind: "group", Group: g.cfg.Name, Cause: g.cause, Rule: "M1", Words: fmt.Sprintf(
			"%s answers for %s; %s ends what was begun with it", m.cfg.Peer, g.cfg.Name, m.cfg.Self)})
	}
	if m.now < g.drainEnd {
		m.at(g.drainEnd)
		return
	}
	g.drainEnd = 0
	m.enter(g, Stopping, Event{Rule: "M1", Words: fmt.Sprintf("%s is served by %s alone", g.cfg.Name, m.cfg.Peer)})
}

// blindPatience is for how many keepalives after a freeze or a start a mute owner
// waits for the first answers of its ping nodes. Else it stops at once what runs:
// the other node may start it when the dead time is over.
const blindPatience = 2

// recover lets a mute owner answer again by the rules for a standby, or give up (rule O5).
func (m *Machine) recover(g *group) {
	giveUp := g.since.Add(m.deadTime())
	blind := max(g.since, max(m.pings.thawed, m.started).Add(blindPatience*m.cfg.Keepalive))
	switch {
	case m.goes():
		m.enter(g, Stopping, Event{Words: fmt.Sprintf("%s stops: %s", g.cfg.Name, m.goesWords())})
		return
	case g.probe.answer != "":
		m.enter(g, Stopping, Event{Level: Alarm, Rule: "O5", Words: fmt.Sprintf("%s stops on %s: its address is answered by %s", g.cfg.Name, m.cfg.Self, g.probe.answer)})
		return
	case !m.sees(0) && m.peer.is != up && m.now >= blind:
		m.enter(g, Stopping, Event{Level: Alarm, Rule: "O5", Words: fmt.Sprintf(
			"%s stops on %s: %s is not heard, and %s", g.cfg.Name, m.cfg.Self, m.cfg.Peer, m.unseenWords())})
		return
	case !g.probe.evidence && m.now >= giveUp && g.cfg.addressed():
		m.fail(g, UsualWindow, "nothing was heard on the front network: look at its cable and its switch port")
		m.enter(g, Stopping, Event{Level: Alarm, Rule: "O5", Words: fmt.Sprintf(
			"%s stops on %s: for %v nothing showed that its address is free", g.cfg.Name, m.cfg.Self, m.deadTime())})
		return
	}
	m.at(giveUp)
	m.at(blind)
	m.acquire(g)
}
