package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"lubdub/internal/cluster"
	"lubdub/internal/config"
	"lubdub/internal/link"
	"lubdub/internal/wire"
)

const (
	// datagramQueue is how many datagrams wait to be verified. A flood fills it
	// and is dropped there; the loop does not feel it.
	datagramQueue = 256
	// refusalPause is the time between two lines about refused datagrams of one cause.
	refusalPause = 30 * time.Second
)

// foreignCluster is the reason of a heartbeat that is signed with our key and names another cluster.
const foreignCluster = "foreign cluster"

// paths are the links of this node: what goes out on all of them, and what
// comes in, verified before it is looked at.
type paths struct {
	set     *link.Set
	all     []*path
	keys    atomic.Pointer[wire.Keyring]
	self    string
	cluster string
}

// path is one link. Each has a queue and a verifier of its own: a flood on one
// costs the others nothing.
type path struct {
	index   int
	link    *link.Link
	arrived chan link.Datagram
	refused atomic.Pointer[map[string]uint64] // by reason; replaced, never changed
	dropped atomic.Uint64
	last    atomic.Int64 // when a datagram was last refused, ns of the wall clock
	said    map[string]time.Time
}

func openPaths(c *config.Loaded, keys *wire.Keyring) (*paths, error) {
	p := &paths{set: link.NewSet(), self: c.Config.Self, cluster: c.Config.Cluster}
	p.keys.Store(keys)
	for i, l := range c.Links {
		spec, err := linkSpec(l)
		if err != nil {
			p.set.Close()
			return nil, err
		}
		arrived := make(chan link.Datagram, datagramQueue)
		one := &path{index: i, link: p.set.Open(spec, arrived), arrived: arrived, said: map[string]time.Time{}}
		one.refused.Store(&map[string]uint64{})
		p.all = append(p.all, one)
	}
	return p, nil
}

// linkSpec turns a line of ha.cf into a link.
func linkSpec(l config.Link) (link.Spec, error) {
	spec := link.Spec{Interface: l.Interface, Port: l.Port, TTL: l.TTL, Loop: l.Loop}
	switch l.Kind {
	case "bcast":
		return spec, nil
	case "mcast", "mcast6":
		spec.Kind = link.Multicast
	default:
		spec.Kind = link.Unicast
	}
	network := "ip4"
	if strings.HasSuffix(l.Kind, "6") {
		network = "ip6"
	}
	resolved, err := net.ResolveIPAddr(network, l.Address) // a host name is looked up once, before the loop
	if err != nil {
		return spec, fmt.Errorf("link %s: %w; write the address itself, or put the name into /etc/hosts", l.Name, err)
	}
	addr, _ := netip.AddrFromSlice(resolved.IP)
	spec.Address = addr.Unmap().WithZone(resolved.Zone)
	return spec, nil
}

// send sends a heartbeat on every link. An error is counted by the link; the
// next heartbeat says everything again.
func (p *paths) send(m wire.Message) error {
	packet, err := p.keys.Load().Seal(nil, m)
	if err != nil {
		return err
	}
	for _, one := range p.all {
		_ = one.link.Send(packet)
	}
	return nil
}

// receive verifies what arrives on one link and hands heartbeats to the loop, until ctx ends.
func (p *paths) receive(ctx context.Context, one *path, l *loop) {
	for {
		select {
		case d := <-one.arrived:
			in, reason, err := p.read(one.index, d.Data)
			switch {
			case reason != "":
				one.refuse(l, d, reason, err)
			case in == nil:
			case !l.offer(in):
				one.dropped.Add(1)
			}
		case <-ctx.Done():
			return
		}
	}
}

// read gives the heartbeat in a datagram, nil for one of our own, or the reason of its refusal.
func (p *paths) read(index int, packet []byte) (in cluster.Input, reason string, err error) {
	m, err := p.keys.Load().Open(packet)
	if err != nil {
		var e *wire.Error
		if errors.As(err, &e) {
			return nil, string(e.Reason), err
		}
		return nil, "malformed", err
	}
	b, err := cluster.ParseBeat(m)
	switch {
	case err != nil:
		return nil, "bad heartbeat", err
	case b.Node == p.self:
		return nil, "", nil
	case !b.Plain && b.Cluster != p.cluster:
		return nil, foreignCluster, fmt.Errorf("it is of cluster %q", b.Cluster)
	}
	return cluster.Heard{Link: index, Beat: b}, "", nil
}

// refuse counts a datagram that is not accepted, and says so now and then.
func (one *path) refuse(l *loop, d link.Datagram, reason string, err error) {
	counts := maps.Clone(*one.refused.Load())
	counts[reason]++
	one.refused.Store(&counts)
	one.last.Store(time.Now().UnixNano())
	if time.Since(one.said[reason]) < refusalPause {
		return
	}
	one.said[reason] = time.Now()
	l.offer(cluster.Noted{Level: cluster.Warning, Kind: "refused", Words: fmt.Sprintf(
		"a datagram from %s on %s is refused: %v (%d of this kind so far)", d.From.Addr(), d.Link, err, counts[reason])})
}

// refusing says that a datagram was refused within the pause between two lines about it.
func (p *paths) refusing() bool {
	return slices.ContainsFunc(p.all, func(one *path) bool {
		return time.Since(time.Unix(0, one.last.Load())) < refusalPause
	})
}

// counts are the refused datagrams by reason, and how many were lost in a full queue.
func (p *paths) counts() (refused map[string]uint64, dropped uint64) {
	refused = map[string]uint64{}
	for _, one := range p.all {
		for reason, n := range *one.refused.Load() {
			refused[reason] += n
		}
		dropped += one.dropped.Load() + one.link.Counters().Dropped
	}
	return refused, dropped
}

// watch reports each link that can or cannot be used, until ctx ends. Refresh
// is called when netlink tells of a change; the link looks by itself too.
func (p *paths) watch(ctx context.Context, l *loop) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	was := make([]link.State, len(p.all))
	for i := range was {
		was[i].Up = true
	}
	for {
		for i, one := range p.all {
			if s := one.link.State(); s.Up != was[i].Up || !s.Up && s.Reason != was[i].Reason {
				was[i] = s
				l.tell(ctx, cluster.LinkChanged{Link: i, Up: s.Up, Reason: s.Reason})
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
