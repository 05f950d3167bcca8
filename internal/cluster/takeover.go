package cluster

import (
	"fmt"
	"time"
)

// probing is what is known from asking the front about a group's addresses.
type probing struct {
	attempt   uint64 // the running one; 0: none
	next      Time   // not before
	began     Time   // of the newest answered attempt
	clear     bool   // it said: nobody answers, and the question was heard
	evidence  bool   // some attempt since the lease lapsed was clear
	answer    string // the MAC that answered the newest; empty: none
	foreign   bool   // another node probed at the same time
	deafSince Time   // since when the front cannot be asked; 0: it can
	voidAt    Time   // a grant after this is void (rule S6)
}

const (
	// probeTime is how long the three probes of rule S4 take, with their waits.
	probeTime = 80 * time.Millisecond
	// grantWindow is how old the beginning of the probes may be at the grant (rule S6).
	grantWindow = 150 * time.Millisecond
)

// way is how a node may become owner of a group that it does not serve.
type way uint8

const (
	byWaiting way = iota // not now
	bySilence            // the peer is not heard: rules S1 to S6
	byOffer              // the peer hands it over
	byClaim              // the peer is asked: rule C1
	byLeave              // the peer has left, or is fenced
)

// way finds how this node may become owner, from what the peer is and says.
func (m *Machine) way(g *group, said GroupBeat) way {
	switch {
	case m.reload.order != nil:
		return byWaiting
	case m.now < g.hold:
		m.at(g.hold)
		return byWaiting
	case m.suspects(g):
		return bySilence
	case m.gone() && m.mayTry(g) && (m.free() || m.sees(0)):
		return byLeave
	case m.peer.is != up:
		return byWaiting
	case said.Offer && m.accepts(g):
		return byOffer
	case said.State == Stopped && m.claims(g, said):
		return byClaim
	}
	return byWaiting
}

// accepts says that this node takes what the peer offers: it offers nothing
// itself, can run the group, and the offer is of now.
func (m *Machine) accepts(g *group) bool {
	return !g.offer && (g.state == Stopped || g.state == Quiet) && m.able(g) && m.fresh()
}

// acquire tries to become owner of a group that this node does not serve.
func (m *Machine) acquire(g *group) {
	said := m.said(g)
	w := m.way(g, said)
	m.setClaim(g, w == byClaim)
	m.setIntent(g, w == bySilence && m.intends(g))
	m.demandFence(g, w)
	switch {
	case w == byOffer:
		m.takeOffer(g, said)
	case w == bySilence && g.intent && !m.cfg.Fencing && m.mayTake(g):
		m.take(g, "S1, S3, S4, S6", fmt.Sprintf("%s is silent for %v and nobody answers for its address", m.cfg.Peer, round(m.silence())))
	case w == byLeave && m.probed(g, m.now):
		m.take(g, "O2", fmt.Sprintf("%s %s", m.cfg.Peer, map[membership]string{left: "has left", fenced: "is fenced"}[m.peer.is]))
	case w == byClaim && m.stands(g, said) && (m.unasked(g) || m.probed(g, m.now)):
		m.take(g, "C1", fmt.Sprintf("%s agrees", m.cfg.Peer))
	}
}

// unasked says that the claim of a quiet owner needs no probe: the peer's word
// that it did not take the offer is all (rule M1).
func (m *Machine) unasked(g *group) bool {
	if g.state == Quiet {
		g.probe.voidAt = 0
	}
	return g.state == Quiet
}

// claims says that this node should start a group that nobody serves while both nodes are up.
func (m *Machine) claims(g *group, said GroupBeat) bool {
	if g.offer || said.Offer || !m.mayTry(g) {
		return false
	}
	waits := said.Soon && m.now.Sub(m.peer.since) < m.deadTime() // for a node that starts, but not for ever
	if waits {
		m.at(m.peer.since.Add(m.deadTime()))
	}
	return g.state != Stopped || m.preferred(g) || !said.Able && !waits
}

