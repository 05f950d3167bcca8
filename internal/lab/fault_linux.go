package lab

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Fault says which frames a network loses. Its zero fields mean "any": Fault{Network: "front"} loses all of them.
type Fault struct {
	Network string
	// From and To are the hosts that send and receive the frames. Set one or both for a cut in one direction.
	From, To string
	// Percent is how many of 100 frames are lost, at random. 0 means all.
	Percent int
	// Only is a match of nft that chooses the frames, such as "udp dport 694" or "ether type arp".
	Only string
}

// Cut makes a network lose frames, silently: both ends keep carrier. Several faults may be in force at a time. The fault is in force
// when Cut returns; that takes nft 5 to 30 ms, and Unplug well under one.
func (l *Lab) Cut(f Fault) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.setFaults(append(slices.Clone(l.faults), f), "cut "+f.Network)
}

// Heal takes back a fault that Cut made, named by the same value.
func (l *Lab) Heal(f Fault) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.faults, f)
	if i < 0 {
		return fmt.Errorf("heal %s: no such fault is in force: %+v", f.Network, f)
	}
	return l.setFaults(slices.Delete(slices.Clone(l.faults), i, i+1), "heal "+f.Network)
}

// Unplug pulls a host's cable out of a network: the host sees no carrier. On a cross-over cable the other host sees it too.
func (l *Lab) Unplug(network, host string) error { return l.plug(network, host, false) }

// Plug puts the cable back.
func (l *Lab) Plug(network, host string) error { return l.plug(network, host, true) }

func (l *Lab) plug(network, host string, in bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.plan.ports {
		if p.host == host && l.networks[p.network].Name == network {
			p.plugged = in
			return l.sync(p.network)
		}
	}
	return fmt.Errorf("lab: host %s has no port on a network %q", host, network)
}

// carrier reports whether the port should have carrier. It needs its plug and its power; on a cable, so does the other end.
func (l *Lab) carrier(p *port) bool {
	if !l.networks[p.network].CrossOver {
		return p.plugged && p.powered
	}
	for _, end := range l.plan.ports {
		if end.network == p.network && (!end.plugged || !end.powered) {
			return false
		}
	}
	return true
}

// sync makes the carrier of all ports of a network what it should be, and waits until the kernel lets frames through.
func (l *Lab) sync(network int) error {
	var errs []error
	var lit []*port
	for _, p := range l.plan.ports {
		if p.network != network || p.index == 0 {
			continue
		}
		link := &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: p.index}}
		set := l.wires.handle.LinkSetDown
		if l.carrier(p) {
			set, lit = l.wires.handle.LinkSetUp, append(lit, p)
		}
		if err := set(link); err != nil {
			errs = append(errs, fmt.Errorf("carrier of %s: %w", p.name, err))
		}
	}
	for _, p := range lit {
		errs = append(errs, awaitUp(l.wires.handle, p.index, p.name), awaitUp(l.hosts[p.host].power.links, p.ethIndex, p.eth))
	}
	return errors.Join(errs...)
}

// upWithin bounds the wait for an interface to be up: the kernel may keep the news of a carrier back for a second.
const upWithin = 5 * time.Second

// awaitUp waits until an interface is operational. Until then the kernel drops what is sent through it.
func awaitUp(handle *netlink.Handle, index int, name string) error {
	for deadline := Now() + upWithin; ; time.Sleep(time.Millisecond) {
		link, err := handle.LinkByIndex(index)
		if err != nil {
			return fmt.Errorf("state of %s: %w", name, err)
		}
		attrs := link.Attrs()
		if attrs.OperState == netlink.OperUp || attrs.Flags&net.FlagUp == 0 { // a host may have taken its own end down
			return nil
		}
		if Now() > deadline {
			return fmt.Errorf("%s has no carrier after %v", name, upWithin)
		}
	}
}

