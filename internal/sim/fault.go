package sim

import (
	"time"

	"lubdub/internal/cluster"
)

// fault is one letter of the alphabet.
type fault struct {
	name     string
	peaceful bool // it leaves nodes and networks alone
	strike   func(*schedule)
}

// faults is the alphabet. A seed takes a part of it.
var faults = [...]fault{
	{"daemon killed", false, func(s *schedule) { s.kill(s.node()) }},
	{"daemon frozen", false, func(s *schedule) { s.freeze(s.node(), s.frost()) }},
	{"machine crashed", false, func(s *schedule) { s.crash(s.node()) }},
	{"power lost", false, func(s *schedule) { s.crash(s.w.nodes[0]); s.crash(s.w.nodes[1]) }},
	{"way cut", false, (*schedule).cutWay},
	{"links cut", false, (*schedule).cutLinks},
	{"cable pulled", false, (*schedule).pullCable},
	{"port cut", false, (*schedule).cutPort},
	{"front carrier lost", false, (*schedule).pullFront},
	{"front split", false, (*schedule).splitFront},
	{"node isolated", false, (*schedule).isolate},
	{"beats lost", false, (*schedule).lose},
	{"beats late", false, (*schedule).delay},
	{"beats doubled", false, (*schedule).double},
	{"beats replayed", false, (*schedule).replays},
	{"front lossy", false, (*schedule).frontLoss},
	{"gateway silent", false, (*schedule).mumble},
	{"resource died", true, (*schedule).death},
	{"agent ill", true, (*schedule).illness},
	{"address removed", true, (*schedule).stripped},
	{"disk full", false, (*schedule).diskFull},
	{"stranger", false, (*schedule).stranger},
	{"operator", true, (*schedule).operator},
	{"operator", true, (*schedule).operator},
	{"ambush", false, (*schedule).ambush},
	{"ambush on an order", false, func(s *schedule) { s.operator(); s.ambush() }},
	{"ambush on an order", false, func(s *schedule) { s.ambush(); s.operator() }},
}

// kill ends a daemon; its supervisor starts it again, soon or not.
func (s *schedule) kill(n *node) {
	n.kill()
	d := s.w.setup.DeadTime
	back := between(s.rng, 0, 3*d)
	switch s.rng.IntN(4) {
	case 0:
		back = between(s.rng, 0, d/20)
	case 1:
		back = s.span() * 4
	}
	s.later(back, n.start)
}

// frost is how long a freeze lasts: around the times that matter.
func (s *schedule) frost() time.Duration {
	d := s.w.setup.DeadTime
	switch s.rng.IntN(4) {
	case 0:
		return between(s.rng, time.Millisecond, d/5)
	case 1:
		return between(s.rng, d/2, d*3/2)
	case 2:
		return between(s.rng, d, 6*d)
	}
	return s.span()
}

func (s *schedule) freeze(n *node, d time.Duration) {
	n.freeze()
	life := n.lives
	s.later(d, func() {
		if n.lives == life {
			n.thaw()
		}
	})
}

func (s *schedule) crash(n *node) {
	n.crash()
	d := s.w.setup.DeadTime
	s.later(between(s.rng, d/10, 2*d)+s.span(), func() {
		n.boot()
		s.later(between(s.rng, d/10, d), n.start)
	})
}

// hold counts a fault up, and down again when it has lasted.
func (s *schedule) hold(counters ...*int) {
	s.w.change(func() {
		for _, c := range counters {
			*c++
		}
	})
	s.w.carrierChanged()
	span := s.span()
	s.later(span, func() {
		s.w.change(func() {
			for _, c := range counters {
				*c--
			}
		})
		s.w.note("heals what was cut %v ago", span)
		s.w.carrierChanged()
	})
}

func (s *schedule) cutWay() {
	l, from := s.w.links[s.rng.IntN(len(s.w.links))], s.rng.IntN(2)
	s.w.note("link %d is cut from %s", l.index, s.w.nodes[from].name)
	s.hold(&l.way[from].cuts)
}

func (s *schedule) cutLinks() {
	ways := s.rng.IntN(3) // from a, from b, both
	s.w.note("all links are cut (%d)", ways)
	var held []*int
	for _, l := range s.w.links {
		for from := range l.way {
			if ways == 2 || ways == from {
				held = append(held, &l.way[from].cuts)
			}
		}
	}
	s.hold(held...)
}

func (s *schedule) pullCable() {
	s.w.note("the cross-over cable is pulled")
	s.hold(&s.w.links[0].dead)
}

func (s *schedule) cutPort() {
	n := s.node()
	p := &s.w.front.ports[n.id]
	switch s.rng.IntN(3) {
	case 0:
		s.w.note("front: what %s sends is lost", n.name)
		s.hold(&p.out)
	case 1:
		s.w.note("front: what %s should receive is lost", n.name)
		s.hold(&p.in)
	default:
		s.w.note("front: the port of %s is cut", n.name)
		s.hold(&p.out, &p.in)
	}
}

func (s *schedule) pullFront() {
	n := s.node()
	s.w.note("front: %s loses carrier", n.name)
	s.hold(&s.w.front.ports[n.id].dead)
}

func (s *schedule) splitFront() {
	ways := s.rng.IntN(3)
	s.w.note("front: the nodes do not see each other (%d)", ways)
	pair := &s.w.front.pair
	if ways == 2 {
		s.hold(&pair[0], &pair[1])
		return
	}
	s.hold(&pair[ways])
}