func (m *Machine) setClaim(g *group, claim bool) {
	if g.claim != claim {
		g.claim, g.claimSeq = claim, 0
		m.changed = true
	}
}

// stands says that the claim was heard and not contradicted (rule C1).
func (m *Machine) stands(g *group, said GroupBeat) bool {
	return g.claimSeq > 0 && m.peer.echoes && m.fresh() && m.peer.beat.Echo.Seq >= g.claimSeq &&
		said.State == Stopped && !said.Offer && (!said.Claim || m.preferred(g))
}

func (m *Machine) setIntent(g *group, intent bool) {
	if g.intent == intent {
		return
	}
	g.intent, g.intentAt = intent, m.now
	m.changed = true
	if intent {
		m.emit(Event{Kind: "group", Group: g.cfg.Name, Cause: m.peer.cause, Rule: "S3", Words: fmt.Sprintf(
			"%s says that it will take %s: %s is silent for %v", m.cfg.Self, g.cfg.Name, m.cfg.Peer, round(m.silence()))})
	}
}

// intends says that every rule but the probe can hold at the end of the peer's
// dead time (rules S1 and S3).
func (m *Machine) intends(g *group) bool {
	if !m.mayTry(g) || g.offer {
		return false
	}
	if g.state == Stopped && !m.mayStartCold() {
		return false
	}
	if g.probe.answer != "" && !m.cfg.TakeAnyway {
		m.probed(g, m.now)
		return false
	}
	return m.sighted(g) && m.mayIntend(g)
}

// mayIntend says that the front was asked since the peer fell silent, and that nothing but the rest of the silence is in the
// way: an intent makes an owner give up, so a node that could not take the group must not say it.
func (m *Machine) mayIntend(g *group) bool {
	p := &g.probe
	if !g.cfg.addressed() || p.clear && p.began > m.peer.heardAt {
		return true
	}
	m.ask4(g, p.next)
	return false
}

// suspects says that the peer's silence is about to count as its death: the
// intent goes out within the dead time.
func (m *Machine) suspects(g *group) bool {
	if m.gone() {
		return false
	}
	begins := m.aloneSince(g).Add(-m.intentLead() - probeTime)
	m.at(begins)
	return m.now >= begins
}

// aloneSince is when silence has lasted for the dead time; for a node that has
// not met its peer since it started, and adopted nothing, for initdead.
func (m *Machine) aloneSince(g *group) Time {
	at := m.peer.heardAt.Add(m.deadTime())
	if g.state == Stopped && !m.peer.met {
		at = max(at, m.started.Add(m.cfg.InitDead))
	}
	return at
}

// intentLead is for how long an intent is announced before it may be acted
// upon: within it an owner who hears us, although we do not hear it, gives way,
// and the lease ends of one whose daemon died just then (aloneLease).
func (m *Machine) intentLead() time.Duration {
	return time.Duration(float64(m.deadTime()) * (1 - yieldShare))
}

// mayStartCold applies the policy for a node that has not seen its peer since it started.
func (m *Machine) mayStartCold() bool {
	if m.cfg.StrictStart && !m.peer.met && m.cfg.Fencing && m.fence.tested && !m.fence.works {
		return false // what cannot be fenced later is not started now
	}
	return m.coldWord || !m.cfg.StrictStart
}

// mayTake says that rules S1 to S6 hold.
func (m *Machine) mayTake(g *group) bool {
	ready := max(m.aloneSince(g), g.intentAt.Add(m.intentLead()))
	if !m.sees(m.yield()) {
		return false // the answers wake us
	}
	asked := m.probed(g, ready.Add(-probeTime))
	if m.now < ready {
		m.at(ready)
		return false
	}
	return asked
}

// probed says that the addresses of the group were asked for just now and that
// nobody has them (rules S4 and S6). It asks again, from the given moment on,
// when that is not so. A group without address has nothing to ask.
func (m *Machine) probed(g *group, from Time) bool {
	p := &g.probe
	if !g.cfg.addressed() {
		return true
	}
	if p.clear && m.now.Sub(p.began) <= grantWindow {
		p.voidAt = p.began.Add(grantWindow)
		return true
	}
	m.ask4(g, max(from, p.next))
	return false
}

