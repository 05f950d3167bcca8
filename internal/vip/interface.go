package vip

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Link is one network interface at one moment.
type Link struct {
	Name    string
	Index   int
	MAC     MAC  // zero where there is none
	Up      bool // switched on by an administrator
	Carrier bool // up, cable in, ready to carry frames

	losses uint32 // how often the carrier was lost, as the kernel counts
}

// Interface is a link with the networks that are directly on it.
type Interface struct {
	Link
	Addresses []Address      // the machine's own; what this package added is not among them
	Routes    []netip.Prefix // reached without a gateway, not because of a shared address
}

// Subnets returns the networks in which a shared address on this interface may lie: those of the machine's own addresses
// and those with a connected route. Single hosts are no network.
func (i Interface) Subnets() []netip.Prefix {
	var subnets []netip.Prefix
	for _, a := range i.Addresses {
		subnets = append(subnets, a.Prefix.Masked())
	}
	subnets = append(subnets, i.Routes...)
	subnets = slices.DeleteFunc(subnets, netip.Prefix.IsSingleIP)
	slices.SortFunc(subnets, comparePrefixes)
	return slices.Compact(subnets)
}

// comparePrefixes puts the more specific first.
func comparePrefixes(a, b netip.Prefix) int {
	if a.Bits() != b.Bits() {
		return b.Bits() - a.Bits()
	}
	return a.Addr().Compare(b.Addr())
}

// Fit completes want as Heartbeat's findif does: interface and mask are those of the most specific connected subnet that
// contains the address; what is written stands. A mask that is not written has Bits() == -1, as netip.PrefixFrom(addr,
// -1) has. An interface written as eth0:1 is eth0 with a label. Between equal subnets an interface that carries frames
// wins, then the lower index. What is written in full needs no subnet, nor even the interface, for it may still come.
func Fit(interfaces []Interface, want Address) (Address, error) {
	got := want
	if name, _, labelled := strings.Cut(want.Interface, ":"); labelled {
		got.Interface = name
		if got.Label == "" && want.Prefix.Addr().Is4() {
			got.Label = want.Interface
		}
	}
	addr := got.Prefix.Addr()
	if !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() {
		return Address{}, fmt.Errorf("%s cannot be a shared address: write one that a host can have", addr)
	}
	if got.Prefix.IsValid() && got.Interface != "" {
		got.Broadcast = got.broadcast()
		return got, nil
	}
	if got.Interface == "" && addr.IsLinkLocalUnicast() && addr.Is6() {
		return Address{}, fmt.Errorf("%s is link-local, so every interface would fit: write the interface, as %[1]s/64/eth0", addr)
	}
	best, subnet, err := bestSubnet(interfaces, got)
	if err != nil {
		return Address{}, err
	}
	got.Interface = best.Name
	if !got.Prefix.IsValid() {
		got.Prefix = netip.PrefixFrom(addr, subnet.Bits())
	}
	if !got.Broadcast.IsValid() {
		got.Broadcast = best.broadcastOf(subnet, got)
	}
	return got, nil
}

// bestSubnet returns the subnet that fits an address which lacks its mask or its interface.
func bestSubnet(interfaces []Interface, want Address) (Interface, netip.Prefix, error) {
	var best Interface
	var subnet netip.Prefix
	named := false
	for _, i := range interfaces {
		if want.Interface != "" && i.Name != want.Interface {
			continue
		}
		named = true
		for _, s := range i.Subnets() {
			if s.Contains(want.Prefix.Addr()) && fitsBetter(i, s, best, subnet) {
				best, subnet = i, s
			}
		}
	}
	if subnet.IsValid() {
		return best, subnet, nil
	}
	return best, subnet, noSubnet(interfaces, want, named)
}

func fitsBetter(i Interface, s netip.Prefix, best Interface, subnet netip.Prefix) bool {
	switch {
	case !subnet.IsValid():
		return true
	case s.Bits() != subnet.Bits():
		return s.Bits() > subnet.Bits()
	case i.Carrier != best.Carrier:
		return i.Carrier
	}
	return i.Index < best.Index
}

// broadcastOf returns what the machine's own address in the subnet uses, else what follows from the mask.
func (i Interface) broadcastOf(subnet netip.Prefix, a Address) netip.Addr {
	for _, own := range i.Addresses {
		if own.Prefix.Masked() == subnet && own.Broadcast.IsValid() && a.Prefix.Bits() == subnet.Bits() {
			return own.Broadcast
		}
	}
	return a.broadcast()
}

// noSubnet says which subnets there are and what to write.
func noSubnet(interfaces []Interface, want Address, named bool) error {
	addr := want.Prefix.Addr()
	if want.Interface != "" && !named {
		return fmt.Errorf("there is no interface %s to take the mask of %s from: write the mask, as %s/%d/%s",
			want.Interface, addr, addr, addr.BitLen(), want.Interface)
	}
	var there []string
	for _, i := range interfaces {
		for _, s := range i.Subnets() {
			if s.Addr().Is4() == addr.Is4() && !s.Addr().IsLoopback() && !s.Addr().IsLinkLocalUnicast() {
				there = append(there, s.String()+" on "+i.Name)
			}
		}
	}
	if len(there) == 0 {
		return errors.New("no interface has a subnet that could hold " + addr.String() + ": write mask and interface, as " +
			addr.String() + "/24/eth0, or set up the interface first")
	}
	where := "no interface has a subnet"
	if want.Interface != "" {
		where = want.Interface + " has no subnet"
	}
	return fmt.Errorf("%s that contains %s; there are %s: correct the address, or write mask and interface, as %s/24/eth0",
		where, addr, strings.Join(there, ", "), addr)
}
