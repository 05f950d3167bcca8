package agent

import (
	"context"
	"strings"
)

// agentPortblock looks for its own rule in what iptables prints.
const agentPortblock = "portblock"

// numberedProtocols is the version of iptables that prints 6 for tcp, and 17 for udp: Debian 12 has it. The agent of that
// time looks for the names. It never finds its rule, so each start adds one, and none is ever removed.
const numberedProtocols = "v1.8.9"

// examinePortblock says that the agent portblock cannot work with the iptables of this machine.
func examinePortblock(ctx context.Context, path string) []Problem {
	if path == "" {
		return nil
	}
	ctx, free := context.WithTimeout(ctx, validateTime)
	defer free()
	c := command{argv: []string{path, "--version"}, env: []string{"PATH=" + searchPath, "LC_ALL=C"}, split: true, grace: maxGrace}
	e, err := c.run(ctx)
	if err != nil || !strings.Contains(e.output, numberedProtocols) {
		return nil
	}
	return []Problem{{Words: "iptables " + numberedProtocols + " prints 6 for tcp, so the agent never finds its rule: a port that was blocked once stays blocked",
		Remedy: "see docs/agents.md for a way round, or do without portblock"}}
}
