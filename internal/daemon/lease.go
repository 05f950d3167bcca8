package daemon

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"lubdub/internal/cluster"
	"lubdub/internal/vip"
)

// ticketShare is the time-out of a ticket in keepalives (rule K2). It bounds by
// how much a write that met a freeze can outlast its entitlement.
const ticketShare = 0.4

// lessor enforces the lease: the kernel's nftables, or life-times of addresses.
type lessor interface {
	Set(vip.Grant)
	Revoke(key string, seq int64, addrs []netip.Addr)
	Close() error
	Remove() error
}

// leases turns the core's entitlements into writes, and their results into inputs.
type leases struct {
	lessor
	addresses map[string][]netip.Addr // by group
	name      string                  // what enforces it
	managed   chan struct{}           // closed when the addresses are gated
}

// openLeases opens the kernel's lease and gates every shared address. It
// returns what the kernel still grants, by address.
func openLeases(ctx context.Context, cfg cluster.Config, report func(vip.Result)) (*leases, map[netip.Addr]vip.Held, error) {
	ls := &leases{addresses: map[string][]netip.Addr{}, name: "nftables", managed: make(chan struct{})}
	var all []netip.Addr
	for _, g := range cfg.Groups {
		for _, r := range g.Resources {
			for _, a := range r.Addresses {
				ls.addresses[g.Name] = append(ls.addresses[g.Name], a.Addr())
				all = append(all, a.Addr())
			}
		}
	}
	done := make(chan vip.Result, 1)
	lease, err := vip.OpenLease(vip.LeaseOptions{
		Ticket: time.Duration(ticketShare * float64(cfg.Keepalive)),
		Report: func(r vip.Result) {
			if r.Op == vip.OpManage {
				select {
				case done <- r:
				default:
				}
				return
			}
			report(r)
		},
	})
	if errors.Is(err, vip.ErrNoNftables) {
		return nil, nil, err
	}
	if err != nil {
		return nil, nil, err
	}
	ls.lessor = lease
	held, err := lease.Remaining()
	if err != nil {
		return nil, nil, errors.Join(err, lease.Close())
	}
	lease.Manage(1, all)
	select {
	case r := <-done:
		if r.Err != nil {
			return nil, nil, errors.Join(r.Err, lease.Close())
		}
	case <-ctx.Done():
		return nil, nil, errors.Join(ctx.Err(), lease.Close())
	}
	return ls, held, nil
}

// entitle hands an entitlement over. It does not wait.
func (ls *leases) entitle(e cluster.Entitle) {
	if e.Until == 0 {
		ls.Revoke(e.Group, int64(e.Seq), ls.addresses[e.Group])
		return
	}
	ls.Set(vip.Grant{Key: e.Group, Seq: int64(e.Seq), Addresses: ls.addresses[e.Group], Quiet: e.Quiet,
		Until: int64(e.Until), NotAfter: int64(e.NotAfter), Fresh: e.Fresh})
}

// leased turns the kernel's answer into an input.
func leased(r vip.Result) cluster.Leased {
	in := cluster.Leased{Group: r.Key, Seq: uint64(r.Seq)}
	switch {
	case r.OK:
	case r.Lapsed:
		in.State = cluster.Lapsed
	case r.Void:
		in.State = cluster.Void
	default:
		in.State = cluster.Unwritten
	}
	if r.Err != nil {
		in.Err = r.Err.Error()
	}
	return in
}

// lifetimes enforces the lease where the kernel has no nftables: by the
// life-time of the address itself, in whole seconds. Quiet means that the
// address is away. It has no gate: an address is there or not.
type lifetimes struct {
	report    func(vip.Result)
	addresses *addresses
}

func (l *lifetimes) Set(g vip.Grant) {
	now := vip.Boottime()
	r := vip.Result{Op: vip.OpGrant, Key: g.Key, Seq: g.Seq, At: now}
	life := time.Duration(g.Until - now).Truncate(time.Second)
	switch {
	case life <= 0 || g.NotAfter != 0 && now > g.NotAfter:
		r.Void = true
		l.report(r)
	case g.Quiet:
		l.addresses.withhold(g.Addresses, func(err error) { r.OK, r.Err = err == nil, err; l.report(r) })
	default:
		l.addresses.prolong(g.Addresses, life, func(err error) { r.OK, r.Err = err == nil, err; l.report(r) })
	}
}

func (l *lifetimes) Revoke(key string, seq int64, addrs []netip.Addr) {
	l.addresses.withhold(addrs, func(err error) {
		l.report(vip.Result{Op: vip.OpRevoke, Key: key, Seq: seq, OK: err == nil, Err: err, At: vip.Boottime()})
	})
}

func (l *lifetimes) Close() error { return nil }

func (l *lifetimes) Remove() error { return nil }
