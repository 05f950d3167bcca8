package link

import "net/netip"

// reach says how a datagram was addressed.
type reach uint8

const (
	toMachine reach = iota
	toEverybody
	toGroup
)

// credit chooses the link to which a datagram belongs, among links that share a
// socket; the table is in the package's comment. It returns nil for a group that
// no link listens to.
func credit(links []*Link, how reach, from, to netip.Addr) *Link {
	switch how {
	case toGroup:
		return first(links, func(s Spec) bool { return s.Kind == Multicast && s.Address == to })
	case toEverybody:
		if l := first(links, isBroadcast); l != nil {
			return l
		}
	}
	if l := first(links, func(s Spec) bool { return s.Kind == Unicast && s.Address == from }); l != nil {
		return l
	}
	// An unknown sender: the peer with another address. It is not the link to
	// this machine itself, which a file shared by both nodes has too.
	if l := first(links, func(s Spec) bool { return s.Kind == Unicast && s.Address != to }); l != nil {
		return l
	}
	if l := first(links, func(s Spec) bool { return s.Kind == Unicast }); l != nil {
		return l
	}
	return first(links, isBroadcast)
}

func isBroadcast(s Spec) bool { return s.Kind == Broadcast }

func first(links []*Link, fits func(Spec) bool) *Link {
	for _, l := range links {
		if fits(l.spec) {
			return l
		}
	}
	return nil
}
