package lab

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

const (
	// maxName keeps "n9." + name within the 15 bytes the kernel allows an interface name.
	maxName = 12
	// maxNetworks and maxHosts keep one digit for the network and one byte for the host in names and MAC addresses.
	maxNetworks = 9
	maxHosts    = 200
)

// Network is one network of a plan: a switch, or a cable between two hosts.
type Network struct {
	// Name is how faults and instruments name the network. It is at most 12 bytes.
	Name string
	// Ports has one line for each host on it: the host's name, then its addresses, as "proxy01 192.0.2.11/24 2001:db8::11/64".
	Ports []string
	// CrossOver makes the network a cable between exactly two hosts: both lose carrier together.
	CrossOver bool
}

// port is one host's end of one network.
type port struct {
	network   int
	host      string
	eth       string // the interface in the host
	name      string // the interface at the switch
	mac       net.HardwareAddr
	addresses []netip.Prefix
	index     int  // of the interface at the switch; 0 while there is none
	ethIndex  int  // of the interface in the host
	plugged   bool // its cable is in
	powered   bool // its host is on
	isolated  bool // it reaches no other isolated port
}

// planned is a checked plan: hosts in the order they were first named, and all ports.
type planned struct {
	hosts []string
	ports []*port
}

// parsePlan checks the networks and lays out hosts and ports.
func parsePlan(networks []Network) (*planned, error) {
	if len(networks) == 0 || len(networks) > maxNetworks {
		return nil, fmt.Errorf("a lab has 1 to %d networks, this one %d", maxNetworks, len(networks))
	}
	p := &planned{}
	seen := map[string]bool{}
	for i, n := range networks {
		if err := checkName("network", n.Name); err != nil {
			return nil, err
		}
		if seen[n.Name] {
			return nil, fmt.Errorf("network %s is named twice", n.Name)
		}
		seen[n.Name] = true
		if n.CrossOver && len(n.Ports) != 2 {
			return nil, fmt.Errorf("network %s: a cross-over cable has two ends, not %d", n.Name, len(n.Ports))
		}
		for _, line := range n.Ports {
			if err := p.addPort(i, line); err != nil {
				return nil, fmt.Errorf("network %s: port %q: %w", n.Name, line, err)
			}
		}
	}
	if len(p.hosts) > maxHosts {
		return nil, fmt.Errorf("a lab has at most %d hosts, this one %d", maxHosts, len(p.hosts))
	}
	return p, nil
}

// addPort reads one line of a network.
func (p *planned) addPort(network int, line string) error {
	words := strings.Fields(line)
	if len(words) == 0 {
		return fmt.Errorf("empty: want a host name and its addresses")
	}
	host := words[0]
	if err := checkName("host", host); err != nil {
		return err
	}
	place, interfaces := 0, 0
	for i, h := range p.hosts {
		if h == host {
			place = i + 1
		}
	}
	if place == 0 {
		p.hosts = append(p.hosts, host)
		place = len(p.hosts)
	}
	for _, other := range p.ports {
		if other.host != host {
			continue
		}
		if other.network == network {
			return fmt.Errorf("host %s has a port here already", host)
		}
		interfaces++
	}
	added := &port{
		network: network, host: host, plugged: true,
		eth:  fmt.Sprintf("eth%d", interfaces),
		name: fmt.Sprintf("n%d.%s", network, host),
		mac:  net.HardwareAddr{0x02, 0x00, 0x5e, 0x00, byte(network), byte(place)},
	}
	for _, word := range words[1:] {
		address, err := netip.ParsePrefix(word)
		if err != nil {
			return err
		}
		added.addresses = append(added.addresses, address)
	}
	p.ports = append(p.ports, added)
	return nil
}

// checkName allows what is fit for an interface name, a file name and a host name.
func checkName(what, name string) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("%s name %q: want 1 to %d bytes", what, name, maxName)
	}
	for _, r := range name {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", r) {
			return fmt.Errorf("%s name %q: want letters, digits and '-' only", what, name)
		}
	}
	return nil
}

// hostsFile is /etc/hosts of every host: each name with the addresses it has, in the order of the networks.
func (p *planned) hostsFile() string {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n::1 localhost\n")
	for _, one := range p.ports {
		for _, a := range one.addresses {
			fmt.Fprintf(&b, "%s %s\n", a.Addr(), one.host)
		}
	}
	return b.String()
}
