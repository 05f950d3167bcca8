package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
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

// paths are the links of this node: what goes out on all of them, and what
// comes in, verified before it is looked at.
type paths struct {
	set     *link.Set
	links   []*link.Link
	names   []string
	arrived chan link.Datagram
	keys    atomic.Pointer[wire.Keyring]
	self    string
	cluster string
	refused atomic.Pointer[map[string]uint64] // by reason; replaced, never changed
	dropped atomic.Uint64
	said    map[string]time.Time
}

func openPaths(c *config.Loaded, keys *wire.Keyring) (*paths, error) {
	p := &paths{set: link.NewSet(), arrived: make(chan link.Datagram, datagramQueue), self: c.Config.Self,
		cluster: c.Config.Cluster, said: map[string]time.Time{}}
	p.keys.Store(keys)
	p.refused.Store(&map[string]uint64{})
	for _, l := range c.Links {
		spec, err := linkSpec(l)
		if err != nil {
			p.set.Close()
			return nil, err
		}
		p.links = append(p.links, p.set.Open(spec, p.arrived))
		p.names = append(p.names, l.Name)
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
	for _, l := range p.links {
		_ = l.Send(packet)
	}
	return nil
}

// receive verifies what arrives and hands heartbeats to the loop, until ctx ends.
func (p *paths) receive(ctx context.Context, l *loop) {
	for {
		select {
		case d := <-p.arrived:
			in, reason, err := p.read(d)
			switch {
			case reason != "":
				p.refuse(ctx, l, d, reason, err)
			case in == nil:
			case !l.offer(in):
				p.dropped.Add(1)
			}
		case <-ctx.Done():
			return
		}
	}
}

// read gives the heartbeat in a datagram, nil for one of our own, or the reason of its refusal.
func (p *paths) read(d link.Datagram) (in cluster.Input, reason string, err error) {
	m, err := p.keys.Load().Open(d.Data)
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
		return nil, "foreign cluster", fmt.Errorf("it is of cluster %q", b.Cluster)
	}
	for i, l := range p.links {
		if l == d.Link {
			return cluster.Heard{Link: i, Beat: b}, "", nil
		}
	}
	return nil, "unknown link", nil
}

// refuse counts a datagram that is not accepted, and says so now and then.
func (p *paths) refuse(ctx context.Context, l *loop, d link.Datagram, reason string, err error) {
	counts := maps.Clone(*p.refused.Load())
	counts[reason]++
	p.refused.Store(&counts)
	if time.Since(p.said[reason]) < refusalPause {
		return
	}
	p.said[reason] = time.Now()
	l.offer(cluster.Noted{Level: cluster.Warning, Kind: "refused", Words: fmt.Sprintf(
		"a datagram from %s on %s is refused: %v (%d of this kind so far)", d.From.Addr(), d.Link, err, counts[reason])})
}

// watch reports each link that can or cannot be used, until ctx ends. Refresh
// is called when netlink tells of a change; the link looks by itself too.
func (p *paths) watch(ctx context.Context, l *loop) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	was := make([]link.State, len(p.links))
	for i := range was {
		was[i].Up = true
	}
	for {
		for i, path := range p.links {
			if s := path.State(); s.Up != was[i].Up || !s.Up && s.Reason != was[i].Reason {
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
