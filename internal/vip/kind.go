package vip

import (
	"net/netip"
	"strconv"
)

// MAC is the hardware address of a station.
type MAC [6]byte

// String returns the usual form, 02:00:5e:00:53:01.
func (m MAC) String() string {
	const digits = "0123456789abcdef"
	text := make([]byte, 0, 3*len(m))
	for i, b := range m {
		if i > 0 {
			text = append(text, ':')
		}
		text = append(text, digits[b>>4], digits[b&15])
	}
	return string(text)
}

// station reports whether m can be the address of one station: neither zero nor a group.
func (m MAC) station() bool { return m != MAC{} && m[0]&1 == 0 }

// Kind says what a station said about an address.
type Kind uint8

// The kinds of sighting. All but a probe claim the address for the sender (RFC 5227 section 2.4).
const (
	KindProbe        Kind = iota + 1 // it asks whether the address is free: sender 0.0.0.0, or a solicitation from ::
	KindAnnouncement                 // it tells everybody that it has the address
	KindReply                        // it tells one asker that it has the address
	KindRequest                      // it asks for another address and names this one as its own
)

// String returns the word for the kind.
func (k Kind) String() string {
	switch k {
	case KindProbe:
		return "probe"
	case KindAnnouncement:
		return "announcement"
	case KindReply:
		return "reply"
	case KindRequest:
		return "request"
	}
	return "kind " + strconv.Itoa(int(k))
}

// Claims reports whether the sender says that it has the address.
func (k Kind) Claims() bool { return k > KindProbe }

// Sighting is what one station said about one address.
type Sighting struct {
	Address netip.Addr
	Kind    Kind
	MAC     MAC   // as the frame's body says, for neighbours believe the body
	At      int64 // boot time at which the frame was read; it arrived then or earlier
}