// ask4 sends the probes of rule S4 when their time has come.
func (m *Machine) ask4(g *group, from Time) {
	p := &g.probe
	if p.attempt != 0 {
		return
	}
	if m.now < from {
		m.at(from)
		return
	}
	m.probes++
	p.attempt = m.probes
	p.next = m.now.Add(m.cfg.Keepalive)
	m.do(Probe{Group: g.cfg.Name, Attempt: p.attempt})
}

// absorbProbed takes the answer to a probe in.
func (m *Machine) absorbProbed(in Probed) {
	g := m.group(in.Group)
	if g == nil || in.Attempt != g.probe.attempt {
		return
	}
	p := &g.probe
	p.attempt, p.began = 0, in.Began
	if g.state.serves() {
		m.sight(g, in.MAC)
		p.clear = false
		return
	}
	mac := in.MAC
	if m.ignores(mac) {
		mac = ""
	}
	if mac = m.believed(g, mac, in.Anything); g.proxied != "" {
		in.Evidence = true // it answered: the front carries frames
	}
	p.foreign = in.Foreign != "" && !m.ignores(in.Foreign)
	p.clear = mac == "" && !p.foreign && in.Err == "" && m.evident(g, in) && m.unclaimed(g)
	p.evidence = p.evidence || p.clear
	if p.foreign {
		g.hold = max(g.hold, m.now.Add(m.giveWay(g)))
	}
	m.noteAnswer(g, mac)
	m.noteDeaf(g, in.Err)
}

// ignores says that the policy partition take passes over what the peer's own
// hardware address says on the front.
func (m *Machine) ignores(mac string) bool { return m.cfg.TakeAnyway && m.isPeer(mac) }

// noteDeaf counts a group as unable to run here when the front could not be
// asked for the dead time: the other node may be luckier.
func (m *Machine) noteDeaf(g *group, err string) {
	p := &g.probe
	if err == "" {
		p.deafSince = 0
		return
	}
	if p.deafSince == 0 {
		p.deafSince = m.now
	}
	if m.now.Sub(p.deafSince) < m.deadTime() || m.now < g.failedUntil {
		return
	}
	m.fail(g, UsualWindow, "the network cannot be asked for its address: "+err)
	m.emit(Event{Kind: "group", Level: Alarm, Group: g.cfg.Name, Cause: g.cause, Rule: "S4", Words: fmt.Sprintf(
		"%s cannot run on %s: %s", g.cfg.Name, m.cfg.Self, g.failedWhy)})
}

// evident says that the silence of the front proves something: it carries
// frames to us. A frame from before the peer's last heartbeat proves nothing
// about what came after. For a group that starts anew, the word of a peer that
// speaks to us is enough; a mute owner was silenced because something is wrong.
func (m *Machine) evident(g *group, in Probed) bool {
	spoken := m.speaks()
	recent := in.LastFrame != 0 && m.now.Sub(in.LastFrame) < m.deadTime() && (spoken || in.LastFrame > m.peer.heardAt.Add(2*m.cfg.Keepalive))
	return in.Evidence || recent || spoken && g.state == Stopped
}

// speaks says that the peer's own word tells what it does.
func (m *Machine) speaks() bool {
	return m.gone() || m.peer.is == up && m.silence() < 2*m.cfg.Keepalive
}

// unclaimed says that no other's announcement of the address was received
// within two keepalives.
func (m *Machine) unclaimed(g *group) bool {
	return g.claimedAt == 0 || m.now.Sub(g.claimedAt) >= 2*m.cfg.Keepalive
}

// giveWay is how long a node waits that met the other's probes.
func (m *Machine) giveWay(g *group) time.Duration {
	if m.preferred(g) {
		return 2 * m.cfg.Keepalive
	}
	return m.deadTime()
}

