package test

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"lubdub/internal/lab"
)

// sends sends frames from a host's interface on the front, one each pause.
func (p *pair) sends(node string, count int, pause time.Duration, frame func() []byte) {
	p.t.Helper()
	must(p.t, p.Host(node).Do(func() error {
		eth, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		conn, err := packet.Listen(eth, packet.Raw, unix.ETH_P_ALL, nil)
		if err != nil {
			return err
		}
		defer conn.Close()
		for range count {
			f := frame()
			if _, err := conn.WriteTo(f, &packet.Addr{HardwareAddr: f[:6]}); err != nil {
				return err
			}
			time.Sleep(pause)
		}
		return nil
	}))
}

// gratuitous is an ARP announcement of the shared address.
func gratuitous(mac net.HardwareAddr) []byte {
	a := netip.MustParseAddr(shared).AsSlice()
	f := append(unhex("ffffffffffff"), mac...)
	f = append(append(f, unhex("0806000108000604 0001")...), mac...)
	f = append(append(f, a...), unhex("000000000000")...)
	return append(f, a...)
}

// advertisement is an unsolicited neighbour advertisement of the shared IPv6 address.
func advertisement(mac net.HardwareAddr) []byte {
	target := netip.MustParseAddr(shared6).AsSlice()
	body := append(append(unhex("8800000020000000"), target...), append(unhex("0201"), mac...)...)
	all := netip.MustParseAddr("ff02::1").AsSlice()
	sum := uint32(len(body)) + unix.IPPROTO_ICMPV6
	for _, part := range [][]byte{target, all, body} {
		for i := 0; i < len(part); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(part[i:]))
		}
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(body[2:], ^uint16(sum))
	f := append(append(unhex("333300000001"), mac...), unhex("86dd60000000")...)
	f = binary.BigEndian.AppendUint16(f, uint16(len(body)))
	f = append(append(f, unix.IPPROTO_ICMPV6, 255), target...)
	return append(append(f, all...), body...)
}

func unhex(text string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// alarms counts the alarms about a stranger on a node.
func (p *pair) alarms(node string) int {
	return strings.Count(p.run(node, lubdub+" events"), "another machine with hardware address")
}

// TestStrangerAnnounces: a stranger announces the shared addresses, once and then in a flood from a thousand hardware addresses.
// The owner names it, keeps the address, and neither its log nor its heartbeat suffers.
func TestStrangerAnnounces(t *testing.T) {
	p := newLeasePair(t, setup{})
	p.served()
	for i, frame := range []func(net.HardwareAddr) []byte{gratuitous, advertisement} {
		mac := net.HardwareAddr{2, 0, 0x5e, 0x10, 0, byte(1 + i)}
		if i > 0 {
			time.Sleep(10*second + 200*time.Millisecond) // an alarm each ten seconds is enough
		}
		p.sends(web, 1, 0, func() []byte { return frame(mac) })
		eventually(t, busy, "the alarm names "+mac.String(), func() bool {
			return strings.Contains(p.run(one, lubdub+" events"), mac.String())
		})
	}
	const announcements = 100_000
	before := p.alarms(one)
	flood := lab.Now()
	p.sends(web, announcements, 0, func() []byte {
		mac := make(net.HardwareAddr, 6)
		binary.BigEndian.PutUint32(mac[2:], rand.Uint32N(1000))
		mac[0] = 2
		return gratuitous(mac)
	})
	length := lab.Now() - flood
	time.Sleep(deadTime)
	t.Logf("%d announcements in %v: %d alarms more", announcements, round(length), p.alarms(one)-before)
	if more := p.alarms(one) - before; more > 2+int(length/(10*second)) {
		t.Errorf("%d alarms for one flood", more)
	}
	for _, node := range []string{one, two} {
		if s := p.status(node); s.Peer.Membership != "up" || strings.Contains(p.run(node, lubdub+" events"), "is down") {
			t.Errorf("%s lost its peer in the flood: %s", node, s.Peer.Words)
		}
	}
	time.Sleep(second)
	p.alone(one, lab.Now()-second) // until then the announcements themselves carried other hardware addresses
	p.neverTwo()
}
