package cluster

import (
	"fmt"
	"slices"
	"time"
)

// Maintenance is the operator's word that a group is to be left alone. Both nodes
// hold it; the higher version counts.
type Maintenance struct {
	Version uint64 // even numbers are given by the node whose name comes first, odd ones by the other
	On      bool
	Until   Time // in a heartbeat: on the sender's boot clock, in whole seconds; 0: no end
}

// handsOff says that the group is in maintenance: no action is run on its resources,
// and it is neither taken nor moved. Its address is served as the rules say.
func (g *group) handsOff() bool { return g.maintenance.On }

// heed takes in what the peer says about maintenance, and ends what is over. What is
// under way here comes to its end first; only then the peer hears that we know.
func (m *Machine) heed(g *group) {
	for _, b := range m.peer.beat.Groups {
		said := b.Maintenance
		if b.Name != g.cfg.Name || said.Version <= g.maintenance.Version || said.On && m.busy(g) != "" || !said.On && m.mayRunThere(g) {
			continue
		}
		if said.Until != 0 {
			said.Until = m.peer.heardAt.Add(min(max(said.Until.Sub(m.peer.beat.Sent), 0), maxMaintenance))
		}
		m.maintain(g, said, fmt.Sprintf("by the operator's order on %s", m.cfg.Peer))
	}
	until := g.maintenance.Until
	if !g.maintenance.On || until == 0 {
		return
	}
	m.at(until)
	switch {
	case m.now < until:
	case !m.mayRunThere(g):
		m.maintain(g, Maintenance{Version: g.maintenance.Version}, "its time is over")
	case !g.overdue:
		g.overdue = true
		m.emit(Event{Kind: "maintenance", Level: Alarm, Group: g.cfg.Name, Words: fmt.Sprintf(
			"the maintenance of %s is over, but %s: it goes on until %s is back, or, when you know that nothing of it runs there: lubdub maintenance off %s --force",
			g.cfg.Name, m.leftThere(), m.cfg.Peer, g.cfg.Name)})
	}
}

// busy says what keeps a group from being left alone at this moment; empty: nothing.
func (m *Machine) busy(g *group) string {
	switch {
	case m.reload.order != nil:
		return "a reload is under way; try again when it is over"
	case g.handsOff(), g.state == Blocked:
		return ""
	}
	if said := m.said(g); m.peer.is == up && (said.State == Stopping || said.State == Quiet || said.State == Starting && g.state != Stopped) {
		return fmt.Sprintf("%s is %s on %s; try again when that is over", g.cfg.Name, said.State, m.cfg.Peer)
	}
	return m.unsettled(g)
}

// mayRunThere says that the end of maintenance could start a group beside what was left running on the other node.
func (m *Machine) mayRunThere(g *group) bool {
	return g.handsOff() && !g.state.owns() && m.peer.is != up && !m.gone()
}

func (m *Machine) leftThere() string {
	return fmt.Sprintf("%s is not heard, and may run what was left alone there", m.cfg.Peer)
}

// told says that the other node knows of the maintenance.
func (m *Machine) told(g *group) bool { return m.said(g).Maintenance.Version >= g.maintenance.Version }

// maintain begins, changes or ends the maintenance of a group.
func (m *Machine) maintain(g *group, to Maintenance, why string) {
	was := g.maintenance
	g.maintenance, g.overdue = to, false
	m.changed = true
	switch {
	case to.On:
		g.cause = m.emit(Event{Kind: "maintenance", Level: Warning, Group: g.cfg.Name, Words: fmt.Sprintf(
			"%s is in maintenance%s (%s): nothing of it is started, stopped, watched or moved", g.cfg.Name, m.untilWords(to), why)})
	case was.On:
		g.cause = m.emit(Event{Kind: "maintenance", Group: g.cfg.Name, Words: fmt.Sprintf(
			"%s is no longer in maintenance (%s): its resources are looked at", g.cfg.Name, why)})
		m.lookAnew(g)
	}
}

// lookAnew forgets what was known of the resources: somebody worked on them.
func (m *Machine) lookAnew(g *group) {
	for _, r := range g.resources {
		r.unclean, r.lookAt = false, m.now
		if r.action == 0 {
			r.fresh = !r.cfg.isAddress() // somebody may have stopped it: that is no failure
			r.become(unknown, m.now)
		}
	}
}

func (m *Machine) untilWords(to Maintenance) string {
	if to.Until <= m.now {
		return ""
	}
	return fmt.Sprintf(" for %v", round(to.Until.Sub(m.now)))
}

