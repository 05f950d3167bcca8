package vip

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

var (
	here  = MAC{2, 0, 0x5e, 0, 0x53, 1}
	other = MAC{2, 0, 0x5e, 0, 0x53, 2}
)

func TestARPSightings(t *testing.T) {
	a, b, none := addr("192.0.2.100"), addr("192.0.2.2"), addr("0.0.0.0")
	for _, c := range []struct {
		name   string
		op     uint16
		sender netip.Addr
		target netip.Addr
		want   Sighting // zero: nothing
		from   netip.Addr
	}{
		{"probe (RFC 5227 2.1.1)", arpRequest, none, a, Sighting{Address: a, Kind: KindProbe}, netip.Addr{}},
		{"announcement as request (2.3)", arpRequest, a, a, Sighting{Address: a, Kind: KindAnnouncement}, a},
		{"announcement as reply", arpReply, a, a, Sighting{Address: a, Kind: KindAnnouncement}, a},
		{"reply", arpReply, a, b, Sighting{Address: a, Kind: KindReply}, a},
		{"reply to a probe", arpReply, a, none, Sighting{Address: a, Kind: KindReply}, a},
		{"request: the sender claims (2.4)", arpRequest, a, b, Sighting{Address: a, Kind: KindRequest}, a},
		{"reply from nobody", arpReply, none, a, Sighting{}, netip.Addr{}},
		{"probe for nothing", arpRequest, none, none, Sighting{}, netip.Addr{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sent := arpPacket{from: other, op: c.op, senderMAC: other, sender: c.sender, targetMAC: here, target: c.target}
			p, err := parseARP(sent.frame())
			if err != nil || p != sent {
				t.Fatalf("parsed %+v, %v; want %+v", p, err, sent)
			}
			got, ok := p.sighting()
			if c.want.Kind != 0 {
				c.want.MAC = other
			}
			if ok != (c.want.Kind != 0) || ok && got != c.want {
				t.Errorf("got %+v, %v; want %+v", got, ok, c.want)
			}
			if s := p.station(); s.Address != c.from || s.MAC != other {
				t.Errorf("station %+v, want %v", s, c.from)
			}
		})
	}
}

func TestARPRefusals(t *testing.T) {
	good := arpPacket{from: other, op: arpRequest, senderMAC: other, sender: addr("192.0.2.1"), target: addr("192.0.2.2")}.frame()
	if _, err := parseARP(append(slices.Clone(good), make([]byte, 18)...)); err != nil {
		t.Errorf("padding: %v", err)
	}
	for _, c := range []struct {
		name string
		at   int
		to   byte
		want error
	}{
		{"other protocol", 13, 0x07, errAlien},
		{"no Ethernet", 15, 6, errAlien},
		{"no IPv4", 16, 0x86, errAlien},
		{"hardware length", 18, 8, errAlien},
		{"protocol length", 19, 16, errAlien},
		{"operation", 21, 3, errWrong},
		{"sent by a group", 6, 3, errWrong},
		{"claimed by a group", 22, 3, errWrong},
	} {
		bad := slices.Clone(good)
		bad[c.at] = c.to
		if _, err := parseARP(bad); err != c.want {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	for n := range good {
		if _, err := parseARP(good[:n]); err != errShort {
			t.Errorf("%d bytes: got %v", n, err)
		}
	}
}

func TestNDSightings(t *testing.T) {
	a, b, local, none := addr("2001:db8::64"), addr("2001:db8::2"), addr("fe80::2"), addr("::")
	group := solicitedNode(a)
	for _, c := range []struct {
		name string
		p    ndPacket
		want Sighting
		from netip.Addr
	}{
		{"probe (RFC 4862 5.4.2)", ndPacket{source: none, destination: group, kind: ndSolicit, target: a},
			Sighting{Address: a, Kind: KindProbe, MAC: other}, netip.Addr{}},
		{"question", ndPacket{source: b, destination: group, kind: ndSolicit, target: a, link: here},
			Sighting{Address: b, Kind: KindRequest, MAC: here}, b},
		{"question without option", ndPacket{source: b, destination: a, kind: ndSolicit, target: a},
			Sighting{Address: b, Kind: KindRequest, MAC: other}, b},
		{"announcement, or answer to a probe", ndPacket{source: a, destination: allNodes, kind: ndAdvertise, flags: ndFlagOverride, target: a, link: here},
			Sighting{Address: a, Kind: KindAnnouncement, MAC: here}, a},
		{"reply", ndPacket{source: local, destination: b, kind: ndAdvertise, flags: ndFlagSolicited, target: a, link: here},
			Sighting{Address: a, Kind: KindReply, MAC: here}, local},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.p.from = other
			p, err := parseND(c.p.frame())
			if err != nil || p != c.p {
				t.Fatalf("parsed %+v, %v; want %+v", p, err, c.p)
			}
			if got, ok := p.sighting(); !ok || got != c.want {
				t.Errorf("got %+v, %v; want %+v", got, ok, c.want)
			}
			if s := p.station(); s.Address != c.from || s.MAC != other {
				t.Errorf("station %+v, want %v", s, c.from)
			}
		})
	}
}

