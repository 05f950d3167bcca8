package link

import (
	"errors"
	"fmt"
	"golang.org/x/sys/unix"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestMissingInterface(t *testing.T) {
	m := newMachine(t, bcast("tm0"), ucast("tm0", "10.0.0.1"), mcast("tm0", "ff02::694"))
	received := make(chan Datagram, 100)
	_, links := open(t, received, bcast("tm0"), ucast("tm0", "10.0.0.2"), mcast("tm0", "ff02::694"))
	for _, l := range links {
		if st := l.State(); st.Up || st.Reason != "interface tm0 does not exist" {
			t.Errorf("%s: got %+v", l, st)
		}
		if err := l.Send([]byte("x")); err == nil || !strings.HasSuffix(err.Error(), ": interface tm0 does not exist") {
			t.Errorf("%s: got error %v", l, err)
		}
		if c := l.Counters(); c.SendErrors != 1 || c.Sent != 0 {
			t.Errorf("%s: got %+v", l, c)
		}
	}
	m.cable("tm0")
	m.addresses("tm0", "10.0.0", "")
	start := time.Now() // nobody calls Refresh: the links look by themselves
	for _, l := range links {
		ask(t, l, received)
	}
	t.Logf("all links work %v after the interface came", time.Since(start).Round(time.Millisecond))
}

func TestInterfaceComesAndGoes(t *testing.T) {
	needRoot(t)
	for _, refresh := range []bool{true, false} {
		t.Run(fmt.Sprintf("refresh %v", refresh), func(t *testing.T) {
			m := newMachine(t, bcast("tr0"), mcast("tr0", "225.0.0.1"), ucast("tr0", "fd00::1"))
			received := make(chan Datagram, 100)
			m.cable("tr0")
			m.addresses("tr0", "10.0.0", "fd00")
			s, links := open(t, received, bcast("tr0"), mcast("tr0", "225.0.0.1"), ucast("tr0", "fd00::2"))
			for range 2 {
				for _, l := range links {
					ask(t, l, received)
				}
				run(t, "ip link del tr0")
				if refresh {
					s.Refresh()
				}
				for _, l := range links {
					eventually(t, l.String()+" notices that the interface went", func() bool {
						return l.State().Reason == "interface tr0 does not exist"
					})
				}
				m.cable("tr0")
				m.addresses("tr0", "10.0.0", "fd00")
				if refresh {
					s.Refresh()
				}
			}
			for _, l := range links {
				ask(t, l, received)
			}
		})
	}
}

// An interface that is replaced between two looks: the sends say so.
func TestInterfaceReplacedUnseen(t *testing.T) {
	m := newMachine(t, bcast("tu0"), ucast("tu0", "fd00::1"))
	received := make(chan Datagram, 100)
	m.cable("tu0")
	m.addresses("tu0", "10.0.0", "fd00")
	_, links := open(t, received, bcast("tu0"), ucast("tu0", "fd00::2"))
	for _, l := range links {
		ask(t, l, received)
	}
	run(t, "ip link del tu0")
	m.cable("tu0")
	m.addresses("tu0", "10.0.0", "fd00")
	for _, l := range links {
		ask(t, l, received)
	}
}

func TestAddressChange(t *testing.T) {
	m := newMachine(t, bcast("ta0"), mcast("ta0", "225.0.0.1"))
	received := make(chan Datagram, 100)
	m.cable("ta0")
	m.addresses("ta0", "10.0.0", "")
	s, links := open(t, received, bcast("ta0"), mcast("ta0", "225.0.0.1"))
	for _, l := range links {
		ask(t, l, received)
	}
	run(t, "ip addr flush dev ta0")
	m.ip("addr flush dev ta0")
	m.addresses("ta0", "10.9.0", "")
	s.Refresh()
	want := netip.MustParseAddrPort("10.9.0.255:694")
	eventually(t, "the new broadcast address is used", func() bool { return links[0].State().To == want })
	for _, l := range links {
		if d := ask(t, l, received); d.From.Addr() != addr("10.9.0.2") {
			t.Errorf("%s: got an answer from %v, want 10.9.0.2", l, d.From)
		}
	}
	// Our own datagrams come back and show the source that was chosen.
	if err := links[0].Send([]byte("mine")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "our own broadcast comes back from the new address", func() bool {
		d := <-received
		return string(d.Data) == "mine" && d.From.Addr() == addr("10.9.0.1") && d.To == addr("10.9.0.255")
	})
	// A link to a peer in the new network, opened before the network existed here.
	run(t, "ip addr flush dev ta0")
	l := s.Open(ucast("ta0", "10.7.0.2"), received)
	if st := l.State(); st.Up || !strings.Contains(st.Reason, "no usable IPv4 address") {
		t.Errorf("got %+v", st)
	}
	m.addresses("ta0", "10.7.0", "")
	conn := m.listen("udp4", "10.7.0.2:1")
	eventually(t, "the link is up", func() bool { return l.State().Up })
	if err := l.Send([]byte("x")); err != nil {
		t.Error(err)
	}
	conn.Close()
}

// An interface without a broadcast address (ip addr add without brd), without any
// address, and with a /31.
func TestNoBroadcastAddress(t *testing.T) {
	needRoot(t)
	tests := []struct{ name, here, there, from, to, reason string }{
		{"not configured", "10.0.0.1/24", "10.0.0.2/24", "10.0.0.2", "10.0.0.255", "computed from 10.0.0.1/24"},
		{"no address at all", "", "", "0.0.0.0", "255.255.255.255", "no IPv4 address"},
		{"/31", "10.0.0.0/31", "10.0.0.1/31", "10.0.0.1", "255.255.255.255", "no broadcast address in 10.0.0.0/31"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t, bcast("tn0"))
			m.cable("tn0")
			if tt.here != "" {
				run(t, "ip addr add "+tt.here+" dev tn0")
			}
			conn := m.listen("udp4", ":0") // any socket with SO_BROADCAST, which Go sets
			if tt.there != "" {
				m.ip("addr add " + tt.there + " dev tn0")
			}
			received := make(chan Datagram, 100)
			_, links := open(t, received, bcast("tn0"))
			st := links[0].State()
			if st.To.Addr() != addr(tt.to) || !strings.Contains(st.Reason, tt.reason) {
				t.Errorf("got %+v, want to %s, %q", st, tt.to, tt.reason)
			}
			eventually(t, "carrier", func() bool { return links[0].State().Up })
			if d := ask(t, links[0], received); d.From.Addr() != addr(tt.from) {
				t.Errorf("got an answer from %v, want %v", d.From, tt.from)
			}
			conn.Close()
		})
	}
}

