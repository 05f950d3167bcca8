package sim

import (
	"slices"
	"time"

	"lubdub/internal/cluster"
)

// Limits of what a core may say: more is a storm or a loop.
const (
	maxBeatsPerKeepalive = 20
	maxBeatBurst         = 80
	maxOutputs           = 200
)

func (j *judge) started(d *daemon, saved cluster.Saved) {
	r := &j.nodes[d.n.id]
	for g := range r.known {
		clear(r.known[g])
		r.silent[g], r.granted[g], r.state[g] = promise{}, 0, cluster.Stopped
		r.epoch[g], r.firm[g], r.cared[g] = 0, "", false
	}
	r.adopted = saved.SameBoot
	j.newWarrant(d, saved)
	r.unarmed = never
	for g, group := range j.w.setup.Groups {
		r.told[g] = saved.Groups[group.Name].Epoch
		r.version[g] = saved.Groups[group.Name].Maintenance
	}
	r.actions = 0
	clear(r.commands)
}

// exited judges a leave (rule B4).
func (j *judge) exited(d *daemon, o cluster.Exit) {
	n, w := d.n, j.w
	if !d.leaving {
		w.fail("exit", "%s exits, and nobody said leave", n.name)
	}
	if !o.Clean {
		j.peaceful = false // what did not stop here may soon run on the other node
		return
	}
	for g, group := range w.setup.Groups {
		for r, res := range group.Resources {
			if n.runs[g][r] && !res.Warm && !n.lied[g][r] {
				w.fail("B4", "%s leaves cleanly, and %s still runs", n.name, res.Name)
			}
		}
	}
}

// sent judges a beat: it is honest (rule K3), and not one of a storm.
func (j *judge) sent(d *daemon, b cluster.Beat) {
	n, w, r := d.n, j.w, &j.nodes[d.n.id]
	for _, said := range b.Groups {
		g := w.groupIndex(said.Name)
		silent := b.Left || said.State == cluster.Stopped || said.State == cluster.Quiet
		if silent && n.answering(g) {
			w.fail("K3", "%s says that %s is silent here (%v), and its kernel answers", n.name, said.Name, said.State)
		}
		j.left(n, g, said)
		r.silent[g], r.state[g] = promise{silent, n.lives, r.granted[g]}, said.State
	}
	j.armed(d, b)
	if second := w.now / time.Second; second != r.second {
		r.second, r.beats = second, 0
	}
	r.beats++
	perSecond := int(time.Second/w.setup.Keepalive) + 1
	if r.beats > maxBeatsPerKeepalive*perSecond+maxBeatBurst {
		w.fail("storm", "%s sent %d beats within a second", n.name, r.beats)
	}
}

// left judges what is said of a group in maintenance: nobody takes it.
func (j *judge) left(n *node, g int, said cluster.GroupBeat) {
	r := &j.nodes[n.id]
	if r.cared[g] && said.Maintenance.On && r.state[g] == cluster.Stopped && (said.State == cluster.Starting || said.State == cluster.Running) {
		j.w.fail("maintenance", "%s takes %s in maintenance", n.name, said.Name)
	}
	r.cared[g] = said.Maintenance.On
	if v := said.Maintenance.Version; v < r.version[g] {
		j.w.fail("maintenance", "%s knew version %d of the maintenance of %s, and now %d", n.name, r.version[g], said.Name, v)
	}
	r.version[g] = said.Maintenance.Version
}

// untouched judges an action on a group that was in maintenance when its node last spoke.
func (j *judge) untouched(d *daemon, o cluster.Run, g, r int) {
	if !j.nodes[d.n.id].cared[g] || isAddress(j.w.setup.Groups[g].Resources[r]) {
		return // addresses are served on
	}
	if maintained(d, o.Group) && o.Action != cluster.Stop { // what has to yield is stopped all the same
		j.w.fail("maintenance", "%s: %s of %s in maintenance", d.n.name, o.Action, o.Resource)
	}
}

// maintained says that a core leaves a group alone.
func maintained(d *daemon, group string) bool {
	return slices.ContainsFunc(d.core.Status().Groups, func(g cluster.GroupStatus) bool { return g.Name == group && g.InMaintenance })
}

// written judges a lease in the kernel: it may outlast what the core meant by
// the life of a ticket (rule K2).
func (j *judge) written(n *node, g int, until cluster.Time) {
	if over := n.kernel.leases[g].end.Add(n.jumped).Sub(until); over > j.w.setup.ticket()+time.Millisecond {
		j.w.fail("I3", "the kernel of %s serves %s for %v longer than its core said", n.name, j.w.setup.Groups[g].Name, over)
	}
}

