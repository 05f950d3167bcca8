package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"lubdub/internal/lab"
)

const (
	// costSpan is how long the daemons are watched.
	costSpan = time.Minute
	// warmUp is left out: start, membership, first take-over.
	warmUp = 10 * time.Second
	// tick is the unit of /proc/PID/stat.
	tick = 10 * time.Millisecond
)

// usage is what the processes of one product use on one host.
type usage struct {
	cpu   time.Duration
	rss   int // KiB
	names []string
}

// measured is a product in the cost's lab, where each has a network and a pair of hosts of its own.
type measured struct {
	name string
	product
	anchors       [2]int // a process on each host that says where it is
	before, after [2]usage
}

// cost measures the daemons side by side: at this pace they are idle nearly all the time.
func (r report) cost(ctx context.Context, w wishes) error {
	calm := times{250 * time.Millisecond, 2 * time.Second}
	all := []*measured{{name: "lubdub", product: ours{w.binary, calm, false}}, {name: "lubdub and its proxy", product: ours{w.binary, calm, true}},
		{name: "Heartbeat", product: heartbeat{calm}}, {name: "keepalived", product: keepalived{calm.keepalive, leaveFault}}}
	load := loadAverage()
	if err := watch(ctx, filepath.Join(w.dir, "cost"), all); err != nil {
		return err
	}
	r.printf("\n## What a daemon costs\n\nOne node's processes at a keepalive of 250 ms, over %v without a client: utime + stime, and VmRSS summed over the processes. Load average before: %s.\n\n",
		costSpan, load)
	r.printf("| product | node | CPU, %% of a core | RSS, MiB | processes |\n| --- | --- | --- | --- | --- |\n")
	for _, p := range all {
		for n, name := range []string{"owner", "other"} {
			u := p.after[n]
			r.printf("| %s | %s | %.2f | %.1f | %s |\n", p.name, name, 100*(u.cpu-p.before[n].cpu).Seconds()/costSpan.Seconds(), float64(u.rss)/1024,
				strings.Join(u.names, " "))
		}
	}
	return nil
}

// watch runs each product on two hosts, and notes what its processes have used before and after the span.
func watch(ctx context.Context, dir string, all []*measured) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var networks []lab.Network
	for i := range all {
		n := pairNames(i)
		networks = append(networks,
			lab.Network{Name: fmt.Sprintf("front%d", i), Ports: []string{n.first + " 192.0.2.11/24", n.second + " 192.0.2.12/24"}},
			lab.Network{Name: fmt.Sprintf("cable%d", i), Ports: []string{n.first + " 10.0.0.1/24", n.second + " 10.0.0.2/24"}, CrossOver: true})
	}
	l, err := lab.New(dir, networks...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	for i, p := range all {
		if err := p.begin(ctx, l, pairNames(i)); err != nil {
			return err
		}
	}
	if err := pause(ctx, warmUp); err != nil {
		return err
	}
	for _, p := range all {
		if p.before, err = p.read(); err != nil {
			return err
		}
	}
	if err := pause(ctx, costSpan); err != nil {
		return err
	}
	for _, p := range all {
		if p.after, err = p.read(); err != nil {
			return err
		}
		for n := range p.after {
			if b, a := p.before[n].names, p.after[n].names; len(a) == 0 || !slices.Equal(a, b) {
				return fmt.Errorf("the processes of %s changed from %v to %v", p.name, b, a)
			}
		}
	}
	return nil
}

// pairNames are the hosts of a product in the cost's lab.
func pairNames(i int) nodes { return nodes{fmt.Sprintf("first%d", i), fmt.Sprintf("second%d", i)} }

// begin starts the product on its hosts.
func (p *measured) begin(ctx context.Context, l *lab.Lab, n nodes) error {
	for i, name := range []string{n.first, n.second} {
		h := l.Host(name)
		anchor, err := h.Start("sleep", "infinity")
		if err != nil {
			return err
		}
		p.anchors[i] = anchor.Pid()
		if err := p.prepare(h, n); err != nil {
			return err
		}
		if _, err := p.start(ctx, h); err != nil {
			return err
		}
	}
	return nil
}

// read adds up what the product's processes have used on both hosts.
func (p *measured) read() (u [2]usage, err error) {
	for i, anchor := range p.anchors {
		if u[i], err = readUsage(anchor); err != nil {
			return u, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return u, nil
}

// readUsage adds up the processes of the anchor's host, without the anchor and the host's init.
func readUsage(anchor int) (usage, error) {
	pids, err := neighbours(anchor)
	if err != nil {
		return usage{}, err
	}
	var u usage
	for _, pid := range pids {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return u, err
		}
		fields := statusFields(string(status))
		inside := fields["NSpid"]
		if pid == anchor || inside[len(inside)-1] == "1" {
			continue
		}
		kib, err := strconv.Atoi(fields["VmRSS"][0])
		if err != nil {
			return u, err
		}
		cpu, err := cpuTime(pid)
		if err != nil {
			return u, err
		}
		u.cpu += cpu
		u.rss += kib
		u.names = append(u.names, fields["Name"][0])
	}
	return u, nil
}

// statusFields are the lines of /proc/PID/status.
func statusFields(text string) map[string][]string {
	fields := map[string][]string{}
	for line := range strings.Lines(text) {
		key, rest, _ := strings.Cut(line, ":")
		fields[key] = strings.Fields(rest)
	}
	return fields
}

// The places of utime and stime in /proc/PID/stat, counted behind the name.
const utime, stime = 11, 12

func cpuTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var total time.Duration
	for _, i := range []int{utime, stime} {
		n, err := strconv.Atoi(fields[i])
		if err != nil {
			return 0, err
		}
		total += time.Duration(n) * tick
	}
	return total, nil
}
