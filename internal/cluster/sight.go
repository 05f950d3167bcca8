package cluster

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// sight is what is known of one ping node.
type sight struct {
	answered Time // when the newest question that it answered was sent; 0: never
	since    Time // the first question of the run of answers without a gap
	steady   Time // the same, with the gaps that deadping allows
	up       bool
}

// pinging is how the ping nodes are asked and what the comparison with the peer says.
type pinging struct {
	interval time.Duration // asked for; 0: not yet
	worse    Time          // since when the peer sees more ping nodes than we do; 0: it does not
	better   Time          // when the peer last saw fewer than we do; 0: never
	thawed   Time          // the end of our newest stall: what did not answer in it is not blamed
}

const (
	// pingLeaseShare is G/D: for how long an answer lets an unconfirmed owner go on (rule O3).
	pingLeaseShare = 0.3
	// maxPingLease bounds G: an answer of long ago proves nothing, however long the dead time.
	maxPingLease = time.Second
	// coarseLease is G in a kernel without nftables, where an address ends up to a
	// second late: G and that second must be shorter than R.
	coarseLease = 3 * time.Second
	// pingGaps of them are in G: a longer gap ends the run that rule S2 asks for.
	pingGaps = 3
	// pingsPerLease is how often a ping node is asked within G when it matters:
	// two answers in a row may be lost without a gap.
	pingsPerLease = 10
	// missedBeat, in quarters of a keepalive, is the silence after which it matters.
	missedBeat = 5
	// steadySight is for how many keepalives the peer must see more ping nodes
	// before a group goes there: both nodes lose a dead one, but not at once.
	steadySight = 4
	// sightRest is for how long a node must have seen as much as the other before
	// a group goes back to it: a ping node that comes and goes moves a group once.
	sightRest = 10 * time.Minute
)

// pingLease is G.
func (m *Machine) pingLease() time.Duration {
	return min(time.Duration(float64(m.cfg.DeadTime)*pingLeaseShare), maxPingLease)
}

// pinged says that ping nodes are configured.
func (m *Machine) pinged() bool { return len(m.cfg.Pings) > 0 }

// absorbPinged takes an answer in. It counts from when its question was sent.
func (m *Machine) absorbPinged(in Pinged) {
	if in.Node < 0 || in.Node >= len(m.sights) || in.Sent > m.now {
		return
	}
	s := &m.sights[in.Node]
	if in.Sent <= s.answered {
		return
	}
	gap := in.Sent.Sub(s.answered)
	if s.answered == 0 || gap > m.pingLease()/pingGaps {
		s.since = in.Sent
	}
	if s.answered == 0 || gap > m.cfg.DeadPing {
		s.steady = in.Sent
	}
	s.answered = in.Sent
}

// unguarded says that nobody but the peer has an opinion: without ping nodes,
// or where the policy is isolated keep, an owner goes on alone (rule O4).
func (m *Machine) unguarded() bool { return !m.pinged() || m.cfg.KeepIsolated }

// keptBy is when the questions were sent with whose answers an unconfirmed owner
// may go on (rule O3): half of the ping nodes, rounded up, have answered since. A
// taker needs more than half (rule S2), so that one of them speaks to both.
func (m *Machine) keptBy() Time {
	if !m.pinged() {
		return 0
	}
	answered := make([]Time, len(m.sights))
	for i := range m.sights {
		answered[i] = m.sights[i].answered
	}
	slices.Sort(answered)
	return answered[len(answered)/2]
}

// keeps is until when they let it go on. Without nftables the kernel counts whole
// seconds: G is longer there, where Y leaves room for it.
func (m *Machine) keeps() Time {
	at := m.keptBy()
	switch {
	case at == 0:
		return 0
	case m.cfg.NoLease && m.yield() > coarseLease+time.Second:
		return at.Add(max(coarseLease, m.pingLease()))
	}
	return at.Add(m.pingLease())
}

// sees says that more than half of the ping nodes answer, and for the time R
// without a gap (rule S2). With a run of no length it says that they answer at all.
func (m *Machine) sees(r time.Duration) bool {
	if !m.pinged() {
		return true
	}
	gap := m.pingLease() / pingGaps
	seen := 0
	for i := range m.sights {
		s := &m.sights[i]
		if s.answered == 0 || m.now.Sub(s.answered) > gap {
			continue
		}
		m.at(s.answered.Add(gap + 1))
		if s.answered.Sub(s.since) >= r {
			seen++
		}
	}
	return seen > len(m.sights)/2
}

// judgeSight finds which ping nodes answer, and how often they are to be asked.
func (m *Machine) judgeSight() {
	if !m.pinged() {
		return
	}
	for i := range m.sights {
		m.judgePing(i)
	}
	m.compareSight()
	m.askPings()
}

