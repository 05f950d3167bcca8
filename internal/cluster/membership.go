package cluster

import (
	"fmt"
	"strings"
	"time"
)

// membership is what the peer is to us.
type membership uint8

const (
	unseen membership = iota // not heard in this life of the daemon
	up                       // heard, and it echoes our present incarnation
	down                     // silent on all links for the dead time
	left                     // it stopped everything and said so
	fenced                   // a fence device, or the operator, ended it
)

func (s membership) String() string { return [...]string{"unseen", "up", "down", "left", "fenced"}[s] }

// gone says that the peer serves nothing, by its own word or a fence's, and that
// no newer life of it was heard (rule O2).
func (m *Machine) gone() bool {
	return (m.peer.is == left || m.peer.is == fenced) && m.peer.newLife == 0
}

// peer is what was heard of the other node.
type peer struct {
	is      membership
	since   Time
	cause   uint64
	beat    Beat // the newest
	heardAt Time // when it came; moved on by own stalls; at first our own start
	met     bool // it was up in this life of ours
	echoes  bool // the newest echoes our present incarnation: its fields act
	// echoed is E: when we sent the newest of our heartbeats that the peer confirmed.
	echoed Time
	// newLife is when a newer incarnation was first heard after a leave (rule O2).
	newLife Time
	old     uint64 // heartbeats that came behind a newer one: late copies, or replays
	olderAt Time   // when heartbeats of an older life were last complained of
	plainAt Time   // when a real Heartbeat's message last came; 0: never
	macs    []string
	differs []string // the files that differ
}

// free says that a peer that is gone is reason enough to serve (rule O2). With
// ping nodes it is not, for it may have come back unheard; unless it would have to
// fence us before it took anything.
func (m *Machine) free() bool {
	return m.gone() && (m.unguarded() || m.peer.is == fenced && m.cfg.Fencing)
}

// absorbHeard takes a heartbeat in. Only the newest counts: an older one, or a
// second copy on another link, proves that the link works and nothing else.
func (m *Machine) absorbHeard(in Heard) {
	b, p := in.Beat, &m.peer
	switch {
	case !m.ours(in):
	case b.Plain:
		m.absorbPlain(in)
	case older(b, p.beat):
		p.old++
		m.noteOlder(b)
	case b.Incarnation == p.beat.Incarnation && b.Seq == p.beat.Seq:
		m.links[in.Link].heard = m.now
	default:
		m.links[in.Link].heard = m.now
		m.absorbNewest(b)
	}
}

// ours says that a heartbeat is of the other node of this cluster.
func (m *Machine) ours(in Heard) bool {
	b := in.Beat
	return in.Link >= 0 && in.Link < len(m.links) && b.Node == m.cfg.Peer && (b.Plain || b.Cluster == m.cfg.Cluster)
}

// older says that heartbeat a was sent before b, or in an earlier life.
func older(a, b Beat) bool {
	return a.Incarnation < b.Incarnation || a.Incarnation == b.Incarnation && a.Seq < b.Seq
}

func (m *Machine) absorbNewest(b Beat) {
	p := &m.peer
	m.noteGap(b)
	again := b.Incarnation == p.beat.Incarnation
	if m.gone() && (!again || p.is == fenced) {
		p.newLife = m.now
		if again {
			m.emit(Event{Kind: "fence", Level: Alarm, Node: m.cfg.Peer, Rule: "S5", Words: fmt.Sprintf(
				"%s counted as off, but it is heard: look at the fence device", m.cfg.Peer)})
		}
	}
	// Whoever changed something waits until it was heard.
	m.answer = m.answer || !sameContent(b, p.beat)
	p.beat, p.heardAt = b, m.now
	p.echoes = b.Echo.Incarnation == m.incarnation
	if p.echoes && b.Echo.Sent <= m.now {
		p.echoed = max(p.echoed, b.Echo.Sent)
	}
	if len(b.MACs) > 0 {
		p.macs = b.MACs
	}
	for _, g := range m.groups {
		g.seen = max(g.seen, m.said(g).Epoch)
	}
	m.compareFiles()
}

// noteOlder says now and then that a former life of the peer is heard: a
// repeated packet, or a node whose clock and state were set back.
func (m *Machine) noteOlder(b Beat) {
	p := &m.peer
	if b.Incarnation == p.beat.Incarnation || p.olderAt != 0 && m.now.Sub(p.olderAt) < olderPause {
		return
	}
	p.olderAt = m.now
	m.emit(Event{Kind: "membership", Level: Warning, Node: m.cfg.Peer, Words: fmt.Sprintf(
		"heartbeats of an older life of %s are ignored (incarnation %d, known: %d): somebody repeats old packets, or its clock and state directory were set back",
		m.cfg.Peer, b.Incarnation, p.beat.Incarnation)})
}

// olderPause is the time between two complaints about an older life.
const olderPause = time.Minute

