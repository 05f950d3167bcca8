package sim

import (
	"math/rand/v2"
	"time"

	"lubdub/internal/cluster"
)

// fault is one letter of the alphabet. strike takes all that the fault needs from
// the dice, and returns what it does; nil: this cluster has nothing for it.
type fault struct {
	name     string
	peaceful bool // it leaves nodes and networks alone
	strike   func(*schedule, *dice) func()
	pair     [2]string // two faults of one moment instead
}

// alphabet is all faults. A seed takes a part of it.
func alphabet() []fault {
	return []fault{
		{name: "daemon killed", strike: (*schedule).kill},
		{name: "daemon frozen", strike: (*schedule).freeze},
		{name: "machine crashed", strike: (*schedule).crash},
		{name: "power lost", strike: (*schedule).blackout},
		{name: "way cut", strike: (*schedule).cutWay},
		{name: "links cut", strike: (*schedule).cutLinks},
		{name: "cable pulled", strike: (*schedule).pullCable},
		{name: "port cut", strike: (*schedule).cutPort},
		{name: "front carrier lost", strike: (*schedule).pullFront},
		{name: "front split", strike: (*schedule).splitFront},
		{name: "node isolated", strike: (*schedule).isolate},
		{name: "beats lost", strike: (*schedule).lose},
		{name: "beats late", strike: (*schedule).delay},
		{name: "beats doubled", strike: (*schedule).double},
		{name: "beats replayed", strike: (*schedule).replays},
		{name: "front lossy", strike: (*schedule).frontLoss},
		{name: "gateway silent", strike: (*schedule).mumble},
		{name: "machine paused", strike: (*schedule).standStill},
		{name: "daemon upgraded", strike: (*schedule).upgrade},
		{name: "clock stepped", strike: (*schedule).stepClock},
		{name: "clock drifts", strike: (*schedule).drift},
		{name: "netlink refuses", strike: (*schedule).refuse},
		{name: "netlink slow", strike: (*schedule).drag},
		{name: "no sockets", strike: (*schedule).exhaust},
		{name: "port learns", strike: (*schedule).relearn},
		{name: "proxy arp", strike: (*schedule).proxyARP},
		{name: "ping node silent", strike: (*schedule).hush},
		{name: "ping node flaps", strike: (*schedule).flap},
		{name: "ports flap", strike: (*schedule).flapPorts},
		{name: "beats lost in bursts", strike: (*schedule).burst},
		{name: "beats damaged", strike: (*schedule).corrupt},
		{name: "beats forged", strike: (*schedule).forgeries},
		{name: "fence device ill", strike: (*schedule).spoilDevice},
		{name: "fence device lies", strike: (*schedule).corruptDevice},
		{name: "fence confirmed", strike: (*schedule).confirmFence},
		{name: "fence confirmed blindly", strike: (*schedule).confirmBlindly},
		{name: "resource died", peaceful: true, strike: (*schedule).death},
		{name: "agent ill", peaceful: true, strike: (*schedule).illness},
		{name: "address removed", peaceful: true, strike: (*schedule).stripped},
		{name: "disk full", strike: (*schedule).diskFull},
		{name: "stranger", strike: (*schedule).stranger},
		{name: "operator", peaceful: true, strike: (*schedule).operator},
		{name: "operator restarts", peaceful: true, strike: (*schedule).restarts},
		{name: "maintenance", strike: (*schedule).maintenance},
		{name: "operator again", peaceful: true, pair: [2]string{"operator"}},
		{name: "ambush", strike: (*schedule).ambush},
		{name: "ambush after an order", pair: [2]string{"operator", "ambush"}},
		{name: "ambush before an order", pair: [2]string{"ambush", "operator"}},
	}
}

// names are the faults that a letter stands for.
func (f *fault) names() []string {
	switch {
	case f.strike != nil:
		return []string{f.name}
	case f.pair[1] == "":
		return f.pair[:1]
	}
	return f.pair[:]
}