// attach connects a host that boots: a veth pair for each port, one end in the host, one in the switch.
func (l *Lab) attach(ports []*port, host *power) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range ports {
		bridge, err := l.wires.handle.LinkByName(l.networks[p.network].Name)
		if err != nil {
			return err
		}
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MasterIndex = p.name, bridge.Attrs().Index
		veth := &netlink.Veth{
			LinkAttrs: attrs, PeerName: p.eth, PeerHardwareAddr: p.mac, PeerNamespace: netlink.NsFd(int(host.ns)),
		}
		if err := l.wires.handle.LinkAdd(veth); err != nil {
			return fmt.Errorf("add %s: %w", p.name, err)
		}
		link, err := l.wires.handle.LinkByName(p.name)
		if err != nil {
			return err
		}
		if err := addAddresses(host.links, p.eth, p.addresses); err != nil {
			return err
		}
		if p.ethIndex, err = setUp(host.links, p.eth); err != nil {
			return err
		}
		p.index, p.powered = link.Attrs().Index, true
		if err := l.separate(p); err != nil {
			return err
		}
		if err := l.sync(p.network); err != nil {
			return err
		}
	}
	return nil
}

// darken takes carrier away from the ports of a host that loses power, and from the other end of its cables.
func (l *Lab) darken(ports []*port) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, p := range ports {
		p.powered = false
	}
	for _, p := range ports {
		errs = append(errs, l.sync(p.network))
	}
	return errors.Join(errs...)
}

// detach removes the interfaces of a host's ports, on both ends at once.
func (l *Lab) detach(ports []*port) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, p := range ports {
		if p.index == 0 {
			continue
		}
		err := l.wires.handle.LinkDel(&netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: p.index}})
		if err != nil && !errors.Is(err, unix.ENODEV) {
			errs = append(errs, fmt.Errorf("remove %s: %w", p.name, err))
		}
		p.index = 0
	}
	return errors.Join(errs...)
}

// setFaults loads the rules for all faults in one transaction, and remembers them when the kernel took them.
func (l *Lab) setFaults(faults []Fault, doing string) error {
	script, err := faultRules(l.plan, l.networks, faults)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	err = onThread(func() error {
		if err := netns.Set(l.wires.ns); err != nil {
			return err
		}
		cmd := exec.Command("nft", "-f", "-")
		cmd.Stdin, cmd.Env = strings.NewReader(script), environment()
		out, err := cmd.CombinedOutput()
		switch {
		case errors.Is(err, exec.ErrNotFound):
			return fmt.Errorf("the program nft is missing; install Debian's package nftables: %w", err)
		case err != nil:
			return fmt.Errorf("nft: %w: %s", err, strings.TrimSpace(string(out)))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	l.faults = faults
	return nil
}

// faultRules writes the faults as an nft script. The chain hooks where the bridge forwards, so each rule knows both ports.
func faultRules(plan *planned, networks []Network, faults []Fault) (string, error) {
	const declare = "table bridge faults\n"
	var b strings.Builder
	b.WriteString(declare + "delete " + declare)
	if len(faults) == 0 {
		return b.String(), nil
	}
	b.WriteString("table bridge faults {\n chain forward {\n  type filter hook forward priority 0; policy accept;\n")
	for _, f := range faults {
		from, err := plan.portNames(networks, f.Network, f.From)
		if err != nil {
			return "", err
		}
		to, err := plan.portNames(networks, f.Network, f.To)
		if err != nil {
			return "", err
		}
		if f.Percent < 0 || f.Percent > 100 {
			return "", fmt.Errorf("lose %d of 100 frames: want 0 to 100", f.Percent)
		}
		fmt.Fprintf(&b, "  iifname { %s } oifname { %s } %s", from, to, f.Only)
		if f.Percent > 0 {
			fmt.Fprintf(&b, " numgen random mod 100 < %d", f.Percent)
		}
		b.WriteString(" drop\n")
	}
	b.WriteString(" }\n}\n")
	return b.String(), nil
}

// portNames lists the switch ports of a network, of one host or of all, as members of an nft set.
func (p *planned) portNames(networks []Network, network, host string) (string, error) {
	var names []string
	for _, one := range p.ports {
		if networks[one.network].Name == network && (host == "" || one.host == host) {
			names = append(names, fmt.Sprintf("%q", one.name))
		}
	}
	if len(names) == 0 {
		return "", fmt.Errorf("no port of host %q on a network %q", host, network)
	}
	return strings.Join(names, ", "), nil
}
