package link

import (
	"errors"
	"fmt"
	"net/netip"
)

// Kind says how a link reaches the other side.
type Kind uint8

// The kinds of link, named after Heartbeat's directives bcast, mcast and ucast.
const (
	Broadcast Kind = iota
	Multicast
	Unicast
)

// Spec describes one link as the configuration does.
type Spec struct {
	Kind      Kind
	Interface string
	Address   netip.Addr // the group or the peer; zero for broadcast
	Port      int
	TTL       int  // multicast only: TTL or hop limit
	Loop      bool // multicast only: hear our own datagrams
}

// String names the link as an operator would: "bcast eth1", "ucast eth0 192.168.1.2".
// A multicast link shows its port, which is its own and not the common one.
func (s Spec) String() string {
	six := ""
	if s.six() {
		six = "6"
	}
	switch s.Kind {
	case Broadcast:
		return "bcast " + s.Interface
	case Multicast:
		return fmt.Sprintf("mcast%s %s %s %d", six, s.Interface, s.Address, s.Port)
	case Unicast:
		return fmt.Sprintf("ucast%s %s %s", six, s.Interface, s.Address)
	}
	return fmt.Sprintf("link of unknown kind %d on %s", s.Kind, s.Interface)
}

func (s Spec) six() bool { return s.Address.Is6() }

// check reports what no interface could ever fulfil.
func (s Spec) check() error {
	switch {
	case s.Interface == "":
		return errors.New("no interface is named: write one after the directive")
	case s.Port < 1 || s.Port > maxPort:
		return fmt.Errorf("port %d is not between 1 and %d", s.Port, maxPort)
	case s.Kind == Broadcast && s.Address.IsValid():
		return fmt.Errorf("a broadcast link takes no address, but has %s", s.Address)
	case s.Kind == Unicast && (!s.Address.IsValid() || s.Address.IsMulticast() || s.Address.IsUnspecified()):
		return fmt.Errorf("%s is not the address of a machine", s.Address)
	case s.Kind == Multicast:
		return s.checkGroup()
	case s.Kind > Unicast:
		return fmt.Errorf("kind %d is unknown", s.Kind)
	}
	return nil
}

func (s Spec) checkGroup() error {
	if !s.Address.IsMulticast() {
		return fmt.Errorf("%s is not a multicast group: use one of 224.0.0.0/4 or ff00::/8", s.Address)
	}
	if s.TTL < 0 || s.TTL > maxTTL {
		return fmt.Errorf("ttl %d is not between 0 and %d", s.TTL, maxTTL)
	}
	return nil
}

const (
	maxPort = 65535 // the field has 16 bits
	maxTTL  = 255   // the field has 8 bits
)
