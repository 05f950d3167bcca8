package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"lubdub/internal/config"
	"lubdub/internal/daemon"
)

func runCommand(w world) *cobra.Command {
	var dir, node string
	var respawn bool
	o := daemon.Options{Version: release, Build: thisBuild().short(), Stderr: w.Stderr}
	c := &cobra.Command{
		Use: "run", Short: "Be the daemon, in the foreground", Args: cobra.NoArgs,
		Long: `Run reads the configuration and keeps the cluster until it is told to end.

SIGTERM and the first Ctrl-C: hand over to the other node and leave. A second Ctrl-C: end at
once, and what runs goes on running. SIGHUP: read authkeys again. SIGQUIT: end with status 7 to be
started again, from a new binary perhaps: what runs goes on running, as after kill -9.
A configuration with errors ends it with status 6, and nobody starts it again.

With --respawn it is what systemd is elsewhere: it starts the daemon as its child and starts it
again at once when that died, until it is told to end. Signals are passed on.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if respawn {
				return w.respawn(o)
			}
			return w.run(cmd.Context(), o, dir, node)
		},
	}
	c.Flags().StringVarP(&dir, "dir", "d", w.ConfigDir, "where ha.cf, haresources and authkeys are")
	c.Flags().StringVar(&node, "node", "", "this node's name (else nodeinfo, else what uname -n prints)")
	c.Flags().StringVar(&o.StateDir, "state", w.StateDir, "what outlives the daemon")
	c.Flags().StringVar(&o.RuntimeDir, "runtime", w.RuntimeDir, "the control socket, and the proxies")
	c.Flags().BoolVar(&respawn, "respawn", false, "bring the daemon back when it dies; for machines without systemd")
	return c
}

func (w world) run(ctx context.Context, o daemon.Options, dir, node string) error {
	loaded, problems, err := w.load(dir, node)
	if err != nil {
		return err
	}
	if err := problems.Print(w.Stderr); err != nil {
		return err
	}
	if loaded == nil {
		return exit{exitConfig, w.errorsIn(problems, dir)}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ask := listen()
	defer signal.Stop(ask.signals)
	to := newOrders()
	o.Loaded, o.Leave, o.Reload, o.Again = loaded, to.leave, to.reload, to.again
	o.Load = func() (*config.Loaded, config.Problems) {
		loaded, problems, err := w.load(dir, node)
		if err != nil {
			return nil, config.Problems{{Severity: config.Error, File: dir, Words: err.Error()}}
		}
		return loaded, problems
	}
	ended := make(chan struct{})
	defer func() { <-ended }()
	defer cancel()
	go func() {
		defer close(ended)
		ask.pass(ctx, cancel, to)
	}()
	for {
		o.Proxy = newProxies(o.Loaded, o.RuntimeDir)
		err := daemon.Run(ctx, o)
		var next *daemon.Again
		switch {
		case errors.Is(err, daemon.ErrAgain):
			return exit{exitAgain, nil}
		case !errors.As(err, &next):
			return err
		}
		o.Loaded, o.Before = next.Loaded, next.Before
	}
}

// asking is how the machine and the operator ask a running daemon for something.
type asking struct{ signals chan os.Signal }

// orders are what the signals mean.
type orders struct{ leave, reload, again chan struct{} }

func newOrders() orders {
	return orders{make(chan struct{}), make(chan struct{}), make(chan struct{})}
}

// signalQueue has room for one of each kind: more of one kind ask for nothing new.
const signalQueue = 5

// listen takes what would end a program that does not. SIGPIPE means nothing: a log that nobody reads any more must not
// end the daemon.
func listen() asking {
	a := asking{make(chan os.Signal, signalQueue)}
	signal.Notify(a.signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return a
}

// pass hands each signal on as what it means, until ctx ends.
func (a asking) pass(ctx context.Context, atOnce func(), to orders) {
	leaving, again := false, false
	for {
		var s os.Signal
		select {
		case s = <-a.signals:
		case <-ctx.Done():
			return
		}
		switch {
		case s == syscall.SIGHUP:
			select {
			case to.reload <- struct{}{}:
			case <-ctx.Done():
			}
		case s == syscall.SIGQUIT:
			if !again && !leaving {
				again = true
				close(to.again)
			}
		case !leaving:
			leaving = true
			close(to.leave)
		case s == syscall.SIGINT:
			atOnce()
		}
	}
}
