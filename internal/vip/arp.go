package vip

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// Lengths and numbers of Ethernet and of ARP for IPv4 over it (RFC 826).
const (
	etherLen      = 14
	etherTypeIPv4 = 0x0800
	etherTypeARP  = 0x0806
	etherTypeIPv6 = 0x86dd

	arpLen      = 28
	arpEthernet = 1
	arpRequest  = 1
	arpReply    = 2
)

// broadcastMAC reaches every station.
var broadcastMAC = MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

var (
	errShort = errors.New("frame is too short")
	errAlien = errors.New("frame is not what this socket asked for")
	errWrong = errors.New("frame has a field that its protocol forbids")
)

// arpPacket is an ARP packet for IPv4 over Ethernet.
type arpPacket struct {
	from      MAC // of the frame, not of the packet
	op        uint16
	senderMAC MAC
	sender    netip.Addr
	targetMAC MAC
	target    netip.Addr
}

// frame returns the packet in an Ethernet frame for everybody.
func (p arpPacket) frame() []byte {
	b := make([]byte, 0, etherLen+arpLen)
	b = appendEthernet(b, broadcastMAC, p.from, etherTypeARP)
	b = binary.BigEndian.AppendUint16(b, arpEthernet)
	b = binary.BigEndian.AppendUint16(b, etherTypeIPv4)
	b = append(b, byte(len(MAC{})), 4)
	b = binary.BigEndian.AppendUint16(b, p.op)
	b = append(b, p.senderMAC[:]...)
	b = append(b, p.sender.AsSlice()...)
	b = append(b, p.targetMAC[:]...)
	return append(b, p.target.AsSlice()...)
}

// parseARP reads an Ethernet frame with an ARP packet; what follows the packet is padding.
func parseARP(frame []byte) (arpPacket, error) {
	if len(frame) < etherLen+arpLen {
		return arpPacket{}, errShort
	}
	b := frame[etherLen:]
	if binary.BigEndian.Uint16(frame[12:]) != etherTypeARP || binary.BigEndian.Uint16(b) != arpEthernet ||
		binary.BigEndian.Uint16(b[2:]) != etherTypeIPv4 || b[4] != byte(len(MAC{})) || b[5] != 4 {
		return arpPacket{}, errAlien
	}
	p := arpPacket{
		from:      MAC(frame[6:12]),
		op:        binary.BigEndian.Uint16(b[6:]),
		senderMAC: MAC(b[8:14]),
		sender:    netip.AddrFrom4([4]byte(b[14:18])),
		targetMAC: MAC(b[18:24]),
		target:    netip.AddrFrom4([4]byte(b[24:28])),
	}
	if p.op != arpRequest && p.op != arpReply || !p.from.station() || !p.senderMAC.station() {
		return arpPacket{}, errWrong
	}
	return p, nil
}

// sighting says what the packet claims about an address, as RFC 5227 sections 1.1 and 2.4 tell the kinds apart.
func (p arpPacket) sighting() (Sighting, bool) {
	s := Sighting{Address: p.sender, MAC: p.senderMAC}
	switch {
	case p.sender.IsUnspecified():
		s.Address, s.Kind = p.target, KindProbe
		return s, p.op == arpRequest && !p.target.IsUnspecified()
	case p.sender == p.target:
		s.Kind = KindAnnouncement
	case p.op == arpReply:
		s.Kind = KindReply
	default:
		s.Kind = KindRequest
	}
	return s, true
}

// station names the station that sent the packet; its address is zero if it does not tell.
func (p arpPacket) station() Station {
	if p.sender.IsUnspecified() {
		return Station{MAC: p.senderMAC}
	}
	return Station{Address: p.sender, MAC: p.senderMAC}
}

// arpAnnouncements returns both forms of the announcement: some devices take only the request, as RFC 5227 section 2.3
// has it, and some only the reply. The reply names the sender as target, or Linux does not take it for an announcement.
func arpAnnouncements(own MAC, addr netip.Addr) [][]byte {
	request := arpPacket{from: own, op: arpRequest, senderMAC: own, sender: addr, target: addr}
	reply := request
	reply.op, reply.targetMAC = arpReply, own
	return [][]byte{request.frame(), reply.frame()}
}

// arpQuestion asks for addr. Without a sender (0.0.0.0) it is a probe, which changes no neighbour's table.
func arpQuestion(own MAC, sender, addr netip.Addr) []byte {
	if !sender.Is4() {
		sender = netip.IPv4Unspecified()
	}
	return arpPacket{from: own, op: arpRequest, senderMAC: own, sender: sender, target: addr}.frame()
}

// appendEthernet appends the header of an Ethernet frame.
func appendEthernet(b []byte, to, from MAC, etherType uint16) []byte {
	b = append(append(b, to[:]...), from[:]...)
	return binary.BigEndian.AppendUint16(b, etherType)
}
