package main

import (
	"github.com/spf13/cobra"

	"lubdub/internal/api"
	"lubdub/internal/cluster"
)

func onlineCommand(w world) *cobra.Command {
	o := &order{world: w, Order: api.Order{Verb: cluster.Online}, over: isOnline}
	c := &cobra.Command{
		Use: "online [NODE]", Short: "End 'standby': this node may serve again", Args: cobra.MaximumNArgs(1),
		Long: `Online ends standby. Nothing moves by that, unless auto_failback is on and this node is the
preferred one. With 'coldstart strict' it is also your word that this node may start alone.`,
		ValidArgsFunction: o.completeNodes(&o.runtime),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.Node = args[0]
			}
			return o.give(cmd.Context())
		},
	}
	o.flags(c)
	o.waitFlags(c)
	o.dryFlag(c)
	return c
}

func isOnline(s api.Status) (done bool, held string, lost bool) {
	if s.Standby {
		return false, s.Self + " is still in standby", false
	}
	for _, g := range s.Groups {
		if g.Owner == "" && len(g.Next) == 0 {
			return false, g.Name + " is not served yet", false
		}
	}
	return true, "", false
}
