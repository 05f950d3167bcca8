package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"lubdub/internal/api"
	"lubdub/internal/cluster"
)

// order is an order on its way to the daemon, and how its end is known.
type order struct {
	world
	api.Order
	runtime string
	asJSON  bool
	wait    bool
	timeout time.Duration
	// over says whether the order is carried out, and if not, what holds it.
	// lost says that it will not be, however long one waits.
	over func(api.Status) (done bool, held string, lost bool)
}

// waitTime is how long --wait waits: longer than the agents of a usual group need.
const waitTime = 2 * time.Minute

// flags are those of all orders.
func (o *order) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.runtime, "runtime", o.RuntimeDir, "where the daemon's control socket is")
	c.Flags().BoolVar(&o.asJSON, "json", false, "for programs")
}

func (o *order) waitFlags(c *cobra.Command) {
	c.Flags().BoolVar(&o.wait, "wait", false, "return when it is done, and print what happens meanwhile")
	c.Flags().DurationVar(&o.timeout, "timeout", waitTime, "with --wait: how long at most")
}

func (o *order) dryFlag(c *cobra.Command) {
	c.Flags().BoolVar(&o.Dry, "dry-run", false, "say what would happen, and do nothing")
}

// give gives the order, and prints what became of it.
func (o *order) give(ctx context.Context) error {
	daemon := o.asker(o.runtime)
	if o.Node != "" && o.Verb != cluster.Move && o.Verb != cluster.FenceConfirm {
		if err := o.mustBeHere(ctx, daemon); err != nil {
			return err
		}
	}
	before, err := o.lastEvent(ctx, daemon)
	if err != nil {
		return err
	}
	answer, err := daemon.order(ctx, o.Order)
	if err != nil {
		return err
	}
	if !answer.OK || !o.wait || o.Dry {
		return o.conclude(answer)
	}
	if !o.asJSON {
		fmt.Fprintln(o.Stdout, visible(answer.Words))
	}
	if answer, err = o.follow(ctx, daemon, before); err != nil {
		return err
	}
	return o.conclude(answer)
}

// conclude says what became of the order. What was not done is an error.
func (o *order) conclude(a api.Answer) error {
	switch {
	case !o.asJSON && !a.OK:
		return errors.New(visible(a.Words))
	case !o.asJSON:
		_, err := fmt.Fprintln(o.Stdout, visible(a.Words))
		return err
	}
	if err := printJSON(o.Stdout, a); err != nil || a.OK {
		return err
	}
	return exit{code: exitFailed}
}

// mustBeHere refuses an order that the other node has to be given.
func (o *order) mustBeHere(ctx context.Context, daemon asker) error {
	s, err := daemon.status(ctx)
	switch {
	case err != nil:
		return err
	case o.Node == s.Peer.Name:
		return fmt.Errorf("refused: %s gives its orders itself; run it there: ssh %s lubdub %s", o.Node, o.Node, o.Verb)
	case o.Node != s.Self:
		return fmt.Errorf("there is no node %q; the nodes are %s and %s", o.Node, s.Self, s.Peer.Name)
	}
	return nil
}

// lastEvent is the ID of the newest event.
func (o *order) lastEvent(ctx context.Context, daemon asker) (string, error) {
	if !o.wait {
		return "", nil
	}
	all, err := daemon.events(ctx, "")
	if err != nil || len(all) == 0 {
		return "", err
	}
	return all[len(all)-1].ID, nil
}
