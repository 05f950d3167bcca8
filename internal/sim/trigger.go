package sim

import "lubdub/internal/cluster"

// point is a place in a daemon just before it does something: where a trigger waits.
type point uint8

const (
	pointOther point = iota
	pointSend
	pointEntitle
	pointRun
	pointProbe
	pointAnnounce
	pointSave
	pointTicket // the edge puts the ticket
	pointClock  // the edge reads the clock
	pointWrite  // the edge's transaction
	pointAck    // the edge tells the core
	pointProbed // the answer to a Probe is told
	pointOnce   // each of three probes is sent
	pointPing   // the ping nodes are asked
	pointFence  // the other node is to be fenced
	pointFeed   // the watchdog is fed
	points
)

var pointNames = [points]string{"other", "send", "entitle", "run", "probe", "announce", "save",
	"ticket", "clock", "write", "ack", "probed", "one probe",
	"ping", "fence", "feed"}

func (p point) String() string { return pointNames[p] }

// trigger does something when a node reaches a point for the n-th time from now.
type trigger struct {
	node *node
	at   point
	left int
	do   func()
}

func (w *World) when(n *node, at point, count int, do func()) {
	w.triggers = append(w.triggers, trigger{n, at, count, do})
}

// reached is called by a daemon that comes to a point.
func (w *World) reached(n *node, at point) {
	for i := range w.triggers {
		t := &w.triggers[i]
		if t.node != n || t.at != at || t.left == 0 {
			continue
		}
		if t.left--; t.left == 0 {
			do := t.do
			w.triggers = append(w.triggers[:i], w.triggers[i+1:]...)
			do()
			return
		}
	}
}

func pointOf(out cluster.Output) point {
	switch out.(type) {
	case cluster.Send:
		return pointSend
	case cluster.Entitle:
		return pointEntitle
	case cluster.Run:
		return pointRun
	case cluster.Probe:
		return pointProbe
	case cluster.Announce:
		return pointAnnounce
	case cluster.Save:
		return pointSave
	case cluster.Fence:
		return pointFence
	case cluster.Feed:
		return pointFeed
	}
	return pointOther
}
