package vip

import (
	"encoding/binary"
	"net/netip"
)

// Numbers of neighbour discovery (RFC 4861 sections 4.3, 4.4, 4.6.1).
const (
	ipv6Len    = 40
	ndLen      = 24 // without options
	icmpv6     = 58
	ndHopLimit = 255 // proves that no router forwarded the packet

	ndSolicit   = 135
	ndAdvertise = 136

	ndSourceLink = 1 // option: hardware address of the sender
	ndTargetLink = 2 // option: hardware address of the target

	ndFlagSolicited = 0x40
	ndFlagOverride  = 0x20
)

// allNodes is the group of every station on the link.
var allNodes = netip.MustParseAddr("ff02::1")

// ndPacket is a neighbour solicitation or advertisement.
type ndPacket struct {
	from        MAC // of the frame
	source      netip.Addr
	destination netip.Addr
	kind        uint8
	flags       uint8
	target      netip.Addr
	link        MAC // of the option that belongs to the kind; zero: none
}

// frame returns the packet in an Ethernet frame for the destination's group.
func (p ndPacket) frame() []byte {
	body := []byte{p.kind, 0, 0, 0, p.flags, 0, 0, 0}
	body = append(body, p.target.AsSlice()...)
	if p.link.station() {
		option := byte(ndSourceLink)
		if p.kind == ndAdvertise {
			option = ndTargetLink
		}
		body = append(append(body, option, 1), p.link[:]...)
	}
	binary.BigEndian.PutUint16(body[2:], ndChecksum(p.source, p.destination, body))

	b := make([]byte, 0, etherLen+ipv6Len+len(body))
	b = appendEthernet(b, groupMAC(p.destination), p.from, etherTypeIPv6)
	b = append(b, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
	b = append(b, icmpv6, ndHopLimit)
	b = append(b, p.source.AsSlice()...)
	b = append(b, p.destination.AsSlice()...)
	return append(b, body...)
}

// parseND reads an Ethernet frame with a solicitation or advertisement and checks what RFC 4861 sections 7.1.1 and
// 7.1.2 ask for. Extension headers have no place before neighbour discovery, so a packet with one is not taken.
func parseND(frame []byte) (ndPacket, error) {
	if len(frame) < etherLen+ipv6Len+ndLen {
		return ndPacket{}, errShort
	}
	b := frame[etherLen:]
	if binary.BigEndian.Uint16(frame[12:]) != etherTypeIPv6 || b[0]>>4 != 6 || b[6] != icmpv6 {
		return ndPacket{}, errAlien
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	if length < ndLen || ipv6Len+length > len(b) {
		return ndPacket{}, errShort
	}
	body := b[ipv6Len : ipv6Len+length]
	p := ndPacket{
		from:        MAC(frame[6:12]),
		source:      netip.AddrFrom16([16]byte(b[8:24])),
		destination: netip.AddrFrom16([16]byte(b[24:40])),
		kind:        body[0],
		flags:       body[4],
		target:      netip.AddrFrom16([16]byte(body[8:24])),
	}
	if p.kind != ndSolicit && p.kind != ndAdvertise {
		return ndPacket{}, errAlien
	}
	if b[7] != ndHopLimit || body[1] != 0 || ndChecksum(p.source, p.destination, body) != 0 {
		return ndPacket{}, errWrong
	}
	if err := p.readOptions(body[ndLen:]); err != nil {
		return ndPacket{}, err
	}
	return p, p.check()
}

// readOptions takes the hardware address that belongs to the packet's kind and passes over the rest.
func (p *ndPacket) readOptions(b []byte) error {
	want := byte(ndSourceLink)
	if p.kind == ndAdvertise {
		want = ndTargetLink
	}
	for len(b) > 0 {
		if len(b) < 2 || b[1] == 0 || 8*int(b[1]) > len(b) {
			return errWrong
		}
		if b[0] == want && b[1] == 1 {
			p.link = MAC(b[2:8])
		}
		b = b[8*int(b[1]):]
	}
	return nil
}

// check refuses combinations of fields that a receiver has to drop.
func (p ndPacket) check() error {
	probe := p.source.IsUnspecified()
	switch {
	case !p.from.station(), p.target.IsMulticast(), p.target.IsUnspecified(), p.source.IsMulticast(),
		p.target.Is4In6(), p.source.Is4In6(), p.link != MAC{} && !p.link.station():
		return errWrong
	case p.kind == ndAdvertise:
		if probe || p.destination.IsMulticast() && p.flags&ndFlagSolicited != 0 {
			return errWrong
		}
	case probe:
		if p.link != (MAC{}) || p.destination != solicitedNode(p.target) {
			return errWrong
		}
	}
	return nil
}

// sighting says what the packet claims about an address. A holder answers a probe from :: with an advertisement to all,
// so there the answer looks like an announcement (RFC 4861 section 7.2.4).
func (p ndPacket) sighting() (Sighting, bool) {
	s := Sighting{Address: p.target, MAC: p.mac()}
	switch {
	case p.kind == ndAdvertise && p.flags&ndFlagSolicited != 0:
		s.Kind = KindReply
	case p.kind == ndAdvertise:
		s.Kind = KindAnnouncement
	case p.source.IsUnspecified():
		s.Kind = KindProbe
	default:
		s.Address, s.Kind = p.source, KindRequest
	}
	return s, true
}

// station names the station that sent the packet; its address is zero if it does not tell.
func (p ndPacket) station() Station {
	if p.source.IsUnspecified() {
		return Station{MAC: p.from}
	}
	return Station{Address: p.source, MAC: p.from}
}

// mac returns the hardware address that neighbours will believe.
func (p ndPacket) mac() MAC {
	if p.link.station() {
		return p.link
	}
	return p.from
}

// ndAnnouncement is an unsolicited advertisement that overrides what neighbours have (RFC 4861 section 7.2.6).
func ndAnnouncement(own MAC, addr netip.Addr) []byte {
	return ndPacket{
		from: own, source: addr, destination: allNodes,
		kind: ndAdvertise, flags: ndFlagOverride, target: addr, link: own,
	}.frame()
}

// ndQuestion asks for addr. Without a sender (::) it is a probe as in duplicate address detection (RFC 4862 section
// 5.4.2), which must not name the sender's hardware address.
func ndQuestion(own MAC, sender, addr netip.Addr) []byte {
	p := ndPacket{
		from: own, source: sender, destination: solicitedNode(addr),
		kind: ndSolicit, target: addr, link: own,
	}
	if !sender.Is6() {
		p.source, p.link = netip.IPv6Unspecified(), MAC{}
	}
	return p.frame()
}

// solicitedNode returns the group in which a holder of addr listens (RFC 4291 section 2.7.1).
func solicitedNode(addr netip.Addr) netip.Addr {
	a := addr.As16()
	group := netip.MustParseAddr("ff02::1:ff00:0").As16()
	copy(group[13:], a[13:])
	return netip.AddrFrom16(group)
}

// groupMAC returns the Ethernet group of an IPv6 group (RFC 2464 section 7).
func groupMAC(group netip.Addr) MAC {
	g := group.As16()
	return MAC{0x33, 0x33, g[12], g[13], g[14], g[15]}
}

// ndChecksum sums body with the pseudo header (RFC 8200 section 8.1). It is zero for a body whose checksum is right.
func ndChecksum(source, destination netip.Addr, body []byte) uint16 {
	s, d := source.As16(), destination.As16()
	sum := uint32(len(body)) + icmpv6
	for _, part := range [][]byte{s[:], d[:], body} {
		for ; len(part) > 1; part = part[2:] {
			sum += uint32(binary.BigEndian.Uint16(part))
		}
		if len(part) == 1 {
			sum += uint32(part[0]) << 8
		}
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