// absorbPlain notes a real Heartbeat: it cannot tell us what it runs, so nothing is started beside it.
func (m *Machine) absorbPlain(in Heard) {
	p := &m.peer
	m.links[in.Link].heard = m.now
	if p.plainAt == 0 || m.now.Sub(p.plainAt) > m.deadTime() {
		m.emit(Event{Kind: "membership", Level: Alarm, Node: m.cfg.Peer, Words: fmt.Sprintf(
			"%s runs Heartbeat, not lubdub: nothing is started here while it is heard; stop heartbeat there and start lubdub", m.cfg.Peer)})
	}
	p.plainAt, p.heardAt = m.now, m.now
}

// plain says that a real Heartbeat was heard within the dead time.
func (m *Machine) plain() bool {
	at := m.peer.plainAt
	m.at(at.Add(m.deadTime()))
	return at != 0 && m.now.Sub(at) < m.deadTime()
}

// noteGap warns of a late heartbeat, as Heartbeat does.
func (m *Machine) noteGap(b Beat) {
	p := &m.peer
	if p.is != up || b.Incarnation != p.beat.Incarnation {
		return
	}
	if gap := m.silence(); gap > m.cfg.WarnTime {
		m.emit(Event{Kind: "late", Level: Warning, Node: m.cfg.Peer, Words: fmt.Sprintf(
			"late heartbeat from %s: interval %v, warntime %v", m.cfg.Peer, round(gap), m.cfg.WarnTime)})
	}
}

// deadTime is how long the peer may be silent: what it asks for itself.
func (m *Machine) deadTime() time.Duration {
	if d := m.peer.beat.DeadTime; d > 0 {
		return d
	}
	return m.cfg.AdvertisedDeadTime() // both nodes have the same files
}

// silence is for how long the peer was not heard, own stalls left out.
func (m *Machine) silence() time.Duration { return m.now.Sub(m.peer.heardAt) }

// judgePeer decides what the peer is, and which links work.
func (m *Machine) judgePeer() {
	m.judgeLinks()
	p := &m.peer
	if p.beat.Seq == 0 {
		return
	}
	if !m.gone() {
		m.at(p.heardAt.Add(m.deadTime()))
	}
	switch fresh := m.silence() < m.deadTime(); {
	case p.is == fenced && m.gone():
	case !fresh:
		m.judgeSilent()
	case p.echoes && p.beat.Left:
		m.judgeLeft()
	case p.echoes:
		p.newLife = 0
		p.met, m.coldWord = true, true
		m.setPeer(up, Info, fmt.Sprintf("%s is up", m.cfg.Peer))
	case p.is == up:
		m.setPeer(unseen, Warning, fmt.Sprintf("%s has restarted and has not heard us yet", m.cfg.Peer))
	}
}

// judgeLeft takes note of a leave. One that waited in a socket while this daemon
// stood still may be over by now: it says nothing, and silence decides.
func (m *Machine) judgeLeft() {
	if m.fresh() {
		m.setPeer(left, Info, fmt.Sprintf("%s has left: everything is stopped there", m.cfg.Peer))
	}
}

// judgeSilent judges a peer that was not heard for the dead time. One that left
// may be silent.
func (m *Machine) judgeSilent() {
	switch p := &m.peer; {
	case p.is == up:
		m.setPeer(down, Alarm, fmt.Sprintf("%s is down: silent on %s for %v (deadtime %v)",
			m.cfg.Peer, m.allLinks(), round(m.silence()), m.deadTime()))
	case (p.is == left || p.is == fenced) && !m.gone():
		m.setPeer(down, Alarm, fmt.Sprintf("%s is not heard, and may be back", m.cfg.Peer))
	}
}

func (m *Machine) setPeer(is membership, level Level, words string) {
	p := &m.peer
	if p.is == is {
		return
	}
	p.is, p.since = is, m.now
	if is == left || is == fenced {
		p.newLife = 0
	}
	for _, g := range m.groups {
		g.stay = g.stay && (is == up || is == unseen)
		g.peerAble = 0
		if is == up {
			g.refused, g.probe.answer = "", "" // it can be heard: what was found without it counts no more
		}
	}
	p.cause = m.emit(Event{Kind: "membership", Level: level, Node: m.cfg.Peer, Words: words})
	m.answer = true
}

// judgeLinks finds the links on which the peer is heard.
func (m *Machine) judgeLinks() {
	for i := range m.links {
		l := &m.links[i]
		heard := l.heard != 0 && m.now.Sub(l.heard) < m.deadTime()
		if heard {
			m.at(l.heard.Add(m.deadTime()))
		}
		if heard == l.up {
			continue
		}
		l.up = heard
		words, level := fmt.Sprintf("link %s is up: %s is heard on it", m.cfg.Links[i], m.cfg.Peer), Info
		if !heard {
			words, level = fmt.Sprintf("link %s is dead: %s was not heard on it for %v", m.cfg.Links[i], m.cfg.Peer, m.deadTime()), Warning
		}
		m.emit(Event{Kind: "link", Level: level, Words: words})
	}
}

func (m *Machine) allLinks() string {
	switch len(m.cfg.Links) {
	case 0:
		return "every link"
	case 1:
		return "the only link (" + m.cfg.Links[0] + ")"
	}
	return "all links (" + strings.Join(m.cfg.Links, ", ") + ")"
}

// round makes a duration readable: three digits are enough at night.
func round(d time.Duration) time.Duration {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond)
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}
