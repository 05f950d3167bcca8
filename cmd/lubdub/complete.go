package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"lubdub/internal/api"
)

// completionTime is how long a shell may wait for names after the key is pressed.
const completionTime = time.Second

// completer proposes what may stand next on a command line.
type completer = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// names proposes what pick finds in the status for the argument at that place. Without a daemon there is nothing to propose.
func (w world) names(runtime *string, pick func(s api.Status, place int) []string) completer {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		ctx := cmd.Context()
		if ctx == nil {
			ctx = context.Background()
		}
		ctx, cancel := context.WithTimeout(ctx, completionTime)
		defer cancel()
		s, err := w.asker(*runtime).status(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return pick(s, len(args)), cobra.ShellCompDirectiveNoFileComp
	}
}

func groupNames(s api.Status) []string {
	var out []string
	for _, g := range s.Groups {
		out = append(out, g.Name)
	}
	return out
}

func nodeNames(s api.Status) []string { return []string{s.Self, s.Peer.Name} }

func (w world) completeGroups(runtime *string) completer {
	return w.names(runtime, func(s api.Status, place int) []string {
		if place > 0 {
			return nil
		}
		return groupNames(s)
	})
}

func resourceNames(s api.Status) []string {
	var out []string
	for _, g := range s.Groups {
		for _, r := range g.Resources {
			if !slices.Contains(out, r.Name) {
				out = append(out, r.Name)
			}
		}
	}
	return out
}

func (w world) completeResources(runtime *string) completer {
	return w.names(runtime, func(s api.Status, place int) []string {
		if place > 0 {
			return nil
		}
		return resourceNames(s)
	})
}

func (w world) completeGroupsAndResources(runtime *string) completer {
	return w.names(runtime, func(s api.Status, place int) []string {
		if place > 0 {
			return nil
		}
		return append(groupNames(s), resourceNames(s)...)
	})
}

func (w world) completeNodes(runtime *string) completer {
	return w.names(runtime, func(s api.Status, place int) []string {
		if place > 0 {
			return nil
		}
		return nodeNames(s)
	})
}

func (w world) completeMove(runtime *string) completer {
	return w.names(runtime, func(s api.Status, place int) []string {
		switch place {
		case 0:
			return groupNames(s)
		case 1:
			return nodeNames(s)
		}
		return nil
	})
}