// isolate cuts everything that a node sends, or receives, or both.
func (s *schedule) isolate() {
	n, ways := s.node(), s.rng.IntN(3)
	s.w.note("%s is isolated (%d: 0 sends nothing, 1 receives nothing, 2 both)", n.name, ways)
	var held []*int
	for _, l := range s.w.links {
		if ways != 1 {
			held = append(held, &l.way[n.id].cuts)
		}
		if ways != 0 {
			held = append(held, &l.way[1-n.id].cuts)
		}
	}
	if ways != 1 {
		held = append(held, &s.w.front.ports[n.id].out)
	}
	if ways != 0 {
		held = append(held, &s.w.front.ports[n.id].in)
	}
	s.hold(held...)
}

// tune sets a number until the fault is over.
func (s *schedule) tune(what *int, value int) {
	s.w.change(func() { *what = value })
	s.later(s.span(), func() { s.w.change(func() { *what = 0 }) })
}

func (s *schedule) way() *way {
	return &s.w.links[s.rng.IntN(len(s.w.links))].way[s.rng.IntN(2)]
}

func (s *schedule) lose() {
	loss := 50 + s.rng.IntN(850)
	s.w.note("a link loses %d of 1000 beats", loss)
	s.tune(&s.way().loss, loss)
}

func (s *schedule) delay() {
	v, d := s.way(), s.span()
	s.w.note("a link delays beats by up to %v", d)
	s.w.change(func() { v.delay = d })
	s.later(s.span(), func() { s.w.change(func() { v.delay = 0 }) })
}

func (s *schedule) double() {
	s.w.note("a link doubles beats")
	s.tune(&s.way().duplicate, 500)
}

func (s *schedule) replays() {
	from := s.rng.IntN(2)
	s.w.note("old beats of %s are replayed", s.w.nodes[from].name)
	for range 1 + s.rng.IntN(20) {
		s.later(s.span(), func() { s.w.replay(from) })
	}
}

func (s *schedule) frontLoss() {
	loss := 50 + s.rng.IntN(600)
	s.w.note("front: %d of 1000 frames are lost", loss)
	s.tune(&s.w.front.loss, loss)
}

func (s *schedule) mumble() {
	s.w.note("front: the gateway is silent")
	s.hold(&s.w.front.mumbles)
}

func (s *schedule) resource(addresses bool) (g, r int, found bool) {
	g = s.rng.IntN(len(s.w.setup.Groups))
	resources := s.w.setup.Groups[g].Resources
	r = s.rng.IntN(len(resources))
	return g, r, isAddress(resources[r]) == addresses
}

func (s *schedule) death() {
	n := s.node()
	g, r, found := s.resource(false)
	if found && n.runs[g][r] {
		s.w.note("%s: %s dies", n.name, s.w.setup.Groups[g].Resources[r].Name)
		n.die(g, r)
	}
}

func (s *schedule) stripped() {
	n := s.node()
	g, r, found := s.resource(true)
	if found && n.runs[g][r] {
		s.w.note("%s: %s is removed by another program", n.name, s.w.setup.Groups[g].Resources[r].Name)
		n.strip(g, r)
	}
}

func (s *schedule) illness() {
	n := s.node()
	g, r, found := s.resource(false)
	if !found {
		return
	}
	m := mood(1 + s.rng.IntN(int(moods)-1))
	if s.w.judge.peaceful && m >= liesStarted {
		m = hangs
	}
	s.w.note("%s: the agent of %s %s", n.name, s.w.setup.Groups[g].Resources[r].Name, moodNames[m])
	n.moods[g][r] = m
	s.later(s.span(), func() { n.moods[g][r] = sane })
}

func (s *schedule) diskFull() {
	n := s.node()
	s.w.note("%s: the disk is full", n.name)
	n.disk.full = true
	s.later(s.span(), func() { n.disk.full = false })
}

func (s *schedule) stranger() {
	f := &s.w.front
	f.stranger = s.rng.IntN(len(s.w.setup.Groups))
	s.w.note("front: a stranger has the address of %s", s.w.setup.Groups[f.stranger].Name)
	s.later(s.span()/2, func() { f.stranger = -1 })
}

// operator gives an order.
func (s *schedule) operator() {
	n := s.node()
	g := s.w.setup.Groups[s.rng.IntN(len(s.w.setup.Groups))].Name
	switch s.rng.IntN(7) {
	case 0:
		s.w.command(n, cluster.Command{Verb: cluster.Standby})
		s.later(s.span()*2, func() { s.w.command(n, cluster.Command{Verb: cluster.Online}) })
	case 1:
		s.w.command(n, cluster.Command{Verb: cluster.Cleanup, Group: g})
	case 2:
		n.back = between(s.rng, 0, 2*s.w.setup.DeadTime)
		s.w.command(n, cluster.Command{Verb: cluster.Leave})
	case 3:
		s.w.command(n, cluster.Command{Verb: cluster.Move, Group: g, Dry: s.rng.IntN(4) == 0})
	default:
		s.w.command(n, cluster.Command{Verb: cluster.Move, Group: g, Node: s.node().name})
	}
}

// ambush waits for a daemon at an exact place.
func (s *schedule) ambush() {
	n := s.node()
	at := point(1 + s.rng.IntN(int(points)-1))
	count := 1 + s.rng.IntN(4)
	kind := s.rng.IntN(5)
	s.w.when(n, at, count, func() {
		if s.over {
			return
		}
		s.w.note("ambush of %s before %v", n.name, at)
		switch kind {
		case 0:
			s.kill(n)
		case 1, 2:
			s.freeze(n, s.frost())
		case 3:
			s.cutLinks()
		default:
			s.isolate()
		}
	})
}
