package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"lubdub/internal/lab"
)

func (n *night) kill(_ context.Context, h happening) (undo, error) {
	pids, err := n.victims(h.node)
	if err != nil {
		return nil, err
	}
	n.wanted[h.node] = false
	return func(ctx context.Context) error { return n.start(ctx, h.node) }, sendAll(pids, syscall.SIGKILL)
}

func (n *night) hang(_ context.Context, h happening) (undo, error) {
	pids, err := n.victims(h.node)
	if err != nil {
		return nil, err
	}
	return func(context.Context) error { return sendAll(pids, syscall.SIGCONT) }, sendAll(pids, syscall.SIGSTOP)
}

// sendAll sends a signal to processes; one that has ended needs none.
func sendAll(pids []int, s syscall.Signal) error {
	var errs []error
	for _, pid := range pids {
		if err := syscall.Kill(pid, s); !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (n *night) pause(_ context.Context, h happening) (undo, error) {
	host := n.lab.Host(h.node)
	return func(context.Context) error { return host.Thaw() }, host.Freeze()
}

func (n *night) power(_ context.Context, h happening) (undo, error) {
	return func(ctx context.Context) error { return n.boot(ctx, h.node) }, n.switchOff(h.node)
}

func (n *night) powerBoth(_ context.Context, _ happening) (undo, error) {
	err := errors.Join(n.switchOff(owner), n.switchOff(other))
	return func(ctx context.Context) error {
		if err := errors.Join(n.switchOn(ctx, owner), n.switchOn(ctx, other)); err != nil {
			return err
		}
		return errors.Join(n.start(ctx, owner), n.start(ctx, other))
	}, err
}

// lateBoot is how long the first machine is without power.
const lateBoot = 500 * time.Millisecond

func (n *night) powerLate(ctx context.Context, h happening) (undo, error) {
	err := errors.Join(n.switchOff(owner), n.switchOff(other))
	err = errors.Join(err, pause(ctx, lateBoot), n.boot(ctx, peerOf(h.node)))
	return func(ctx context.Context) error { return n.boot(ctx, h.node) }, err
}

func peerOf(node string) string {
	if node == owner {
		return other
	}
	return owner
}

// full fills the file system of a node's state.
func (n *night) full(_ context.Context, h happening) (undo, error) {
	filler := filepath.Join(n.stateDir(h.node), "filler")
	f, err := os.Create(filler)
	if err != nil {
		return nil, err
	}
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	if errors.Is(err, syscall.ENOSPC) {
		err = nil
	}
	return func(context.Context) error { return os.Remove(filler) }, errors.Join(err, f.Close())
}

// hogs is how many processes eat the cores.
const hogs = 4

func (n *night) hog(_ context.Context, h happening) (undo, error) {
	var all []*lab.Process
	end := func(context.Context) error {
		for _, p := range all {
			p.Kill()
		}
		return nil
	}
	for range hogs {
		p, err := n.lab.Host(h.node).Start("sh", "-c", "while :; do :; done")
		if err != nil {
			return end, err
		}
		all = append(all, p)
		n.ours[h.node] = append(n.ours[h.node], p.Pid())
	}
	return end, nil
}

func (n *night) stranger(ctx context.Context, _ happening) (undo, error) {
	h := n.lab.Host(intruder)
	eth, _ := h.Interface(front)
	return func(ctx context.Context) error {
			return command(ctx, h, "ip", "address", "del", shared+"/24", "dev", eth)
		},
		command(ctx, h, "ip", "address", "add", shared+"/24", "dev", eth)
}

func (n *night) gateway(context.Context, happening) (undo, error) {
	return func(context.Context) error { return n.lab.Plug(front, gateway) }, n.lab.Unplug(front, gateway)
}

func (n *night) standby(ctx context.Context, h happening) (undo, error) {
	host := n.lab.Host(h.node)
	return func(ctx context.Context) error { return n.who.product.online(ctx, host) }, n.who.product.standby(ctx, host)
}

func (n *night) move(ctx context.Context, h happening) (undo, error) {
	return func(context.Context) error { return nil }, command(ctx, n.lab.Host(h.node), n.who.binary, "move", "web")
}

func unplug(network string) deed {
	return func(n *night, _ context.Context, h happening) (undo, error) {
		return func(context.Context) error { return n.lab.Plug(network, h.node) }, n.lab.Unplug(network, h.node)
	}
}

func down(network string) deed {
	return func(n *night, ctx context.Context, h happening) (undo, error) {
		host := n.lab.Host(h.node)
		eth, _ := host.Interface(network)
		return func(ctx context.Context) error {
			if !n.powered[h.node] {
				return nil // it comes up when the machine boots
			}
			return command(ctx, host, "ip", "link", "set", eth, "up")
		}, command(ctx, host, "ip", "link", "set", eth, "down")
	}
}

func (n *night) isolate(context.Context, happening) (undo, error) {
	return func(context.Context) error {
			return errors.Join(n.lab.Rejoin(front, owner), n.lab.Rejoin(front, other))
		},
		errors.Join(n.lab.Isolate(front, owner), n.lab.Isolate(front, other))
}

func (n *night) split(ctx context.Context, h happening) (undo, error) {
	f := lab.Fault{Network: cable}
	rejoin, err := n.isolate(ctx, h)
	return func(ctx context.Context) error { return errors.Join(rejoin(ctx), n.lab.Heal(f)) }, errors.Join(err, n.lab.Cut(f))
}

// slowest is the longest time that the slow cable holds a frame back: not far below the dead time.
const slowest = 1500 * time.Millisecond

func (n *night) delay(_ context.Context, h happening) (undo, error) {
	end, err := n.lab.Delay(lab.Delay{Network: cable, Least: 0, Most: slowest, Seed: n.seed + uint64(h.at)})
	if err != nil {
		return nil, err
	}
	return func(context.Context) error { return end() }, nil
}

// dropped are the frames that a fault takes out of the networks.
func (n *night) dropped(h happening) (all []lab.Fault) {
	only := ""
	if h.kind.drops == "beats" {
		only = n.who.beats
	}
	for _, one := range h.kind.harms {
		if one.out {
			all = append(all, lab.Fault{Network: one.network, From: h.node, Percent: h.percent, Only: only})
		}
		if one.in {
			all = append(all, lab.Fault{Network: one.network, To: h.node, Percent: h.percent, Only: only})
		}
	}
	return all
}

func (n *night) drop(h happening) (undo, error) {
	var cuts []lab.Fault
	end := func(context.Context) error {
		var errs []error
		for _, f := range cuts {
			errs = append(errs, n.lab.Heal(f))
		}
		return errors.Join(errs...)
	}
	for _, f := range n.dropped(h) {
		if err := n.lab.Cut(f); err != nil {
			return end, err
		}
		cuts = append(cuts, f)
	}
	return end, nil
}
