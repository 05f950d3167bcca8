package sim

import (
	"time"

	"lubdub/internal/cluster"
)

// device is what fences one node, and how well it does.
type device struct {
	mood deviceMood
}

// deviceMood is how a fence device behaves.
type deviceMood uint8

const (
	fenceWorks  deviceMood = iota
	fenceSlow              // it needs many dead times
	fenceFails             // it says that it could not, and it could not
	fenceHangs             // the daemon gives it up after its time-out
	fenceMutter            // it switches off and says that it failed
	fenceLate              // it says that the node is off, and switches off later
	fenceLies              // it says that the node is off, and does nothing
	deviceMoods
)

var deviceWords = []string{"works", "is slow", "fails", "hangs", "kills and says it failed", "says off and kills later", "says off and is not"}

// fenceTimeout is after what time the daemon gives up a fence agent that hangs.
const fenceTimeout = 20 * time.Second

// fence asks the device of the other node to switch it off. The agent is a
// process of its own: a frozen daemon does not stop it.
func (d *daemon) fence(o cluster.Fence) {
	w, n := d.w, d.n
	target := n.peer()
	mood := target.device.mood
	took := between(w.agents, w.setup.DeadTime/10, w.setup.DeadTime+time.Second)
	switch mood {
	case fenceSlow:
		took += 6 * w.setup.DeadTime
	case fenceHangs:
		took = fenceTimeout
	}
	d.shot, d.attempt = d.shot+1, o.Attempt
	shot := d.shot
	called := func() bool { return d.calledOff == shot }
	off := mood == fenceWorks || mood == fenceSlow || mood == fenceMutter
	n.after(took*3/4, func() {
		if !n.powered || !d.alive && w.agents.IntN(2) == 0 {
			return // it ended with its daemon
		}
		if off && !called() {
			w.shoot(target)
		}
	})
	n.after(took, func() {
		d.do(func() {
			if called() {
				return
			}
			d.fenceEnded(o.Attempt, mood)
		})
	})
}

// fenceEnded tells what the device says of the other node, and marks a lie.
func (d *daemon) fenceEnded(attempt uint64, mood deviceMood) {
	w, target := d.w, d.n.peer()
	said := mood != fenceFails && mood != fenceHangs && mood != fenceMutter
	if said && mood != fenceWorks && mood != fenceSlow {
		w.betray(target, mood)
	}
	w.note("%s: the fence device of %s says off: %t", d.n.name, target.name, said)
	d.post(cluster.Fenced{Attempt: attempt, OK: said, Words: "the device's words"})
}

// callOff ends the fence agent that runs: what it did not do yet it does not do any more.
func (d *daemon) callOff(attempt uint64) {
	if attempt != d.attempt || d.calledOff == d.shot {
		return
	}
	d.calledOff = d.shot
	d.later(between(d.w.agents, time.Millisecond, 10*time.Millisecond), func() {
		d.post(cluster.Fenced{Attempt: attempt, Words: "it was told to stop"})
	})
}

// betray marks that somebody said of a living node that it is off. One of the
// devices that lie switches off after all.
func (w *World) betray(target *node, mood deviceMood) {
	if target.powered {
		w.judge.perjured = true
		w.judge.split.betray()
	}
	if mood == fenceLate {
		w.after(between(w.agents, 0, 2*w.setup.DeadTime), func() { w.shoot(target) })
	}
}

// shoot switches a machine off, and somebody switches it on again later.
func (w *World) shoot(n *node) {
	if !n.powered {
		return
	}
	w.note("%s is switched off by its fence device", n.name)
	n.crash()
	w.rise(n)
}

// rise boots a machine after a while that nobody planned.
func (w *World) rise(n *node) {
	dead := w.setup.DeadTime
	boots := n.boots
	start := between(w.agents, dead/10, dead)
	w.after(between(w.agents, dead/2, 4*dead), func() {
		if n.boots == boots {
			n.boot()
			w.after(start, n.start)
		}
	})
}

// ail changes how the fence device of a node behaves; the self-test of the other
// one tells of it.
func (w *World) ail(n *node, mood deviceMood) {
	n.device.mood = mood
	if d := n.peer().daemon; d != nil && w.setup.Fencing {
		d.testFence()
	}
}

// test is the self-test of the device, which is reported when it has changed.
func (d *daemon) testFence() {
	mood := d.n.peer().device.mood
	d.later(d.w.lag(), func() {
		d.post(cluster.FenceTested{OK: mood != fenceFails && mood != fenceHangs, Words: deviceWords[mood]})
	})
}
