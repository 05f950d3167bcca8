package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"lubdub/internal/api"
	"lubdub/internal/cluster"
)

func standbyCommand(w world) *cobra.Command {
	o := &order{world: w, Order: api.Order{Verb: cluster.Standby}, over: gaveUpAll}
	c := &cobra.Command{
		Use: "standby [NODE]", Short: "Give up everything, and take nothing until 'online'", Args: cobra.MaximumNArgs(1),
		Long: `Standby hands over what this node serves to the other one, and this node takes nothing until
'lubdub online', not even when the other node dies. A restart of lubdub or of the machine changes
nothing about that. It is refused when the other node could not serve; --force does it all the same.`,
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
	c.Flags().BoolVar(&o.Force, "force", false, "even if nobody serves then")
	return c
}

// gaveUpAll says that nothing is left on this node.
func gaveUpAll(s api.Status) (done bool, held string, lost bool) {
	for _, g := range s.Groups {
		if g.State != "stopped" {
			return false, heldWords(s, g), g.State == "blocked"
		}
	}
	return s.Standby, "the order has not reached the cluster", false
}

// heldWords say in which state a group hangs, and why as far as that is known.
func heldWords(s api.Status, g cluster.GroupStatus) string {
	words := fmt.Sprintf("%s is %s on %s: %s", g.Name, g.State, s.Self, g.Words)
	for _, r := range g.Resources {
		if r.Words != "" {
			words += fmt.Sprintf("; %s: %s", r.Name, r.Words)
		}
	}
	for _, n := range g.Next {
		words += "; " + n
	}
	return words
}
