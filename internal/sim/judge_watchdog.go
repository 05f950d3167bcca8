package sim

import (
	"time"

	"lubdub/internal/cluster"
)

// feedAge is how old a proof may be that feeds the watchdog.
func (s Setup) feedAge() time.Duration { return s.dead()*999/1000 - s.Watchdog - 50*time.Millisecond }

// fed judges the feeding of a watchdog (invariant I5): it needs a fresh proof
// that this node may serve. While something is up whose entitlement ended, only
// the peer's own word is one.
func (j *judge) fed(d *daemon) {
	w, n := j.w, d.n
	v := &j.nodes[n.id].warrant
	s, now := w.setup, n.local()
	lapsed := false
	for g := range n.kernel.leases {
		e := &n.kernel.leases[g]
		lapsed = lapsed || e.lapsed && n.ticks().Sub(e.end) > s.Keepalive && n.slow == 0 && n.refuses == 0 && n.mounted(g)
	}
	oldest := now.Add(-s.feedAge() - time.Millisecond)
	switch {
	case v.echoed >= oldest, v.free(s), v.began == w.now:
	case !lapsed && (v.kept() >= oldest || v.lonely(s, now)):
	case !lapsed && v.newLife > 0 && v.newLife >= oldest:
	default:
		w.fail("I5", "%s feeds its watchdog: confirmed %v ago, ping nodes %v ago, something lapsed: %t",
			n.name, now.Sub(v.echoed), now.Sub(v.kept()), lapsed)
	}
}

// mounted says that something of the group that may run in one place only runs here.
func (n *node) mounted(g int) bool {
	for r, res := range n.w.setup.Groups[g].Resources {
		if n.runs[g][r] && !res.Warm && !isAddress(res) {
			return true
		}
	}
	return false
}

// armed demands that the watchdog runs while a node says that it serves.
func (j *judge) armed(d *daemon, b cluster.Beat) {
	w, r := j.w, &j.nodes[d.n.id]
	serves := false
	for _, said := range b.Groups {
		serves = serves || said.State == cluster.Running
	}
	switch {
	case w.setup.Watchdog == 0:
	case !serves || d.n.dog.open:
		r.unarmed = never
	case r.unarmed == never:
		r.unarmed = w.now
	case w.now-r.unarmed > 2*w.setup.Keepalive:
		w.fail("I5", "%s serves, and its watchdog does not run", d.n.name)
	}
}

// bites demands that a machine whose daemon stands still, and whose watchdog
// runs, is reset before the other node starts what runs there.
func (j *judge) bites(n *node, g, r int) {
	p := n.peer()
	if w := j.w; w.now-j.split.torn <= w.setup.dead()+w.setup.yield() || j.nodes[n.id].warrant.off {
		return // it was not heard for another reason, or somebody said that it is off
	}
	if p.dog.open && p.powered && !p.still.on && !p.live() && p.runs[g][r] && !p.lied[g][r] {
		j.w.fail("I5", "%s starts %s before %s, whose daemon does not run, is reset by its watchdog",
			n.name, j.w.setup.Groups[g].Resources[r].Name, p.name)
	}
}
