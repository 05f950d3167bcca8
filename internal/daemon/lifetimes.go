package daemon

import (
	"context"
	"net/netip"
	"time"

	"lubdub/internal/cluster"
	"lubdub/internal/vip"
)

// lifetimes enforces the lease where the kernel has no nftables: by the
// life-time of the address itself, in whole seconds, rounded down. It has no
// gate: an address is there or not, so quiet means that it is away. What rule
// K2's ticket does is done by reading the clock beside the write, which leaves
// the freeze between the two unguarded: docs/protocol.md says so.
type lifetimes struct {
	addresses *addresses
	report    func(vip.Result)
	slots     map[string]chan request // by group
}

// request is a grant, or a revocation.
type request struct {
	vip.Grant
	revoke bool
}

func newLifetimes(cfg cluster.Config, a *addresses, report func(vip.Result)) *lifetimes {
	l := &lifetimes{addresses: a, report: report, slots: map[string]chan request{}}
	for _, g := range cfg.Groups {
		l.slots[g.Name] = make(chan request, 1)
	}
	return l
}

// run carries out what is asked for one group, until ctx ends.
func (l *lifetimes) run(ctx context.Context, slot <-chan request) {
	var quietEnd int64 // of a quiet grant: until then its absence is no lapse
	for {
		select {
		case r := <-slot:
			l.report(l.carryOut(r, &quietEnd))
		case <-ctx.Done():
			return
		}
	}
}

// Set hands a grant over: the newest of a group wins. It does not wait.
func (l *lifetimes) Set(g vip.Grant) { l.put(g.Key, request{Grant: g}) }

// Revoke hands a revocation over. It does not wait.
func (l *lifetimes) Revoke(key string, seq int64, addrs []netip.Addr) {
	l.put(key, request{Grant: vip.Grant{Key: key, Seq: seq, Addresses: addrs}, revoke: true})
}

func (l *lifetimes) put(key string, r request) {
	slot := l.slots[key]
	select {
	case <-slot: // an older one that was not carried out
	default:
	}
	slot <- r // the loop alone puts, so there is room
}

func (l *lifetimes) carryOut(r request, quietEnd *int64) vip.Result {
	out := vip.Result{Op: vip.OpGrant, Key: r.Key, Seq: r.Seq}
	if r.revoke {
		out.Op = vip.OpRevoke
	}
	out.Err = l.addresses.do(func() error {
		if r.revoke || r.Quiet {
			*quietEnd = r.Until
			return l.addresses.each(r.Addresses, vip.Remove)
		}
		now := vip.Boottime()
		life := time.Duration(r.Until - now).Truncate(time.Second)
		switch {
		case life <= 0 || r.NotAfter != 0 && now > r.NotAfter:
			out.Void = true
			return nil
		case !r.Fresh && now >= *quietEnd && !l.addresses.there(r.Addresses):
			out.Lapsed = true
			return nil
		}
		return l.addresses.each(r.Addresses, func(a vip.Address) error { return vip.Add(a, life) })
	})
	out.OK = out.Err == nil && !out.Void && !out.Lapsed
	out.At = vip.Boottime()
	return out
}

// Close leaves the addresses to their life-times.
func (l *lifetimes) Close() error { return nil }

// Remove has nothing to take away.
func (l *lifetimes) Remove() error { return nil }
