package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"lubdub/internal/agent"
	"lubdub/internal/config"
	"lubdub/internal/daemon"
)

func alertCommand(w world) *cobra.Command {
	c := &cobra.Command{
		Use: "alert", Short: "Try the mail, webhooks and hooks of lubdub.conf", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return misuse("say what: test") },
	}
	c.AddCommand(alertTestCommand(w))
	return c
}

func alertTestCommand(w world) *cobra.Command {
	var dir, node string
	var commands, asJSON bool
	c := &cobra.Command{
		Use: "test", Short: "Send a test event to everybody who is told, and say what came of it", Args: cobra.NoArgs,
		Long: `Test sends one event, which says that it is a test, by each line of mail and webhook. It needs no
daemon. It ends with 1 when nobody would be told, or something did not work.

--commands also runs the hooks, and /etc/ha.d/rc.d/status, with LUBDUB_TEST=yes in their environment: a
command that does not look at that does its work.`,
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
			return w.tryAlerts(cmd.Context(), loaded, commands, asJSON)
		},
	}
	c.Flags().StringVarP(&dir, "dir", "d", w.ConfigDir, "where ha.cf, haresources and authkeys are")
	c.Flags().StringVar(&node, "node", "", "test what this node would use")
	c.Flags().BoolVar(&commands, "commands", false, "run the hooks, too")
	c.Flags().BoolVar(&asJSON, "json", false, "for programs")
	return c
}

func (w world) tryAlerts(ctx context.Context, loaded *config.Loaded, commands, asJSON bool) error {
	all := daemon.TryAlerts(ctx, loaded, checkRunner(loaded), commands)
	works := true
	for _, t := range all {
		works = works && t.OK
		if asJSON {
			continue
		}
		line := t.Name + ": " + strings.TrimPrefix(t.Words, t.Name+": ")
		if !t.OK {
			line = t.Name + " DOES NOT WORK: " + strings.TrimPrefix(t.Words, t.Name+": ")
		}
		for i, l := range append([]string{line}, t.Lines...) {
			if i > 0 {
				l = "  | " + l
			}
			if _, err := fmt.Fprintln(w.Stdout, visible(l)); err != nil {
				return err
			}
		}
	}
	if asJSON {
		if err := printJSON(w.Stdout, all); err != nil {
			return err
		}
	}
	switch {
	case len(all) == 0:
		return errors.New("nobody is told: lubdub.conf has no line of mail, webhook or hook")
	case !works:
		return exit{code: exitFailed}
	}
	return nil
}

// alerts says which hooks and alerts there are, and what those of this node lack.
func (c *checked) alerts(loaded *config.Loaded) {
	file := filepath.Join(loaded.Dir, "lubdub.conf")
	wrong := func(s config.Severity, name string, problems []agent.Problem) {
		for _, p := range problems {
			c.add(s, file, fmt.Sprintf("%s: %s", name, p.Words), p.Remedy)
		}
	}
	for _, h := range loaded.Hooks {
		severity, as, waits := config.Warning, "", ""
		if h.User != "" {
			as = " as " + h.User
		}
		if h.Block {
			severity = config.Error
			waits = "; the " + strings.TrimPrefix(h.When, "before-") + " waits for it"
		}
		c.Alerts = append(c.Alerts, fmt.Sprintf("%s: within %v%s%s", h.Name, h.Timeout, as, waits))
		wrong(severity, h.Name, agent.Hook{Name: h.Name, Argv: h.Command, User: h.User, Timeout: h.Timeout}.Check())
	}
	for _, a := range loaded.Alerts {
		switch {
		case a.Mail != nil:
			c.Alerts = append(c.Alerts, fmt.Sprintf("%s: level %s, by %s (tls %s)", a.Mail.Name, a.Level, a.Mail.Server, a.Mail.TLS))
			wrong(config.Warning, a.Mail.Name, agent.Mail(*a.Mail).Check())
		case a.Webhook != nil:
			c.Alerts = append(c.Alerts, fmt.Sprintf("%s: level %s", a.Webhook.Name, a.Level))
			wrong(config.Warning, a.Webhook.Name, agent.Webhook(*a.Webhook).Check())
		}
	}
	switch h, found, p := checkRunner(loaded).RC("status"); {
	case !found:
	case p != nil:
		c.add(config.Notice, h.Name, p.Words, p.Remedy)
	default:
		c.Alerts = append(c.Alerts, h.Name+": is told when a node comes or goes")
	}
}
