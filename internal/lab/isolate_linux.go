package lab

import (
	"fmt"

	"github.com/vishvananda/netlink"
)

// Isolate lets a host reach only those hosts of a network that are not isolated: two isolated ones see the router, and not each
// other, as in a private VLAN. It outlasts a power loss.
func (l *Lab) Isolate(network, host string) error { return l.isolate(network, host, true) }

// Rejoin takes an isolation back.
func (l *Lab) Rejoin(network, host string) error { return l.isolate(network, host, false) }

func (l *Lab) isolate(network, host string, apart bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.plan.ports {
		if p.host == host && l.networks[p.network].Name == network {
			p.isolated = apart
			return l.separate(p)
		}
	}
	return fmt.Errorf("lab: host %s has no port on a network %q", host, network)
}

// separate tells the switch whether the port is isolated, if there is one.
func (l *Lab) separate(p *port) error {
	if p.index == 0 {
		return nil
	}
	link := &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: p.index}}
	if err := l.wires.handle.LinkSetIsolated(link, p.isolated); err != nil {
		return fmt.Errorf("isolate %s (%v): %w", p.name, p.isolated, err)
	}
	return nil
}
