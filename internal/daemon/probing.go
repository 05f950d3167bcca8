package daemon

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"slices"

	"lubdub/internal/cluster"
	"lubdub/internal/vip"
)

// probe asks the front for every address of a group at once, and merges what was heard (rule S4).
func (f *fronts) probe(ctx context.Context, p cluster.Probe) cluster.Probed {
	asked := f.of(p.Group)
	results := make(chan cluster.Probed, len(asked))
	for addr, ft := range asked {
		go func() { results <- f.ask(ctx, ft, addr) }()
	}
	all := cluster.Probed{Group: p.Group, Attempt: p.Attempt, Evidence: true}
	for i := range len(asked) {
		one := <-results
		if all.Began == 0 || one.Began < all.Began {
			all.Began = one.Began
		}
		all.Evidence = all.Evidence && one.Evidence
		if i == 0 || one.LastFrame < all.LastFrame {
			all.LastFrame = one.LastFrame
		}
		if one.MAC != "" && (all.MAC == "" || all.Anything) { // an answer that proves something counts before one that does not
			all.MAC, all.Anything = one.MAC, one.Anything
		}
		all.Foreign = cmp.Or(one.Foreign, all.Foreign)
		all.Err = cmp.Or(one.Err, all.Err)
	}
	return all
}

// note remembers who answers for anything, until it answers a question as others do.
func (ft *front) note(mac string, anything bool) {
	switch last := ft.anything.Load(); {
	case anything:
		ft.anything.Store(&mac)
	case last != nil && *last == mac:
		ft.anything.Store(nil)
	}
}

// ask asks a front for one address.
func (f *fronts) ask(ctx context.Context, ft *front, addr netip.Addr) cluster.Probed {
	q, alone := f.question(ft, addr)
	began := cluster.Time(vip.Boottime())
	r, err := ft.net.Probe(ctx, q)
	if err != nil {
		return cluster.Probed{Began: began, Err: err.Error()}
	}
	out := cluster.Probed{Began: cluster.Time(r.Began)}
	if len(r.Holders) > 0 {
		out.MAC, out.Anything = r.Holders[0].String(), r.Anything
	}
	ft.note(out.MAC, r.Anything)
	if len(r.Rivals) > 0 {
		out.Foreign = r.Rivals[0].String()
	}
	if s := ft.rival.Load(); s != nil && s.addr == addr && out.Foreign == "" && out.Began.Sub(s.at) < f.cfg.Keepalive {
		out.Foreign = s.mac
	}
	// Where nobody else was ever seen carrier is enough, but not while the switch may keep the port shut.
	out.Evidence = r.Carrier && (r.Frames > 0 || r.Neighbour || alone && !r.Young)
	if r.Carrier {
		out.LastFrame = cluster.Time(ft.net.LastFrame())
	}
	return out
}

// question says what is asked. It is alone when no station but the peer was ever seen on the front.
func (f *fronts) question(ft *front, addr netip.Addr) (q vip.Query, alone bool) {
	q = vip.Query{Address: addr, Count: probeCount, Gap: probeGap, Subnet: ft.subnets[addr], Taken: f.pings}
	peers := *f.peerMACs.Load()
	for _, m := range peers {
		if hw, err := net.ParseMAC(m); err == nil && len(hw) == len(vip.MAC{}) {
			q.Believed = append(q.Believed, vip.MAC(hw))
		}
	}
	alone = true
	for _, s := range ft.net.Stations() {
		if slices.Contains(peers, s.MAC.String()) {
			continue
		}
		alone = false
		if s.Address.Is4() == addr.Is4() {
			q.Neighbours = append(q.Neighbours, s.Address)
		}
	}
	return q, alone
}
