package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"lubdub/internal/api"
)

// The exit status of status, as the LSB has it for init scripts.
const (
	exitNotRunning = 3
	exitNotKnown   = 4
)

// redraw is how often --watch looks.
const redraw = time.Second

// shown says how the status is printed.
type shown struct {
	asJSON, line, nagios, watch bool
}

func statusCommand(w world) *cobra.Command {
	var how shown
	var runtime string
	c := &cobra.Command{
		Use: "status", Short: "Say how things stand, and what comes next", Args: cobra.NoArgs,
		Long: `The first line says it all; below it stand nodes, links, groups with their resources, how well the
address is protected, and what should be mended.

It ends with 0 when lubdub runs here, 3 when it does not, 4 when that is not known. With --nagios it
prints one line and ends with 0 good, 1 warning, 2 critical, 3 not known.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			daemon := w.asker(runtime)
			switch {
			case how.watch:
				return w.watch(cmd.Context(), daemon, how)
			case how.nagios:
				return w.nagios(cmd.Context(), daemon)
			}
			s, err := daemon.status(cmd.Context())
			if err != nil {
				return notKnown(err)
			}
			return w.printStatus(s, how)
		},
	}
	c.Flags().StringVar(&runtime, "runtime", w.RuntimeDir, "where the daemon's control socket is")
	c.Flags().BoolVarP(&how.line, "line", "1", false, "the first line only")
	c.Flags().BoolVar(&how.asJSON, "json", false, "for programs")
	c.Flags().BoolVar(&how.nagios, "nagios", false, "as a Nagios plugin")
	c.Flags().BoolVar(&how.watch, "watch", false, "look again each second, until Ctrl-C")
	c.MarkFlagsMutuallyExclusive("line", "json", "nagios")
	c.MarkFlagsMutuallyExclusive("watch", "json", "nagios")
	return c
}

// notKnown turns what kept us from asking into an exit status of the LSB.
func notKnown(err error) error {
	if errors.Is(err, api.ErrNotRunning) {
		return exit{exitNotRunning, err}
	}
	return exit{exitNotKnown, err}
}

func (w world) printStatus(s api.Status, how shown) error {
	if how.asJSON {
		return printJSON(w.Stdout, s)
	}
	_, err := io.WriteString(w.Stdout, w.statusText(s, how))
	return err
}

func (w world) statusText(s api.Status, how shown) string {
	if how.line {
		return visible(s.Sentence) + "\n"
	}
	return w.painter().status(s)
}

// watch draws the status again and again. Where there is no terminal it prints one after the other.
func (w world) watch(ctx context.Context, daemon asker, how shown) error {
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	for {
		text := ""
		s, err := daemon.status(ctx)
		if err != nil {
			text = visible(err.Error()) + "\n"
		} else {
			text = w.statusText(s, how)
		}
		if w.TerminalOut {
			text = clear + text
		}
		if _, err := fmt.Fprint(w.Stdout, text); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// clear tells a terminal to go home and forget what it showed (ECMA-48: CUP, ED).
const clear = "\x1b[H\x1b[2J"
