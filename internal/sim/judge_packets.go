package sim

import (
	"reflect"

	"lubdub/internal/cluster"
)

// isBeat says that an input waits in a socket for the daemon to read it.
func isBeat(in cluster.Input) bool {
	switch in.(type) {
	case cluster.Heard, replayed:
		return true
	}
	return false
}

// replay gives a daemon a beat that somebody recorded. Where it is older than the
// newest one it changes nothing: what the core says of itself is the same with and
// without it (invariant I8).
func (d *daemon) replay(in cluster.Heard) {
	n, w := d.n, d.w
	v := &w.judge.nodes[n.id].warrant
	old := v.newest.after(beatNumber{in.Beat.Incarnation, in.Beat.Seq})
	if !old {
		d.step(in)
		return
	}
	d.step(nil)
	if !d.running() || w.stop != nil {
		return
	}
	now := n.local()
	before := d.core.Status()
	out := d.core.Step(now, in)
	after := d.core.Status()
	after.Peer.Old = before.Peer.Old
	if !reflect.DeepEqual(before, after) {
		w.fail("I8", "%s: an old beat %s changed what the core says of itself", n.name, beatText(in.Beat))
	}
	for _, o := range out {
		if _, said := o.(cluster.Emit); !said {
			w.fail("I8", "%s: an old beat %s made the core do: %s", n.name, beatText(in.Beat), outputText(o))
		}
	}
}
