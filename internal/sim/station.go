package sim

import (
	"time"

	"lubdub/internal/cluster"
)

// station is a ping node: one that stands on the front, or one behind the gateway.
type station struct {
	far    bool   // behind the gateway: without it, it is not reached
	silent int    // faults that keep it from answering
	deaf   [2]int // faults that keep it from answering one node
	last   [2]time.Duration
}

// farPing is how much longer a ping node behind the gateway takes to answer, at most.
const farPing = 8 * time.Millisecond

func (f *front) station(k int) *station { return &f.stations[k] }

// answers says that a ping node replies to a node that asks now.
func (f *front) answers(k, node int) bool {
	s := f.station(k)
	return s.silent == 0 && s.deaf[node] == 0 && (!s.far || f.gateway && f.mumbles == 0) && f.sends(node)
}

// pinger is the goroutine that asks the ping nodes.
type pinger struct {
	d     *daemon
	every time.Duration
	round uint64 // of intervals: an older one's timer means nothing
}

// set is what a Ping wants: ask now, and then at that interval.
func (p *pinger) set(every time.Duration) {
	p.every = every
	p.round++
	round := p.round
	p.d.later(p.d.w.lag(), func() { p.ask(round) })
}

func (p *pinger) ask(round uint64) {
	if round != p.round {
		return
	}
	d := p.d
	d.w.reached(d.n, pointPing)
	d.do(func() {
		if d.n.sockets == 0 {
			for k := range d.w.front.stations {
				p.one(k)
			}
		}
		d.later(p.every+d.w.lag(), func() { p.ask(round) })
	})
}

// one asks one ping node; question and answer may each be lost.
func (p *pinger) one(k int) {
	d, w := p.d, p.d.w
	f := &w.front
	if !f.answers(k, d.n.id) || w.lost() || w.lost() {
		return
	}
	sent, at := d.n.local(), w.now
	took := 2 * w.transit()
	if f.station(k).far {
		took += between(w.net, 0, farPing)
	}
	d.n.frameAfter(took, func() {
		if !f.receives(d.n.id) {
			return
		}
		f.frame(w, d.n.id)
		if d.alive {
			w.judge.split.seen(d.n.id, k, at)
			d.post(cluster.Pinged{Node: k, Sent: sent})
		}
	})
}

// frameAfter delivers a frame to this machine; while it stands still its network card keeps it.
func (n *node) frameAfter(d time.Duration, take func()) {
	boots := n.boots
	n.w.after(d, func() {
		if n.powered && n.boots == boots && !n.keeps(take) {
			take()
		}
	})
}
