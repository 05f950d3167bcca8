package sim

import (
	"time"

	"lubdub/internal/cluster"
)

// Slack of an exam: what a good answer may take beyond the bound of the rule.
const (
	examProbes = 300 * time.Millisecond // two attempts of rule S4, with their waits
	examAgent  = 800 * time.Millisecond // the longest start of an agent that is well
	examMove   = 50 * time.Millisecond  // L7: the longest time without an owner of traffic
)

// exam asks one thing of a cluster that is well: L1, L3, L4 or L7.
func (s *schedule) exam() {
	s.w.judge.peaceful = false
	s.w.maxLag = min(s.w.maxLag, s.w.setup.DeadTime/20, 30*time.Millisecond) // no machine is overloaded now
	switch s.rng.IntN(6) {
	case 0, 1:
		s.examCrash()
	case 2:
		s.examSplit()
	case 3:
		s.examLink()
	case 4:
		s.examMove()
	}
}

// starts is how long the resources of the largest group need.
func (s Setup) starts() time.Duration {
	var longest time.Duration
	for _, g := range s.Groups {
		var all time.Duration
		for _, r := range g.Resources {
			if !r.Warm && !isAddress(r) {
				all += examAgent
			}
		}
		longest = max(longest, all)
	}
	return longest
}

// lags is what the scheduling of two daemons may cost.
func (s *schedule) lags() time.Duration { return 6*s.w.maxLag + 50*time.Millisecond }

// examCrash takes the power from a node: what it served is served by the other
// one within D, a keepalive, and the start (L1).
func (s *schedule) examCrash() {
	w := s.w
	n := w.nodes[s.rng.IntN(2)]
	bound := w.setup.dead()*1003/1000 + 3*w.setup.Keepalive + examProbes + w.setup.starts() + s.lags()
	if w.setup.Fencing {
		bound += 2*w.setup.DeadTime + time.Second + examProbes + 2*w.setup.Keepalive
	}
	if w.setup.NoLease {
		bound += 2 * time.Second
	}
	w.note("exam L1: %s loses power, and everything is served within %v", n.name, bound)
	n.crash()
	w.Pass(bound)
	for g := range w.setup.Groups {
		if w.stop == nil && !n.peer().serves(g) {
			w.fail("L1", "%v after %s lost power %s is not served", bound, n.name, w.setup.Groups[g].Name)
		}
	}
}

// examSplit cuts everything between the nodes, and heals it: one owner is left
// within 2 D and the start (L3).
func (s *schedule) examSplit() {
	w := s.w
	if w.setup.Fencing || w.setup.Watchdog > 0 {
		return // one of the two is switched off, and boots for as long as it likes
	}
	w.note("exam L3: everything between the nodes is cut, and heals")
	s.toggle(1)
	w.Pass(3*w.setup.dead() + between(s.rng, 0, w.setup.DeadTime))
	if w.stop != nil {
		return
	}
	w.note("exam L3: heals")
	s.toggle(-1)
	began := w.now
	bound := 2*w.setup.dead() + w.setup.starts() + s.lags()
	for g, group := range w.setup.Groups {
		for end := began + bound; w.servers(g) != 1 && w.stop == nil; w.Pass(w.setup.Keepalive / 2) {
			if w.now > end {
				w.fail("L3", "%v after everything healed %s is served by %d nodes", bound, group.Name, w.servers(g))
			}
		}
	}
}

// toggle cuts or heals all that is between the nodes.
func (s *schedule) toggle(by int) {
	w := s.w
	w.change(func() {
		for _, l := range w.links {
			l.way[0].cuts += by
			l.way[1].cuts += by
		}
		w.front.pair[0] += by
		w.front.pair[1] += by
	})
}

// servers is how many nodes serve a group.
func (w *World) servers(g int) int {
	count := 0
	for _, n := range w.nodes {
		if n.serves(g) {
			count++
		}
	}
	return count
}

// examLink cuts one of two links: nothing moves, and no client notices (L4).
func (s *schedule) examLink() {
	w := s.w
	if w.setup.Links < 2 {
		return
	}
	l := w.links[s.rng.IntN(2)]
	missed, moves := w.judge.outages.Count, s.moves()
	w.note("exam L4: link %d is cut, and nothing moves", l.index)
	w.change(func() { l.way[0].cuts, l.way[1].cuts = 1, 1 })
	w.Pass(4 * w.setup.dead())
	if w.stop == nil && (w.judge.outages.Count != missed || s.moves() != moves) {
		w.fail("L4", "one of two links was cut: %d outages, %d moves", w.judge.outages.Count-missed, s.moves()-moves)
	}
}

func (s *schedule) moves() int {
	moves := 0
	for g := range s.w.judge.groups {
		moves += s.w.judge.groups[g].moves
	}
	return moves
}

// examMove moves a group whose resources are warm: clients miss at most 50 ms (L7).
func (s *schedule) examMove() {
	w := s.w
	g := s.rng.IntN(len(w.setup.Groups))
	for _, r := range w.setup.Groups[g].Resources {
		if !r.Warm && !isAddress(r) {
			return
		}
	}
	if w.setup.NoLease {
		return // quiet means that the address is away
	}
	from := w.nodes[0]
	if w.nodes[1].serves(g) {
		from = w.nodes[1]
	}
	longest, bound := w.judge.outages.Longest, examMove+s.lags()
	w.judge.outages.Longest = 0
	name := w.setup.Groups[g].Name
	w.note("exam L7: %s moves away from %s, and clients miss at most %v", name, from.name, bound)
	w.command(from, cluster.Command{Verb: cluster.Move, Group: name, Node: from.peer().name})
	w.Pass(2*w.setup.DeadTime + time.Second)
	switch o := w.judge.outages; {
	case w.stop != nil:
	case !from.peer().serves(g):
		w.fail("L7", "%s did not move to %s", name, from.peer().name)
	case o.Longest > bound:
		w.fail("L7", "clients of %s missed %v in a planned move", name, o.Longest)
	}
	w.judge.outages.Longest = max(longest, w.judge.outages.Longest)
}
