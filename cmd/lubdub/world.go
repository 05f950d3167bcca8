package main

import (
	"context"
	"io"
	"net/netip"
	"time"

	"lubdub/internal/vip"
)

// world is what a command may see and touch. main makes the real one, a test its own.
type world struct {
	Args           []string // without the program's name
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	TerminalIn     bool // Stdin is a terminal: questions can be asked
	TerminalOut    bool // Stdout is a terminal: colour, and redrawing
	Getenv         func(string) string
	Random         io.Reader     // bytes that nobody can guess
	Patience       time.Duration // how long the daemon may take for an answer

	// The usual places; flags name others.
	ConfigDir, StateDir, RuntimeDir string

	// What is asked of this machine and its network.
	Hostname   func() (string, error)
	Interfaces func() ([]vip.Interface, error)
	Probe      func(ctx context.Context, iface string, addr netip.Addr) (vip.ProbeResult, error)
}
