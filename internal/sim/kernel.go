package sim

import "lubdub/internal/cluster"

// kernel is the part of a machine that answers for addresses. It runs on while
// the daemon is frozen or gone, and its time-outs run by the machine's clock.
type kernel struct {
	leases  []element
	tickets []cluster.Time // rule K2: until when each group's ticket lives
}

// element is one entry of the set that gates an address.
type element struct {
	end    cluster.Time // it lives until then, by the kernel's timers
	quiet  bool         // it passes IP, but no ARP or ND
	seq    uint64       // of the Entitle that wrote it
	life   int          // of the daemon that did
	watch  bool         // its end is on the queue
	lapsed bool         // it ended by itself, and no other was written since
}

func (k *kernel) open(groups int) {
	k.leases = make([]element, groups)
	k.tickets = make([]cluster.Time, groups)
}

// present says that an address of the group is on the interface.
func (n *node) present(g int) bool {
	for r := range n.runs[g] {
		if n.runs[g][r] && isAddress(n.w.setup.Groups[g].Resources[r]) {
			return true
		}
	}
	return false
}

// answering is the truth that everything is about: the kernel replies to ARP
// for an address of the group.
func (n *node) answering(g int) bool {
	e := &n.kernel.leases[g]
	return n.powered && !n.still.on && !e.quiet && e.end > n.ticks() && n.w.front.carrier(n.id) && n.present(g)
}

// grant writes the element. The caller has checked what must be alive.
func (n *node) grant(g int, e element) {
	e.watch = n.kernel.leases[g].watch
	n.kernel.leases[g] = e
	n.w.answered(g)
	if !e.watch && e.end > 0 {
		n.kernel.leases[g].watch = true
		n.expire(g, n.boots)
	}
}

// maxDrift is how much a machine's clocks run wrong, at most, in ppm: twice what
// NTP slews.
const maxDrift = 1000

// rate lets the clocks of a machine run at another rate from now on.
func (n *node) rate(ppm int64) {
	if !n.powered || n.still.on || n.clock.ppm == ppm {
		return
	}
	n.clock = clock{zero: n.w.now, base: n.local(), ppm: ppm}
	for g := range n.kernel.leases {
		if n.kernel.leases[g].watch {
			n.expire(g, n.boots)
		}
	}
	if n.daemon != nil {
		n.daemon.wakeBy(n.w.now + n.w.lag())
	}
}

// expire looks at the end of an element whether it has been prolonged.
func (n *node) expire(g, boot int) {
	n.at(n.clock.when(n.kernel.leases[g].end.Add(n.jumped)), func() {
		if n.boots != boot || !n.powered {
			return
		}
		if n.kernel.leases[g].end > n.ticks() {
			n.expire(g, boot)
			return
		}
		n.kernel.leases[g].watch = false
		withdrawn := n.daemon != nil && n.w.judge.nodes[n.id].warrant.asked[g] == 0 // its daemon wanted no more of it
		n.kernel.leases[g].lapsed = n.kernel.leases[g].end > 0 && !withdrawn
		n.w.answered(g)
	})
}
