package sim

import (
	"time"

	"lubdub/internal/cluster"
)

// front is the network of the shared addresses: a switch with a port for each
// node, a client, perhaps a gateway that talks, perhaps a stranger.
type front struct {
	ports    [2]port
	pair     [2]int // cuts of the way from a node to the other one only: not transitive
	loss     int    // per mille of all frames
	gateway  bool   // a third station talks
	mumbles  int    // faults that silence the gateway
	period   time.Duration
	proxy    bool // a router answers for every address that is asked for
	stations []station
	stranger int                // the group whose address a stranger has; negative: none
	heard    [2]time.Duration   // the last frame that the node received
	third    [2]bool            // it has ever heard a third station
	since    [2]time.Duration   // since when it hears the gateway without a break
	foreign  [2][]time.Duration // when the node last saw the other one ask, by group
}

// port is a node's port of the switch.
type port struct {
	out, in int // cuts of what the node sends, and of what it receives
	dead    int // faults that took its carrier
}

func (f *front) carrier(node int) bool { return f.ports[node].dead == 0 }

// up says that a frame of the node reaches the other one.
func (f *front) up(from int) bool {
	return f.sends(from) && f.receives(1-from) && f.pair[from] == 0
}

func (f *front) sends(node int) bool    { return f.carrier(node) && f.ports[node].out == 0 }
func (f *front) receives(node int) bool { return f.carrier(node) && f.ports[node].in == 0 }

// reaches says that a client can talk with the node.
func (f *front) reaches(node int) bool { return f.sends(node) && f.receives(node) }

// frame notes that a node received a frame.
func (f *front) frame(w *World, node int) { f.heard[node] = w.now }

// lost draws the fate of one frame.
func (w *World) lost() bool { return w.front.loss > 0 && w.net.IntN(1000) < w.front.loss }

// audible says that the node hears the gateway, which speaks once a period.
func (f *front) audible(n *node) bool {
	return f.gateway && f.mumbles == 0 && n.awake() && f.receives(n.id)
}

// listen notes what each node has heard of the gateway up to now.
func (f *front) listen(w *World) {
	for i, n := range w.nodes {
		if last := w.now / f.period * f.period; f.audible(n) && last >= f.since[i] {
			f.third[i] = true
			f.heard[i] = max(f.heard[i], last)
		}
	}
}

// evidence is what rule S4 wants: a frame or a neighbour's answer during the
// probing, or no station but the peer ever seen.
func (f *front) evidence(n *node, began time.Duration) bool {
	if !f.carrier(n.id) {
		return false
	}
	if f.audible(n) && f.sends(n.id) {
		f.third[n.id] = true
		f.heard[n.id] = n.w.now
	}
	return f.heard[n.id] >= began || !f.third[n.id]
}

// lastFrame is when the node last received one, by its own clock.
func (f *front) lastFrame(n *node) cluster.Time {
	if at := f.heard[n.id]; at >= n.clock.zero {
		return n.clock.at(at)
	}
	return 0
}

// claim is a frame in which a node says that it has a group's addresses.
func (w *World) claim(from, g int) {
	if !w.front.up(from) || w.lost() {
		return
	}
	w.after(w.transit(), func() {
		n := w.nodes[1-from]
		if !n.awake() {
			return
		}
		w.front.frame(w, n.id)
		if n.daemon != nil {
			n.daemon.post(cluster.Sighted{Group: w.setup.Groups[g].Name, MAC: w.nodes[from].mac})
		}
	})
}

// announce sends gratuitous ARP. The edge looks at its lease first: a node that
// may not answer must not announce either.
func (d *daemon) announce(g int) {
	if !d.n.answering(g) {
		return
	}
	d.w.judge.announced(d.n, g)
	d.w.claim(d.n.id, g)
}

// asking is one attempt: three probes and a wait.
type asking struct {
	d       *daemon
	g       int
	attempt uint64
	began   cluster.Time
	from    time.Duration // the same in true time
	mac     string
	any     bool // who answered answers for an address that nobody has too
	sent    int
}

// macStranger is of a machine that has an address of a group, and no right to it.
const macStranger = "mac-stranger"

// macRouter is the router's that answers for every address.
const macRouter = "mac-router"

const (
	probeCount = 3
	probeGap   = 20 * time.Millisecond
)

func (d *daemon) probe(o cluster.Probe) {
	a := &asking{d: d, g: d.w.groupIndex(o.Group), attempt: o.Attempt}
	d.later(d.w.lag(), a.next)
}

// next sends the next probe, or tells what was found.
func (a *asking) next() {
	d, w := a.d, a.d.w
	if a.sent == 0 {
		a.began, a.from = d.n.local(), w.now
		if !w.front.carrier(d.n.id) {
			a.tell("eth0 has no carrier")
			return
		}
		if d.n.sockets > 0 {
			a.tell("too many open files")
			return
		}
	}
	if a.sent == probeCount || a.mac != "" {
		a.tell("")
		return
	}
	w.reached(d.n, pointOnce)
	d.do(a.send)
}

func (a *asking) send() {
	d, w := a.d, a.d.w
	a.sent++
	w.ask(d.n, a.g, func(mac string) { a.mac, a.any = mac, mac == macRouter })
	d.later(probeGap, a.next)
}

func (a *asking) tell(err string) {
	d, w := a.d, a.d.w
	p := cluster.Probed{Group: w.setup.Groups[a.g].Name, Attempt: a.attempt, Began: a.began, MAC: a.mac, Anything: a.any, Err: err}
	f := &w.front
	if f.foreign[d.n.id][a.g] >= a.from-w.setup.Keepalive {
		p.Foreign = d.n.peer().mac
	}
	f.listen(w)
	p.Evidence, p.LastFrame = f.evidence(d.n, a.from), f.lastFrame(d.n)
	d.later(w.lag(), func() {
		w.reached(d.n, pointProbed)
		d.do(func() { d.post(p) })
	})
}

// ask is one probe on its way: the other kernel sees it, and answers if it answers.
func (w *World) ask(n *node, g int, answer func(mac string)) {
	if w.front.stranger == g && w.front.reaches(n.id) {
		w.after(2*w.transit(), func() { answer(macStranger) })
	}
	if w.front.proxy && w.front.reaches(n.id) {
		w.after(2*w.transit(), func() { answer(macRouter) })
	}
	if !w.front.up(n.id) || w.lost() {
		return
	}
	w.after(w.transit(), func() {
		other := n.peer()
		if !other.awake() {
			return
		}
		w.front.frame(w, other.id)
		w.front.probed(w, other, g)
		if !other.answering(g) || !w.front.up(other.id) || w.lost() {
			return
		}
		w.after(w.transit(), func() {
			if n.awake() {
				w.front.frame(w, n.id)
				answer(other.mac)
			}
		})
	})
}

// probed notes at a node that the other one asks for an address.
func (f *front) probed(w *World, n *node, g int) {
	f.foreign[n.id][g] = w.now
}
