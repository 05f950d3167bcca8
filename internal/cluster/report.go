package cluster

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// Status is a deep copy of what the machine knows and intends.
func (m *Machine) Status() Status {
	s := Status{
		Cluster: m.cfg.Cluster, Self: m.cfg.Self, Incarnation: m.incarnation,
		Standby: m.standby, Leaving: m.leaving.since != 0, Peer: m.peerStatus(), Stall: m.stalled,
		Differs: slices.Clone(m.peer.differs),
	}
	s.Level, s.LevelWords, s.Limits = m.cfg.Protection()
	s.Pings, s.Fencing = m.pingStatus(), m.fenceStatus()
	for i := range m.links {
		s.Links = append(s.Links, m.linkStatus(i))
	}
	for _, g := range m.groups {
		s.Groups = append(s.Groups, m.groupStatus(g))
	}
	s.Warnings = m.warnings()
	s.Sentence = m.sentence()
	return s
}

func (m *Machine) peerStatus() PeerStatus {
	p := &m.peer
	s := PeerStatus{Name: m.cfg.Peer, Membership: p.is.String(), Incarnation: p.beat.Incarnation,
		Standby: p.beat.Standby, Silence: m.silence(), Since: p.since, Old: p.old}
	heard := p.beat.Seq > 0
	switch {
	case m.plain():
		s.Words = "runs Heartbeat, not lubdub: nothing is started beside it"
	case p.is == up:
		s.Words = fmt.Sprintf("up since %v, heard %v ago", round(m.now.Sub(p.since)), round(m.silence()))
	case p.is == left:
		s.Words = "left: everything was stopped there"
	case p.is == fenced:
		s.Words = "fenced: it is off until it is switched on again"
	case !heard:
		s.Words = fmt.Sprintf("not heard since lubdub started here %v ago", round(m.now.Sub(m.started)))
	case m.silence() < m.deadTime():
		s.Words = "heard, but it does not hear us: look at the links, at the keys and at its firewall"
	default:
		s.Words = fmt.Sprintf("silent for %v (deadtime %v)", round(m.silence()), m.deadTime())
	}
	return s
}

func (m *Machine) linkStatus(i int) LinkStatus {
	l := &m.links[i]
	s := LinkStatus{Name: m.cfg.Links[i], Up: l.up, Last: -1}
	s.Peer = m.peer.echoes && m.peer.beat.Echo.Links&(1<<i) != 0
	if l.heard != 0 {
		s.Last = m.now.Sub(l.heard)
	}
	switch {
	case !l.usable:
		s.Reason = l.reason
	case !l.up:
		s.Reason = fmt.Sprintf("%s is not heard on it", m.cfg.Peer)
	case !s.Peer && m.peer.is == up:
		s.Reason = fmt.Sprintf("%s does not hear us on it", m.cfg.Peer)
	}
	return s
}

func (m *Machine) groupStatus(g *group) GroupStatus {
	said := m.said(g)
	s := GroupStatus{
		Name: g.cfg.Name, Preferred: g.cfg.Preferred, State: g.state.String(), Words: stateWords[g.state].means,
		Owner: m.owner(g), Epoch: g.seen, Since: g.since, Cause: g.cause, Until: g.lease.until, Next: m.next(g),
		InMaintenance: g.maintenance.On, MaintenanceEnd: g.maintenance.Until,
	}
	if m.now < g.failedUntil {
		s.FailedUntil = g.failedUntil
	}
	if m.peer.echoes && m.silence() < m.deadTime() {
		s.PeerState = said.State.String()
	}
	if g.state.serves() && g.lease.held {
		s.Entitled = m.entitledWords(g)
	}
	for _, r := range g.resources {
		s.Resources = append(s.Resources, ResourceStatus{
			Name: r.cfg.Name, State: r.state.String(), Since: r.since, Failures: len(m.recent(r)),
			Limit: r.cfg.Limit, Forgotten: r.forgottenAt(), Words: r.words, Lines: slices.Clone(r.lines), Took: r.took, Degraded: r.degraded,
		})
	}
	return s
}

// owner is the node that has the group, as far as this node knows.
func (m *Machine) owner(g *group) string {
	switch {
	case g.state.owns() && g.drainEnd == 0:
		return m.cfg.Self
	case m.peer.is == up && m.said(g).State.owns():
		return m.cfg.Peer
	}
	return ""
}

