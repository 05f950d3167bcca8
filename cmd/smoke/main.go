package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"lubdub/internal/config"
	"lubdub/internal/daemon"
	"lubdub/internal/vip"
)

func main() {
	ifs, _ := vip.Interfaces()
	var cis []config.Interface
	for _, i := range ifs {
		cis = append(cis, config.Interface{Name: i.Name, Prefixes: i.Subnets()})
		c := &cis[len(cis)-1]
		c.Prefixes = nil
		for _, a := range i.Addresses {
			c.Prefixes = append(c.Prefixes, a.Prefix)
		}
	}
	l, ps := config.Load(os.Args[1], config.Options{Node: os.Args[2], Interfaces: cis})
	ps.Print(os.Stderr)
	if l == nil {
		os.Exit(6)
	}
	leave := make(chan struct{})
	sig := make(chan os.Signal, 1)
	signal.Notify(sig, syscall.SIGTERM)
	go func() { <-sig; close(leave) }()
	err := daemon.Run(context.Background(), daemon.Options{Loaded: l, StateDir: os.Args[3] + "/state", RuntimeDir: os.Args[3] + "/run", Stderr: os.Stderr, Leave: leave})
	fmt.Fprintln(os.Stderr, "end:", err)
}
