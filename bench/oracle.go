package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"lubdub/internal/lab"
)

// claim is a frame of the capture at the client: a question for the shared address, or somebody who says that he has it.
type claim struct {
	at        time.Duration // as the kernel saw it, on the boot clock
	mac       string        // who sent it
	question  bool          // the client's
	announced bool          // nobody had asked
	six       bool          // of the IPv6 address
}

// The format of a capture (pcap 2.4, microseconds), and of the frames in it: RFC 826, RFC 8200, RFC 4861.
const (
	pcapMagic  = 0xa1b2c3d4
	pcapHeader = 24
	pcapRecord = 16

	etherLen, arpLen, ip6Len, ndLen = 14, 28, 40, 24
	typeARP, typeIP6                = 0x0806, 0x86dd
	solicit, advert                 = 135, 136
	solicitedFlag                   = 0x40
)

// readClaims reads a capture. wall is the wall clock's time when the boot clock began.
func readClaims(file string, asker string, wall time.Time) ([]claim, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if len(raw) < pcapHeader || binary.NativeEndian.Uint32(raw) != pcapMagic {
		return nil, fmt.Errorf("%s is no capture of this machine", file)
	}
	var all []claim
	for raw = raw[pcapHeader:]; len(raw) >= pcapRecord; {
		at := time.Unix(int64(binary.NativeEndian.Uint32(raw)), int64(binary.NativeEndian.Uint32(raw[4:]))*1000)
		size := int(binary.NativeEndian.Uint32(raw[8:]))
		if raw = raw[pcapRecord:]; size > len(raw) {
			break // the capture was cut short
		}
		if c, ok := readClaim(raw[:size], asker); ok {
			c.at = at.Sub(wall)
			all = append(all, c)
		}
		raw = raw[size:]
	}
	if len(all) == 0 {
		return nil, errors.New("the capture holds no question and no answer")
	}
	return all, nil
}

// readClaim reads a frame, if it is about the shared address.
func readClaim(f []byte, asker string) (claim, bool) {
	if len(f) < etherLen {
		return claim{}, false
	}
	c := claim{mac: net.HardwareAddr(f[6:12]).String()}
	var ok bool
	switch binary.BigEndian.Uint16(f[12:]) {
	case typeARP:
		ok = c.readARP(f[etherLen:], f[0]&1 == 1)
	case typeIP6:
		ok = c.readND(f[etherLen:])
	}
	if c.question && c.mac != asker {
		return claim{}, false // another's question
	}
	return c, ok
}

func (c *claim) readARP(arp []byte, multicast bool) bool {
	address := netip.MustParseAddr(shared).AsSlice()
	if len(arp) < arpLen || !bytes.Equal(arp[:6], []byte{0, 1, 8, 0, 6, 4}) {
		return false
	}
	from, to := bytes.Equal(arp[14:18], address), bytes.Equal(arp[24:28], address)
	switch reply := binary.BigEndian.Uint16(arp[6:]) == 2; {
	case from:
		c.mac = net.HardwareAddr(arp[8:14]).String()
		c.announced = to || multicast
		return reply || c.announced
	case to && !reply:
		c.question = true
		return true
	}
	return false
}

func (c *claim) readND(ip []byte) bool {
	address := netip.MustParseAddr(shared6).AsSlice()
	if len(ip) < ip6Len+ndLen || ip[6] != 58 {
		return false
	}
	icmp := ip[ip6Len:]
	if !bytes.Equal(icmp[8:24], address) {
		return false
	}
	c.six = true
	c.question, c.announced = icmp[0] == solicit, icmp[0] == advert && icmp[4]&solicitedFlag == 0
	return icmp[0] == solicit || icmp[0] == advert
}

const (
	// together is the time within which two nodes that answer in turn count as two that answer at the same time: a frame was
	// lost, and each question had one answer. No planned move goes to and fro within it.
	together = 300 * time.Millisecond
	// joined is the longest pause within one overlap.
	joined = 100 * time.Millisecond
)

// overlaps are the spans in which two of the nodes said that they have the address: two answers to one question, or the one,
// then the other, then the first again. No tolerance: the address is muted before another may take it.
func overlaps(all []claim, six bool) (spans []lab.Span) {
	before := map[string]time.Duration{} // when each node claimed it last
	answered := map[string]bool{}        // of the present question
	asked := time.Duration(0)
	for _, c := range all {
		if c.six != six {
			continue
		}
		if c.question {
			asked, answered = c.at, map[string]bool{}
			continue
		}
		for mac, at := range before {
			if mac == c.mac {
				continue
			}
			own, known := before[c.mac]
			switch {
			case !c.announced && answered[mac]:
				spans = join(spans, lab.Span{From: asked, To: c.at})
			case known && own < at && c.at-own < together:
				spans = join(spans, lab.Span{From: own, To: c.at})
			}
		}
		before[c.mac] = c.at
		if !c.announced {
			answered[c.mac] = true
		}
	}
	return spans
}

func join(spans []lab.Span, s lab.Span) []lab.Span {
	if n := len(spans); n > 0 && s.From-spans[n-1].To < joined {
		spans[n-1].To = max(spans[n-1].To, s.To)
		return spans
	}
	return append(spans, s)
}

// lengthOf is how long an overlap counts: a single question is one pace.
func lengthOf(s lab.Span) time.Duration { return max(s.Duration(), askPace) }

// lull is the shortest time without an answer that counts as one: the questions come each 10 ms, and the machine may be busy.
const lull = 100 * time.Millisecond

// silences are the spans in which nobody answered, between two times.
func silences(answers []time.Duration, within lab.Span) (spans []lab.Span) {
	last := within.From
	for _, at := range append(slices.Clone(answers), within.To) {
		if at < within.From || at > within.To {
			continue
		}
		if at-last > lull {
			spans = append(spans, lab.Span{From: last, To: at})
		}
		last = at
	}
	return spans
}

// ownership is a change of who answers.
type ownership struct {
	at  time.Duration
	mac string
}

// changes are the moments at which another node began to answer; while two answer there is none.
func changes(all []claim, two []lab.Span) (moves []ownership) {
	now := ""
	for _, c := range all {
		if c.six || c.question || c.announced || c.mac == now {
			continue
		}
		if slices.ContainsFunc(two, func(s lab.Span) bool { return s.From <= c.at && c.at < s.To }) {
			continue
		}
		now = c.mac
		moves = append(moves, ownership{c.at, now})
	}
	return moves
}