func (m *Machine) entitledWords(g *group) string {
	switch _, rule := m.entitlement(g); rule {
	case "O2":
		return map[membership]string{left: "left: " + m.cfg.Peer + " has stopped everything", fenced: "fenced: " + m.cfg.Peer + " is off"}[m.peer.is]
	case "O3":
		return fmt.Sprintf("seen: %s is not heard, but the ping nodes answer here", m.cfg.Peer)
	case "O4":
		return fmt.Sprintf("alone: %s is not heard; only the address probe guards against it", m.cfg.Peer)
	}
	return fmt.Sprintf("confirmed by %s", m.cfg.Peer)
}

// next says what would move the group, and what holds it.
func (m *Machine) next(g *group) []string {
	switch {
	case g.handsOff():
		return []string{m.maintainedWords(g)}
	case g.state.serves():
		return m.nextServed(g)
	case g.state == Stopped && m.peer.is == up && m.said(g).State.owns():
		if words := cmp.Or(m.unableWords(g), m.blindWords()); words != "" {
			return []string{fmt.Sprintf("if %s fails nobody takes it: %s", m.cfg.Peer, words)}
		}
		return []string{fmt.Sprintf("%s is ready to take it when %s fails", m.cfg.Self, m.cfg.Peer)}
	case g.state == Stopped || g.state == Mute:
		return m.nextUnserved(g)
	}
	return nil
}

func (m *Machine) nextServed(g *group) []string {
	var next []string
	if why := m.orphanWords(g); why != "" {
		next = append(next, fmt.Sprintf("nobody takes it when %s fails: %s", m.cfg.Self, why))
	} else {
		next = append(next, fmt.Sprintf("%s is ready to take it when %s fails", m.cfg.Peer, m.cfg.Self))
	}
	if g.cfg.Preferred != m.cfg.Peer {
		return next
	}
	switch {
	case !m.cfg.AutoFailback:
		words := fmt.Sprintf("it does not go back to %s by itself: auto_failback is off", m.cfg.Peer)
		if m.peerCan(g) {
			words += "; to move it: lubdub move " + g.cfg.Name
		}
		next = append(next, words)
	case len(m.peer.differs) > 0:
		next = append(next, "it does not go back by itself: "+m.differWords(m.peer.differs))
	case g.stay:
		next = append(next, fmt.Sprintf("it does not go back to %s by itself: the operator moved it here", m.cfg.Peer))
	case g.driven >= maxDriven:
		next = append(next, fmt.Sprintf("it does not go back to %s by itself: it failed there again after it had gone back; when that is mended: lubdub cleanup %s",
			m.cfg.Peer, g.cfg.Name))
	case g.peerAble != 0 && m.failbackAt(g) > m.now:
		next = append(next, fmt.Sprintf("it goes back to %s in %v (auto_failback on)", m.cfg.Peer, round(m.failbackAt(g).Sub(m.now))))
	case g.peerAble != 0 && !m.inWindow(g):
		next = append(next, fmt.Sprintf("it goes back to %s at %02d:%02d (auto_failback on, and its failback window)", m.cfg.Peer, g.cfg.Failback.From/60, g.cfg.Failback.From%60))
	default:
		next = append(next, fmt.Sprintf("it goes back to %s when that can run it (auto_failback on)", m.cfg.Peer))
	}
	return next
}

func (m *Machine) nextUnserved(g *group) []string {
	var next []string
	if words := m.waitsFor(g); words != "" {
		next = append(next, "it is not taken: "+words)
	}
	if words := m.unableWords(g); words != "" {
		next = append(next, "it cannot run here: "+words)
	}
	switch {
	case m.peer.is == up && !m.said(g).Able:
		next = append(next, m.cannotWords(g))
	case m.peer.is == unseen && m.peer.beat.Seq == 0 && !m.mayStartCold():
		next = append(next, fmt.Sprintf("%s waits for %s or for your word (coldstart strict): lubdub online", m.cfg.Self, m.cfg.Peer))
	case m.peer.is != up && m.aloneSince(g) > m.now:
		next = append(next, fmt.Sprintf("%s waits for %s for another %v", m.cfg.Self, m.cfg.Peer, round(m.aloneSince(g).Sub(m.now))))
	}
	return next
}

// waitsFor says what keeps this node from taking a group that nobody serves, now
// that its peer is silent; empty: nothing but time.
func (m *Machine) waitsFor(g *group) string {
	silent := m.peer.is != up && !m.free() && (m.gone() || m.now >= m.aloneSince(g))
	switch {
	case g.refused != "":
		return g.refused
	case g.state != Stopped && g.state != Mute || !silent:
		return ""
	case !m.sees(0) || !m.gone() && !m.sees(m.yield()):
		return m.unseenWords()
	}
	return m.fenceWords()
}

