package sim

import (
	"slices"
	"time"

	"lubdub/internal/cluster"
)

// warrant is what the judge knows of a node's right to serve, reckoned from what
// its daemon has read: invariants I3 and I5. It is of one life of the daemon.
type warrant struct {
	life     uint64         // its incarnation
	newest   beatNumber     // of the peer's heartbeats
	sentAt   [256]beatSent  // its own heartbeats, by number
	echoed   cluster.Time   // E: when it sent the newest heartbeat that the peer confirmed
	gone     bool           // the peer left, or is fenced
	off      bool           // it is fenced: any word of it ends that
	newLife  cluster.Time   // when it was first heard to be back
	answered []cluster.Time // by ping node: when the newest question that was answered went out
	asked    []cluster.Time // by group: the end that it last asked for
	adopted  []cluster.Time // by group: the end of the lease that it found
	began    time.Duration  // when it last began to start something
	lonelyAt cluster.Time   // when it last counted as alone
}

// beatSent is when a heartbeat was sent.
type beatSent struct {
	seq uint64
	at  cluster.Time
}

func (j *judge) newWarrant(d *daemon, saved cluster.Saved) {
	groups := len(j.w.setup.Groups)
	v := warrant{life: saved.Incarnation, answered: make([]cluster.Time, j.w.setup.Pings),
		asked: make([]cluster.Time, groups), adopted: make([]cluster.Time, groups), began: never}
	for g := range v.adopted {
		v.adopted[g] = saved.Groups[j.w.setup.Groups[g].Name].Until
		v.asked[g] = v.adopted[g]
	}
	v.newest.incarnation = saved.PeerLife
	j.nodes[d.n.id].warrant = v
}

// read takes in what a daemon is told.
func (j *judge) read(d *daemon, in cluster.Input) {
	v := &j.nodes[d.n.id].warrant
	if now := d.n.local(); v.lonely(j.w.setup, now) {
		v.lonelyAt = now
	}
	j.firm(d, in)
	switch in := in.(type) {
	case cluster.Heard:
		j.heard(d, in.Beat)
	case cluster.Pinged:
		v.answered[in.Node] = max(v.answered[in.Node], in.Sent)
	case cluster.Fenced:
		if in.OK {
			v.gone, v.off, v.newLife = true, true, 0
		}
	case cluster.Sighted:
		if in.MAC == d.n.peer().mac && v.gone {
			v.back(d)
		}
	}
}

// decided takes note of what a step decided, at the moment of the decision: a
// freeze may come before any of it is done.
func (j *judge) decided(d *daemon, out []cluster.Output) {
	v := &j.nodes[d.n.id].warrant
	feeds := false
	for _, o := range out {
		switch o := o.(type) {
		case cluster.Send:
			j.taken(d, o.Beat)
			v.sentAt[o.Beat.Seq%uint64(len(v.sentAt))] = beatSent{o.Beat.Seq, d.n.local()}
		case cluster.Run:
			if o.Action == cluster.Start {
				v.began = j.w.now
			}
		case cluster.Entitle:
			if o.Fresh {
				v.began = j.w.now
			}
			j.yielded(d, o)
		case cluster.Feed:
			feeds = true
		}
	}
	clear(j.nodes[d.n.id].firm)
	if feeds {
		j.fed(d)
	}
}

// taken notes that a group is taken anew: what was before counts no more.
func (j *judge) taken(d *daemon, b cluster.Beat) {
	r := &j.nodes[d.n.id]
	for _, said := range b.Groups {
		g := j.w.groupIndex(said.Name)
		if said.State == cluster.Starting && r.state[g] != said.State {
			r.warrant.began = j.w.now
			d.n.kernel.leases[g].lapsed = false
		}
		j.claimed(d, said, g, b)
	}
}

// back takes note that a peer that was gone is there again.
func (v *warrant) back(d *daemon) { v.gone, v.newLife = false, d.n.local() }

