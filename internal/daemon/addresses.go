package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"lubdub/internal/cluster"
	"lubdub/internal/vip"
)

const (
	// cleanUpLife is the least life-time of an address whose lease nftables
	// holds: it only removes what a daemon that never came back left behind.
	cleanUpLife = 60 * time.Second
	// refreshPause is how often that life-time is renewed.
	refreshPause = 10 * time.Second
	// requestQueue is how many requests wait for the kernel.
	requestQueue = 64
)

// addresses owns the shared addresses of this machine: one goroutine adds,
// removes and restores them, so that no two of these ever cross.
type addresses struct {
	life     time.Duration // of an address; 0: given by each grant (no nftables)
	requests chan func()
	ctx      context.Context
	wanted   map[netip.Addr]vip.Address
	tell     func(cluster.Input)
}

func newAddresses(ctx context.Context, deadTime time.Duration, tell func(cluster.Input)) *addresses {
	return &addresses{
		life: max(cleanUpLife, 2*deadTime), requests: make(chan func(), requestQueue), ctx: ctx,
		wanted: map[netip.Addr]vip.Address{}, tell: tell,
	}
}

// run carries requests out until ctx ends.
func (a *addresses) run() {
	tick := time.NewTicker(refreshPause)
	defer tick.Stop()
	for {
		select {
		case f := <-a.requests:
			f()
		case <-tick.C:
			a.refresh()
		case <-a.ctx.Done():
			return
		}
	}
}

// refresh renews the life-time of what should be there.
func (a *addresses) refresh() {
	if a.life == 0 {
		return
	}
	for _, w := range a.wanted {
		// An interface that is away is reported by its monitor action.
		_ = vip.Add(w, a.life)
	}
}

// do hands a request over and waits until it is carried out.
func (a *addresses) do(f func() error) error {
	done := make(chan error, 1)
	select {
	case a.requests <- func() { done <- f() }:
	case <-a.ctx.Done():
		return a.ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-a.ctx.Done():
		return a.ctx.Err()
	}
}

// Add puts the addresses of a resource on their interface.
func (a *addresses) Add(r cluster.Resource) error {
	return a.do(func() error {
		for _, w := range resourceAddresses(r) {
			a.wanted[w.Prefix.Addr()] = w
			if a.life == 0 {
				continue // it comes with its grant
			}
			if err := vip.Add(w, a.life); err != nil {
				return err
			}
		}
		return nil
	})
}

// Remove takes the addresses of a resource off their interface.
func (a *addresses) Remove(r cluster.Resource) error {
	return a.do(func() error {
		for _, w := range resourceAddresses(r) {
			delete(a.wanted, w.Prefix.Addr())
			if err := vip.Remove(w); err != nil {
				return err
			}
		}
		return nil
	})
}

// Has says whether every address of a resource is on its interface.
func (a *addresses) Has(r cluster.Resource) (bool, error) {
	all := true
	err := a.do(func() error {
		for _, w := range resourceAddresses(r) {
			has, err := vip.Has(w)
			if err != nil {
				return err
			}
			if has {
				a.wanted[w.Prefix.Addr()] = w // found at start: adopted
			}
			all = all && (has || a.life == 0 && a.wanted[w.Prefix.Addr()].Prefix.IsValid())
		}
		return nil
	})
	return all, err
}

// gone puts an address back that another program removed. It does not wait.
func (a *addresses) gone(addr netip.Addr) {
	request := func() {
		w, ok := a.wanted[addr]
		if !ok || a.life == 0 {
			return
		}
		if has, err := vip.Has(w); err != nil || has {
			return
		}
		note := cluster.Noted{Level: cluster.Warning, Kind: "address",
			Words: fmt.Sprintf("%s was removed by another program, and is put back", w)}
		if err := vip.Add(w, a.life); err != nil {
			note.Words = fmt.Sprintf("%s was removed by another program, and cannot be put back: %v", w, err)
		}
		a.tell(note)
	}
	select {
	case a.requests <- request:
	default: // the monitor action will find it
	}
}

// each does something with those of the addresses that should be there. It is
// called by the goroutine of run, as there is.
func (a *addresses) each(addrs []netip.Addr, do func(vip.Address) error) error {
	for addr, w := range a.wanted {
		if !slices.Contains(addrs, addr) {
			continue
		}
		if err := do(w); err != nil {
			return err
		}
	}
	return nil
}

// there says that all of the addresses that should be there are.
func (a *addresses) there(addrs []netip.Addr) bool {
	return a.each(addrs, func(w vip.Address) error {
		if has, err := vip.Has(w); err != nil || !has {
			return errGone
		}
		return nil
	}) == nil
}

// errGone says that an address is not on its interface.
var errGone = errors.New("the address is gone")

// resourceAddresses are the addresses of a resource as they stand on an interface.
func resourceAddresses(r cluster.Resource) []vip.Address {
	var all []vip.Address
	for _, p := range r.Addresses {
		all = append(all, vip.Address{Prefix: p, Interface: r.Interface, Label: r.Label, Broadcast: r.Broadcast})
	}
	return all
}

// sweep removes what carries our mark and belongs to no address of the
// configuration (rule B3).
func sweep(cfg cluster.Config) ([]vip.Address, error) {
	known := map[netip.Addr]bool{}
	for _, g := range cfg.Groups {
		for _, r := range g.Resources {
			for _, p := range r.Addresses {
				known[p.Addr()] = true
			}
		}
	}
	marked, err := vip.Marked()
	if err != nil {
		return nil, err
	}
	var swept []vip.Address
	for _, a := range marked {
		if known[a.Prefix.Addr()] {
			continue
		}
		if err := vip.Remove(a); err != nil {
			return swept, err
		}
		swept = append(swept, a)
	}
	return swept, nil
}
