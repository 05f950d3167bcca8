package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// section is a heading of the help, and the commands under it.
type section struct {
	id, title string
	commands  []func(world) *cobra.Command
}

// table lists all commands.
func table() []section {
	return []section{
		{"setup", "To try it and to set it up:", []func(world) *cobra.Command{demoCommand, initCommand, checkCommand, syncCommand, alertCommand, runCommand}},
		{"look", "To see how things are:", []func(world) *cobra.Command{statusCommand, whyCommand, eventsCommand}},
		{"order", "To give orders:", []func(world) *cobra.Command{standbyCommand, onlineCommand, moveCommand, restartCommand, cleanupCommand, maintenanceCommand, reloadCommand, fenceCommand}},
		{"other", "Besides:", []func(world) *cobra.Command{proxyCommand, versionCommand}},
	}
}

// The exit status of every command but status.
const (
	exitDone   = 0
	exitFailed = 1 // or refused
	exitMisuse = 2
	exitConfig = 6 // run: the configuration has errors; as Heartbeat
	exitAgain  = 7 // run: it was told to end and to be started again
)

// exit is an error that ends the program with a status of its own. Without an
// error inside nothing more is printed.
type exit struct {
	code int
	err  error
}

func (e exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e exit) Unwrap() error { return e.err }

// misuse is an error in the command line itself.
func misuse(format string, args ...any) error {
	return exit{exitMisuse, fmt.Errorf(format, args...)}
}

// execute runs the command line of the world and returns the exit status.
func execute(ctx context.Context, w world) int {
	root := newRoot(w)
	// Until a command has begun, whatever is wrong is wrong with its command line.
	began := false
	explain(root)
	note(root, &began)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	code := exitFailed
	var e exit
	switch {
	case errors.As(err, &e):
		code = e.code
	case !began:
		code = exitMisuse
	}
	if err.Error() == "" {
		return code
	}
	fmt.Fprintf(w.Stderr, "lubdub: %s\n", err)
	if code == exitMisuse {
		fmt.Fprintf(w.Stderr, "see: %s --help\n", cmd.CommandPath())
	}
	return code
}

// note sets began when any of the commands below parent begins.
func note(parent *cobra.Command, began *bool) {
	for _, c := range parent.Commands() {
		note(c, began)
		if run := c.RunE; run != nil {
			c.RunE = func(cmd *cobra.Command, args []string) error {
				*began = true
				return run(cmd, args)
			}
		}
	}
}

func newRoot(w world) *cobra.Command {
	root := &cobra.Command{
		Use:   "lubdub",
		Short: "One service, two servers, one heartbeat",
		Long: `lubdub keeps one service up on two Linux servers. It moves a shared address and the
programs behind it from a node that failed to the node that lives.

New here? 'lubdub demo' shows it on this one machine; 'lubdub init' writes the three files.`,
		Version:       release,
		SilenceErrors: true, SilenceUsage: true, // execute says it once
	}
	root.SetArgs(w.Args)
	root.SetIn(w.Stdin)
	root.SetOut(w.Stdout)
	root.SetErr(w.Stderr)
	for _, s := range table() {
		root.AddGroup(&cobra.Group{ID: s.id, Title: s.title})
		for _, make := range s.commands {
			c := make(w)
			c.GroupID = s.id
			root.AddCommand(c)
		}
	}
	root.SetHelpCommandGroupID("other")
	root.SetCompletionCommandGroupID("other")
	return root
}
