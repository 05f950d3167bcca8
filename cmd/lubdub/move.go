package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"lubdub/internal/api"
	"lubdub/internal/cluster"
)

func moveCommand(w world) *cobra.Command {
	o := &order{world: w, Order: api.Order{Verb: cluster.Move}}
	c := &cobra.Command{
		Use: "move GROUP [NODE]", Short: "Move a group to the other node, once", Args: cobra.RangeArgs(1, 2),
		Long: `Move hands a group over to the other node, or to the one that is named. It is done once: nothing
keeps the group there. When it cannot be done it is refused, with the reason.`,
		ValidArgsFunction: w.completeMove(&o.runtime),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Group = args[0]
			if len(args) > 1 {
				o.Node = args[1]
			}
			if err := o.aim(cmd.Context()); err != nil {
				return err
			}
			return o.give(cmd.Context())
		},
	}
	o.flags(c)
	o.waitFlags(c)
	o.dryFlag(c)
	return c
}

// aim notes where the group is to arrive, so that --wait knows when it has.
func (o *order) aim(ctx context.Context) error {
	if !o.wait {
		return nil
	}
	s, err := o.asker(o.runtime).status(ctx)
	if err != nil {
		return err
	}
	g, _ := findGroup(s, o.Group)
	to := o.Node
	if to == "" {
		to = s.Self
		if g.Owner == s.Self {
			to = s.Peer.Name
		}
	}
	from, left := g.Owner, false
	o.over = func(s api.Status) (done bool, held string, lost bool) {
		g, _ := findGroup(s, o.Group)
		at := runningOn(s, g)
		left = left || at != from
		// That it runs again where it came from is an end, too.
		return at == to, heldWords(s, g), g.State == "blocked" || left && at == from
	}
	return nil
}

// runningOn is the node that serves the group, with everything started; empty: none does.
func runningOn(s api.Status, g cluster.GroupStatus) string {
	state := g.State
	if g.Owner == s.Peer.Name {
		state = g.PeerState
	}
	if state != "running" {
		return ""
	}
	return g.Owner
}

func findGroup(s api.Status, name string) (cluster.GroupStatus, bool) {
	at := slices.IndexFunc(s.Groups, func(g cluster.GroupStatus) bool { return g.Name == name })
	if at < 0 {
		return cluster.GroupStatus{}, false
	}
	return s.Groups[at], true
}