// kill ends a daemon; its supervisor starts it again, soon or not.
func (s *schedule) kill(d *dice) func() {
	n, dead := d.node(), s.w.setup.DeadTime
	back := d.time("back", func(r *rand.Rand) time.Duration {
		switch r.IntN(4) {
		case 0:
			return between(r, 0, dead/20)
		case 1:
			return d.lasting(r) * 4
		}
		return between(r, 0, 3*dead)
	})
	return func() {
		n.kill()
		s.later(back, n.start)
	}
}

// frost is how long a freeze lasts: around the times that matter.
func (s *schedule) frost(d *dice) time.Duration {
	dead := s.w.setup.DeadTime
	return d.time("for", func(r *rand.Rand) time.Duration {
		switch r.IntN(4) {
		case 0:
			return between(r, time.Millisecond, dead/5)
		case 1:
			return between(r, dead/2, dead*3/2)
		case 2:
			return between(r, dead, 6*dead)
		}
		return d.lasting(r)
	})
}

func (s *schedule) freeze(d *dice) func() {
	n, span := d.node(), s.frost(d)
	return func() {
		n.freeze()
		life := n.lives
		s.later(span, func() {
			if n.lives == life {
				n.thaw()
			}
		})
	}
}

func (s *schedule) crash(d *dice) func() {
	n := d.node()
	off, start := s.outage(d, "for"), s.restart(d, "start")
	return func() { s.powerCycle(n, off, start) }
}

// blackout takes the power from both nodes.
func (s *schedule) blackout(d *dice) func() {
	a, startA := s.outage(d, "a"), s.restart(d, "start-a")
	b, startB := s.outage(d, "b"), s.restart(d, "start-b")
	return func() {
		s.powerCycle(s.w.nodes[0], a, startA)
		s.powerCycle(s.w.nodes[1], b, startB)
	}
}

func (s *schedule) outage(d *dice, name string) time.Duration {
	dead := s.w.setup.DeadTime
	return d.time(name, func(r *rand.Rand) time.Duration { return between(r, dead/10, 2*dead) + d.lasting(r) })
}

func (s *schedule) restart(d *dice, name string) time.Duration {
	dead := s.w.setup.DeadTime
	return d.between(name, dead/10, dead)
}

// powerCycle takes a machine's power for a while; its daemon starts after the boot.
func (s *schedule) powerCycle(n *node, off, start time.Duration) {
	n.crash()
	s.later(off, func() {
		n.boot()
		s.later(start, n.start)
	})
}

