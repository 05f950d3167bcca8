package sim

import (
	"math/rand/v2"
	"time"
)

// relearn takes a node's carrier, and its port forwards nothing for some time
// after the carrier is back.
func (s *schedule) relearn(d *dice) func() {
	n, span := d.node(), d.span()
	learns := d.between("learns", s.w.setup.DeadTime/10, 3*s.w.setup.DeadTime)
	return func() {
		s.w.note("front: %s loses carrier, and its port forwards again %v after that", n.name, learns)
		p := &s.w.front.ports[n.id]
		s.hold(span, &p.dead)
		s.hold(span+learns, &p.out, &p.in)
	}
}

// proxyARP lets a router answer for every address that is asked for.
func (s *schedule) proxyARP(d *dice) func() {
	span := d.span()
	return func() {
		s.w.note("front: a router answers for every address")
		s.w.change(func() { s.w.front.proxy = true })
		s.later(span, func() { s.w.change(func() { s.w.front.proxy = false }) })
	}
}

// stationAt is one of the ping nodes.
func (s *schedule) stationAt(d *dice) *station {
	return s.w.front.station(d.number("ping", 0, s.w.setup.Pings) % max(s.w.setup.Pings, 1))
}

// hush keeps a ping node from answering anybody, or one node only.
func (s *schedule) hush(d *dice) func() {
	if s.w.setup.Pings == 0 {
		return nil
	}
	p, whom, span := s.stationAt(d), d.pick("whom", fromWords...), d.span()
	return func() {
		s.w.note("a ping node does not answer %s", fromWords[whom])
		s.blink(span, [][]*int{{&p.deaf[0]}, {&p.deaf[1]}, {&p.silent}}[whom]...)
	}
}

// flap lets the ways of the nodes to a ping node come and go: of one, of both at
// once, or of one after the other. Short gaps are shorter than rule S2 allows.
func (s *schedule) flap(d *dice) func() {
	if s.w.setup.Pings == 0 {
		return nil
	}
	gap := s.w.setup.pingLease() / pingGaps
	p, whom := s.stationAt(d), d.pick("whom", "a", "b", "both", "in turn")
	longest := []time.Duration{gap, 3 * gap}[d.pick("gaps", "short", "long")]
	begins, lasts := d.storm(d.number("count", 2, 30), longest, func(r *rand.Rand) time.Duration { return between(r, 0, 2*gap) })
	return func() {
		s.w.note("a ping node comes and goes for %s", []string{"a", "b", "both", "one after the other"}[whom])
		for i := range begins {
			held := [][]*int{{&p.deaf[0]}, {&p.deaf[1]}, {&p.silent}, {&p.deaf[i%2]}}[whom]
			s.later(begins[i], func() { s.blink(lasts[i], held...) })
		}
	}
}

// flapPorts lets the nodes reach the switch in turn, never both at once, for some
// dead times: in gaps that are shorter or longer than rule S2 allows. The
// cross-over cable may be out at that time.
func (s *schedule) flapPorts(d *dice) func() {
	gap := s.w.setup.pingLease() / pingGaps
	turn := max(d.between("turn", gap/4, []time.Duration{gap, 4 * gap}[d.pick("gaps", "short", "long")]), time.Millisecond)
	span := time.Duration(d.number("tenths", 10, 50)) * s.w.setup.DeadTime / 10
	cable := d.flag("cable", 2)
	return func() {
		s.w.note("front: the nodes reach the switch in turn, for %v each, cable out: %t", turn, cable)
		if cable {
			l := s.w.links[0]
			s.blink(span, &l.way[0].cuts, &l.way[1].cuts)
		}
		for i := range int(span / turn) {
			p := &s.w.front.ports[i%2]
			s.later(time.Duration(i)*turn, func() { s.blink(turn, &p.out, &p.in) })
		}
	}
}

// burst cuts a direction of a link again and again.
func (s *schedule) burst(d *dice) func() {
	v := s.way(d)
	begins, lasts := d.storm(d.number("count", 2, 30), 4*s.w.setup.Keepalive, d.lasting)
	return func() {
		s.w.note("a link loses beats in bursts")
		for i := range begins {
			s.later(begins[i], func() { s.blink(lasts[i], &v.cuts) })
		}
	}
}

// blink is hold for a moment: too short for a carrier to be lost.
func (s *schedule) blink(span time.Duration, counters ...*int) {
	count := func(by int) {
		s.w.judge.upset = s.w.now
		s.w.change(func() {
			for _, c := range counters {
				*c += by
			}
		})
	}
	count(1)
	s.later(span, func() { count(-1) })
}

// corrupt turns bits over in beats.
func (s *schedule) corrupt(d *dice) func() {
	v, often, span := s.way(d), d.number("often", 50, 900), d.span()
	return func() {
		s.w.note("a link damages %d of 1000 beats", often)
		s.tune(span, &v.corrupt, often)
	}
}

// forgeries are beats that somebody without the key makes up.
func (s *schedule) forgeries(d *dice) func() {
	from, count, span := d.nodeAs("from"), d.number("count", 1, 11), d.span()
	return func() {
		s.w.note("beats of %s are forged", from.name)
		for i := range count {
			s.later(span*time.Duration(i+1)/time.Duration(count), func() { s.w.forge(from.id) })
		}
	}
}
