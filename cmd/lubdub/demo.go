package main

import (
	"os"

	"github.com/spf13/cobra"

	"lubdub/internal/demo"
)

func demoCommand(w world) *cobra.Command {
	var interactive bool
	o := demo.Options{Out: w.Stdout, Colour: bool(w.painter())}
	c := &cobra.Command{
		Use: "demo", Short: "Show fail-overs on this one machine", Args: cobra.NoArgs,
		Long: `Demo makes two nodes, a front network, a cross-over cable, a web server and a client in network
namespaces of their own, runs lubdub on both nodes with the tutorial's files, and breaks things
while the client keeps asking. It takes under a minute, touches nothing of this machine and leaves
nothing behind. It runs as root, or without where the kernel allows user namespaces.

It ends with 0 only when every step did what it must, by the client's and an ARP prober's evidence.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if interactive {
				in, ok := w.Stdin.(*os.File)
				if !ok {
					return misuse("--interactive needs a terminal or a pipe to read commands from")
				}
				o.Interactive = in
			}
			return demo.Run(cmd.Context(), o)
		},
	}
	c.Flags().BoolVarP(&interactive, "interactive", "i", false, "after the steps, pull cables and power yourself")
	c.Flags().StringVar(&o.Logs, "logs", "", "a directory to keep the daemons' logs in")
	return c
}
