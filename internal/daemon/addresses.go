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

// Where nftables holds the lease, the life-time of the address is its second
// line: a firewall that is reloaded while this daemon is frozen or dead takes
// the gate away, and nobody puts it back. Then the address itself must go by the
// time the other node takes it. It never goes before its lease does.
const (
	// lifeShare and refreshShare are the life-time of an address and the pause
	// between its renewals, in dead times. A lease runs for 0.7 of it.
	lifeShare    = 0.875
	refreshShare = 0.175
	// leastLife: the kernel counts seconds, and may be a second late to renew one.
	leastLife = 2 * time.Second
	// leastPause and mostPause bound the pause.
	leastPause = 250 * time.Millisecond
	mostPause  = 10 * time.Second
	// requestQueue is how many requests wait for the kernel.
	requestQueue = 64
)

// addresses owns the shared addresses of this machine: one goroutine adds,
// removes and restores them, so that no two of these ever cross.
type addresses struct {
	life     time.Duration // of an address; 0: given by each grant (no nftables)
	pause    time.Duration // between renewals
	requests chan func()
	ctx      context.Context
	wanted   map[netip.Addr]vip.Address
	renewed  map[netip.Addr]int64 // boot time of the last renewal
	tell     func(cluster.Input)
}

func newAddresses(ctx context.Context, deadTime time.Duration, tell func(cluster.Input)) *addresses {
	share := func(s float64) time.Duration { return time.Duration(s * float64(deadTime)) }
	return &addresses{
		life: max(leastLife, wholeSeconds(share(lifeShare))), pause: min(max(share(refreshShare), leastPause), mostPause),
		requests: make(chan func(), requestQueue), ctx: ctx,
		wanted: map[netip.Addr]vip.Address{}, renewed: map[netip.Addr]int64{}, tell: tell,
	}
}

// wholeSeconds rounds up.
func wholeSeconds(d time.Duration) time.Duration { return (d + time.Second - 1).Truncate(time.Second) }

// run carries requests out until ctx ends.
func (a *addresses) run() {
	tick := time.NewTicker(a.pause)
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
		_ = a.renew(w)
	}
}

// renew puts an address on its interface, or prolongs its life there.
func (a *addresses) renew(w vip.Address) error {
	at := vip.Boottime()
	err := vip.Add(w, a.life)
	if err == nil {
		a.renewed[w.Prefix.Addr()] = at
	}
	return err
}

// outlived says that an address went by itself: this daemon stood still for longer than its life.
func (a *addresses) outlived(addr netip.Addr) bool {
	return time.Duration(vip.Boottime()-a.renewed[addr]) >= a.life
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
			if err := a.renew(w); err != nil {
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
		cause := "was removed by another program"
		if a.outlived(addr) {
			cause = "went with its life-time, because lubdub stood still"
		}
		note := cluster.Noted{Level: cluster.Warning, Kind: "address", Words: fmt.Sprintf("%s %s, and is put back", w, cause)}
		if err := a.renew(w); err != nil {
			note.Words = fmt.Sprintf("%s %s, and cannot be put back: %v", w, cause, err)
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