// judgePing believes a ping node dead after deadping without an answer, and
// alive after deadping with answers.
func (m *Machine) judgePing(i int) {
	s := &m.sights[i]
	dead := max(s.answered, m.started, m.pings.thawed).Add(m.cfg.DeadPing)
	alive := s.steady.Add(m.cfg.DeadPing)
	switch {
	case s.up && m.now < dead:
		m.at(dead)
	case s.up:
		s.up = false
		m.emit(Event{Kind: "ping", Level: Warning, Words: fmt.Sprintf(
			"ping node %s does not answer %s for %v (deadping)", m.cfg.Pings[i], m.cfg.Self, m.cfg.DeadPing)})
	case s.answered != 0 && m.now.Sub(s.answered) < m.cfg.DeadPing && s.answered >= alive:
		s.up = true
		m.emit(Event{Kind: "ping", Words: fmt.Sprintf("ping node %s answers %s", m.cfg.Pings[i], m.cfg.Self)})
	}
}

// looked says that this node has asked long enough to know what it sees.
func (m *Machine) looked() bool {
	at := m.started.Add(2 * m.cfg.DeadPing)
	m.at(at)
	return m.pinged() && m.now >= at
}

// vision has a bit for each ping node that answers.
func (m *Machine) vision() uint32 {
	var bits uint32
	for i := range m.sights {
		if m.sights[i].up {
			bits |= 1 << i
		}
	}
	return bits
}

// compareSight notes which node sees more ping nodes, and since when.
func (m *Machine) compareSight() {
	p := &m.pings
	b := &m.peer.beat
	mine, theirs := bits.OnesCount32(m.vision()), bits.OnesCount32(b.Sight)
	known := m.looked() && m.peer.is == up && m.peer.echoes && b.Looked && !m.settingsDiffer()
	switch {
	case !known || theirs <= mine:
		p.worse = 0
	case p.worse == 0:
		p.worse = m.now
	}
	if known && theirs < mine {
		p.better = m.now
	}
}

// blind says that the peer's sight of the ping nodes is better, and was for a while.
func (m *Machine) blind() bool {
	if m.pings.worse == 0 {
		return false
	}
	at := m.pings.worse.Add(steadySight * m.cfg.Keepalive)
	m.at(at)
	return m.now >= at
}

// askPings sets the interval: a keepalive in peace, much shorter when the peer
// is not heard or does not confirm, for then the answers decide.
func (m *Machine) askPings() {
	h := m.cfg.Keepalive
	interval := h
	missed := max(m.peer.heardAt, m.started).Add(missedBeat * h / 4)
	unheard := m.now >= missed || m.peer.is != up || m.now >= m.peer.echoed.Add(missedBeat*h/2)
	m.at(missed)
	m.at(m.peer.echoed.Add(missedBeat * h / 2))
	if unheard {
		interval = min(h, m.pingLease()/pingsPerLease)
	}
	if interval != m.pings.interval {
		m.pings.interval = interval
		m.do(Ping{interval})
	}
}

// blindWords say that this node sees too few ping nodes to take anything from a silent peer; empty: enough.
func (m *Machine) blindWords() string {
	if n := bits.OnesCount32(m.vision()); m.pinged() && m.looked() && n <= len(m.sights)/2 {
		return fmt.Sprintf("too few ping nodes answer %s (%d of %d; it needs more than half)", m.cfg.Self, n, len(m.sights))
	}
	return ""
}

// unseenWords say which ping nodes do not answer.
func (m *Machine) unseenWords() string {
	var dead []string
	gap := m.pingLease() / pingGaps
	for i, s := range m.sights {
		if s.answered == 0 || m.now.Sub(s.answered) > gap {
			dead = append(dead, m.cfg.Pings[i])
		}
	}
	switch {
	case len(dead) == 0:
		return "its ping nodes have not answered for long enough yet"
	case len(dead) == 1:
		return fmt.Sprintf("ping node %s does not answer %s", dead[0], m.cfg.Self)
	}
	return fmt.Sprintf("the ping nodes %s do not answer %s", strings.Join(dead, ", "), m.cfg.Self)
}

func (m *Machine) pingStatus() []PingStatus {
	var all []PingStatus
	for i, s := range m.sights {
		one := PingStatus{Name: m.cfg.Pings[i], Up: s.up, Last: -1,
			Peer: m.peer.echoes && m.peer.is == up && m.peer.beat.Sight>>i&1 != 0}
		if s.answered != 0 {
			one.Last = m.now.Sub(s.answered)
		}
		all = append(all, one)
	}
	return all
}

// sighted says that enough ping nodes answer for a takeover to come (rule S2).
// That they do not, when nothing else is in its way, is said once.
func (m *Machine) sighted(g *group) bool {
	if m.sees(max(0, m.yield()-m.intentLead())) { // so that the run is complete when the lead ends
		return true
	}
	due := m.aloneSince(g)
	m.at(due)
	if m.now >= due && !g.blindSaid {
		g.blindSaid = true
		m.emit(Event{Kind: "group", Level: Alarm, Group: g.cfg.Name, Cause: m.peer.cause, Rule: "S2", Words: fmt.Sprintf(
			"%s is not taken: %s is silent, but %s, so it may be %s that is cut off", g.cfg.Name, m.cfg.Peer, m.unseenWords(), m.cfg.Self)})
	}
	return false
}
