package vip

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// drain is what the kernel was told to hand on to an old owner.
type drain struct {
	old   MAC
	until int64
}

func (d drain) elements(a netip.Addr) []element {
	f := drainFamilyOf(a)
	return []element{f.oldElement(a), f.backElement(a, d.old)}
}

// plainFronts names the interfaces by addresses as plain makes them.
func plainFronts(interfaces map[netip.Addr]string) map[netip.Addr]string {
	out := make(map[netip.Addr]string, len(interfaces))
	for a, name := range interfaces {
		if name != "" {
			out[a.Unmap().WithZone("")] = name
		}
	}
	return out
}

// fronts returns the interfaces of a grant's addresses, each once.
func (w *leaseWriter) fronts(g Grant) []string {
	var names []string
	for _, a := range g.Addresses {
		if name := w.opts.Interfaces[a]; name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// startDrains puts a grant's drain into the batch and returns how long it lasts; 0: there is none. The chains go with it, for
// an interface that went and came back has lost its own.
func (w *leaseWriter) startDrains(b *batch, g Grant) time.Duration {
	fronts := w.fronts(g)
	if g.Drain == (MAC{}) || g.Quiet || g.DrainFor < minLife || len(fronts) == 0 {
		return 0
	}
	life := min(g.DrainFor, maxDrain)
	b.under(forDrain, func() {
		b.putDrain(fronts)
		for _, a := range g.Addresses {
			b.putOld(a, g.Drain, life)
		}
	})
	return life
}

// endDrains takes a running drain out: of a node that gives the address away itself, or before another one begins. Two
// nodes that each take the other for the old owner would play ball.
func (w *leaseWriter) endDrains(b *batch, g Grant, now int64) {
	if !g.Quiet && g.Drain == (MAC{}) {
		return
	}
	for _, a := range g.Addresses {
		d, ok := w.drains[a]
		if !ok || d.until < now {
			continue
		}
		for _, e := range d.elements(a) {
			b.remove(e, forDrainEnd)
		}
	}
}

// keepDrains remembers what a written grant did to the drains.
func (w *leaseWriter) keepDrains(g Grant, now int64, life time.Duration) {
	for _, a := range g.Addresses {
		if g.Quiet {
			delete(w.drains, a)
		}
		if life > 0 {
			w.drains[a] = drain{old: g.Drain, until: now + int64(life)}
		}
	}
	if life > 0 {
		w.tell(w.fronts(g), nil)
	}
}

// learnDrains reads what runs from a daemon before this one.
func (w *leaseWriter) learnDrains() error {
	w.drains = make(map[netip.Addr]drain)
	now := w.opts.Now()
	for _, f := range []drainFamily{drain4(), drain6()} {
		keys, err := w.gate.list(f.back)
		var no unix.Errno
		if errors.As(err, &no) {
			return nil // a kernel without drains
		}
		if err != nil {
			return err
		}
		for key, left := range keys {
			if a, ok := netip.AddrFromSlice([]byte(key)[:f.old.size]); ok {
				w.drains[a] = drain{old: MAC([]byte(key)[f.old.size:][:6]), until: now + int64(left)}
			}
		}
	}
	return nil
}

// installDrains prepares every interface, so that a drain finds all that it needs in place. A drain that ran when
// another program wiped our table is not put back: what has begun here since then is forgotten, and would be cut.
func (w *leaseWriter) installDrains() {
	names := slices.Collect(maps.Values(w.opts.Interfaces))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		b := w.gate.begin()
		b.putDrain([]string{name})
		w.tell([]string{name}, w.gate.run(b))
	}
}

// tell reports that drains are not possible on these interfaces, once until err is nil again.
func (w *leaseWriter) tell(interfaces []string, err error) {
	for _, name := range interfaces {
		if err != nil && !w.told[name] {
			w.opts.Undrained(fmt.Errorf("prepare interface %s to drain connections: %w; a planned move will cut them: look whether "+
				"the interface exists and the kernel has module nft_fwd_netdev", name, err))
		}
		w.told[name] = err != nil
	}
}

// removeDrains takes our table of family netdev away. A kernel that does not know the family has none.
func (g *gate) removeDrains() error {
	b := g.begin()
	b.putNoTable(unix.NFPROTO_NETDEV)
	err := g.run(b)
	var r *refusal
	if errors.As(err, &r) && r.has(unix.EOPNOTSUPP, unix.EAFNOSUPPORT) {
		return nil
	}
	return err
}
