package link

import (
	"net/netip"
	"strings"
	"testing"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestSpec(t *testing.T) {
	tests := []struct {
		spec Spec
		name string
		bad  string // part of what check says
	}{
		{Spec{Kind: Broadcast, Interface: "eth1", Port: 694}, "bcast eth1", ""},
		{Spec{Kind: Unicast, Interface: "eth0", Address: addr("192.168.1.2"), Port: 694}, "ucast eth0 192.168.1.2", ""},
		{Spec{Kind: Unicast, Interface: "eth0", Address: addr("fe80::2"), Port: 694}, "ucast6 eth0 fe80::2", ""},
		{Spec{Kind: Multicast, Interface: "eth0", Address: addr("225.0.0.1"), Port: 700, TTL: 1}, "mcast eth0 225.0.0.1 700", ""},
		{Spec{Kind: Multicast, Interface: "eth0", Address: addr("ff02::5"), Port: 700, TTL: 255}, "mcast6 eth0 ff02::5 700", ""},
		{Spec{Kind: Broadcast, Port: 694}, "bcast ", "no interface"},
		{Spec{Kind: Broadcast, Interface: "eth1"}, "bcast eth1", "port 0"},
		{Spec{Kind: Broadcast, Interface: "eth1", Port: 70000}, "bcast eth1", "port 70000"},
		{Spec{Kind: Broadcast, Interface: "eth1", Port: 1, Address: addr("10.0.0.255")}, "bcast eth1", "takes no address"},
		{Spec{Kind: Unicast, Interface: "eth1", Port: 1}, "ucast eth1 invalid IP", "not the address of a machine"},
		{Spec{Kind: Unicast, Interface: "eth1", Port: 1, Address: addr("225.0.0.1")}, "ucast eth1 225.0.0.1", "not the address of a machine"},
		{Spec{Kind: Multicast, Interface: "eth1", Port: 1, Address: addr("10.0.0.1")}, "mcast eth1 10.0.0.1 1", "not a multicast group"},
		{Spec{Kind: Multicast, Interface: "eth1", Port: 1, Address: addr("225.0.0.1"), TTL: 256}, "mcast eth1 225.0.0.1 1", "ttl 256"},
		{Spec{Kind: 9, Interface: "eth1", Port: 1}, "link of unknown kind 9 on eth1", "kind 9"},
	}
	for _, tt := range tests {
		if got := tt.spec.String(); got != tt.name {
			t.Errorf("got name %q, want %q", got, tt.name)
		}
		err := tt.spec.check()
		if (err == nil) != (tt.bad == "") || err != nil && !strings.Contains(err.Error(), tt.bad) {
			t.Errorf("%s: got error %v, want %q", tt.name, err, tt.bad)
		}
	}
}

// A spec that can never work makes a link that says so and harms nothing.
func TestOpenBadSpec(t *testing.T) {
	s := NewSet()
	defer s.Close()
	l := s.Open(Spec{Kind: Unicast, Interface: "lo", Port: 694}, make(chan Datagram, 1))
	if st := l.State(); st.Up || !strings.Contains(st.Reason, "not the address of a machine") {
		t.Errorf("got %+v", st)
	}
	if err := l.Send([]byte("x")); err == nil || !strings.Contains(err.Error(), "not the address of a machine") {
		t.Errorf("got error %v", err)
	}
	s.Refresh()
	l.Close()
	l.Close()
}

func TestCredit(t *testing.T) {
	const (
		bcast = "bcast eth0"
		peer  = "ucast eth0 10.0.0.2"
		self  = "ucast eth0 10.0.0.1"
		mcast = "mcast eth0 225.0.0.1 694"
		other = "mcast eth0 225.0.0.2 694"
		peer6 = "ucast6 eth0 fe80::2"
		group = "mcast6 eth0 ff02::5 694"
	)
	specs := map[string]Spec{
		bcast: {Kind: Broadcast, Interface: "eth0", Port: 694},
		peer:  {Kind: Unicast, Interface: "eth0", Address: addr("10.0.0.2"), Port: 694},
		self:  {Kind: Unicast, Interface: "eth0", Address: addr("10.0.0.1"), Port: 694},
		mcast: {Kind: Multicast, Interface: "eth0", Address: addr("225.0.0.1"), Port: 694},
		other: {Kind: Multicast, Interface: "eth0", Address: addr("225.0.0.2"), Port: 694},
		peer6: {Kind: Unicast, Interface: "eth0", Address: addr("fe80::2"), Port: 694},
		group: {Kind: Multicast, Interface: "eth0", Address: addr("ff02::5"), Port: 694},
	}
	all := []string{bcast, self, peer, mcast, other}
	tests := []struct {
		name     string
		links    []string
		how      reach
		from, to string
		want     string
	}{
		{"broadcast", all, toEverybody, "10.0.0.2", "10.0.0.255", bcast},
		{"broadcast of a peer with another mask", all, toEverybody, "10.0.0.2", "255.255.255.255", bcast},
		{"unicast of the peer", all, toMachine, "10.0.0.2", "10.0.0.1", peer},
		{"unicast of our own", all, toMachine, "10.0.0.1", "10.0.0.1", self},
		{"unicast of a peer under another address", all, toMachine, "10.0.0.77", "10.0.0.1", peer},
		{"unicast of a stranger, link to ourselves only", []string{bcast, self}, toMachine, "10.0.0.77", "10.0.0.1", self},
		{"unicast, broadcast link only", []string{mcast, bcast}, toMachine, "10.0.0.2", "10.0.0.1", bcast},
		{"broadcast, unicast links only", []string{self, peer}, toEverybody, "10.0.0.2", "10.0.0.255", peer},
		{"group", all, toGroup, "10.0.0.2", "225.0.0.1", mcast},
		{"the other group", all, toGroup, "10.0.0.2", "225.0.0.2", other},
		{"group of nobody", all, toGroup, "10.0.0.2", "225.0.0.3", ""},
		{"unicast to a multicast port", []string{mcast}, toMachine, "10.0.0.2", "10.0.0.1", ""},
		{"IPv6 peer", []string{group, peer6}, toMachine, "fe80::2", "fe80::1", peer6},
		{"IPv6 group", []string{group, peer6}, toGroup, "fe80::2", "ff02::5", group},
	}
	for _, tt := range tests {
		var links []*Link
		for _, name := range tt.links {
			links = append(links, &Link{spec: specs[name]})
		}
		got := ""
		if l := credit(links, tt.how, addr(tt.from), addr(tt.to)); l != nil {
			got = l.String()
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestJudge(t *testing.T) {
	bcast := Spec{Kind: Broadcast, Interface: "eth1", Port: 694}
	ucast := Spec{Kind: Unicast, Interface: "eth1", Address: addr("10.0.0.2"), Port: 694}
	ucast6 := Spec{Kind: Unicast, Interface: "eth1", Address: addr("fe80::2"), Port: 694}
	prefix := netip.MustParsePrefix
	tests := []struct {
		name   string
		spec   Spec
		face   face
		up     bool
		to     string
		reason string
	}{
		{"all there", bcast, face{up: true, carrier: true, prefix: prefix("10.0.0.1/24"), broadcast: addr("10.0.0.255")}, true, "10.0.0.255:694", ""},
		{"odd broadcast address", bcast, face{up: true, carrier: true, prefix: prefix("10.0.0.1/24"), broadcast: addr("10.0.0.0")}, true, "10.0.0.0:694", ""},
		{"none, /24", bcast, face{up: true, carrier: true, prefix: prefix("10.0.0.1/24")}, true, "10.0.0.255:694", "10.0.0.255 is computed from 10.0.0.1/24"},
		{"none, /20", bcast, face{up: true, carrier: true, prefix: prefix("172.16.33.1/20")}, true, "172.16.47.255:694", "computed"},
		{"none, /30", bcast, face{up: true, carrier: true, prefix: prefix("10.0.0.5/30")}, true, "10.0.0.7:694", "computed"},
		{"zero, /8", bcast, face{up: true, carrier: true, prefix: prefix("10.1.2.3/8"), broadcast: addr("0.0.0.0")}, true, "10.255.255.255:694", "computed"},
		{"/31", bcast, face{up: true, carrier: true, prefix: prefix("10.0.0.4/31")}, true, "255.255.255.255:694", "no broadcast address in 10.0.0.4/31"},
		{"/32", bcast, face{up: true, carrier: true, prefix: prefix("10.0.0.4/32")}, true, "255.255.255.255:694", "no broadcast address in 10.0.0.4/32"},
		{"no address", bcast, face{up: true, carrier: true}, true, "255.255.255.255:694", "eth1 has no IPv4 address"},
		{"down", bcast, face{prefix: prefix("10.0.0.1/24")}, false, "10.0.0.255:694", "eth1 is down: ip link set eth1 up"},
		{"no carrier", ucast, face{up: true, prefix: prefix("10.0.0.1/24")}, false, "10.0.0.2:694", "eth1 has no carrier"},
		{"unicast without address", ucast, face{up: true, carrier: true}, false, "10.0.0.2:694", "no usable IPv4 address"},
		{"IPv6 without address", ucast6, face{up: true, carrier: true}, false, "[fe80::2]:694", "no usable IPv6 address"},
		{"IPv6", ucast6, face{up: true, carrier: true, prefix: prefix("fe80::1/64")}, true, "[fe80::2]:694", ""},
	}
	for _, tt := range tests {
		tt.face.name = "eth1"
		got := judge(tt.spec, tt.face)
		if got.Up != tt.up || got.To.String() != tt.to || !strings.Contains(got.Reason, tt.reason) || (tt.reason == "") != (got.Reason == "") {
			t.Errorf("%s: got %+v, want up %v, to %s, reason %q", tt.name, got, tt.up, tt.to, tt.reason)
		}
	}
}

// No control message, however mangled, makes destination panic or read beyond it.
func FuzzDestination(f *testing.F) {
	f.Add([]byte{28, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 2, 0, 0, 0, 10, 0, 0, 1, 10, 0, 0, 255})
	f.Add([]byte{36, 0, 0, 0, 0, 0, 0, 0, 41, 0, 0, 0, 50, 0, 0, 0, 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 2, 0, 0, 0})
	f.Fuzz(func(t *testing.T, control []byte) {
		how, to, ok := destination(control)
		if ok != to.IsValid() {
			t.Errorf("got %v %v %v", how, to, ok)
		}
		if ok && (how == toGroup) != to.IsMulticast() {
			t.Errorf("%v is reached as %v", to, how)
		}
	})
}
