package lab

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
)

// Lengths and numbers of RFC 826 (ARP), RFC 8200 (IPv6) and RFC 4861 (neighbour discovery).
const (
	etherLen   = 14
	arpLen     = 28
	arpAsk     = 1
	arpReply   = 2
	ip6Len     = 40
	icmp6      = 58
	ndSolicit  = 135
	ndAdvert   = 136
	ndLen      = 24 // without options
	ndLinkOpt  = 8  // a link-layer address option
	typeARP    = 0x0806
	typeIP6    = 0x86dd
	solicitedN = 0x40 // the flag of an advertisement that answers a question
)

// arpQuestion asks who has an address, as any machine would that wants to send to it.
func arpQuestion(mac net.HardwareAddr, own, wanted netip.Addr) []byte {
	f := make([]byte, 0, etherLen+arpLen)
	f = append(f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	f = append(f, mac...)
	f = binary.BigEndian.AppendUint16(f, typeARP)
	f = append(f, 0, 1, 8, 0, 6, 4, 0, arpAsk)
	f = append(f, mac...)
	f = append(f, own.AsSlice()...)
	f = append(f, 0, 0, 0, 0, 0, 0)
	return append(f, wanted.AsSlice()...)
}

// arpAnswer reads a frame in which somebody says that it has the address: a reply, or a gratuitous request.
func arpAnswer(frame []byte, address netip.Addr) (sighting, bool) {
	if len(frame) < etherLen+arpLen || binary.BigEndian.Uint16(frame[12:]) != typeARP {
		return sighting{}, false
	}
	arp := frame[etherLen:]
	if !bytes.Equal(arp[:6], []byte{0, 1, 8, 0, 6, 4}) || !bytes.Equal(arp[14:18], address.AsSlice()) {
		return sighting{}, false
	}
	operation := binary.BigEndian.Uint16(arp[6:])
	gratuitous := bytes.Equal(arp[14:18], arp[24:28]) || frame[0]&1 == 1
	if operation != arpReply && !(operation == arpAsk && gratuitous) {
		return sighting{}, false
	}
	return sighting{MAC: net.HardwareAddr(arp[8:14]).String(), Announced: gratuitous}, true
}

// ndQuestion is a neighbour solicitation to the solicited-node group of the address.
func ndQuestion(mac net.HardwareAddr, own, wanted netip.Addr) []byte {
	w := wanted.As16()
	group := [16]byte{0: 0xff, 1: 0x02, 11: 1, 12: 0xff, 13: w[13], 14: w[14], 15: w[15]}
	f := make([]byte, 0, etherLen+ip6Len+ndLen+ndLinkOpt)
	f = append(f, 0x33, 0x33, group[12], group[13], group[14], group[15])
	f = append(f, mac...)
	f = binary.BigEndian.AppendUint16(f, typeIP6)
	f = append(f, 0x60, 0, 0, 0, 0, ndLen+ndLinkOpt, icmp6, 255)
	f = append(f, own.AsSlice()...)
	f = append(f, group[:]...)
	f = append(f, ndSolicit, 0, 0, 0, 0, 0, 0, 0)
	f = append(f, w[:]...)
	f = append(f, 1, 1)
	f = append(f, mac...)
	binary.BigEndian.PutUint16(f[etherLen+ip6Len+2:], icmp6Sum(f[etherLen:]))
	return f
}

// icmp6Sum computes the ICMPv6 checksum of an IPv6 packet whose checksum field is zero.
func icmp6Sum(ip []byte) uint16 {
	sum := uint32(len(ip)-ip6Len) + icmp6
	for i := 8; i+1 < len(ip); i += 2 { // the addresses, then the message
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// ndAnswer reads a neighbour advertisement for the address.
func ndAnswer(frame []byte, address netip.Addr) (sighting, bool) {
	if len(frame) < etherLen+ip6Len+ndLen || binary.BigEndian.Uint16(frame[12:]) != typeIP6 {
		return sighting{}, false
	}
	ip := frame[etherLen:]
	icmp := ip[ip6Len:]
	if ip[6] != icmp6 || icmp[0] != ndAdvert || !bytes.Equal(icmp[8:24], address.AsSlice()) {
		return sighting{}, false
	}
	return sighting{MAC: net.HardwareAddr(frame[6:12]).String(), Announced: icmp[4]&solicitedN == 0}, true
}
