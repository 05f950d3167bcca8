package vip

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// Address is one shared address as it stands on an interface.
type Address struct {
	Prefix    netip.Prefix // the address with its mask, as 192.0.2.100/24 or 2001:db8::64/64
	Interface string       // the interface that carries it
	Label     string       // the IPv4 label, as eth0:0; empty for none
	Broadcast netip.Addr   // the IPv4 broadcast address; zero: computed from the prefix
}

// String returns the address as an administrator would say it: 192.0.2.100/24 on eth0.
func (a Address) String() string {
	text := a.Prefix.String()
	if !a.Prefix.IsValid() {
		text = a.Prefix.Addr().String() // the mask is not known yet
	}
	if a.Interface == "" {
		return text
	}
	return text + " on " + a.Interface
}

// broadcast returns the broadcast address to set: the one written, else the last address of an IPv4 subnet that is
// large enough to have one (RFC 3021: a /31 has none).
func (a Address) broadcast() netip.Addr {
	const smallest = 30
	if a.Broadcast.IsValid() || !a.Prefix.Addr().Is4() || !a.Prefix.IsValid() || a.Prefix.Bits() > smallest {
		return a.Broadcast
	}
	bytes := a.Prefix.Addr().As4()
	host := ^uint32(0) >> a.Prefix.Bits()
	binary.BigEndian.PutUint32(bytes[:], binary.BigEndian.Uint32(bytes[:])|host)
	return netip.AddrFrom4(bytes)
}

// hostAddress refuses what no single host can have.
func hostAddress(a netip.Addr) error {
	if !a.IsValid() || a.Is4In6() || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() ||
		a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return errors.New("it is no address that a host on a network can have")
	}
	return nil
}