// unableWords says why this node cannot run the group; empty: it can.
func (m *Machine) unableWords(g *group) string {
	switch {
	case m.plain():
		return fmt.Sprintf("%s runs Heartbeat, and lubdub does not serve beside it", m.cfg.Peer)
	case m.goes():
		return m.goesWords()
	case g.handsOff():
		return fmt.Sprintf("%s is in maintenance", g.cfg.Name)
	case g.state == Blocked:
		return stateWords[Blocked].means
	case !m.carrier(g):
		return "the interface of its address has no carrier"
	}
	if m.now < g.failedUntil {
		return fmt.Sprintf("%s (counts for another %v; to forget it: lubdub cleanup %s)", g.failedWhy, round(g.failedUntil.Sub(m.now)), g.cfg.Name)
	}
	for _, r := range g.resources {
		if r.state == unknown {
			return fmt.Sprintf("%s still looks whether %s runs there; try again in a moment", m.cfg.Self, r.cfg.Name)
		}
		if r.cfg.Warm && r.state != running {
			return fmt.Sprintf("%s does not run yet", r.cfg.Name)
		}
	}
	if g.state == Stopping {
		return stateWords[Stopping].means
	}
	return ""
}

// orphanWords says why nobody would take the group when this node fails; empty: the peer would.
func (m *Machine) orphanWords(g *group) string {
	if !m.peerCan(g) {
		return m.cannotWords(g)
	}
	if b := &m.peer.beat; m.pinged() && b.Looked && bits.OnesCount32(b.Sight) <= len(m.sights)/2 {
		return fmt.Sprintf("too few ping nodes answer %s (%d of %d; it needs more than half)", m.cfg.Peer, bits.OnesCount32(b.Sight), len(m.sights))
	}
	return ""
}

// cannotWords says why the peer cannot take the group.
func (m *Machine) cannotWords(g *group) string {
	said := m.said(g)
	switch {
	case m.peer.is != up:
		return m.peerWords()
	case m.peer.beat.Standby:
		return fmt.Sprintf("%s is in standby; to end that: lubdub online, on %s", m.cfg.Peer, m.cfg.Peer)
	case said.Name == "" || !m.knows(g):
		return fmt.Sprintf("the haresources of %s has no such group", m.cfg.Peer)
	case said.State != Stopped:
		return fmt.Sprintf("on %s it is %s", m.cfg.Peer, said.State)
	case said.Soon:
		return fmt.Sprintf("%s is still starting", m.cfg.Peer)
	case !said.Able:
		return fmt.Sprintf("it failed on %s or cannot run there; see: lubdub status on %s", m.cfg.Peer, m.cfg.Peer)
	}
	return fmt.Sprintf("%s is ready", m.cfg.Peer)
}

// knows says that the peer speaks of the group at all.
func (m *Machine) knows(g *group) bool {
	return slices.ContainsFunc(m.peer.beat.Groups, func(b GroupBeat) bool { return b.Name == g.cfg.Name })
}

// peerWords say that the peer is not there, and what to do.
func (m *Machine) peerWords() string {
	switch m.peer.is {
	case left:
		return fmt.Sprintf("%s has left; start lubdub there", m.cfg.Peer)
	case fenced:
		return fmt.Sprintf("%s is fenced; switch it on again when it is mended", m.cfg.Peer)
	case down:
		return fmt.Sprintf("%s is down", m.cfg.Peer)
	}
	return fmt.Sprintf("%s was not heard yet", m.cfg.Peer)
}

// warnings are what an operator should mend.
func (m *Machine) warnings() []string {
	var w []string
	if len(m.peer.differs) > 0 {
		w = append(w, m.differWords(m.peer.differs))
	}
	if m.standby {
		w = append(w, fmt.Sprintf("%s is in standby: it takes nothing, not even when %s dies; to end that: lubdub online", m.cfg.Self, m.cfg.Peer))
	}
	for i, l := range m.links {
		switch s := m.linkStatus(i); {
		case m.peer.is != up:
		case !l.up:
			w = append(w, fmt.Sprintf("link %s is dead: %s", s.Name, s.Reason))
		case !s.Peer:
			w = append(w, fmt.Sprintf("link %s works in one direction only: %s; is the udp port open in its firewall?", s.Name, s.Reason))
		}
	}
	w = append(w, m.sightWarnings()...)
	for _, g := range m.groups {
		if g.proxied != "" {
			w = append(w, proxiedWords(g.proxied))
		}
		switch {
		case g.handsOff():
			w = append(w, m.maintainedWords(g))
		case m.waitsFor(g) != "":
			w = append(w, fmt.Sprintf("%s is not taken: %s", g.cfg.Name, m.waitsFor(g)))
		case g.state.owns() && g.drainEnd == 0 && m.orphanWords(g) != "":
			w = append(w, fmt.Sprintf("nobody takes %s when %s fails: %s", g.cfg.Name, m.cfg.Self, m.orphanWords(g)))
		}
		for _, r := range g.resources {
			w = append(w, r.complaints(g.cfg.Name)...)
		}
	}
	return w
}