// noteAnswer says once who has the address.
func (m *Machine) noteAnswer(g *group, mac string) {
	p := &g.probe
	if mac == p.answer {
		return
	}
	p.answer = mac
	switch {
	case mac == "":
		g.refused = ""
		m.emit(Event{Kind: "group", Group: g.cfg.Name, Cause: g.cause, Rule: "S4", Words: fmt.Sprintf(
			"nobody answers for the address of %s any more", g.cfg.Name)})
	case m.isPeer(mac):
		g.refused = fmt.Sprintf("%s is not heard, but its address answers (%s): it lives, and a link, a firewall (udp port) or the key is wrong", m.cfg.Peer, mac)
		m.emit(Event{Kind: "group", Level: Alarm, Group: g.cfg.Name, Cause: m.peer.cause, Rule: "S4", Words: fmt.Sprintf(
			"%s is not taken: %s", g.cfg.Name, g.refused)})
	default:
		g.refused = fmt.Sprintf("the machine with hardware address %s has the address", mac)
		m.emit(Event{Kind: "group", Level: Alarm, Group: g.cfg.Name, Cause: g.cause, Rule: "S4", Words: fmt.Sprintf(
			"%s is not started: %s; find that machine and take the address from it", g.cfg.Name, g.refused)})
	}
}

// take makes this node the owner. The kernel has the last word.
func (m *Machine) take(g *group, rule, why string) {
	g.epoch = max(g.seen, g.epoch) + 1
	if g.epoch == 1 {
		g.epoch = max(1, m.clock)
	}
	g.seen = g.epoch
	g.alone = m.peer.is != up && !m.gone() && m.unguarded()
	g.adopted, g.offer, g.move, g.conflict = 0, false, handover{}, conflict{}
	m.setClaim(g, false)
	m.setIntent(g, false)
	g.probe.clear, g.probe.foreign, g.probe.answer, g.probe.deafSince = false, false, "", 0
	g.refused, g.blindSaid, g.lapse = "", false, false
	g.wantUntil = 0
	m.enter(g, Starting, Event{Rule: rule, Cause: m.reason(g, rule),
		Words: fmt.Sprintf("%s takes %s: %s", m.cfg.Self, g.cfg.Name, why)})
}

// reason is the event that a takeover goes back to.
func (m *Machine) reason(g *group, rule string) uint64 {
	if rule == "C1" && g.state != Stopped {
		return g.cause
	}
	return m.peer.cause
}

// takeOffer takes what the peer has given up for us.
func (m *Machine) takeOffer(g *group, said GroupBeat) {
	g.stay = said.Keep && !m.preferred(g)
	if said.Failed && !said.Keep && !m.preferred(g) {
		if m.now.Sub(g.drivenAt) >= drivenMemory {
			g.driven = 0
		}
		g.driven, g.drivenAt = g.driven+1, m.now
	}
	g.probe.voidAt = 0
	g.drains = said.State == Quiet && g.state == Stopped
	m.take(g, "M1", fmt.Sprintf("%s hands it over", m.cfg.Peer))
}

// believed is who has the address: an answer of a station that answers for
// whatever it is asked says nothing (proxy ARP), and rule S4 is off. That is said once.
func (m *Machine) believed(g *group, mac string, anything bool) string {
	if !anything || mac == "" || m.isPeer(mac) {
		g.proxied = ""
		return mac
	}
	if g.proxied != mac {
		g.proxied = mac
		m.emit(Event{Kind: "group", Level: Alarm, Group: g.cfg.Name, Cause: g.cause, Rule: "S4", Words: fmt.Sprintf(
			"%s, for it answers for addresses that nobody has: the network cannot tell whether the address of %s is taken", proxiedWords(mac), g.cfg.Name)})
	}
	return ""
}

func proxiedWords(mac string) string {
	return fmt.Sprintf("the answers of the machine with hardware address %s are not believed (proxy ARP)", mac)
}
