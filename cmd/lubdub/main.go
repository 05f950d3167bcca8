package main

import (
	"context"
	"crypto/rand"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"lubdub/internal/lab"
	"lubdub/internal/vip"
)

func main() {
	lab.Child() // the demo starts this same program for the machines of its lab
	os.Exit(execute(context.Background(), realWorld()))
}

// patience is how long a person waits for an answer of the daemon. It takes
// microseconds, and says after five seconds that it is stuck.
const patience = 10 * time.Second

func realWorld() world {
	return world{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		TerminalIn: isTerminal(os.Stdin), TerminalOut: isTerminal(os.Stdout),
		Getenv: os.Getenv, Random: rand.Reader, Patience: patience,
		ConfigDir: "/etc/ha.d", StateDir: "/var/lib/lubdub", RuntimeDir: "/run/lubdub",
		Hostname: os.Hostname, Interfaces: vip.Interfaces, Probe: probe,
	}
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// Three probes, as RFC 5227 has it. A station in the same network answers within
// a few milliseconds; a sleepy one is given this gap.
const (
	probeCount = 3
	probeGap   = 200 * time.Millisecond
)

// probe asks the network behind an interface whether somebody holds an address.
func probe(ctx context.Context, iface string, addr netip.Addr) (vip.ProbeResult, error) {
	front, err := vip.OpenFront(iface)
	if err != nil {
		return vip.ProbeResult{}, err
	}
	defer front.Close()
	return front.Probe(ctx, vip.Query{Address: addr, Count: probeCount, Gap: probeGap})
}
