package cluster

import (
	"fmt"
	"time"
)

// lease is what was asked of the kernel for a group.
type lease struct {
	seq          uint64 // of the newest Entitle
	until        Time   // asked for; 0: nothing
	granted      Time   // what the kernel last granted
	grantedQuiet bool   // and how
	refused      bool   // the kernel refused the last write: said once
	rest         Time   // after the kernel refused to write: nothing is asked before this
	quiet        bool
	fresh        bool // the newest was a new grant
	pending      bool // the newest is not answered yet
	voices       bool // the newest makes the address answer: it is announced with it
	held         bool // the kernel has granted it, and nothing said that it ended
	end          Time // the latest end ever asked for: after it the kernel holds nothing, come what may
}

// yieldShare is Y/D: the owner falls silent at this share of its dead time, the
// other node acts at the whole (docs/protocol.md, "Times").
const yieldShare = 0.7

// aloneMargin is how many keepalives before its end an unconfirmed entitlement
// passes into alone (rule O4), and for how many repeated signs are awaited.
const aloneMargin = 3

// yield is Y: the age of the newest confirmed heartbeat at which entitlement ends.
func (m *Machine) yield() time.Duration { return yieldOf(m.cfg.DeadTime) }

func yieldOf(deadTime time.Duration) time.Duration {
	return time.Duration(float64(deadTime) * yieldShare)
}

// heardOf is the end of the entitlement that the peer's confirmation gives:
// counted from when we sent what it confirmed, never from when we heard it (rule O1);
// after a leave, from when a newer life of it was first heard (rule O2).
func (m *Machine) heardOf() Time {
	var until Time
	if e := m.peer.echoed; e > 0 {
		until = e.Add(m.yield())
	}
	if m.peer.newLife > 0 {
		until = max(until, m.peer.newLife.Add(m.yield()))
	}
	return until
}

// confirmed is the same, or after our own restart what the kernel still holds (rule B2).
func (m *Machine) confirmed(g *group) Time { return max(m.heardOf(), g.adopted) }

// fresh says that the peer's word is of now: what it last confirmed of ours was
// sent so recently that it still counts. Old heartbeats that were waiting in a
// socket while this daemon was frozen are not.
func (m *Machine) fresh() bool { return m.now < m.peer.echoed.Add(m.yield()) }

// entitlement is until when this node may serve the group, and by which rule.
func (m *Machine) entitlement(g *group) (until Time, rule string) {
	confirmed, kept := m.confirmed(g), m.keeps()
	switch {
	case m.free():
		return m.now.Add(m.yield()), "O2"
	case g.alone && m.carrier(g):
		return m.now.Add(m.aloneLease()), "O4"
	case kept > confirmed:
		return kept, "O3"
	}
	return confirmed, "O1"
}

// aloneLease is for how long an owner without confirmation is entitled at a time
// (rule O4). While it hears the peer, who evidently does not hear it, that is less
// than the lead of the peer's intent: should this daemon die before it can obey,
// its address is silent before the peer acts.
func (m *Machine) aloneLease() time.Duration {
	if m.peer.beat.Seq > 0 && m.silence() < missedBeat*m.cfg.Keepalive/2 {
		return m.cfg.DeadTime - m.yield() - m.cfg.Keepalive
	}
	return m.yield()
}

// step is how much longer an entitlement must have become to be told to the kernel.
func (m *Machine) step(rule string) time.Duration {
	switch rule {
	case "O3":
		return min(m.cfg.Keepalive/2, m.pingLease()/pingGaps)
	case "O4":
		return min(m.cfg.Keepalive/2, max(m.aloneLease()/pingGaps, m.cfg.Keepalive/20))
	}
	return m.cfg.Keepalive / 2
}

// entitle keeps the kernel's lease of an owner running, or takes note that it ended.
func (m *Machine) entitle(g *group) {
	m.judgeAlone(g)
	if !g.lease.held && !g.lease.pending {
		return
	}
	if m.lapsed(g) {
		return
	}
	if g.state == Mute || g.lease.until == 0 || g.lease.awaited() || m.reload.short {
		return
	}
	if m.now < g.lease.rest {
		m.at(g.lease.rest)
		return
	}
	until, rule := m.entitlement(g)
	more, step := until.Sub(g.lease.until), m.step(rule)
	if more >= step {
		m.ask(g, Entitle{Until: until, Quiet: g.lease.quiet})
		more = 0
	}
	if rule == "O4" {
		m.at(m.now.Add(step - more)) // it grows with the time alone
	}
}

// lapsed makes an owner mute whose lease has ended (rule O5).
func (m *Machine) lapsed(g *group) bool {
	l := &g.lease
	if l.until == 0 {
		return false
	}
	m.at(l.until)
	if m.now < l.until {
		return false
	}
	m.revoke(g)
	if g.state != Stopping && g.state != Blocked && g.state != Stopped {
		m.mute(g, fmt.Sprintf("%s may no longer be served here: %s; its address is silent", g.cfg.Name, m.lapseWords(g)), "O5")
	}
	return true
}

// lapseWords say why an entitlement ended.
func (m *Machine) lapseWords(g *group) string {
	switch {
	case g.lease.refused:
		return "the kernel refused to prolong its lease"
	case !m.carrier(g):
		return "its interface has no carrier"
	case m.pinged() && m.keeps() <= m.now:
		return fmt.Sprintf("%s does not confirm, and %s", m.cfg.Peer, m.unseenWords())
	case m.peer.echoed == 0:
		return fmt.Sprintf("%s has not confirmed it since lubdub started here", m.cfg.Peer)
	}
	return fmt.Sprintf("%s did not confirm for %v", m.cfg.Peer, round(m.now.Sub(m.peer.echoed)))
}