// Without an address one is heard by a peer that has one, but does not hear it.
func TestNoAddressHere(t *testing.T) {
	m := newMachine(t)
	m.cable("tl0")
	m.ip("addr add 10.0.0.2/24 brd + dev tl0")
	conn := m.listen("udp4", ":694")
	_, links := open(t, make(chan Datagram, 10), bcast("tl0"))
	if st := links[0].State(); !strings.Contains(st.Reason, "hearing only") {
		t.Errorf("got %+v", st)
	}
	eventually(t, "carrier", func() bool { return links[0].State().Up })
	must(t, links[0].Send([]byte("hello")))
	must(t, conn.SetReadDeadline(time.Now().Add(patience)))
	buf := make([]byte, 10)
	n, from, err := conn.ReadFromUDPAddrPort(buf)
	if err != nil || string(buf[:n]) != "hello" || from.Addr() != addr("0.0.0.0") {
		t.Errorf("got %q from %v, %v", buf[:n], from, err)
	}
}

func TestInterfaceDown(t *testing.T) {
	m := newMachine(t, bcast("td0"))
	m.cable("td0")
	m.addresses("td0", "10.0.0", "")
	received := make(chan Datagram, 100)
	s, links := open(t, received, bcast("td0"))
	l := links[0]
	ask(t, l, received)
	run(t, "ip link set td0 down")
	s.Refresh()
	eventually(t, "down is reported", func() bool { return l.State().Reason == "td0 is down: ip link set td0 up" })
	if err := l.Send([]byte("x")); !errors.Is(err, unix.ENETDOWN) && !errors.Is(err, unix.ENETUNREACH) {
		t.Errorf("got %v", err)
	}
	run(t, "ip link set td0 up")
	m.ip("link set td0 down")
	s.Refresh()
	eventually(t, "lost carrier is reported", func() bool {
		s.Refresh()
		return !l.State().Up && strings.Contains(l.State().Reason, "no carrier")
	})
	m.ip("link set td0 up")
	ask(t, l, received)
	eventually(t, "up again", func() bool { return l.State().Up })
}
