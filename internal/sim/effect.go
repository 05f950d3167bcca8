package sim

import "lubdub/internal/cluster"

// effect folds into a hash what a core wants done and when. What a wall clock may
// be seen in (incarnations, epochs, words) is left out: invariant I9 compares it.
func (w *World) effect(node int, out cluster.Output) {
	w.mix(uint64(w.now) ^ uint64(node)<<62)
	switch o := out.(type) {
	case cluster.Send:
		w.mix(o.Beat.Seq ^ o.Beat.Echo.Seq<<32)
		for i := range o.Beat.Groups {
			w.mix(uint64(o.Beat.Groups[i].State))
		}
	case cluster.Entitle:
		w.mix(o.Seq ^ uint64(o.Until)<<8)
	case cluster.Run:
		w.mix(o.ID ^ uint64(len(o.Action))<<32)
	case cluster.Probe:
		w.mix(o.Attempt)
	case cluster.Ping:
		w.mix(uint64(o.Interval))
	}
}

// mix folds a number in (FNV).
func (w *World) mix(v uint64) { w.effects = (w.effects ^ v) * 1099511628211 }
