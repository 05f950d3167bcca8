package sim

import (
	"slices"
	"time"

	"lubdub/internal/cluster"
)

// repair ends all faults at once.
func (s *schedule) repair() {
	w := s.w
	s.over = true
	w.note("calm: everything is repaired")
	w.triggers = nil
	w.change(func() {
		f := &w.front
		f.ports, f.pair, f.loss, f.mumbles, f.stranger, f.proxy = [2]port{}, [2]int{}, 0, 0, -1, false
		for k := range f.stations {
			f.stations[k].silent, f.stations[k].deaf = 0, [2]int{}
		}
		for _, l := range w.links {
			l.dead, l.way = 0, [2]way{}
		}
	})
	w.carrierChanged()
	for _, n := range w.nodes {
		n.resume(false)
		n.thaw()
		n.disk.full, n.refuses, n.sockets, n.slow = false, 0, 0, 0
		n.rate(n.ppm)
		w.ail(n, fenceWorks)
		n.back = 0
		for g := range n.moods {
			clear(n.moods[g])
			for r, lied := range n.lied[g] {
				n.runs[g][r] = n.runs[g][r] && !lied
			}
			clear(n.lied[g])
		}
		n.boot()
		w.after(between(s.rng, 0, w.setup.DeadTime), n.start)
	}
}

// owed is within what time after the repair everything must run: the longest
// action of an ill agent, then a start of both nodes, two dead times, the
// starts, a failback and the core's back-off.
func (s *schedule) owed() time.Duration {
	d := s.w.setup.DeadTime
	return orderAgain + s.w.setup.InitDead + 8*d + 30*time.Second
}

// orderAgain is when the operator's second cleanup comes: after the time-out of
// the last ill agent.
const orderAgain = 8 * time.Second

// calm is the part of a schedule in which progress is owed, and then peace.
func (s *schedule) calm() {
	w := s.w
	s.repair()
	began := w.now
	step := max(w.setup.DeadTime/4, 2*w.setup.Keepalive)
	hold := 3 * w.setup.DeadTime
	if w.setup.Failback {
		hold = 5 * w.setup.DeadTime
	}
	var good time.Duration
	where := make([]int, len(w.setup.Groups))
	for w.stop == nil && good < hold {
		w.Pass(step)
		s.order(w.now - began)
		complaint := s.complaint()
		if complaint == "" && good > 0 {
			complaint = s.moved(where)
		}
		switch {
		case complaint == "":
			good += step
			s.place(where)
		case good > 0 && s.asked[0] > 1 && s.asked[1] > 1 && (!w.setup.Failback || s.home()):
			w.fail("peace", "it was well for %v in the calm, and then: %s", good, complaint)
			good = 0
		default:
			good = 0
		}
		if good == 0 && w.now-began > s.owed() {
			w.fail("progress", "%v after the last fault: %s", w.now-began, complaint)
			return
		}
	}
}

// home says that no group has a reason to go anywhere: each is on its preferred
// node, and stays there (invariant I6).
func (s *schedule) home() bool {
	for g := range s.w.judge.groups {
		if s.w.judge.groups[g].operator {
			return false
		}
	}
	return s.w.setup.Pings == 0
}

// order brings daemons back, and is the operator who ends standby and forgets failures.
func (s *schedule) order(since time.Duration) {
	w := s.w
	for i, n := range w.nodes {
		if n.daemon == nil || s.asked[i] == 2 || since < time.Second+w.setup.DeadTime*2 || s.asked[i] == 1 && since < orderAgain+w.setup.DeadTime*2 {
			continue
		}
		s.asked[i]++
		w.command(n, cluster.Command{Verb: cluster.Online})
		w.command(n, cluster.Command{Verb: cluster.MaintenanceOff})
		for _, g := range w.setup.Groups {
			w.command(n, cluster.Command{Verb: cluster.Cleanup, Group: g.Name})
		}
	}
}

// complaint says what is not as it should be; empty: all is well.
func (s *schedule) complaint() string {
	w := s.w
	for i, n := range w.nodes {
		if n.daemon == nil || n.daemon.frozen {
			return n.name + " has no daemon"
		}
		st := n.daemon.core.Status()
		switch {
		case s.asked[i] < 2:
			return "the operator has not finished"
		case st.Peer.Membership != "up":
			return n.name + " calls its peer " + st.Peer.Membership
		case st.Sentence == "":
			return n.name + " has no sentence"
		case st.Standby:
			return n.name + " is in standby"
		case n.daemon.acts():
			return n.name + " starts or stops something"
		case len(w.judge.nodes[i].commands) > 0:
			return n.name + " has not answered a command"
		}
	}
	for g, group := range w.setup.Groups {
		if words := s.groupComplaint(g, group); words != "" {
			return group.Name + words
		}
	}
	return ""
}

// acts says that a start or a stop is under way.
func (d *daemon) acts() bool {
	return slices.ContainsFunc(d.actions, func(a *action) bool { return a.run.Action != cluster.Monitor })
}

func (s *schedule) groupComplaint(g int, group cluster.Group) string {
	w := s.w
	a, b := w.nodes[0].serves(g), w.nodes[1].serves(g)
	if a == b {
		return map[bool]string{true: " is served twice", false: " is not served"}[a]
	}
	server := w.nodes[0]
	if b {
		server = w.nodes[1]
	}
	for r, res := range group.Resources {
		if other := server.peer().runs[g][r]; other != res.Warm {
			return ": " + res.Name + map[bool]string{true: " runs on both nodes", false: " is not warm"}[other]
		}
	}
	// Where ping nodes came and went, going back has minutes of time.
	if w.setup.Failback && w.setup.Pings == 0 && !w.judge.groups[g].operator && server.name != group.Preferred {
		return " is not on its preferred node"
	}
	return ""
}

func (s *schedule) place(where []int) {
	for g := range where {
		where[g] = 0
		if s.w.nodes[1].serves(g) {
			where[g] = 1
		}
	}
}

// moved says which group is not where it was.
func (s *schedule) moved(where []int) string {
	for g, at := range where {
		if !s.w.nodes[at].serves(g) {
			return s.w.setup.Groups[g].Name + " moved, and nobody asked for it"
		}
	}
	return ""
}