// sightWarnings are about ping nodes and fence devices.
func (m *Machine) sightWarnings() []string {
	var w []string
	for i, s := range m.sights {
		if !s.up && m.looked() {
			w = append(w, fmt.Sprintf("ping node %s does not answer %s", m.cfg.Pings[i], m.cfg.Self))
		}
	}
	if f := &m.fence; m.cfg.Fencing && f.tested && !f.works {
		w = append(w, "a fence device does not work: "+f.test)
	}
	return w
}

// sentence says it all in one line.
func (m *Machine) sentence() string {
	var parts []string
	for _, g := range m.groups {
		part := m.groupSentence(g)
		if g.handsOff() {
			part += ", in maintenance"
		}
		parts = append(parts, part)
	}
	return strings.Join(append(parts, m.peerSentence(), m.linkSentence()), "; ")
}

func (m *Machine) groupSentence(g *group) string {
	owner := m.owner(g)
	state := g.state
	if owner == m.cfg.Peer {
		state = m.said(g).State
	}
	switch {
	case owner == "" && g.state == Blocked:
		return fmt.Sprintf("%s is BLOCKED on %s", g.cfg.Name, m.cfg.Self)
	case owner == "" && m.waitsFor(g) != "":
		return fmt.Sprintf("%s is not taken: %s", g.cfg.Name, m.waitsFor(g))
	case owner == "":
		return fmt.Sprintf("%s runs nowhere as far as %s knows", g.cfg.Name, m.cfg.Self)
	case state != Running:
		return fmt.Sprintf("%s is %s on %s", g.cfg.Name, state, owner)
	case owner == g.cfg.Preferred:
		return fmt.Sprintf("%s runs on %s (preferred)", g.cfg.Name, owner)
	}
	return fmt.Sprintf("%s runs on %s (preferred: %s)", g.cfg.Name, owner, g.cfg.Preferred)
}

func (m *Machine) peerSentence() string {
	switch {
	case m.peer.is == left:
		return fmt.Sprintf("%s has left", m.cfg.Peer)
	case m.peer.is == fenced:
		return fmt.Sprintf("%s is fenced", m.cfg.Peer)
	case m.peer.is != up:
		return fmt.Sprintf("%s is %s", m.cfg.Peer, m.peer.is)
	case m.peer.beat.Standby:
		return fmt.Sprintf("%s is in standby", m.cfg.Peer)
	case m.standby:
		return fmt.Sprintf("%s is in standby", m.cfg.Self)
	case slices.ContainsFunc(m.groups, (*group).handsOff):
		return "what is in maintenance is not taken over"
	case slices.ContainsFunc(m.groups, func(g *group) bool { return !g.handsOff() && m.owner(g) == m.cfg.Self && m.orphanWords(g) != "" }):
		return fmt.Sprintf("%s cannot take everything", m.cfg.Peer)
	case slices.ContainsFunc(m.groups, func(g *group) bool {
		return !g.handsOff() && m.owner(g) == m.cfg.Peer && m.unableWords(g)+m.blindWords() != ""
	}):
		return fmt.Sprintf("%s cannot take everything", m.cfg.Self)
	}
	return "the other node is ready to take over"
}

func (m *Machine) linkSentence() string {
	works := 0
	for i, l := range m.links {
		if l.up && (m.peer.is != up || m.linkStatus(i).Peer) {
			works++
		}
	}
	switch n := len(m.links); {
	case works == n && n == 1:
		return "the only link is up"
	case works == n && n == 2:
		return "both links up"
	case works == n:
		return fmt.Sprintf("all %d links up", n)
	}
	return fmt.Sprintf("%d of %d links work", works, len(m.links))
}

func (m *Machine) groupNames() string {
	names := make([]string, len(m.groups))
	for i, g := range m.groups {
		names[i] = g.cfg.Name
	}
	return strings.Join(names, ", ")
}

// complaints are what a resource of a group does not do well.
func (r *resource) complaints(group string) (w []string) {
	if r.degraded != "" {
		w = append(w, fmt.Sprintf("%s of %s is degraded: %s", r.cfg.Name, group, r.degraded))
	}
	if r.words != "" {
		w = append(w, fmt.Sprintf("%s of %s failed: %s", r.cfg.Name, group, r.words))
	}
	return w
}
