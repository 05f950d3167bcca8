package main

import (
	"slices"

	"github.com/spf13/cobra"

	"lubdub/internal/api"
	"lubdub/internal/cluster"
)

func restartCommand(w world) *cobra.Command {
	o := &order{world: w, Order: api.Order{Verb: cluster.Restart}}
	c := &cobra.Command{
		Use: "restart RESOURCE", Short: "Restart one resource in place, and what stands behind it", Args: cobra.ExactArgs(1),
		Long: `Restart stops a resource of a group that runs here and starts it again, with what stands behind it
in the group. Addresses stay, nothing moves, and it does not count as a failure. Where several groups
have a resource of that name, say GROUP/RESOURCE.`,
		ValidArgsFunction: w.completeResources(&o.runtime),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Resource = args[0]
			o.over = o.restarted
			return o.give(cmd.Context())
		},
	}
	o.flags(c)
	o.waitFlags(c)
	o.dryFlag(c)
	return c
}

// restarted says that everything runs again.
func (o *order) restarted(s api.Status) (done bool, held string, lost bool) {
	for _, g := range s.Groups {
		at := slices.IndexFunc(g.Resources, func(r cluster.ResourceStatus) bool { return o.Resource == r.Name || o.Resource == g.Name+"/"+r.Name })
		if at < 0 {
			continue
		}
		runs := g.State != "starting" && g.Resources[at].State == "running"
		return runs, heldWords(s, g), g.State == "blocked" || g.State == "stopped" && !runs
	}
	return false, o.Resource + " is not there", true
}
