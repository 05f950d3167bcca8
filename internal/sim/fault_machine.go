package sim

import (
	"math/rand/v2"
	"time"

	"lubdub/internal/cluster"
)

// standStill pauses a whole machine, as a suspend or a migration does.
func (s *schedule) standStill(d *dice) func() {
	n, span, jump := d.node(), s.frost(d), d.flag("jump", 2)
	return func() {
		n.pause()
		began := n.still.began
		s.later(span, func() {
			if n.still.began == began {
				n.resume(jump)
			}
		})
	}
}

// upgrade restarts a daemon, as the upgrade of a package does.
func (s *schedule) upgrade(d *dice) func() {
	n := d.node()
	back := d.between("back", 50*time.Millisecond, 400*time.Millisecond)
	return func() {
		n.kill()
		s.later(back, n.start)
	}
}

// stepClock sets the wall clock of a machine. The calm leaves it as it is.
func (s *schedule) stepClock(d *dice) func() {
	n := d.node()
	by := time.Duration(d.number("seconds", -3600, 3601)) * time.Second
	return func() {
		s.w.note("the wall clock of %s is set by %v", n.name, by)
		if !s.w.opts.StillClocks {
			n.wall += by
		}
	}
}

// drift lets a machine's clocks run at another rate for a while.
func (s *schedule) drift(d *dice) func() {
	n, ppm, span := d.node(), int64(d.number("ppm", -maxDrift, maxDrift+1)), d.span()
	return func() {
		s.w.note("the clocks of %s run %d ppm fast", n.name, ppm)
		n.rate(ppm)
		boots := n.boots
		s.later(span, func() {
			if n.boots == boots {
				n.rate(n.ppm)
			}
		})
	}
}

// refuse lets the kernel refuse what is asked of it: no memory.
func (s *schedule) refuse(d *dice) func() {
	n, span := d.node(), d.span()
	return func() {
		s.w.note("%s: netlink refuses everything: cannot allocate memory", n.name)
		s.hold(span, &n.refuses)
	}
}

// drag makes netlink slow.
func (s *schedule) drag(d *dice) func() {
	n, span := d.node(), d.span()
	slow := d.between("by", time.Millisecond, 2*s.w.setup.Keepalive)
	return func() {
		s.w.note("%s: netlink needs %v longer", n.name, slow)
		s.w.change(func() { n.slow = slow })
		s.later(span, func() { s.w.change(func() { n.slow = 0 }) })
	}
}

// exhaust leaves no file descriptor for probes and pings.
func (s *schedule) exhaust(d *dice) func() {
	n, span := d.node(), d.span()
	return func() {
		s.w.note("%s: too many open files", n.name)
		s.hold(span, &n.sockets)
	}
}

// spoilDevice lets the fence device of a node misbehave, but not lie.
func (s *schedule) spoilDevice(d *dice) func() {
	if !s.w.setup.Fencing {
		return nil
	}
	n, span := d.node(), d.span()
	mood := fenceSlow + deviceMood(d.pick("how", deviceWords[fenceSlow:fenceLate]...))
	return s.device(n, mood, span)
}

// corruptDevice is a fence device that was set up wrongly: it says off of a node
// that is not, or not yet.
func (s *schedule) corruptDevice(d *dice) func() {
	if !s.w.setup.Fencing {
		return nil
	}
	n, span := d.node(), d.span()
	mood := fenceLate + deviceMood(d.pick("how", deviceWords[fenceLate:]...))
	return s.device(n, mood, span)
}

func (s *schedule) device(n *node, mood deviceMood, span time.Duration) func() {
	return func() {
		s.w.note("the fence device of %s %s", n.name, deviceWords[mood])
		s.w.ail(n, mood)
		s.later(span, func() { s.w.ail(n, fenceWorks) })
	}
}

// confirmFence is the operator's word that the other node is off: a true one, or
// one that is given without looking.
func (s *schedule) confirmFence(d *dice) func() {
	if !s.w.setup.Fencing {
		return nil
	}
	return s.confirms(d, func(p *node) bool { return !p.powered })
}

func (s *schedule) confirmBlindly(d *dice) func() {
	if !s.w.setup.Fencing {
		return nil
	}
	return s.confirms(d, func(*node) bool { return true })
}

func (s *schedule) confirms(d *dice, looks func(*node) bool) func() {
	n, force := d.node(), d.flag("force", 3)
	return func() {
		if looks(n.peer()) {
			s.w.command(n, cluster.Command{Verb: cluster.FenceConfirm, Node: n.peer().name, Force: force})
		}
	}
}

// storm is many short troubles in a row: when each begins and how long it lasts.
func (d *dice) storm(count int, longest time.Duration, rest func(*rand.Rand) time.Duration) (begins, lasts []time.Duration) {
	pause := d.time("rest", rest)
	short := d.between("short", time.Millisecond, longest)
	var at time.Duration
	for i := range count {
		begins, lasts = append(begins, at), append(lasts, short*time.Duration(1+i%3)/3)
		at += short + pause
	}
	return begins, lasts
}