// hold counts a fault up, and down again when it has lasted.
func (s *schedule) hold(span time.Duration, counters ...*int) {
	s.w.change(func() {
		for _, c := range counters {
			*c++
		}
	})
	s.w.carrierChanged()
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

func (s *schedule) cutWay(d *dice) func() {
	l, from, span := d.link(), d.nodeAs("from"), d.span()
	return func() {
		s.w.note("link %d is cut from %s", l.index, from.name)
		s.hold(span, &l.way[from.id].cuts)
	}
}

// fromWords are the directions between the nodes, by who sends.
var fromWords = []string{"a", "b", "both"}

func (s *schedule) cutLinks(d *dice) func() {
	from, span := d.pick("from", fromWords...), d.span()
	return func() {
		s.w.note("all links are cut (from %s)", fromWords[from])
		var held []*int
		for _, l := range s.w.links {
			for i := range l.way {
				if from == 2 || from == i {
					held = append(held, &l.way[i].cuts)
				}
			}
		}
		s.hold(span, held...)
	}
}

func (s *schedule) pullCable(d *dice) func() {
	span := d.span()
	return func() {
		s.w.note("the cross-over cable is pulled")
		s.hold(span, &s.w.links[0].dead)
	}
}

// wayWords are the directions of one node: what it sends, what it should receive.
var wayWords = []string{"out", "in", "both"}

func (s *schedule) cutPort(d *dice) func() {
	n, way, span := d.node(), d.pick("way", wayWords...), d.span()
	return func() {
		s.w.note("front: the port of %s is cut (%s)", n.name, wayWords[way])
		s.hold(span, s.w.front.ports[n.id].ways(way)...)
	}
}

// ways are the counters of the directions of a port.
func (p *port) ways(way int) []*int {
	return [][]*int{{&p.out}, {&p.in}, {&p.out, &p.in}}[way]
}

func (s *schedule) pullFront(d *dice) func() {
	n, span := d.node(), d.span()
	return func() {
		s.w.note("front: %s loses carrier", n.name)
		s.hold(span, &s.w.front.ports[n.id].dead)
	}
}

func (s *schedule) splitFront(d *dice) func() {
	from, span := d.pick("from", fromWords...), d.span()
	return func() {
		s.w.note("front: the nodes do not see each other (from %s)", fromWords[from])
		pair := &s.w.front.pair
		s.hold(span, [][]*int{{&pair[0]}, {&pair[1]}, {&pair[0], &pair[1]}}[from]...)
	}
}

// isolate cuts everything that a node sends, or receives, or both.
func (s *schedule) isolate(d *dice) func() {
	n, way, span := d.node(), d.pick("way", wayWords...), d.span()
	return func() {
		s.w.note("%s is isolated (%s)", n.name, wayWords[way])
		held := s.w.front.ports[n.id].ways(way)
		for _, l := range s.w.links {
			if way != 1 {
				held = append(held, &l.way[n.id].cuts)
			}
			if way != 0 {
				held = append(held, &l.way[1-n.id].cuts)
			}
		}
		s.hold(span, held...)
	}
}

// tune sets a number until the fault is over.
func (s *schedule) tune(span time.Duration, what *int, value int) {
	s.w.change(func() { *what = value })
	s.later(span, func() { s.w.change(func() { *what = 0 }) })
}

// way is a direction of a link.
func (s *schedule) way(d *dice) *way { return &d.link().way[d.nodeAs("from").id] }

func (s *schedule) lose(d *dice) func() {
	v, loss, span := s.way(d), d.number("loss", 50, 900), d.span()
	return func() {
		s.w.note("a link loses %d of 1000 beats", loss)
		s.tune(span, &v.loss, loss)
	}
}

func (s *schedule) delay(d *dice) func() {
	v, late, span := s.way(d), d.time("late", d.lasting), d.span()
	return func() {
		s.w.note("a link delays beats by up to %v", late)
		s.w.change(func() { v.delay = late })
		s.later(span, func() { s.w.change(func() { v.delay = 0 }) })
	}
}

func (s *schedule) double(d *dice) func() {
	v, span := s.way(d), d.span()
	return func() {
		s.w.note("a link doubles beats")
		s.tune(span, &v.duplicate, 500)
	}
}

func (s *schedule) replays(d *dice) func() {
	from, count, span := d.nodeAs("from"), d.number("count", 1, 21), d.span()
	return func() {
		s.w.note("old beats of %s are replayed", from.name)
		for i := range count {
			s.later(span*time.Duration(i+1)/time.Duration(count), func() { s.w.replay(from.id) })
		}
	}
}

func (s *schedule) frontLoss(d *dice) func() {
	loss, span := d.number("loss", 50, 650), d.span()
	return func() {
		s.w.note("front: %d of 1000 frames are lost", loss)
		s.tune(span, &s.w.front.loss, loss)
	}
}

func (s *schedule) mumble(d *dice) func() {
	span := d.span()
	return func() {
		s.w.note("front: the gateway is silent")
		s.hold(span, &s.w.front.mumbles)
	}
}

func (s *schedule) death(d *dice) func() {
	n := d.node()
	g, r, found := d.resource(false)
	if !found {
		return nil
	}
	return func() {
		if n.runs[g][r] {
			s.w.note("%s: %s dies", n.name, s.w.setup.Groups[g].Resources[r].Name)
			n.die(g, r)
		}
	}
}

func (s *schedule) stripped(d *dice) func() {
	n := d.node()
	g, r, found := d.resource(true)
	if !found {
		return nil
	}
	return func() {
		if n.runs[g][r] {
			s.w.note("%s: %s is removed by another program", n.name, s.w.setup.Groups[g].Resources[r].Name)
			n.strip(g, r)
		}
	}
}

func (s *schedule) illness(d *dice) func() {
	n := d.node()
	g, r, found := d.resource(false)
	if !found {
		return nil
	}
	m := mood(d.choose("mood", moodNames[:], func(r *rand.Rand) int {
		m := mood(1 + r.IntN(int(moods)-1))
		if s.w.judge.peaceful && m >= liesStarted {
			m = hangs
		}
		return int(m)
	}))
	span := d.span()
	return func() {
		s.w.note("%s: the agent of %s %s", n.name, s.w.setup.Groups[g].Resources[r].Name, moodNames[m])
		n.moods[g][r] = m
		s.later(span, func() { n.moods[g][r] = sane })
	}
}

func (s *schedule) diskFull(d *dice) func() {
	n, span := d.node(), d.span()
	return func() {
		s.w.note("%s: the disk is full", n.name)
		n.disk.full = true
		s.later(span, func() { n.disk.full = false })
	}
}

func (s *schedule) stranger(d *dice) func() {
	g, span := d.group(), d.span()
	return func() {
		f := &s.w.front
		f.stranger = g
		s.w.note("front: a stranger has the address of %s", s.w.setup.Groups[g].Name)
		s.later(span/2, func() { f.stranger = -1 })
	}
}

// orderWords are the operator's; most of them move a group.
var orderWords = []string{"standby", "cleanup", "leave", "move away", "move"}

// operator gives an order.
func (s *schedule) operator(d *dice) func() {
	n := d.node()
	switch d.choose("order", orderWords, func(r *rand.Rand) int { return min(r.IntN(7), 4) }) {
	case 0:
		span := d.span() * 2
		return func() {
			s.w.command(n, cluster.Command{Verb: cluster.Standby})
			s.later(span, func() { s.w.command(n, cluster.Command{Verb: cluster.Online}) })
		}
	case 1:
		return s.orders(n, cluster.Command{Verb: cluster.Cleanup, Group: s.groupName(d)})
	case 2:
		back := d.between("back", 0, 2*s.w.setup.DeadTime)
		return func() {
			n.back = back
			s.w.command(n, cluster.Command{Verb: cluster.Leave})
		}
	case 3:
		return s.orders(n, cluster.Command{Verb: cluster.Move, Group: s.groupName(d), Dry: d.flag("dry", 4)})
	}
	return s.orders(n, cluster.Command{Verb: cluster.Move, Group: s.groupName(d), Node: d.nodeAs("to").name})
}

// restarts is the operator who restarts a resource, or forgets its failures.
func (s *schedule) restarts(d *dice) func() {
	n := d.node()
	g, r, found := d.resource(false)
	verb := []cluster.Verb{cluster.Restart, cluster.Cleanup}[d.pick("order", "restart", "cleanup")]
	if !found {
		return nil
	}
	group := s.w.setup.Groups[g]
	return s.orders(n, cluster.Command{Verb: verb, Resource: group.Name + "/" + group.Resources[r].Name, Dry: d.flag("dry", 8)})
}

// maintenance lets the operator leave a group alone, or all of them, and end that
// on either node; or it ends by itself.
func (s *schedule) maintenance(d *dice) func() {
	n, ends := d.node(), d.nodeAs("ends")
	c := cluster.Command{Verb: cluster.MaintenanceOn}
	if !d.flag("all", 3) {
		c.Group = s.groupName(d)
	}
	span := d.span() * 3
	if d.flag("by-itself", 3) {
		c.For = time.Second + span
	}
	return func() {
		s.w.command(n, c)
		if c.For == 0 {
			s.later(span, func() { s.w.command(ends, cluster.Command{Verb: cluster.MaintenanceOff, Group: c.Group}) })
		}
	}
}

func (s *schedule) groupName(d *dice) string { return s.w.setup.Groups[d.group()].Name }

func (s *schedule) orders(n *node, c cluster.Command) func() {
	return func() { s.w.command(n, c) }
}

// ambush waits for a daemon at an exact place.
func (s *schedule) ambush(d *dice) func() {
	n := d.node()
	at := point(1 + d.pick("place", pointNames[1:]...))
	count := d.number("count", 1, 5)
	do := d.then("daemon killed", "daemon frozen", "daemon frozen", "links cut", "node isolated")
	return func() {
		s.w.when(n, at, count, func() {
			if s.over {
				return
			}
			s.w.note("ambush of %s before %v", n.name, at)
			do()
		})
	}
}
