package sim

import (
	"time"

	"lubdub/internal/cluster"
)

// link is one path for beats: the cross-over cable, or the front.
type link struct {
	index   int
	front   bool // it runs on the front and shares its fate
	dead    int  // faults that took the carrier of the cable
	way     [2]way
	history [2][]cluster.Beat // some beats of each node, for replays
}

// way is one direction of a link, by its sender.
type way struct {
	cuts      int
	loss      int           // per mille
	delay     time.Duration // at most so much more
	duplicate int           // per mille
	corrupt   int           // per mille: a bit is wrong
}

// maxHistory bounds the beats that a replay can choose from.
const maxHistory = 64

func (l *link) carrier(w *World, node int) bool {
	if l.front {
		return w.front.carrier(node)
	}
	return l.dead == 0
}

// up says that a beat sent by the node now gets through, but for loss.
func (l *link) up(w *World, from int) bool {
	if l.way[from].cuts > 0 || l.dead > 0 {
		return false
	}
	return !l.front || w.front.up(from)
}

// sound says that each beat of the node gets through in time.
func (l *link) sound(w *World, from int) bool {
	v := &l.way[from]
	return l.up(w, from) && v.loss == 0 && v.corrupt == 0 && v.delay < w.setup.Keepalive && (!l.front || w.front.loss == 0)
}

func (w *World) sendBeat(from int, b cluster.Beat) {
	b = w.pack(b)
	for _, l := range w.links {
		w.sendOn(l, from, b)
	}
}

// pack makes a beat the receiver's own: a copy, or in some worlds what the wire makes of it.
func (w *World) pack(b cluster.Beat) cluster.Beat {
	if !w.wired {
		return copyBeat(b)
	}
	m, err := b.Message([16]byte{1}, uint64(w.now/time.Second), "0.00")
	if err != nil {
		w.fail("wire", "a beat cannot be sent: %v", err)
		return b
	}
	received, err := cluster.ParseBeat(m)
	if err != nil {
		w.fail("wire", "a beat cannot be read: %v", err)
	}
	return received
}

func (w *World) sendOn(l *link, from int, b cluster.Beat) {
	if w.net.IntN(16) == 0 {
		if h := l.history[from]; len(h) < maxHistory {
			l.history[from] = append(h, b)
		} else {
			h[w.net.IntN(maxHistory)] = b
		}
	}
	if !l.up(w, from) {
		return
	}
	v := &l.way[from]
	copies := 1
	if v.duplicate > 0 && w.net.IntN(1000) < v.duplicate {
		copies = 2
	}
	for range copies {
		if loss := v.loss; loss > 0 && w.net.IntN(1000) < loss {
			continue
		}
		if bad := v.corrupt; bad > 0 && w.net.IntN(1000) < bad {
			w.mangle(b)
			continue
		}
		w.after(w.transit()+between(w.net, 0, v.delay), func() { w.arrive(l, from, b, true) })
	}
}

// transit is how long a frame needs.
func (w *World) transit() time.Duration {
	return 30*time.Microsecond + time.Duration(w.net.Uint64()%200_000)
}

// arrive puts a beat into the receiver's socket.
func (w *World) arrive(l *link, from int, b cluster.Beat, fresh bool) {
	n := w.nodes[1-from]
	if !n.powered || n.keeps(func() { w.arrive(l, from, b, fresh) }) {
		return
	}
	if l.front {
		w.front.frame(w, n.id)
	}
	if n.daemon == nil {
		return
	}
	heard := cluster.Heard{Link: l.index, Beat: b}
	if !fresh {
		n.daemon.post(replayed{heard})
		return
	}
	w.judge.split.beat(from, b)
	n.daemon.post(heard)
}

// replayed is a beat that somebody recorded and sends again.
type replayed struct{ cluster.Heard }

// replay delivers an old beat of a node again.
func (w *World) replay(from int) {
	l := w.links[w.net.IntN(len(w.links))]
	if h := l.history[from]; len(h) > 0 {
		w.arrive(l, from, h[w.net.IntN(len(h))], false)
	}
}

// carrierChanged tells a node's daemon, as netlink does: soon.
func (w *World) carrierChanged() {
	for _, n := range w.nodes {
		d := n.daemon
		if d == nil {
			continue
		}
		d.later(between(w.sched, 200*time.Microsecond, 20*time.Millisecond), func() {
			for l := range w.links {
				d.reportLink(l)
			}
			d.reportFront()
		})
	}
}
