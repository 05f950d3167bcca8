package cluster

import (
	"maps"
	"slices"
)

// protocolVersion is the version of our fields in a heartbeat. A node acts by the lower of both.
const protocolVersion = 1

// speak saves what must survive, and sends a heartbeat when one is due, when
// something changed, or when the peer waits for an echo.
func (m *Machine) speak() {
	if m.leaving.done {
		return
	}
	if !m.remembers() {
		m.saved = m.remember()
		m.do(Save{m.saved.clone()})
	}
	due := m.spokeAt.Add(m.cfg.Keepalive)
	b := m.compose()
	if m.seq > 0 && m.now < due && !m.answer && sameContent(b, m.spoken) {
		m.at(due)
		return
	}
	m.answer = false
	m.seq++
	b.Seq, b.Sent = m.seq, m.now
	for i, g := range m.groups {
		if b.Groups[i].Claim && g.claimSeq == 0 {
			g.claimSeq = m.seq
		}
	}
	if b.Left && m.leaving.leftSeq == 0 {
		m.leaving.leftSeq, m.leaving.leftAt = m.seq, m.now
		m.at(m.now + 1)
	}
	b.Groups, b.MACs = slices.Clone(b.Groups), slices.Clone(b.MACs)
	m.spoken, m.spokeAt = b, m.now
	m.at(m.now.Add(m.cfg.Keepalive))
	m.do(Send{b})
}

// compose says everything that this node knows and does. Its groups and hardware
// addresses are m's own: most of what is composed is never sent.
func (m *Machine) compose() Beat {
	p := &m.peer
	b := Beat{
		Protocol:    protocolVersion,
		Cluster:     m.cfg.Cluster,
		Node:        m.cfg.Self,
		Incarnation: m.incarnation,
		DeadTime:    m.cfg.AdvertisedDeadTime(),
		Looked:      m.looked(),
		Standby:     m.standby,
		Left:        m.leaving.left,
		Digests:     m.cfg.Digests,
	}
	if b.Looked {
		b.Sight = m.vision()
	}
	if p.beat.Seq > 0 {
		b.Echo = Echo{Incarnation: p.beat.Incarnation, Seq: p.beat.Seq, Sent: p.beat.Sent, Silence: m.silence()}
		for i, l := range m.links {
			if l.up {
				b.Echo.Links |= 1 << i
			}
		}
	}
	b.Groups, b.MACs = m.draft.Groups[:0], m.draft.MACs[:0]
	for _, f := range m.fronts {
		if f.mac != "" && !slices.Contains(b.MACs, f.mac) {
			b.MACs = append(b.MACs, f.mac)
		}
	}
	for _, g := range m.groups {
		b.Groups = append(b.Groups, GroupBeat{
			Name: g.cfg.Name, State: g.state, Epoch: m.saidEpoch(g), Able: m.able(g), Soon: m.soon(g),
			Claim: g.claim, Offer: g.offer, Intent: g.intent, Want: g.wantUntil != 0,
			Keep: g.offer && g.move.ordered, Failed: m.now < g.failedUntil, Maintenance: g.maintenance,
		})
	}
	m.draft = b
	return b
}

// saidEpoch is the epoch that a node may speak for: its own while it is owner, else the highest it knows.
func (m *Machine) saidEpoch(g *group) uint64 {
	if g.state == Stopped {
		return g.seen
	}
	return g.epoch
}

// sameContent says that two heartbeats differ in nothing that the other node acts upon.
func sameContent(a, b Beat) bool {
	return a.Incarnation == b.Incarnation && a.Standby == b.Standby && a.Left == b.Left &&
		a.DeadTime == b.DeadTime && a.Sight == b.Sight && a.Looked == b.Looked && a.Echo.Incarnation == b.Echo.Incarnation &&
		slices.Equal(a.Groups, b.Groups) && slices.Equal(a.Digests, b.Digests) && slices.Equal(a.MACs, b.MACs)
}

// remember is what must outlive the daemon.
func (m *Machine) remember() Saved {
	s := Saved{Incarnation: m.incarnation, Standby: m.standby, PeerMACs: m.peer.macs, PeerLife: m.peer.beat.Incarnation, Groups: map[string]SavedGroup{}}
	for _, g := range m.groups {
		s.Groups[g.cfg.Name] = m.savedGroup(g)
	}
	return s
}

// remembers says that what must outlive the daemon is saved.
func (m *Machine) remembers() bool {
	s := &m.saved
	for _, g := range m.groups {
		if s.Groups[g.cfg.Name] != m.savedGroup(g) {
			return false
		}
	}
	return s.Standby == m.standby && s.PeerLife == m.peer.beat.Incarnation && slices.Equal(s.PeerMACs, m.peer.macs)
}

func (s Saved) clone() Saved {
	s.PeerMACs, s.Groups = slices.Clone(s.PeerMACs), maps.Clone(s.Groups)
	return s
}
