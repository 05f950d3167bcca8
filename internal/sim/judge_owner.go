package sim

import "lubdub/internal/cluster"

// claimed judges the epoch of a node that becomes owner (rule C2): it is higher
// than any that the node had heard of. The first heartbeat of a life may speak of
// what an earlier one began.
func (j *judge) claimed(d *daemon, said cluster.GroupBeat, g int, b cluster.Beat) {
	r := &j.nodes[d.n.id]
	begins := r.state[g] == cluster.Stopped && b.Seq > 1 && (said.State == cluster.Starting || said.State == cluster.Running)
	if begins && said.Epoch <= r.told[g] {
		j.w.fail("C2", "%s takes %s with epoch %d, and had heard of %d", d.n.name, said.Name, said.Epoch, r.told[g])
	}
	r.told[g] = max(r.told[g], said.Epoch)
	if said.State == cluster.Running {
		r.epoch[g] = said.Epoch
	}
}

// firm notes for which groups what a daemon is told now is no reason to give them
// up: the heartbeat of an owner of a lower epoch (rule H1), and the answer of a
// stranger (rule H2).
func (j *judge) firm(d *daemon, in cluster.Input) {
	r := &j.nodes[d.n.id]
	switch in := in.(type) {
	case cluster.Heard:
		if in.Beat.Echo.Incarnation != r.warrant.life {
			return
		}
		for _, said := range in.Beat.Groups {
			g := j.w.groupIndex(said.Name)
			if serving(said.State) && said.Epoch < r.epoch[g] {
				r.firm[g] = "H1"
			}
		}
	case cluster.Probed:
		if known := r.warrant.echoed > 0; known && in.MAC == macStranger {
			r.firm[j.w.groupIndex(in.Group)] = "H2"
		}
	}
}

// yielded judges that a node falls silent, in the step that took in what is no
// reason for it. One whose lease has ended has another.
func (j *judge) yielded(d *daemon, o cluster.Entitle) {
	r := &j.nodes[d.n.id]
	g := j.w.groupIndex(o.Group)
	inTime := d.n.answering(g) && d.n.local() < r.warrant.asked[g]
	if rule := r.firm[g]; o.Until == 0 && rule != "" && r.state[g] == cluster.Running && inTime {
		j.w.fail(rule, "%s gives %s up, of which it is owner since epoch %d: %s", d.n.name, o.Group, r.epoch[g],
			map[string]string{"H1": "its peer's epoch is lower", "H2": "a stranger answers for its address"}[rule])
	}
}

func serving(s cluster.State) bool { return s == cluster.Running || s == cluster.Starting }