// ran judges an action (invariant I4).
func (j *judge) ran(d *daemon, o cluster.Run, g, r int) {
	w, n := j.w, d.n
	resources := w.setup.Groups[g].Resources
	if o.ID <= j.nodes[n.id].actions {
		w.fail("I4", "%s: action %d comes after %d", n.name, o.ID, j.nodes[n.id].actions)
	}
	j.nodes[n.id].actions = o.ID
	j.untouched(d, o, g, r)
	for _, a := range d.actions {
		if a.g == g && a.r == r {
			w.fail("I4", "%s: %s of %s while its %s runs", n.name, o.Action, o.Resource, a.run.Action)
		}
	}
	switch {
	case resources[r].Warm:
	case o.Action == cluster.Start:
		if !isAddress(resources[r]) {
			j.opens(n, o, g)
			j.bites(n, g, r)
		}
		j.starts(n, g, r)
	case o.Action == cluster.Stop:
		j.stops(n, g, r)
	}
}

// starts judges the order of starts.
func (j *judge) starts(n *node, g, r int) {
	w, known := j.w, j.nodes[n.id].known[g]
	resources := w.setup.Groups[g].Resources
	if n.standby {
		w.fail("standby", "%s starts %s in standby", n.name, resources[r].Name)
	}
	for k := range r {
		if w.setup.Ignore && !isAddress(resources[k]) && !resources[k].Warm {
			continue // the group goes on without it
		}
		if isAddress(resources[r]) && maintained(n.daemon, w.setup.Groups[g].Name) {
			continue // the address stands by itself
		}
		if known[k] != saidRunning && !(known[k] == unsaid && j.nodes[n.id].adopted) {
			w.fail("I4", "%s starts %s before %s runs", n.name, resources[r].Name, resources[k].Name)
		}
	}
}

// stops judges the order of stops.
func (j *judge) stops(n *node, g, r int) {
	w, known := j.w, j.nodes[n.id].known[g]
	resources := w.setup.Groups[g].Resources
	for k := r + 1; k < len(resources); k++ {
		// In a restart in place the address stays; on the way down it goes first.
		stays := isAddress(resources[k]) && j.nodes[n.id].state[g] != cluster.Stopping
		if known[k] == saidRunning && !resources[k].Warm && !stays {
			w.fail("I4", "%s stops %s before %s", n.name, resources[r].Name, resources[k].Name)
		}
	}
}

// told notes what an outcome told the core.
func (j *judge) told(a *action, result cluster.Result) {
	v := saidFailed
	r := &j.nodes[a.d.n.id]
	muted := a.run.Action == cluster.Monitor && r.state[a.g] == cluster.Mute // rule K1: it proves nothing
	switch {
	case muted && result != cluster.NotRunning:
		v = saidRunning
	case result != cluster.OK && result != cluster.NotRunning:
	case result == cluster.NotRunning, a.run.Action == cluster.Stop:
		v = saidStopped
	default:
		v = saidRunning
	}
	r.known[a.g][a.r] = v
}

// confirmed takes note of an operator's word that the other node is off, before
// anything is done that follows from it.
func (j *judge) confirmed(d *daemon, out []cluster.Output) {
	r := &j.nodes[d.n.id]
	for _, o := range out {
		a, reply := o.(cluster.Reply)
		if !reply || !a.OK || r.commands[a.ID] != cluster.FenceConfirm {
			continue
		}
		v := &r.warrant
		v.gone, v.off, v.newLife = true, true, 0
		if d.n.peer().powered {
			j.perjured = true
			j.split.betray()
		}
	}
}

// replied notes the answer to a command.
func (j *judge) replied(d *daemon, o cluster.Reply) {
	r := &j.nodes[d.n.id]
	verb, asked := r.commands[o.ID]
	if !asked {
		j.w.fail("reply", "%s answers command %d, which nobody gave or which was answered", d.n.name, o.ID)
		return
	}
	delete(r.commands, o.ID)
	if !o.OK {
		return
	}
	switch verb {
	case cluster.Standby:
		d.n.standby = true
	case cluster.Online:
		d.n.standby = false
	}
}

// command gives a running daemon an operator's order.
func (w *World) command(n *node, c cluster.Command) {
	d := n.daemon
	if d == nil {
		return
	}
	w.commands++
	c.ID = w.commands
	w.judge.nodes[n.id].commands[c.ID] = c.Verb
	if c.Dry {
		w.judge.nodes[n.id].commands[c.ID] = "dry"
	}
	w.note("%s operator: %s %s%s %s", n.name, c.Verb, c.Group, c.Resource, c.Node)
	switch c.Verb {
	case cluster.Online:
		n.standby = false
	case cluster.Leave:
		d.leaving = true
	case cluster.Move:
		if g := w.groupIndex(c.Group); g >= 0 {
			w.judge.groups[g].operator = true
		}
	}
	d.post(c)
}
