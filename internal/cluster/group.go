package cluster

// group is what the core knows of one resource group on this node.
type group struct {
	cfg       Group
	state     State
	since     Time
	cause     uint64 // the event that led to the state
	epoch     uint64 // of our ownership
	seen      uint64 // the highest epoch heard or held
	resources []*resource
	lease     lease
	probe     probing
	conflict  conflict
	move      handover

	claim       bool   // we want to start it (rule C1)
	claimSeq    uint64 // of the first heartbeat that said so; 0: not said yet
	offer       bool   // the other node may take it at once
	offeredAt   Time
	drains      bool // taken from a quiet owner: what it has not seen begin is passed on to it
	drainEnd    Time // until when a group that moved away is kept quiet; 0: the other does not answer yet
	intent      bool // we are about to take it without being heard (rule S3)
	intentAt    Time
	unfenced    bool // it may be taken as soon as the peer is fenced (rule S5)
	blindSaid   bool // it was said that the ping nodes keep us from taking it
	lapse       bool // its entitlement ended, and it was neither taken nor stopped since
	alone       bool // rule O4
	adopted     Time // rule B2: the end of the lease found in the kernel; 0: none
	maintenance Maintenance
	overdue     bool // it was said that its end has to wait
	driven      int  // how often it came here because it failed there
	drivenAt    Time
	hold        Time   // no claim and no intent before this
	stay        bool   // the operator moved it here: no failback
	wantUntil   Time   // the operator asks for it here
	moveTo      string // the operator asks for it there
	peerAble    Time   // since when the peer says that it could run it; 0: it does not
	failedUntil Time   // it cannot run here: a start failed, it failed too often, its front is dead
	failedWhy   string
	both        bool   // it failed on both nodes: no failure moves it
	failures    int    // failed starts in a row: for the back-off
	retryAt     Time   // when a failed group is tried again although nothing expired
	claimedAt   Time   // when another's announcement of the address was last received; 0: never
	proxied     string // who answers for every address (proxy ARP); empty: nobody
	refused     string // who has the address, as the last probe found
	strangerAt  Time   // when a stranger's claim was last reported
	announced   int    // how many of the announcements were sent
	announceAt  Time   // the first one
	confirmAt   Time   // next announcement and probe of an unconfirmed owner (rule H2)
}

func newGroup(c Group, saved Saved, now Time) *group {
	g := &group{cfg: c, since: now}
	was := saved.Groups[c.Name]
	g.epoch, g.seen = was.Epoch, was.Epoch
	g.resume(was, saved.Clock, now)
	for i := range c.Resources {
		g.resources = append(g.resources, &resource{cfg: &c.Resources[i], since: now})
	}
	// A lease that runs proves ownership: what was saved may be older.
	if was.Until > now || saved.SameBoot && was.Owner {
		g.adopt(was, now)
	}
	return g
}

// adopt takes over what an earlier life of this daemon left running, in the
// state that the kernel holds (rule B2).
func (g *group) adopt(was SavedGroup, now Time) {
	switch {
	case was.Until <= now:
		g.state, g.lapse = Mute, true
		return
	case was.Quiet:
		g.state = Quiet
	default:
		g.state = Running
	}
	g.adopted = was.Until
	g.lease = lease{until: was.Until, quiet: was.Quiet, granted: was.Until, grantedQuiet: was.Quiet, held: true, end: was.Until}
}

// said is what the peer's newest heartbeat says about the group. A heartbeat
// that does not echo our present incarnation says nothing.
func (m *Machine) said(g *group) GroupBeat {
	if m.peer.echoes {
		for _, b := range m.peer.beat.Groups {
			if b.Name == g.cfg.Name {
				return b
			}
		}
	}
	return GroupBeat{Name: g.cfg.Name}
}

// preferred says that the group should run here, other things being equal. While
// the nodes' files differ both might think so: then the names decide.
func (m *Machine) preferred(g *group) bool {
	if m.settingsDiffer() {
		return m.cfg.Self < m.cfg.Peer
	}
	return g.cfg.Preferred == m.cfg.Self
}

// able says that this node could run the group now.
func (m *Machine) able(g *group) bool {
	m.at(g.failedUntil)
	return m.fit(g) && m.now >= g.failedUntil
}

// soon says that this node will be able in a moment: it still looks at what runs,
// or starts for the first time what runs on both nodes.
func (m *Machine) soon(g *group) bool {
	if m.able(g) || m.now < g.failedUntil || m.unready(g) {
		return false
	}
	for _, r := range g.resources {
		if r.state == failed || r.cfg.Warm && len(m.recent(r)) > 0 {
			return false
		}
	}
	return true
}

// unready says that it is not the resources that keep this node from running the group.
func (m *Machine) unready(g *group) bool {
	return m.standby || m.leaving.since != 0 || g.handsOff() && !g.state.owns() || g.state == Blocked || g.state == Stopping || m.plain() || !m.carrier(g)
}

// fit is able, failures left out.
func (m *Machine) fit(g *group) bool {
	if m.unready(g) {
		return false
	}
	for _, r := range g.resources {
		if !g.handsOff() && (r.state == unknown || r.cfg.Warm && r.state != running) {
			return false
		}
	}
	return true
}

// carrier says that every interface of the group's addresses has one.
func (m *Machine) carrier(g *group) bool {
	for _, r := range g.resources {
		if f := m.front(r.cfg.Interface); r.cfg.isAddress() && f != nil && !f.carrier {
			return false
		}
	}
	return true
}

// mayTry says that this node may start the group although it failed here: the
// other node cannot run it either, and the back-off is over.
func (m *Machine) mayTry(g *group) bool {
	if m.able(g) {
		return true
	}
	if !m.fit(g) || m.peer.is == up && m.said(g).Able {
		return false
	}
	m.at(g.retryAt)
	return m.now >= g.retryAt
}
