package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lubdub/internal/proxy"
)

// proxyAnswerTime is how long a proxy may take to say how it is.
const proxyAnswerTime = 5 * time.Second

func proxyCommand(w world) *cobra.Command {
	var supervise, child bool
	c := &cobra.Command{
		Use: "proxy", Short: "Look at the built-in reverse proxy", Args: cobra.NoArgs,
		Long: `The built-in reverse proxy is a resource: write lubdub-proxy::NAME into a group of haresources
and its settings into lubdub.conf. The daemon starts, watches and stops it.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case supervise:
				return proxy.RunDetached(cmd.Context())
			case child:
				return proxy.RunWorker(cmd.Context())
			}
			return cmd.Help()
		},
	}
	// The two processes of a proxy start themselves with these.
	c.Flags().BoolVar(&supervise, "supervise", false, "")
	c.Flags().BoolVar(&child, "child", false, "")
	if err := errors.Join(c.Flags().MarkHidden("supervise"), c.Flags().MarkHidden("child")); err != nil {
		panic(err) // the flags stand two lines above
	}
	c.AddCommand(proxyStatusCommand(w))
	return c
}

func proxyStatusCommand(w world) *cobra.Command {
	var place proxy.Place
	var asJSON bool
	c := &cobra.Command{
		Use: "status NAME", Short: "Say how a proxy and its back ends are", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), proxyAnswerTime)
			defer cancel()
			s, err := proxy.Monitor(ctx, args[0], place)
			if errors.Is(err, proxy.ErrNotRunning) {
				return exit{exitNotRunning, err}
			}
			// A sick proxy still says how it is.
			if asJSON {
				return errors.Join(err, printJSON(w.Stdout, s))
			}
			return errors.Join(err, w.painter().proxy(w.Stdout, s))
		},
	}
	c.Flags().StringVar(&place.Runtime, "runtime", w.RuntimeDir, "where the daemon's control socket is")
	c.Flags().BoolVar(&asJSON, "json", false, "for programs")
	return c
}

func (p paint) proxy(to io.Writer, s proxy.Status) error {
	var out strings.Builder
	state, how := green, "accepts connections on "+strings.Join(s.Listen, ", ")
	if !s.Accepting {
		state, how = red, "accepts no connection"
	}
	rows := [][]cell{{{bold, "proxy " + s.Name}, {state, how}}}
	rows = append(rows, []cell{{plain, ""}, {plain, fmt.Sprintf("%d requests served, %d failed; %s died", s.Served, s.Failed, number(s.Restarts, "worker"))}})
	p.columns(&out, "", rows)
	rows = nil
	for _, b := range s.BackEnds {
		state, words := cell{green, "up"}, number(b.Running, "request")+" running"
		if !b.Up {
			state, words = cell{red, "down"}, words+"; "+b.Reason
		}
		rows = append(rows, []cell{{plain, b.URL}, state, {plain, words}})
	}
	p.columns(&out, "  ", rows)
	_, err := io.WriteString(to, out.String())
	return err
}
