package sim

import (
	"time"

	"lubdub/internal/cluster"
)

// watchdog is the device that resets a machine which does not feed it. Only
// closing it in good order stops it: the death of the daemon does not.
type watchdog struct {
	open  bool
	fed   time.Duration
	armed bool // its end is on the queue
}

// feed opens the device, or keeps it quiet for its time-out; not too late.
func (d *daemon) feed(o cluster.Feed) {
	n := d.n
	if n.local() > o.NotAfter {
		return
	}
	n.dog.open, n.dog.fed = true, d.w.now
	if !n.dog.armed {
		n.dog.armed = true
		n.bark(n.boots)
	}
}

func (d *daemon) unleash() { d.n.dog.open = false }

// bark looks, at the end of the time-out, whether it was fed meanwhile.
func (n *node) bark(boots int) {
	w := n.w
	n.at(n.dog.fed+w.setup.Watchdog, func() {
		if n.boots != boots || !n.powered {
			return
		}
		switch g := &n.dog; {
		case !g.open:
			g.armed = false
		case w.now < g.fed+w.setup.Watchdog:
			n.bark(boots)
		default:
			w.note("%s is reset by its watchdog", n.name)
			n.crash()
			w.rise(n)
		}
	})
}
