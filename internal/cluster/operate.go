package cluster

import (
	"fmt"
	"strings"
)

// named are the groups of an order: the one with the name, or all of them. Words say
// that there is none.
func (m *Machine) named(name string) (groups []*group, words string) {
	if name == "" {
		return m.groups, ""
	}
	if g := m.group(name); g != nil {
		return []*group{g}, ""
	}
	return nil, fmt.Sprintf("there is no group %q; the groups are: %s", name, m.groupNames())
}

// resourceNamed finds a resource by its name, or by GROUP/NAME where several groups
// have one of that name.
func (m *Machine) resourceNamed(name string) (g *group, r *resource, words string) {
	var found, all []string
	for _, c := range m.groups {
		for _, s := range c.resources {
			long := c.cfg.Name + "/" + s.cfg.Name
			all = append(all, s.cfg.Name)
			if name == long {
				return c, s, ""
			}
			if name == s.cfg.Name {
				g, r, found = c, s, append(found, long)
			}
		}
	}
	switch len(found) {
	case 0:
		return nil, nil, fmt.Sprintf("there is no resource %q; the resources are: %s", name, strings.Join(all, ", "))
	case 1:
		return g, r, ""
	}
	return nil, nil, fmt.Sprintf("several groups have a resource %q: say which: %s", name, strings.Join(found, ", "))
}

// restartResource restarts a resource, and those behind it, in place and on this node.
func (m *Machine) restartResource(in Command) (string, bool) {
	g, r, words := m.resourceNamed(in.Resource)
	if words != "" {
		return words, false
	}
	if why := m.againstRestart(g, r); why != "" {
		return "refused: " + why, false
	}
	name := r.cfg.Name
	behind := g.behind(r)
	if in.Dry {
		return fmt.Sprintf("%s%s would be restarted on %s", name, behind, m.cfg.Self), true
	}
	words = fmt.Sprintf("%s of %s%s is restarted on %s by the operator's order", name, g.cfg.Name, behind, m.cfg.Self)
	r.become(failed, m.now)
	r.lookAt = m.now
	if g.state == Running {
		g.redo(r)
		m.restartInPlace(g, r, 0, words)
	} else {
		m.emit(Event{Kind: "resource", Group: g.cfg.Name, Resource: name, Words: words})
	}
	return fmt.Sprintf("%s%s is restarted on %s", name, behind, m.cfg.Self), true
}

// againstRestart says why a resource cannot be restarted now; empty: it can.
func (m *Machine) againstRestart(g *group, r *resource) string {
	switch {
	case m.reload.order != nil:
		return "a reload is under way; try again when it is over"
	case g.handsOff():
		return fmt.Sprintf("%s is in maintenance; first: lubdub maintenance off %s", g.cfg.Name, g.cfg.Name)
	case r.cfg.isAddress():
		return fmt.Sprintf("%s is an address, which nothing is gained by restarting; lubdub move %s moves it", r.cfg.Name, g.cfg.Name)
	case r.cfg.Warm && !g.state.owns() && m.standsStill(r) && r.action == 0:
	case g.state != Running && m.peer.is == up && m.said(g).State.owns():
		return fmt.Sprintf("%s runs on %s; order it there: ssh %s lubdub restart %s", g.cfg.Name, m.cfg.Peer, m.cfg.Peer, r.cfg.Name)
	case g.state != Running:
		return fmt.Sprintf("%s is %s on %s: %s", g.cfg.Name, g.state, m.cfg.Self, stateWords[g.state].means)
	case !m.standsStill(r):
		return fmt.Sprintf("%s of %s is %s", r.cfg.Name, g.cfg.Name, r.state)
	}
	return ""
}

// standsStill says that nothing is being done with a resource but to look at it.
func (m *Machine) standsStill(r *resource) bool {
	return r.state == running && r.verb != Stop || r.state == failed && r.action == 0
}

// behind names the resources that are restarted with one, as an end of a sentence's subject.
func (g *group) behind(r *resource) string {
	var names []string
	after := false
	for _, s := range g.resources {
		if after && !s.cfg.Warm && !s.cfg.isAddress() {
			names = append(names, s.cfg.Name)
		}
		after = after || s == r
	}
	if len(names) == 0 {
		return ""
	}
	return " (and behind it " + strings.Join(names, ", ") + ")"
}

// cleanup forgets failures: of a resource, of a group, or all of them; a name that is no
// group's may be a resource's. A blocked group is stopped once more.
func (m *Machine) cleanup(in Command) (string, bool) {
	if in.Group != "" && m.group(in.Group) == nil {
		if _, _, words := m.resourceNamed(in.Group); words != "" {
			return fmt.Sprintf("there is no group %q (the groups are: %s), and %s", in.Group, m.groupNames(), words), false
		}
		in.Resource = in.Group
	}
	if in.Resource != "" {
		g, r, words := m.resourceNamed(in.Resource)
		if words != "" {
			return words, false
		}
		if in.Dry {
			return fmt.Sprintf("the failures of %s of %s would be forgotten", r.cfg.Name, g.cfg.Name), true
		}
		m.clean(g, []*resource{r}, r.cfg.Name+" of "+g.cfg.Name)
		return fmt.Sprintf("the failures of %s of %s are forgotten", r.cfg.Name, g.cfg.Name), true
	}
	groups, words := m.named(in.Group)
	if words != "" {
		return words, false
	}
	if in.Dry {
		return "the failures would be forgotten", true
	}
	for _, g := range groups {
		m.clean(g, g.resources, g.cfg.Name)
	}
	return "the failures are forgotten", true
}

func (m *Machine) clean(g *group, resources []*resource, name string) {
	g.failedUntil, g.retryAt, g.failures, g.both, g.driven = 0, 0, 0, false, 0
	for _, r := range resources {
		r.pardon()
		r.lookAt = m.now
	}
	cause := m.emit(Event{Kind: "group", Group: g.cfg.Name, Words: fmt.Sprintf("the failures of %s on %s are forgotten by the operator's order", name, m.cfg.Self)})
	if g.state == Blocked {
		m.enter(g, Stopping, Event{Cause: cause, Words: fmt.Sprintf("%s is stopped once more", g.cfg.Name)})
	}
}
