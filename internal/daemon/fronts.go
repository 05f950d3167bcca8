package daemon

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"lubdub/internal/cluster"
	"lubdub/internal/vip"
)

const (
	// probeCount and probeGap are rule S4's three probes.
	probeCount = 3
	probeGap   = 20 * time.Millisecond
	// carrierPause is how often the carrier of a front is looked at.
	carrierPause = 100 * time.Millisecond
	// announceQueue is how many announcements wait for a front.
	announceQueue = 64
)

// front is one interface with shared addresses, and what was seen on it.
type front struct {
	name     string
	net      *vip.Front
	groups   map[netip.Addr]string
	subnets  map[netip.Addr]netip.Prefix
	announce chan announcement
	claims   claims                    // the goroutine of run alone
	peers    *atomic.Pointer[[]string] // the peer's hardware addresses
	rival    atomic.Pointer[sighting]  // the last foreign probe
	mac      atomic.Pointer[string]    // of the interface
	anything atomic.Pointer[string]    // who was found to answer for anything last
}

// announcement is due until the lease ends: it is sent as a raw frame, which the
// kernel's gate does not see.
type announcement struct {
	addr  netip.Addr
	until cluster.Time
}

type sighting struct {
	addr netip.Addr
	mac  string
	at   cluster.Time
}

// fronts are the interfaces that carry shared addresses.
type fronts struct {
	cfg      cluster.Config
	byName   map[string]*front
	order    []string // the names, as the core has them
	pings    []netip.Addr
	peerMACs atomic.Pointer[[]string]
}

func openFronts(cfg cluster.Config) (*fronts, error) {
	f := &fronts{cfg: cfg, byName: map[string]*front{}}
	f.peerMACs.Store(&[]string{})
	for _, name := range cfg.Pings {
		if a, err := netip.ParseAddr(name); err == nil {
			f.pings = append(f.pings, a)
		}
	}
	for _, g := range cfg.Groups {
		for _, r := range g.Resources {
			if len(r.Addresses) == 0 || r.Interface == "" {
				continue
			}
			ft := f.byName[r.Interface]
			if ft == nil {
				wire, err := vip.OpenFront(r.Interface)
				if err != nil {
					f.close()
					return nil, err
				}
				ft = &front{name: r.Interface, net: wire, groups: map[netip.Addr]string{}, subnets: map[netip.Addr]netip.Prefix{},
					announce: make(chan announcement, announceQueue), claims: newClaims(cfg.Keepalive), peers: &f.peerMACs}
				f.byName[r.Interface] = ft
				f.order = append(f.order, r.Interface)
			}
			for _, a := range r.Addresses {
				ft.groups[a.Addr()], ft.subnets[a.Addr()] = g.Name, a
			}
		}
	}
	for _, ft := range f.byName {
		if err := ft.net.Watch(ft.addresses()...); err != nil {
			f.close()
			return nil, err
		}
	}
	return f, nil
}

func (f *fronts) close() {
	for _, ft := range f.byName {
		ft.net.Close()
	}
}

func (ft *front) addresses() []netip.Addr {
	var all []netip.Addr
	for a := range ft.groups {
		all = append(all, a)
	}
	return all
}

// of are the addresses of a group, with their fronts.
func (f *fronts) of(group string) map[netip.Addr]*front {
	found := map[netip.Addr]*front{}
	for _, ft := range f.byName {
		for a, g := range ft.groups {
			if g == group {
				found[a] = ft
			}
		}
	}
	return found
}

// announceAll queues an announcement of each address of a group, to be sent
// while the lease runs. It does not wait.
func (f *fronts) announceAll(group string, until cluster.Time) {
	for a, ft := range f.of(group) {
		select {
		case ft.announce <- announcement{a, until}:
		default: // a queue this long means that none of them gets out
		}
	}
}

// peerMAC is the peer's hardware address on the front of a group: it says them in
// the order of its fronts. Zero: it is not known, or the group has several fronts.
func (f *fronts) peerMAC(group string) vip.MAC {
	index, found := -1, 0
	for i, name := range f.order {
		if slices.Contains(slices.Collect(maps.Values(f.byName[name].groups)), group) {
			index = i
			found++
		}
	}
	macs := *f.peerMACs.Load()
	if found != 1 || len(macs) != len(f.order) {
		return vip.MAC{}
	}
	hw, err := net.ParseMAC(macs[index])
	if err != nil || len(hw) != len(vip.MAC{}) {
		return vip.MAC{}
	}
	return vip.MAC(hw)
}

// countUnplaced counts the addresses that fit no interface yet.
func countUnplaced(cfg cluster.Config) int {
	n := 0
	for _, g := range cfg.Groups {
		for _, r := range g.Resources {
			if len(r.Addresses) > 0 && r.Interface == "" {
				n++
			}
		}
	}
	return n
}

// unplaced reports the interface "" of addresses that fit no interface yet: it
// has no carrier, so nothing is started on it.
func unplaced(cfg cluster.Config) []cluster.Input {
	for _, g := range cfg.Groups {
		for _, r := range g.Resources {
			if len(r.Addresses) > 0 && r.Interface == "" {
				return []cluster.Input{
					cluster.FrontChanged{Interface: ""},
					cluster.Noted{Level: cluster.Warning, Kind: "address", Group: g.Name, Words: fmt.Sprintf(
						"%s of %s fits no interface: lubdub waits for one with an address of that network", r.Name, g.Name)},
				}
			}
		}
	}
	return nil
}

// run sends announcements, reports sightings and watches the carrier of one
// front until ctx ends. The kernel's news of a lost carrier may come a second late.
func (ft *front) run(ctx context.Context, l *loop) {
	var troubled bool
	tick := time.NewTicker(carrierPause)
	defer tick.Stop()
	var said cluster.FrontChanged
	for {
		is := cluster.FrontChanged{Interface: ft.name, Carrier: ft.net.Carrier()}
		if mac := ft.mac.Load(); mac != nil {
			is.MAC = *mac
		}
		if is != said {
			said = is
			l.tell(ctx, is)
		}
		select {
		case <-tick.C:
		case a := <-ft.announce:
			if cluster.Time(vip.Boottime()) >= a.until {
				continue
			}
			err := ft.net.Announce(a.addr)
			if err != nil && !troubled {
				l.tell(ctx, cluster.Noted{Level: cluster.Warning, Kind: "front", Group: ft.groups[a.addr],
					Words: fmt.Sprintf("announce %s on %s: %v", a.addr, ft.name, err)})
			}
			troubled = err != nil
		case s, ok := <-ft.net.Sightings():
			if !ok {
				return
			}
			ft.sighted(l, s)
		case <-ctx.Done():
			return
		}
	}
}

func (ft *front) sighted(l *loop, s vip.Sighting) {
	group, mac := ft.groups[s.Address], s.MAC.String()
	reply := s.Kind == vip.KindReply
	if !s.Kind.Claims() {
		ft.rival.Store(&sighting{s.Address, mac, cluster.Time(s.At)})
		return
	}
	if anything := ft.anything.Load(); reply && anything != nil && *anything == mac {
		return
	}
	from := ""
	if slices.Contains(*ft.peers.Load(), mac) {
		from = mac
	}
	if ft.claims.due(claim{s.Address, from, reply}, cluster.Time(s.At)) {
		l.offer(cluster.Sighted{Group: group, MAC: mac, Reply: reply})
	}
}

// changed takes note of an interface's hardware address.
func (f *fronts) changed(link vip.Link, present bool) {
	if ft := f.byName[link.Name]; ft != nil && present {
		mac := link.MAC.String()
		ft.mac.Store(&mac)
	}
}
