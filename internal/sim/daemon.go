package sim

import (
	"time"

	"lubdub/internal/cluster"
)

// maxDatagrams is what the socket's buffer keeps for a daemon that does not read.
const maxDatagrams = 256

// daemon is one life of the program around the core. A frozen one does
// nothing, in none of its goroutines; what others do to it waits.
type daemon struct {
	n         *node
	w         *World
	core      Core
	alive     bool
	frozen    bool
	inbox     []cluster.Input
	read      int              // so much of the inbox has been taken
	datagrams int              // so many beats are in it
	todo      []cluster.Output // decided, not yet performed
	held      []func()         // what its goroutines would have done while it was frozen
	alarm     time.Duration    // when the loop wakes; negative: it sleeps
	wakeUp    func()
	edge      edge
	pinger    pinger
	actions   []*action
	attempt   uint64   // the newest fence that was ordered
	shot      int      // how many were
	calledOff int      // the newest of them that was called off
	placed    [][]bool // by group and resource: an address that the watch restores
	unwritten *cluster.Saved
	leaving   bool // an operator said leave
}

func newDaemon(n *node, saved cluster.Saved) *daemon {
	w := n.w
	d := &daemon{n: n, w: w, alive: true, alarm: -1}
	d.edge.d, d.pinger.d = d, d
	d.wakeUp = d.woken
	for _, g := range w.setup.Groups {
		d.placed = append(d.placed, make([]bool, len(g.Resources)))
	}
	d.core = w.opts.core(w.setup.config(n.name, n.peer().name), saved, n.local())
	w.judge.started(d, saved)
	return d
}

// begin posts what the edges find at start, and turns for the first time.
func (d *daemon) begin() {
	for l := range d.w.links {
		d.reportLink(l)
	}
	d.reportFront()
	if d.w.setup.Fencing {
		d.testFence()
	}
	d.wakeBy(d.w.now + d.w.lag())
}

func (d *daemon) reportLink(l int) {
	in := cluster.LinkChanged{Link: l, Up: d.w.links[l].carrier(d.w, d.n.id)}
	if !in.Up {
		in.Reason = "no carrier"
	}
	d.post(in)
}

func (d *daemon) reportFront() {
	d.post(cluster.FrontChanged{Interface: "eth0", Carrier: d.w.front.carrier(d.n.id), MAC: d.n.mac})
}

func (d *daemon) running() bool { return d.alive && !d.frozen && !d.n.still.on }

// do runs a piece of one of its goroutines: at once, after the thaw, or never.
func (d *daemon) do(piece func()) {
	switch {
	case !d.alive:
	case d.n.still.on:
		d.n.still.held = append(d.n.still.held, heldBack{0, func() { d.do(piece) }})
	case d.frozen:
		d.held = append(d.held, piece)
	default:
		piece()
	}
}

func (d *daemon) later(after time.Duration, piece func()) {
	n := d.n
	t, stood := n.w.now+after, n.still.stood
	n.w.queue.push(t, func() {
		if n.still.on || n.still.stood != stood {
			n.due(t, stood, func() { d.do(piece) })
			return
		}
		d.do(piece)
	})
}

// post puts an input where the loop will find it.
func (d *daemon) post(in cluster.Input) {
	if !d.alive {
		return
	}
	if isBeat(in) {
		if d.datagrams == maxDatagrams {
			return
		}
		d.datagrams++
	}
	d.inbox = append(d.inbox, in)
	if !d.frozen {
		d.wakeBy(d.w.now + d.w.lag())
	}
}

func (d *daemon) wakeBy(t time.Duration) {
	if d.alarm >= 0 && d.alarm <= t {
		return
	}
	d.alarm = t
	d.w.queue.push(t, d.wakeUp)
}

func (d *daemon) woken() {
	if !d.alive || d.w.now != d.alarm {
		return
	}
	d.alarm = -1
	if d.running() {
		d.turn()
	}
}

