package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"lubdub/internal/api"
	"lubdub/internal/cluster"
)

func maintenanceCommand(w world) *cobra.Command {
	c := &cobra.Command{
		Use: "maintenance on|off", Short: "Leave a group alone while you work on it, on both nodes",
		Long: `In maintenance nothing of a group is started, stopped, watched or moved, whatever happens, and nobody
takes it over; its address is served as before. It counts on both nodes, and outlives restarts. At its
end the resources are looked at, and what does not run is started.`,
	}
	c.AddCommand(maintenanceOn(w), maintenanceOff(w))
	return c
}

func maintenanceOn(w world) *cobra.Command {
	var until string
	o := &order{world: w, Order: api.Order{Verb: cluster.MaintenanceOn}}
	c := &cobra.Command{
		Use: "on [GROUP]", Short: "Begin it: for one group, or for all", Args: cobra.MaximumNArgs(1),
		Example: `  lubdub maintenance on web --for 30m
  lubdub maintenance on --until 06:00`,
		ValidArgsFunction: w.completeGroups(&o.runtime),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.Group = args[0]
			}
			if until != "" {
				span, err := spanUntil(until, time.Now())
				if err != nil {
					return err
				}
				o.For = span
			}
			return o.give(cmd.Context())
		},
	}
	o.flags(c)
	o.dryFlag(c)
	c.Flags().BoolVar(&o.Force, "force", false, "even if the other node cannot be told")
	c.Flags().DurationVar(&o.For, "for", 0, "how long it lasts, such as 30m; without it until 'lubdub maintenance off'")
	c.Flags().StringVar(&until, "until", "", "when it ends, HH:MM in local time")
	c.MarkFlagsMutuallyExclusive("for", "until")
	return c
}

// spanUntil is how long it is until that time of the day comes next.
func spanUntil(text string, now time.Time) (time.Duration, error) {
	at, err := time.Parse("15:04", text)
	if err != nil {
		return 0, fmt.Errorf("--until %q is no time of the day: write it as 06:00, or use --for 30m", text)
	}
	end := time.Date(now.Year(), now.Month(), now.Day(), at.Hour(), at.Minute(), 0, 0, now.Location())
	if !end.After(now) {
		end = time.Date(now.Year(), now.Month(), now.Day()+1, at.Hour(), at.Minute(), 0, 0, now.Location())
	}
	return max(end.Sub(now).Round(time.Second), time.Second), nil
}

func maintenanceOff(w world) *cobra.Command {
	o := &order{world: w, Order: api.Order{Verb: cluster.MaintenanceOff}}
	c := &cobra.Command{
		Use: "off [GROUP]", Short: "End it: for one group, or for all", Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: w.completeGroups(&o.runtime),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.Group = args[0]
			}
			return o.give(cmd.Context())
		},
	}
	o.flags(c)
	o.dryFlag(c)
	c.Flags().BoolVar(&o.Force, "force", false, "even if the other node is not heard: nothing of it runs there")
	return c
}
