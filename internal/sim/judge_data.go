package sim

import "lubdub/internal/cluster"

// opens is a start that reaches the storage with its fencing token (invariant
// I2): nobody comes with an epoch that is lower than one it had heard of, or had
// come with itself. What it remembers over a restart is what its disk held.
func (j *judge) opens(n *node, o cluster.Run, g int) {
	told := &j.nodes[n.id].told[g]
	if o.Epoch < *told {
		j.w.fail("I2", "%s starts %s with epoch %d, and had heard of %d", n.name, o.Resource, o.Epoch, *told)
	}
	*told = o.Epoch
}

// single judges that what may run in one place only does (invariant I2): always
// where fencing guards it and nobody lied, else while only agents fail.
func (j *judge) single(g int) {
	w := j.w
	if !j.peaceful && !(w.setup.Fencing && !j.perjured) {
		return
	}
	for r, res := range w.setup.Groups[g].Resources {
		if !res.Warm && !isAddress(res) && w.nodes[0].runs[g][r] && w.nodes[1].runs[g][r] &&
			!w.nodes[0].lied[g][r] && !w.nodes[1].lied[g][r] {
			w.fail("I2", "%s runs on both nodes", res.Name)
		}
	}
}