// heard takes in a heartbeat: only the newest counts.
func (j *judge) heard(d *daemon, b cluster.Beat) {
	r := &j.nodes[d.n.id]
	v := &r.warrant
	number := beatNumber{b.Incarnation, b.Seq}
	if !number.after(v.newest) {
		return
	}
	if v.gone && (v.off || number.incarnation > v.newest.incarnation) {
		v.back(d)
	}
	v.newest = number
	if b.Echo.Incarnation != v.life {
		return
	}
	if s := v.sentAt[b.Echo.Seq%uint64(len(v.sentAt))]; s.seq == b.Echo.Seq {
		v.echoed = max(v.echoed, s.at)
	}
	switch {
	case !b.Left:
		v.newLife = 0
	case !v.gone:
		v.gone, v.off, v.newLife = true, false, 0
	}
	for _, said := range b.Groups {
		g := j.w.groupIndex(said.Name)
		r.told[g] = max(r.told[g], said.Epoch)
	}
}

// after says that a heartbeat is newer than another.
func (n beatNumber) after(o beatNumber) bool {
	return n.incarnation > o.incarnation || n.incarnation == o.incarnation && n.seq > o.seq
}

// kept is when the questions went out with whose answers an owner may go on: of
// half of the ping nodes, rounded up.
func (v *warrant) kept() cluster.Time {
	if len(v.answered) == 0 {
		return 0
	}
	at := slices.Clone(v.answered)
	slices.Sort(at)
	return at[len(at)/2]
}

// unguarded says that nobody but the peer has an opinion.
func (s Setup) unguarded() bool { return s.Pings == 0 || s.Keep }

// grantWindow is how old the proof of a grant may be (rule S6).
const grantWindow = 150 * time.Millisecond

// aloneMargin is how long before its end an entitlement may pass into alone (rule O4).
func (s Setup) aloneMargin() time.Duration {
	return min(3*s.Keepalive, max(s.yield()-5*s.Keepalive/2, s.Keepalive))
}

// lonely says that an owner may count as alone: nobody has confirmed it for long.
func (v *warrant) lonely(s Setup, now cluster.Time) bool {
	return s.unguarded() && now >= max(v.echoed, v.newLife).Add(s.yield()-s.aloneMargin())
}

// free says that the peer is gone, and that no ping node has a say: one that left
// may be back unheard.
func (v *warrant) free(s Setup) bool { return v.gone && (v.off || s.unguarded()) }

// until is the latest end of an entitlement that begins now.
func (v *warrant) until(s Setup, g int, now cluster.Time) cluster.Time {
	end := max(v.adopted[g], v.asked[g])
	if v.echoed > 0 {
		end = max(end, v.echoed.Add(s.yield()))
	}
	if v.newLife > 0 {
		end = max(end, v.newLife.Add(s.yield()))
	}
	if v.free(s) || v.lonely(s, now) || v.lonelyAt > 0 && now.Sub(v.lonelyAt) <= grantWindow {
		end = max(end, now.Add(s.yield()))
	}
	if kept := v.kept(); kept > 0 {
		end = max(end, kept.Add(s.keepLease()))
	}
	return end
}

// entitled judges what is asked of the kernel: never more than the node has a right to.
func (j *judge) entitled(d *daemon, o cluster.Entitle) {
	w := j.w
	g := w.groupIndex(o.Group)
	j.nodes[d.n.id].granted[g] = o.Seq
	v := &j.nodes[d.n.id].warrant
	if o.NotAfter > 0 && d.n.local() > o.NotAfter {
		return // the kernel will not take it
	}
	if limit := v.until(w.setup, g, d.n.local()); o.Until > limit.Add(time.Millisecond) {
		w.fail("I3", "%s entitles itself to %s for %v, and has a right to %v", d.n.name, o.Group,
			o.Until.Sub(d.n.local()), limit.Sub(d.n.local()))
	}
	v.asked[g] = o.Until
}
