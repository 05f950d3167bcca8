package main

import (
	"context"
	"syscall"
	"time"

	"lubdub/internal/lab"
)

// product is a cluster program: how it is set up, and how an administrator gives it orders.
type product interface {
	// prepare writes the configuration of one node of a pair.
	prepare(h *lab.Host, nodes nodes) error
	// start starts it on a node.
	start(ctx context.Context, h *lab.Host) (*lab.Process, error)
	// stop stops it cleanly, and returns when the command does.
	stop(ctx context.Context, h *lab.Host, p *lab.Process) error
	// standby moves the service off a node.
	standby(ctx context.Context, h *lab.Host) error
	// online takes the standby back, which moves the service home.
	online(ctx context.Context, h *lab.Host) error
}

// nodes are the names of a pair: who should serve, and who stands by.
type nodes struct{ first, second string }

// times are what a product counts by.
type times struct{ keepalive, dead time.Duration }

// terminate asks a process to end, and waits until it has.
func terminate(ctx context.Context, p *lab.Process) error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.Wait(ctx)
}

// command runs a program on a host and forgets what it prints.
func command(ctx context.Context, h *lab.Host, program string, args ...string) error {
	_, err := h.Run(ctx, program, args...)
	return err
}
