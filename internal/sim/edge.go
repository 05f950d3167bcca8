package sim

import (
	"time"

	"lubdub/internal/cluster"
)

// edgeTries is how often a write is begun anew after its ticket had expired,
// as package vip does.
const edgeTries = 8

// edge is the goroutine that owns the kernel's lease: one connection and one
// operation at a time. For each group a revocation and a grant after it may
// wait; the newest of each wins, and what it replaces is not answered.
type edge struct {
	d       *daemon
	busy    bool
	waiting []cluster.Entitle
}

func (e *edge) entitle(o cluster.Entitle) {
	kept := e.waiting[:0]
	for _, old := range e.waiting {
		switch {
		case old.Group != o.Group:
		case o.Until > 0 && old.Until == 0:
		default:
			if old.Fresh && o.Until > 0 && !o.Fresh {
				o.Fresh, o.NotAfter = true, old.NotAfter
			}
			continue
		}
		kept = append(kept, old)
	}
	e.waiting = append(kept, o)
	if !e.busy {
		e.next()
	}
}

func (e *edge) next() {
	e.busy = len(e.waiting) > 0
	if !e.busy {
		return
	}
	o := e.waiting[0]
	e.waiting = append(e.waiting[:0], e.waiting[1:]...)
	w := &write{e: e, o: o, g: e.d.w.groupIndex(o.Group)}
	w.begin()
}

// write is one Entitle on its way into the kernel. A freeze may fall before
// each of its steps.
type write struct {
	e         *edge
	o         cluster.Entitle
	g         int
	tries     int
	remaining time.Duration
	jumped    time.Duration // the machine's, when the clock was read
}

func (t *write) step(p point, do func()) {
	d := t.e.d
	d.later(d.n.slow+d.w.netlink(), func() {
		d.w.reached(d.n, p)
		d.do(do)
	})
}

func (t *write) begin() {
	if t.o.Until == 0 {
		t.step(pointWrite, t.revoke)
		return
	}
	if t.e.d.w.setup.NoLease {
		t.step(pointClock, t.lifeClock)
		return
	}
	t.tries++
	t.step(pointTicket, t.ticket)
}

func (t *write) revoke() {
	if t.refused() {
		return
	}
	t.e.d.n.grant(t.g, element{})
	t.answer(cluster.Granted)
}

// ticket begins rule K2: the ticket lives before the clock is read.
func (t *write) ticket() {
	d := t.e.d
	if t.refused() {
		return
	}
	d.n.kernel.tickets[t.g] = d.n.ticks().Add(d.w.setup.ticket())
	t.step(pointClock, t.clock)
}

// clock reads the time: the kernel is told how much remains, never a moment.
func (t *write) clock() {
	now := t.e.d.n.local()
	t.remaining, t.jumped = t.o.Until.Sub(now), t.e.d.n.jumped
	switch {
	case t.o.NotAfter > 0 && now > t.o.NotAfter, t.o.Fresh && t.remaining <= 0:
		t.answer(cluster.Void)
	case t.remaining <= 0:
		t.lapse()
	default:
		t.step(pointWrite, t.commit)
	}
}

// commit is one transaction: it needs the ticket; a renewal needs the running
// element, a new grant that none runs.
func (t *write) commit() {
	n := t.e.d.n
	now := n.ticks()
	runs := n.kernel.leases[t.g].end > now
	switch {
	case t.refused():
	case !t.o.Fresh && !runs:
		t.lapse()
	case n.kernel.tickets[t.g] <= now && t.tries < edgeTries:
		t.begin()
	case n.kernel.tickets[t.g] <= now, t.o.Fresh && runs:
		t.answer(cluster.Void)
	default:
		n.kernel.tickets[t.g] = 0
		n.grant(t.g, element{end: now.Add(t.remaining), quiet: t.o.Quiet, seq: t.o.Seq, life: n.lives})
		if n.jumped == t.jumped { // no rule guards a write in a machine that is paused as a whole
			n.w.judge.written(n, t.g, t.o.Until)
		}
		if t.o.Announce {
			t.e.d.announce(t.g)
		}
		t.answer(cluster.Granted)
	}
}

// lifeClock and lifeWrite are what package daemon does without nftables: the
// life-time of the address in whole seconds, with no ticket between clock and write.
func (t *write) lifeClock() {
	n := t.e.d.n
	now := n.local()
	e := &n.kernel.leases[t.g]
	runs := e.end > n.ticks()
	t.remaining = t.o.Until.Sub(now).Truncate(time.Second)
	if t.o.Quiet {
		t.remaining = t.o.Until.Sub(now)
	}
	switch {
	case t.remaining <= 0, t.o.NotAfter > 0 && now > t.o.NotAfter:
		t.answer(cluster.Void)
	case !t.o.Fresh && !runs:
		t.lapse()
	default:
		t.step(pointWrite, t.lifeWrite)
	}
}

// lifeGrain is how much later than its life-time an address goes, at most.
const lifeGrain = time.Second

func (t *write) lifeWrite() {
	d := t.e.d
	n := d.n
	if t.refused() {
		return
	}
	late := between(d.w.sched, 0, lifeGrain)
	if !t.o.Quiet && n.local().Add(t.remaining) > t.o.Until {
		n.w.judge.split.unticketed()
	}
	n.grant(t.g, element{end: n.ticks().Add(t.remaining + late), quiet: t.o.Quiet, seq: t.o.Seq, life: n.lives})
	if t.o.Announce {
		d.announce(t.g)
	}
	t.answer(cluster.Granted)
}

// refused answers that the kernel would not write: what ran runs on.
func (t *write) refused() bool {
	if t.e.d.n.refuses == 0 {
		return false
	}
	t.answer(cluster.Unwritten)
	return true
}

// lapse makes the answer true: an end is final.
func (t *write) lapse() {
	t.e.d.n.grant(t.g, element{})
	t.answer(cluster.Lapsed)
}

func (t *write) answer(s cluster.LeaseState) {
	t.step(pointAck, func() {
		err := ""
		if s == cluster.Unwritten {
			err = "cannot allocate memory"
		}
		t.e.d.post(cluster.Leased{Group: t.o.Group, Seq: t.o.Seq, State: s, Err: err})
		t.e.next()
	})
}

// netlink is how long the kernel takes for one operation.
func (w *World) netlink() time.Duration {
	x := w.sched.Uint64()
	d := w.slow + 20*time.Microsecond + time.Duration(x%100_000)
	if x>>40&0xff == 0 {
		d += time.Duration(x >> 16 % uint64(5*time.Millisecond))
	}
	return d
}