func TestNDRefusals(t *testing.T) {
	a, b := addr("2001:db8::64"), addr("2001:db8::2")
	answer := ndPacket{from: other, source: a, destination: b, kind: ndAdvertise, flags: ndFlagSolicited, target: a, link: other}
	change := func(f func(p *ndPacket)) []byte { p := answer; f(&p); return p.frame() }
	raw := func(at int, to byte) []byte { f := answer.frame(); f[at] = to; return f }
	for _, c := range []struct {
		name  string
		frame []byte
		want  error
	}{
		{"good", answer.frame(), nil},
		{"a router forwarded it", raw(21, 64), errWrong},
		{"code", raw(55, 1), errWrong},
		{"checksum", raw(56, 0x12), errWrong},
		{"extension header", raw(20, 0), errAlien},
		{"IPv4", raw(14, 0x45), errAlien},
		{"other message", change(func(p *ndPacket) { p.kind = 128 }), errAlien},
		{"length past the end", raw(19, 200), errShort},
		{"length too small", raw(19, 20), errShort},
		{"option of length 0", raw(79, 0), errWrong},
		{"option past the end", raw(79, 2), errWrong},
		{"target is a group", change(func(p *ndPacket) { p.target = allNodes }), errWrong},
		{"target is nothing", change(func(p *ndPacket) { p.target = addr("::") }), errWrong},
		{"advertised by nobody", change(func(p *ndPacket) { p.source = addr("::") }), errWrong},
		{"solicited but sent to all", change(func(p *ndPacket) { p.destination = allNodes }), errWrong},
		{"probe with own address", change(func(p *ndPacket) {
			p.kind, p.source, p.destination = ndSolicit, addr("::"), solicitedNode(a)
		}), errWrong},
		{"probe to a single station", change(func(p *ndPacket) {
			p.kind, p.source, p.destination, p.link = ndSolicit, addr("::"), b, MAC{}
		}), errWrong},
		{"sent by a group", change(func(p *ndPacket) { p.from[0] = 3 }), errWrong},
	} {
		if _, err := parseND(c.frame); err != c.want {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	for n := range answer.frame() {
		if _, err := parseND(answer.frame()[:n]); err == nil {
			t.Errorf("%d bytes are accepted", n)
		}
	}
}

const kernelAdvertisement = `
3333000000010200 5e00530286dd6000 000000203aff2001 0db8000000000000 000000000064ff02 0000000000000000
0000000000018800 4763200000002001 0db8000000000000 0000000000640201 02005e005302`

// The frame is one of Linux 6.18's own, an answer to duplicate address detection, captured with tcpdump.
func TestNDFromKernel(t *testing.T) {
	frame, err := hex.DecodeString(strings.Join(strings.Fields(kernelAdvertisement), ""))
	if err != nil {
		t.Fatal(err)
	}
	p, err := parseND(frame)
	if err != nil {
		t.Fatal(err)
	}
	want := Sighting{Address: addr("2001:db8::64"), Kind: KindAnnouncement, MAC: other}
	if got, _ := p.sighting(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestKinds(t *testing.T) {
	for k, claims := range map[Kind]bool{KindProbe: false, KindAnnouncement: true, KindReply: true, KindRequest: true} {
		if k.Claims() != claims || strings.HasPrefix(k.String(), "kind") {
			t.Errorf("%v claims: %v", k, k.Claims())
		}
	}
	if got := here.String(); got != "02:00:5e:00:53:01" {
		t.Errorf("MAC %s", got)
	}
}

func FuzzARP(f *testing.F) {
	for _, frame := range arpAnnouncements(here, addr("192.0.2.100")) {
		f.Add(frame)
	}
	f.Add(arpQuestion(here, netip.Addr{}, addr("192.0.2.100")))
	f.Fuzz(func(t *testing.T, frame []byte) {
		p, err := parseARP(frame)
		if err != nil {
			return
		}
		again, err := parseARP(p.frame())
		if err != nil || again != p {
			t.Errorf("%x: %+v, again %+v, %v", frame, p, again, err)
		}
		if s, ok := p.sighting(); ok && (!s.Address.Is4() || s.Address.IsUnspecified() || !s.MAC.station()) {
			t.Errorf("%x: sighting %+v", frame, s)
		}
	})
}

func FuzzND(f *testing.F) {
	f.Add(ndAnnouncement(here, addr("2001:db8::64")))
	f.Add(ndQuestion(here, netip.Addr{}, addr("2001:db8::64")))
	f.Add(ndQuestion(here, addr("fe80::1"), addr("2001:db8::64")))
	f.Fuzz(func(t *testing.T, frame []byte) {
		repair(frame)
		p, err := parseND(frame)
		if err != nil {
			return
		}
		again, err := parseND(p.frame())
		if err != nil || again != p {
			t.Errorf("%x: %+v, again %+v, %v", frame, p, again, err)
		}
		if s, ok := p.sighting(); !ok || !s.Address.Is6() || s.Address.IsUnspecified() || !s.MAC.station() {
			t.Errorf("%x: sighting %+v", frame, s)
		}
	})
}

// repair puts a right checksum into what could be neighbour discovery, for chance would not find one.
func repair(frame []byte) {
	if len(frame) < etherLen+ipv6Len+ndLen {
		return
	}
	b := frame[etherLen:]
	n := ipv6Len + int(binary.BigEndian.Uint16(b[4:]))
	if n < ipv6Len+ndLen || n > len(b) {
		return
	}
	binary.BigEndian.PutUint16(b[ipv6Len+2:], 0)
	sum := ndChecksum(netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40])), b[ipv6Len:n])
	binary.BigEndian.PutUint16(b[ipv6Len+2:], sum)
}
