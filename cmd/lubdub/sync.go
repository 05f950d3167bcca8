package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"lubdub/internal/config"
)

// syncing is one comparison of the two nodes, and what is to come of it.
type syncing struct {
	world
	dir, node, from  string
	only             []string
	plan, yes, links bool
	all, asJSON      bool

	loaded     *config.Loaded
	peer       *peerNode
	self       thisNode
	target     syncSide // who gets the files
	pulls      bool     // it is this node
	fromAnswer syncAnswer
	ontoAnswer syncAnswer
}

func syncCommand(w world) *cobra.Command {
	s := &syncing{world: w}
	c := &cobra.Command{
		Use: "sync [FILE...]", Short: "Compare the files that must be equal with the other node's, and copy them",
		Long: `Sync compares ha.cf, haresources, authkeys, lubdub.conf and what its watchfile and watchtree lines
name with the other node's, through peer-command (ssh). It shows what differs, asks, and copies with
rsync over the same: from here to the other node, or from --from NODE. FILE... are some of them only.

Configuration is checked on the node that gets it before it replaces anything. What belongs to one
node stays as it is there: the links of ha.cf, and point-to-point, peer-command and api-group of
lubdub.conf. No daemon is told anything. What that means in full: docs/sync.md.

With --plan nothing is changed: it ends with 0 when all is equal, and with 1 when something differs.`,
		Example: `  lubdub sync --plan
  lubdub sync
  lubdub sync --from beta /var/www`,
		RunE: func(cmd *cobra.Command, args []string) error {
			s.only = args
			return s.run(cmd.Context())
		},
	}
	f := c.Flags()
	f.StringVarP(&s.dir, "dir", "d", w.ConfigDir, "where ha.cf, haresources and authkeys are here")
	f.StringVar(&s.node, "node", "", "read the configuration as this node would")
	f.StringVar(&s.from, "from", "", "the node whose files count (else this one)")
	f.BoolVar(&s.plan, "plan", false, "say what differs, and change nothing")
	f.BoolVarP(&s.yes, "yes", "y", false, "do not ask")
	f.BoolVar(&s.links, "links", false, "replace the links of ha.cf there, too, where they are not of the same kinds")
	f.BoolVar(&s.all, "all", false, "show every name that differs, however many they are")
	f.BoolVar(&s.asJSON, "json", false, "with --plan: for programs")
	c.AddCommand(syncAnswerCommand(w), syncShellCommand())
	return c
}

func (s *syncing) run(ctx context.Context) error {
	if s.asJSON && !s.plan {
		return misuse("--json goes with --plan")
	}
	if err := s.begin(); err != nil {
		return err
	}
	plan, err := s.compare(ctx)
	if err != nil {
		return err
	}
	if s.asJSON {
		if err := printJSON(s.Stdout, plan); err != nil {
			return err
		}
	} else if _, err := fmt.Fprint(s.Stdout, s.painter().plan(plan, s.all)); err != nil {
		return err
	}
	switch {
	case !plan.differs():
		return nil
	case s.plan:
		return exit{code: exitFailed}
	}
	if err := s.mayCarryOut(plan); err != nil {
		return err
	}
	if err := s.carryOut(ctx, plan); err != nil {
		return err
	}
	return s.conclude(ctx, plan)
}

// begin reads the configuration here, and finds out who gives and who gets.
func (s *syncing) begin() error {
	loaded, problems, err := s.load(s.dir, s.node)
	if err != nil {
		return err
	}
	if loaded == nil {
		if err := problems.Print(s.Stderr); err != nil {
			return err
		}
		return s.errorsIn(problems, s.dir)
	}
	s.loaded = loaded
	s.self = thisNode{world: s.world, dir: loaded.Dir, node: s.node}
	s.peer = &peerNode{world: s.world, node: loaded.Config.Peer, self: loaded.Config.Self, command: loaded.PeerCommand}
	switch strings.ToLower(s.from) {
	case "", loaded.Config.Self:
		s.target = s.peer
	case loaded.Config.Peer:
		s.target, s.pulls = s.self, true
	default:
		return fmt.Errorf("there is no node %q; the nodes are %s and %s", s.from, loaded.Config.Self, loaded.Config.Peer)
	}
	return nil
}

// names are the nodes: whose files count, and who gets them.
func (s *syncing) names() (from, onto string) {
	if s.pulls {
		return s.loaded.Config.Peer, s.loaded.Config.Self
	}
	return s.loaded.Config.Self, s.loaded.Config.Peer
}

// mayCarryOut refuses what cannot be done, and asks.
func (s *syncing) mayCarryOut(plan *syncPlan) error {
	for _, f := range plan.Settings {
		if f.Forced && !s.links {
			return fmt.Errorf("refused: the links of ha.cf are not of the same kinds on both nodes, and name interfaces of one: write them into ha.cf on %s yourself, or have them replaced with --links", plan.Onto)
		}
	}
	for _, t := range plan.Trees {
		if t.Wrong != "" {
			return fmt.Errorf("refused: %s; nothing is changed", t.Wrong)
		}
	}
	if !s.fromAnswer.Rsync || !s.ontoAnswer.Rsync {
		node := plan.From
		if s.fromAnswer.Rsync {
			node = plan.Onto
		}
		return fmt.Errorf("there is no rsync on %s: install it there (apt install rsync); nothing is changed", node)
	}
	if s.yes {
		return nil
	}
	if !s.TerminalIn {
		return fmt.Errorf("there is no terminal to ask on, and nothing is changed; to copy without a question: lubdub sync --yes")
	}
	fmt.Fprintf(s.Stdout, "\nCopy this from %s to %s? [y/N] ", plan.From, plan.Onto)
	line, _ := bufio.NewReader(s.Stdin).ReadString('\n')
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return errors.New("nothing is changed")
	}
	return nil
}

// conclude compares again, and says what the operator does next.
func (s *syncing) conclude(ctx context.Context, done *syncPlan) error {
	after, err := s.compare(ctx)
	if err != nil {
		return fmt.Errorf("it is copied, but could not be compared again: %w", err)
	}
	if after.differs() {
		fmt.Fprintln(s.Stdout, "\nAfterwards this still differs; was it changed meanwhile?")
		if _, err := fmt.Fprint(s.Stdout, s.painter().plan(after, s.all)); err != nil {
			return err
		}
		return exit{code: exitFailed}
	}
	fmt.Fprintf(s.Stdout, "\nDone: compared again, all of it is equal.\n")
	for _, f := range done.Settings {
		if f.changes {
			where := "on " + done.Onto
			if s.pulls {
				where = "here"
			}
			_, err := fmt.Fprintf(s.Stdout, "now run %s: lubdub reload\n", where)
			return err
		}
	}
	return nil
}