// turn is one turn of the loop: finish what was decided, then take what came.
// Time that has passed and an input that has come are equals: either may be first.
func (d *daemon) turn() {
	d.perform()
	due := d.n.local() >= d.core.Deadline()
	if due && d.running() && (d.read == len(d.inbox) || d.w.sched.IntN(5) == 0) {
		d.step(nil)
	}
	for d.running() && d.read < len(d.inbox) {
		in := d.inbox[d.read]
		d.inbox[d.read] = nil
		d.read++
		if isBeat(in) {
			d.datagrams--
		}
		d.step(in)
	}
	if d.read == len(d.inbox) {
		d.inbox, d.read = d.inbox[:0], 0
	}
	if d.running() {
		d.sleep()
	}
}

func (d *daemon) sleep() {
	if t := d.n.clock.when(d.core.Deadline()); t < forever {
		d.wakeBy(max(t, d.w.now) + d.w.lag())
	}
}

func (d *daemon) step(in cluster.Input) {
	w := d.w
	now := d.n.local()
	if w.log.on {
		w.log.input(d, in)
	}
	w.tally.steps++
	if r, old := in.(replayed); old {
		d.replay(r.Heard)
		return
	}
	if in != nil {
		w.judge.read(d, in)
	}
	d.todo = append(d.todo[:0], d.core.Step(now, in)...)
	if len(d.todo) > maxOutputs {
		w.fail("storm", "%s wants %d things done in one step", d.n.name, len(d.todo))
	}
	if _, order := in.(cluster.Command); order {
		w.judge.confirmed(d, d.todo)
	}
	w.judge.decided(d, d.todo)
	if again := d.core.Step(now, nil); len(again) > 0 {
		w.fail("idempotence", "%s: a second step at once says %s", d.n.name, outputText(again[0]))
	}
	if deadline := d.core.Deadline(); deadline <= now {
		w.fail("deadline", "%s: the deadline %d is not after now %d", d.n.name, deadline, now)
	}
	d.perform()
}

// perform does what was decided, in order. A trigger may stop it anywhere.
func (d *daemon) perform() {
	done := 0
	for done < len(d.todo) && d.running() && d.w.stop == nil {
		out := d.todo[done]
		if d.w.reached(d.n, pointOf(out)); !d.running() {
			break
		}
		done++
		d.w.tally.outputs++
		if d.w.log.on {
			d.w.log.output(d, out)
		}
		d.performOne(out)
	}
	d.todo = append(d.todo[:0], d.todo[done:]...)
}

func (d *daemon) performOne(out cluster.Output) {
	w := d.w
	w.digest(d.n.id, out)
	w.effect(d.n.id, out)
	switch o := out.(type) {
	case cluster.Send:
		w.tally.beats++
		w.judge.sent(d, o.Beat)
		w.sendBeat(d.n.id, o.Beat)
	case cluster.Entitle:
		w.judge.entitled(d, o)
		d.edge.entitle(o)
	case cluster.Run:
		d.run(o)
	case cluster.Cancel:
		d.cancel(o.ID)
		d.callOff(o.ID)
	case cluster.Probe:
		d.probe(o)
	case cluster.Announce:
		d.announce(w.groupIndex(o.Group))
	case cluster.Save:
		d.save(o.Saved)
	case cluster.Reply:
		w.judge.replied(d, o)
	case cluster.Exit:
		d.exit(o)
	case cluster.Ping:
		d.pinger.set(o.Interval)
	case cluster.Fence:
		d.fence(o)
	case cluster.Feed:
		d.feed(o)
	case cluster.Unleash:
		d.unleash()
	case cluster.Emit:
	}
}

// save hands the newest facts to the goroutine that writes them.
func (d *daemon) save(s cluster.Saved) {
	s = copySaved(s)
	busy := d.unwritten != nil
	d.unwritten = &s
	if busy {
		return
	}
	d.later(between(d.w.sched, 500*time.Microsecond, 10*time.Millisecond), func() {
		d.n.save(*d.unwritten)
		d.unwritten = nil
	})
}

// exit ends the daemon as it wishes itself; its supervisor starts it again.
func (d *daemon) exit(o cluster.Exit) {
	w, n := d.w, d.n
	w.judge.exited(d, o)
	w.note("%s daemon exits", n.name)
	w.change(n.end)
	w.after(n.back, n.start)
}