// mute takes note that the address is silent although the resources run.
func (m *Machine) mute(g *group, words, rule string) {
	g.offer, g.adopted, g.alone, g.move = false, 0, false, handover{}
	g.probe.evidence, g.probe.answer, g.probe.deafSince = false, "", 0
	g.lapse = true
	m.enter(g, Mute, Event{Level: Alarm, Words: words, Rule: rule})
}

// judgeAlone begins and ends the entitlement of an owner without peer (rule O4).
// It begins while the entitlement still runs: what has ended is revived by nothing.
func (m *Machine) judgeAlone(g *group) {
	if g.state == Stopped || g.state == Mute {
		g.alone = false
		return
	}
	begins := m.aloneFrom(g)
	if !g.lease.held { // it is being started: the rule by which it was taken counts, until the peer confirms
		g.alone = g.alone && (m.peer.is != up || m.now >= begins)
		return
	}
	if m.now < begins {
		g.alone = false
		m.at(begins)
		return
	}
	if m.unguarded() && m.now < g.lease.until && !m.intended(g) && m.carrier(g) {
		g.alone = true
	}
}

// aloneFrom is when the confirmed entitlement is about to end.
func (m *Machine) aloneFrom(g *group) Time { return m.confirmed(g).Add(-m.margin()) }

// margin is aloneMargin as a duration. With a dead time of few keepalives it
// shrinks, or every heartbeat would begin the time alone.
func (m *Machine) margin() time.Duration {
	h := m.cfg.Keepalive
	return min(aloneMargin*h, max(m.yield()-5*h/2, h))
}

// unconfirmed says that the owner serves without the peer's confirmation. What
// the kernel still held when this daemon started is none.
func (m *Machine) unconfirmed() bool {
	begins := m.heardOf().Add(-m.margin())
	m.at(begins)
	return !m.gone() && m.now >= begins
}

// ask sends an Entitle for the group. A fresh one follows a revocation.
func (m *Machine) ask(g *group, e Entitle) {
	l := &g.lease
	l.seq++
	l.until, l.quiet, l.fresh, l.pending, l.voices = e.Until, e.Quiet, e.Fresh, true, e.Announce
	l.end = max(l.end, e.Until)
	e.Group, e.Seq = g.cfg.Name, l.seq
	m.dog.now = m.dog.now || e.Fresh
	m.do(e)
}

// revoke makes the address silent at once.
func (m *Machine) revoke(g *group) {
	if g.lease.until != 0 {
		m.ask(g, Entitle{})
	}
	g.lease.held = false
}

// awaited says that the kernel has yet to answer an ask that makes the address
// answer: nothing may be asked in its place.
func (l *lease) awaited() bool { return l.pending && (l.fresh || l.voices) }

// holds says that the kernel lets the address be served at this moment.
func (m *Machine) holds(g *group) bool { return g.lease.held && m.now < g.lease.until }

// silent says that the kernel does not answer for the address: it has
// acknowledged the revocation (rule K3), or every lease it was given has ended.
func (m *Machine) silent(g *group) bool {
	if g.lease.until != 0 {
		return false
	}
	if !g.lease.pending {
		return true
	}
	ended := g.lease.end.Add(m.cfg.Keepalive)
	m.at(ended)
	return m.now >= ended
}

// absorbLeased takes the kernel's answer in.
func (m *Machine) absorbLeased(in Leased) {
	g := m.group(in.Group)
	if g == nil {
		return
	}
	l := &g.lease
	if in.Seq != l.seq {
		if in.State == Lapsed && !l.fresh && l.until != 0 {
			m.loseLease(g, in)
		}
		return
	}
	if l.until == 0 && in.State != Granted {
		m.emit(Event{Kind: "lease", Level: Alarm, Group: in.Group, Cause: g.cause, Rule: "K3",
			Words: fmt.Sprintf("the kernel did not revoke the lease of %s: it ends by itself: %s", in.Group, in.Err)})
		return
	}
	l.pending = false
	switch {
	case l.until == 0:
	case in.State == Granted:
		l.granted, l.grantedQuiet, l.refused = l.until, l.quiet, false
		if l.voices {
			g.announced, g.announceAt = 1, m.now
		}
		l.held = true
	case in.State == Unwritten:
		m.unwritten(g, in)
	default:
		m.loseLease(g, in)
	}
}

// unwritten takes note that the kernel refused to write. A running lease runs on
// to its end, and is asked for again; a new one cannot be had here.
func (m *Machine) unwritten(g *group, in Leased) {
	l := &g.lease
	l.rest = m.now.Add(m.cfg.Keepalive / 2)
	cause := g.cause
	if !l.refused || l.fresh {
		cause = m.emit(Event{Kind: "lease", Level: Alarm, Group: g.cfg.Name, Cause: g.cause, Rule: "K1",
			Words: fmt.Sprintf("the kernel refused to write the lease of %s: %s", g.cfg.Name, in.Err)})
	}
	l.refused = true
	if !l.fresh {
		l.until, l.quiet, l.voices = l.granted, l.grantedQuiet, false
		return
	}
	l.until, l.held = 0, false
	if g.state == Starting {
		m.giveUp(g, cause, UsualWindow, "the kernel refused to write its lease: "+in.Err)
	}
}

// loseLease takes note that the kernel holds nothing.
func (m *Machine) loseLease(g *group, in Leased) {
	g.lease.until, g.lease.held, g.lease.pending = 0, false, false
	if g.state == Starting || g.state == Running || g.state == Quiet {
		words := fmt.Sprintf("%s may not be served here: the kernel's lease had ended", g.cfg.Name)
		if in.Err != "" {
			words += ": " + in.Err
		}
		m.mute(g, words, "K2")
	}
}
