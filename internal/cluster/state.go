package cluster

import "fmt"

// State is what a node does with a group.
type State uint8

// The states of a group on one node.
const (
	Stopped  State = iota // nothing of it runs here but what is warm
	Starting              // owner: its resources are being started
	Running               // owner: everything runs, the address answers
	Quiet                 // was owner: all runs, the address passes IP but answers no ARP or ND
	Mute                  // owner whose entitlement ended: all runs, the address is silent
	Stopping              // its resources are being stopped
	Blocked               // a stop failed: nothing is done until somebody looks
)

// stateWords are what an operator reads: the name, and what it means.
var stateWords = [...]struct{ name, means string }{
	Stopped:  {"stopped", "it does not run here"},
	Starting: {"starting", "its resources are being started"},
	Running:  {"running", "it is served here"},
	Quiet:    {"quiet", "the address waits for the other node to answer for it"},
	Mute:     {"mute", "it runs here, but the address is silent: this node may no longer answer for it"},
	Stopping: {"stopping", "its resources are being stopped"},
	Blocked:  {"blocked", "a resource did not stop: nothing is done with it until you look; then: lubdub cleanup"},
}

func (s State) String() string { return stateWords[s].name }

// transition is one row of the table of states.
type transition struct {
	from, to State
	when     string
}

// transitions are all ways in which a group changes its state on one node.
// Rule numbers are those of docs/protocol.md.
var transitions = [...]transition{
	{Stopped, Starting, "its claim stands (C1), it was offered, or it may be taken (S1-S6)"},
	{Stopped, Stopping, "a resource is found running that nobody started"},
	{Starting, Running, "every resource runs and the kernel granted the lease"},
	{Starting, Stopping, "a resource did not start, or the group has to go"},
	{Starting, Mute, "the entitlement ended, or its grant came too late"},
	{Running, Starting, "a resource failed and is restarted in place"},
	{Running, Quiet, "a hand-over with warm resources: the kernel has withdrawn the answers (K3)"},
	{Running, Stopping, "a hand-over with stop and start, a yield, or a node that gives up"},
	{Running, Mute, "the entitlement ended (O5)"},
	{Quiet, Starting, "the withdrawn offer was heard and not taken (M1), or S1-S6"},
	{Quiet, Stopping, "the other node answers"},
	{Quiet, Mute, "the entitlement ended (O5)"},
	{Mute, Starting, "its claim stands (C1), or it may be taken again (S1-S6)"},
	{Mute, Stopping, "the other node serves it, its probe was answered, or it has no evidence (O5)"},
	{Stopping, Stopped, "everything is stopped"},
	{Stopping, Blocked, "a stop failed"},
	{Blocked, Stopping, "the operator's cleanup"},
}

// enter changes the state of a group. A change that is not in the table is a fault of ours.
func (m *Machine) enter(g *group, to State, e Event) {
	if !allowed(g.state, to) {
		panic(fmt.Sprintf("cluster: group %s: no way from %s to %s: %s", g.cfg.Name, g.state, to, e.Words))
	}
	g.state, g.since = to, m.now
	g.drainEnd = 0
	g.probe.attempt = 0 // what was asked for in another state is of no use in this one
	if e.Cause == 0 {
		e.Cause = g.cause
	}
	e.Kind, e.Group = "group", g.cfg.Name
	g.cause = m.emit(e)
}

func allowed(from, to State) bool {
	for _, t := range transitions {
		if t.from == from && t.to == to {
			return true
		}
	}
	return false
}

// owns says that the node of this state counts as the group's owner.
func (s State) owns() bool { return s != Stopped && s != Stopping && s != Blocked }

// serves says that the address may answer in this state.
func (s State) serves() bool { return s == Starting || s == Running }
