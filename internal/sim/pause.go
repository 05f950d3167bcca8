package sim

import "time"

// pause is how a machine stands still as a whole: a suspended or migrated guest.
// Nothing of it runs, its kernel's timers included, and what they still had to
// wait they wait after it.
type pause struct {
	on    bool
	began time.Duration
	stood time.Duration // all pauses that are over, together
	held  []heldBack
	ring  []func() // frames that its network card keeps for it
}

// heldBack is a piece of work that came due while the machine stood still.
type heldBack struct {
	left time.Duration // what it had still to wait when the machine stopped
	do   func()
}

// maxRing is how many frames a network card keeps for a machine that stands still.
const maxRing = 64

// pause stops the machine.
func (n *node) pause() {
	if !n.powered || n.still.on {
		return
	}
	n.w.note("%s stands still as a whole", n.name)
	n.w.change(func() { n.still.on, n.still.began = true, n.w.now })
}

// resume lets it run on. With a jump its boot clock has run on meanwhile, as
// after a sleep; without, it stood still too, as in a guest. The kernel's timers
// stood still in both cases.
func (n *node) resume(jump bool) {
	p := &n.still
	if !p.on {
		return
	}
	w := n.w
	gone := w.now - p.began
	w.note("%s runs on after %v", n.name, gone)
	w.change(func() {
		p.on = false
		p.stood += gone
		if jump {
			n.jumped += n.clock.at(w.now).Sub(n.clock.at(p.began))
		} else {
			n.clock.zero += gone
		}
	})
	held, ring := p.held, p.ring
	p.held, p.ring = nil, nil
	for _, h := range held {
		n.at(w.now+max(h.left, 0), h.do)
	}
	for _, take := range ring {
		take()
	}
	if d := n.daemon; d != nil {
		d.alarm = -1
		d.wakeBy(w.now + w.lag())
	}
}

// at does something on this machine at a moment of true time; later by as long
// as the machine stands still until then.
func (n *node) at(t time.Duration, do func()) {
	stood := n.still.stood
	n.w.queue.push(t, func() { n.due(t, stood, do) })
}

// after is at, from now on.
func (n *node) after(d time.Duration, do func()) { n.at(n.w.now+d, do) }

func (n *node) due(t, stood time.Duration, do func()) {
	p := &n.still
	t += p.stood - stood
	switch {
	case p.on:
		p.held = append(p.held, heldBack{t - p.began, do})
	case t > n.w.now:
		n.at(t, do)
	default:
		do()
	}
}

// awake says that the machine runs: it has power and does not stand still.
func (n *node) awake() bool { return n.powered && !n.still.on }

// keeps leaves a frame with the network card of a machine that stands still: it
// is taken when the machine runs on, or lost when there is no room.
func (n *node) keeps(take func()) bool {
	if n.still.on && len(n.still.ring) < maxRing {
		n.still.ring = append(n.still.ring, take)
	}
	return n.still.on
}