// maintainedWords say what maintenance means for a group, and how it ends.
func (m *Machine) maintainedWords(g *group) string {
	words := fmt.Sprintf("%s is in maintenance%s: nothing of it is started, stopped, watched or moved, and nobody takes it when its node fails; to end that: lubdub maintenance off %s",
		g.cfg.Name, m.untilWords(g.maintenance), g.cfg.Name)
	switch {
	case !m.told(g):
		words += fmt.Sprintf("; %s does not know it yet, and may take it", m.cfg.Peer)
	case g.overdue:
		words += " --force"
	}
	if why := m.waitsFor(g); why != "" {
		words += "; its address is silent: " + why
	}
	return words
}

// nextVersion is above all that is known, and can be given by this node alone.
func (m *Machine) nextVersion(g *group) uint64 {
	side := uint64(0)
	if m.cfg.Self > m.cfg.Peer {
		side = 1
	}
	v := g.maintenance.Version + 1
	if v%2 != side {
		v++
	}
	return v
}

// maxMaintenance bounds what may have an end: who forgets it longer than that wants none.
const maxMaintenance = 30 * 24 * time.Hour

// orderMaintenance begins or ends the maintenance of one group, or of all.
func (m *Machine) orderMaintenance(in Command) (string, bool) {
	groups, words := m.named(in.Group)
	if words != "" {
		return words, false
	}
	on := in.Verb == MaintenanceOn
	to := Maintenance{On: on}
	if on && in.For != 0 {
		to.Until = (m.now.Add(in.For) + Time(time.Second) - 1) / Time(time.Second) * Time(time.Second)
	}
	if why := m.againstMaintenance(groups, in); why != "" {
		return "refused: " + why, false
	}
	if in.Dry {
		return m.maintenanceWords(groups, to, "would be"), true
	}
	for _, g := range groups {
		if on || g.maintenance.On {
			to.Version = m.nextVersion(g)
			m.maintain(g, to, "by the operator's order")
		}
	}
	return m.maintenanceWords(groups, to, map[bool]string{true: "is now", false: "is no longer"}[on]), true
}

// againstMaintenance says why the order cannot be carried out; empty: it can.
func (m *Machine) againstMaintenance(groups []*group, in Command) string {
	if in.Verb == MaintenanceOff {
		if !in.Force && slices.ContainsFunc(groups, m.mayRunThere) {
			return m.leftThere() + "; start lubdub there, or make sure that nothing of it runs there, and say --force"
		}
		return ""
	}
	if in.For != 0 && (in.For < time.Second || in.For > maxMaintenance) {
		return fmt.Sprintf("maintenance may last from 1s to %v; without an end it lasts until: lubdub maintenance off", maxMaintenance)
	}
	for _, g := range groups {
		if why := m.busy(g); why != "" {
			return why
		}
	}
	if m.peer.is != up && !m.gone() && !in.Force {
		return fmt.Sprintf("%s is not heard, so it cannot be told, and it would take what seems to be dead; --force does it all the same", m.cfg.Peer)
	}
	return ""
}

func (m *Machine) maintenanceWords(groups []*group, to Maintenance, verb string) string {
	names := ""
	for i, g := range groups {
		if i > 0 {
			names += ", "
		}
		names += g.cfg.Name
	}
	if !to.On {
		if verb == "would be" {
			verb = "would no longer be"
		}
		return fmt.Sprintf("%s %s in maintenance", names, verb)
	}
	words := fmt.Sprintf("%s %s in maintenance%s", names, verb, m.untilWords(to))
	if m.peer.is == up {
		return words + fmt.Sprintf("; %s is told", m.cfg.Peer)
	}
	return words
}

// savedGroup is what must outlive the daemon of the group.
func (m *Machine) savedGroup(g *group) SavedGroup {
	s := SavedGroup{Epoch: g.seen, Owner: g.state.owns(), Maintenance: g.maintenance.Version, InMaintenance: g.maintenance.On}
	if g.maintenance.On && g.maintenance.Until != 0 {
		s.MaintenanceEnd = m.clock + uint64(g.maintenance.Until.Sub(m.born)/time.Second)
	}
	return s
}

// resume takes up the maintenance that an earlier life knew of. Time that passed
// since counts, also that of a machine that was off.
func (g *group) resume(was SavedGroup, clock uint64, now Time) {
	g.maintenance = Maintenance{Version: was.Maintenance, On: was.InMaintenance}
	if !was.InMaintenance || was.MaintenanceEnd == 0 {
		return
	}
	left := time.Duration(0)
	if was.MaintenanceEnd > clock {
		left = min(time.Duration(was.MaintenanceEnd-clock)*time.Second, maxMaintenance)
	}
	g.maintenance.Until = (now.Add(left) + Time(time.Second) - 1) / Time(time.Second) * Time(time.Second)
}
