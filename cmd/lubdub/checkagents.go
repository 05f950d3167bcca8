package main

import (
	"context"
	"fmt"
	"path/filepath"

	"lubdub/internal/agent"
	"lubdub/internal/cluster"
	"lubdub/internal/config"
)

// checkRunner asks about agents; it runs nothing that changes anything.
func checkRunner(loaded *config.Loaded) *agent.Runner {
	return &agent.Runner{Node: loaded.Config.Self, ConfigDir: loaded.Dir, ResourceDir: filepath.Join(loaded.Dir, "resource.d"),
		Proxy: newProxies(loaded, "")}
}

// agents lets the agents of the resources look at their parameters, and says what was run.
func (c *checked) agents(ctx context.Context, loaded *config.Loaded) {
	runner := checkRunner(loaded)
	ask := func(group string, r cluster.Resource) {
		e := runner.Examine(ctx, group, r)
		file, name := filepath.Join(loaded.Dir, "haresources"), r.Name+" of "+group+": "
		for _, p := range e.Doubts {
			c.add(config.Warning, file, name+p.Words, p.Remedy)
		}
		for _, p := range e.Notes {
			c.add(config.Notice, file, name+p.Words, p.Remedy)
		}
		for _, ran := range e.Ran {
			c.Agents = append(c.Agents, fmt.Sprintf("agent %s%s", name, ran))
		}
	}
	for _, g := range loaded.Config.Groups {
		for _, r := range g.Resources {
			ask(g.Name, r)
		}
	}
}
