package cluster

import (
	"fmt"
	"strings"
	"time"
)

// leaseless is the dead time below which the life-time of an address, which
// counts whole seconds, is too coarse to guard it (rule K1).
const leaseless = 3 * time.Second

// Protection is the level of docs/protocol.md that this configuration has, what
// guards it, and what it does not survive: a sentence each.
func (c Config) Protection() (level, words string, limits []string) {
	bare := c.unaddressed()
	coarse := c.NoLease && c.DeadTime < leaseless
	switch {
	case c.Fencing:
		level, words = "L4", "a node that is silent is switched off before its groups are taken"
	case len(bare) > 0:
		level, words = "L0", fmt.Sprintf("the dead time alone guards %s: it has no shared address to ask for", strings.Join(bare, ", "))
	case coarse:
		level, words = "L0", "the dead time alone guards the address: this kernel has no nftables, and its address life-time counts whole seconds"
	case len(c.Pings) > 0 && !c.KeepIsolated:
		level, words = "L2", "the kernel ends the address with its owner, and of two nodes that do not hear each other only the one that reaches its ping nodes serves"
	default:
		level, words = "L1", "the kernel ends the address with its owner, and the network is asked before it is taken"
	}
	return level, words, c.limits(level)
}

// unaddressed are the groups without a shared address.
func (c Config) unaddressed() []string {
	var names []string
	for _, g := range c.Groups {
		if !g.addressed() {
			names = append(names, g.Name)
		}
	}
	return names
}

// limits say what a level does not survive.
func (c Config) limits(level string) []string {
	var l []string
	say := func(format string, args ...any) { l = append(l, fmt.Sprintf(format, args...)) }
	switch level {
	case "L0":
		say("links that are all cut at once while both nodes live: both serve")
	case "L1":
		say("links and front network cut at once while both nodes live: each serves its own side; when they meet again one is silent within a heartbeat")
	case "L2":
		say("a network in which both nodes reach a ping node but not each other, with every link cut: both may serve")
	case "L4":
		say("a fence device that does not answer, or that has lost its power with the node: nobody takes over until you say lubdub fence confirm %s", c.Peer)
	}
	if level != "L4" {
		say("a machine that is paused as a whole (a suspended or migrated guest): it may answer for about a keepalive after it wakes")
	}
	if bare := c.unaddressed(); len(bare) > 0 && level == "L4" && len(c.Pings) == 0 {
		say("%s has no shared address to ask for, and there is no ping node: a node that boots cut off from %s switches it off", strings.Join(bare, ", "), c.Peer)
	}
	if bare := c.unaddressed(); len(bare) > 0 && level != "L0" && level != "L4" {
		say("%s has no shared address: when the links fail it may run on both nodes", strings.Join(bare, ", "))
	}
	if len(c.Pings) > 0 {
		l = append(l, c.pingLimit())
	}
	if len(c.Links) == 1 {
		say("the only link (%s): when it is lost the nodes know of each other only through the front network", c.Links[0])
	}
	if c.TakeAnyway {
		say("partition take: a node that is not heard loses its groups although its address still answers: both serve")
	}
	return l
}

// pingLimit says what dead ping nodes cost.
func (c Config) pingLimit() string {
	switch n := len(c.Pings); {
	case c.KeepIsolated:
		return fmt.Sprintf("an owner that reaches neither %s nor a ping node goes on (isolated keep)", c.Peer)
	case n < 3:
		return fmt.Sprintf("%s: when it does not answer, nobody takes over from a dead node, and an owner without its peer falls silent", c.pingsNeeded())
	default:
		return fmt.Sprintf("%d of %d ping nodes dead: nobody takes over from a dead node", n-n/2, n)
	}
}

func (c Config) pingsNeeded() string {
	if len(c.Pings) == 1 {
		return "the only ping node (" + c.Pings[0] + ")"
	}
	return "one of the ping nodes (" + strings.Join(c.Pings, ", ") + ")"
}
