package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"lubdub/internal/agent"
	"lubdub/internal/api"
	"lubdub/internal/cluster"
	"lubdub/internal/config"
)

func fenceCommand(w world) *cobra.Command {
	c := &cobra.Command{
		Use: "fence", Short: "Test the fence devices, or say that the other node is off",
		Long: `Where fence devices are configured, nothing is taken over from a silent node until a device has
switched it off, or a person says that it is off. How that stands is in: lubdub status`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return misuse("say what: test or confirm") },
	}
	c.AddCommand(fenceConfirmCommand(w), fenceTestCommand(w))
	return c
}

func fenceConfirmCommand(w world) *cobra.Command {
	o := &order{world: w, Order: api.Order{Verb: cluster.FenceConfirm}}
	c := &cobra.Command{
		Use: "confirm NODE", Short: "Say that the other node is off, so that its groups are taken over", Args: cobra.ExactArgs(1),
		Long: `Confirm is your word in place of a fence device's. Look first, with your own eyes or on the
machine's console, that NODE is off; if it is not, switch it off. If it runs after all, two nodes
serve at once, and both write where only one may.

It is refused while NODE is heard, and while NODE's address answers; --force passes over the latter.`,
		ValidArgsFunction: w.names(&o.runtime, func(s api.Status, place int) []string {
			if place > 0 {
				return nil
			}
			return []string{s.Peer.Name}
		}),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Node = args[0]
			return o.give(cmd.Context())
		},
	}
	o.flags(c)
	o.dryFlag(c)
	c.Flags().BoolVar(&o.Force, "force", false, "although its address answers")
	return c
}

// fenceTest is what a test of one device found.
type fenceTest struct {
	Device, Agent, Ends string
	Level               int
	Works               bool
	Words               string
}

func fenceTestCommand(w world) *cobra.Command {
	var dir, node string
	var asJSON bool
	c := &cobra.Command{
		Use: "test", Short: "Ask each fence device for its state; nothing is switched", Args: cobra.NoArgs,
		Long: `Test asks each device that ends the other node for its state, as the daemon does each hour. It
needs no daemon. It ends with 1 when there is no device, or one does not work.

A test does not prove that the device can switch, nor that it switches the right machine: for that,
see docs/fencing.md.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, problems, err := w.load(dir, node)
			if err != nil {
				return err
			}
			if loaded == nil {
				if err := problems.Print(w.Stderr); err != nil {
					return err
				}
				return w.errorsIn(problems, dir)
			}
			return w.testFences(cmd.Context(), loaded, asJSON)
		},
	}
	c.Flags().StringVarP(&dir, "dir", "d", w.ConfigDir, "where ha.cf, haresources and authkeys are")
	c.Flags().StringVar(&node, "node", "", "test what this node would use")
	c.Flags().BoolVar(&asJSON, "json", false, "for programs")
	return c
}

// testFences tests the devices that end the other node, one after another.
func (w world) testFences(ctx context.Context, loaded *config.Loaded, asJSON bool) error {
	tests := []fenceTest{}
	works := true
	for _, f := range loaded.Fences {
		if f.Target != loaded.Config.Peer {
			continue
		}
		t := fenceTest{Device: f.Name, Agent: f.Agent, Ends: f.Target, Level: f.Level, Works: true}
		words, err := agent.FenceDevice(f).Test(ctx)
		if t.Words = words; err != nil {
			t.Works, t.Words, works = false, err.Error(), false
		}
		tests = append(tests, t)
		if !asJSON {
			if _, err := fmt.Fprintln(w.Stdout, visible(t.line())); err != nil {
				return err
			}
		}
	}
	if asJSON {
		if err := printJSON(w.Stdout, tests); err != nil {
			return err
		}
	}
	switch {
	case len(tests) == 0:
		return fmt.Errorf("no fence device ends %s: nothing is configured", loaded.Config.Peer)
	case !works:
		return exit{code: exitFailed}
	}
	return nil
}

func (t fenceTest) line() string {
	if !t.Works {
		return fmt.Sprintf("%s DOES NOT WORK: %s", t.Device, t.Words)
	}
	return fmt.Sprintf("%s works: %s", t.Device, t.Words)
}

// fences says which fence devices there are, and what those of this node lack.
func (c *checked) fences(ctx context.Context, loaded *config.Loaded) {
	for _, f := range loaded.Fences {
		c.Fences = append(c.Fences, fmt.Sprintf("fence device %s: %s ends %s, level %d", f.Name, f.Agent, f.Target, f.Level))
		file := "lubdub.conf"
		if strings.HasSuffix(f.Name, " of ha.cf") {
			file = "ha.cf"
		}
		for _, p := range agent.FenceDevice(f).Check(ctx) {
			c.add(config.Error, filepath.Join(loaded.Dir, file), fmt.Sprintf("fence device %s: %s", f.Name, p.Words), p.Remedy)
		}
	}
}
