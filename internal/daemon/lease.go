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
	fronts    map[netip.Addr]string   // the interface of each address
	name      string                  // what enforces it
}

func newLeases(cfg cluster.Config, name string) *leases {
	ls := &leases{addresses: map[string][]netip.Addr{}, fronts: map[netip.Addr]string{}, name: name}
	for _, g := range cfg.Groups {
		for _, r := range g.Resources {
			for _, a := range r.Addresses {
				ls.addresses[g.Name] = append(ls.addresses[g.Name], a.Addr())
				if r.Interface != "" {
					ls.fronts[a.Addr()] = r.Interface
				}
			}
		}
	}
	return ls
}

// every are all shared addresses.
func (ls *leases) every() []netip.Addr {
	var all []netip.Addr
	for _, addrs := range ls.addresses {
		all = append(all, addrs...)
	}
	return all
}

// openLeases opens the kernel's lease and gates every shared address. It
// returns what the kernel still grants, by address.
func openLeases(ctx context.Context, cfg cluster.Config, report func(vip.Result), undrained func(error)) (*leases, map[netip.Addr]vip.Held, error) {
	ls := newLeases(cfg, "nftables")
	done := make(chan vip.Result, 1)
	lease, err := vip.OpenLease(vip.LeaseOptions{
		Ticket:     time.Duration(ticketShare * float64(cfg.Keepalive)),
		Interfaces: ls.fronts,
		Undrained:  undrained,
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
	if err != nil {
		return nil, nil, err
	}
	ls.lessor = lease
	held, err := lease.Remaining()
	if err != nil {
		return nil, nil, errors.Join(err, lease.Close())
	}
	lease.Manage(1, ls.every())
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

// entitle hands an entitlement over. It does not wait. The old owner of a planned
// move has the hardware address from.
func (ls *leases) entitle(e cluster.Entitle, from vip.MAC) {
	if e.Until == 0 {
		ls.Revoke(e.Group, int64(e.Seq), ls.addresses[e.Group])
		return
	}
	if e.Drain == 0 {
		from = vip.MAC{}
	}
	ls.Set(vip.Grant{Drain: from, DrainFor: e.Drain, Key: e.Group, Seq: int64(e.Seq), Addresses: ls.addresses[e.Group], Quiet: e.Quiet,
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
