package daemon

import (
	"context"
	"maps"
	"slices"

	"lubdub/internal/agent"
	"lubdub/internal/cluster"
)

// classSystemd are the resources whose failure systemd itself tells.
const classSystemd = "systemd"

// watchUnits has the core look at a resource at once when systemd says that its unit ended.
func watchUnits(ctx context.Context, cfg cluster.Config, l *loop) {
	of := map[string][]cluster.Suspected{} // by unit
	for _, g := range cfg.Groups {
		for _, r := range g.Resources {
			if r.Class == classSystemd {
				of[r.Type] = append(of[r.Type], cluster.Suspected{Group: g.Name, Resource: r.Name})
			}
		}
	}
	if len(of) == 0 {
		return
	}
	agent.WatchUnits(ctx, slices.Sorted(maps.Keys(of)), func(unit string) {
		for _, s := range of[unit] {
			l.tell(ctx, s)
		}
	})
}
