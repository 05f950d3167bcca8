package main

import (
	"github.com/spf13/cobra"

	"lubdub/internal/api"
	"lubdub/internal/cluster"
)

func cleanupCommand(w world) *cobra.Command {
	o := &order{world: w, Order: api.Order{Verb: cluster.Cleanup}}
	c := &cobra.Command{
		Use: "cleanup [GROUP|RESOURCE]", Short: "Forget the failures of a group or a resource on this node, and unblock it", Args: cobra.MaximumNArgs(1),
		Long: `Cleanup is for after you have mended what failed: the failures of the group, or of one resource, on
this node no longer count. A group that is blocked because something did not stop is stopped once more.
Without a name it does so for all groups.`,
		ValidArgsFunction: w.completeGroupsAndResources(&o.runtime),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.Group = args[0]
			}
			return o.give(cmd.Context())
		},
	}
	o.flags(c)
	o.dryFlag(c)
	return c
}
