package link

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

func bcast(dev string) Spec { return Spec{Kind: Broadcast, Interface: dev, Port: testPort} }

func ucast(dev, peer string) Spec {
	return Spec{Kind: Unicast, Interface: dev, Address: addr(peer), Port: testPort}
}

func mcast(dev, group string) Spec {
	return Spec{Kind: Multicast, Interface: dev, Address: addr(group), Port: testPort, TTL: 1}
}

// open opens links in a set that ends with the test, and checks that nothing is
// left behind.
func open(t testing.TB, received chan<- Datagram, specs ...Spec) (*Set, []*Link) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	s := NewSet()
	t.Cleanup(func() {
		s.Close()
		if err := goleak.Find(before); err != nil {
			t.Error(err)
		}
	})
	var links []*Link
	for _, spec := range specs {
		links = append(links, s.Open(spec, received))
	}
	return s, links
}

func TestKinds(t *testing.T) {
	needRoot(t)
	tests := []struct {
		here, there Spec
		from        string // the address that the answer comes from; empty: link-local
		to          string // the address that the answer goes to; empty: link-local
	}{
		{bcast("tk0"), bcast("tk0"), "10.0.0.2", "10.0.0.255"},
		{ucast("tk0", "10.0.0.2"), ucast("tk0", "10.0.0.1"), "10.0.0.2", "10.0.0.1"},
		{mcast("tk0", "225.0.0.1"), mcast("tk0", "225.0.0.1"), "10.0.0.2", "225.0.0.1"},
		{ucast("tk0", "fd00::2"), ucast("tk0", "fd00::1"), "fd00::2", "fd00::1"},
		{ucast("tk0", "fe80::2"), ucast("tk0", "fe80::1"), "fe80::2%tk0", "fe80::1"},
		{mcast("tk0", "ff02::694"), mcast("tk0", "ff02::694"), "", "ff02::694"},
		{mcast("tk0", "ff05::694"), mcast("tk0", "ff05::694"), "", "ff05::694"},
		{bcast("tk0"), ucast("tk0", "10.0.0.1"), "10.0.0.2", "10.0.0.1"}, // unlike kinds, as with Heartbeat
		{ucast("tk0", "10.0.0.2"), bcast("tk0"), "10.0.0.2", "10.0.0.255"},
	}
	for _, tt := range tests {
		t.Run(tt.here.String()+" and "+tt.there.String(), func(t *testing.T) {
			m := newMachine(t, tt.there)
			m.cable("tk0")
			m.addresses("tk0", "10.0.0", "fd00")
			run(t, "ip addr add fe80::1/64 nodad dev tk0")
			m.ip("addr add fe80::2/64 nodad dev tk0")
			received := make(chan Datagram, 100)
			before := bootClock()
			_, links := open(t, received, tt.here)
			d := ask(t, links[0], received)
			// The peer may have answered before it had an address.
			for end := time.Now().Add(patience); d.To != addr(tt.to) && time.Now().Before(end); {
				d = ask(t, links[0], received)
			}
			if want := " by " + tt.there.String(); !strings.HasSuffix(string(d.Data), want) {
				t.Errorf("got %q, want an answer%s", d.Data, want)
			}
			if tt.from != "" && d.From.Addr() != addr(tt.from) {
				t.Errorf("got sender %v, want %v", d.From, tt.from)
			}
			if tt.from == "" && d.From.Addr().Zone() != "tk0" && !d.From.Addr().IsGlobalUnicast() {
				t.Errorf("got sender %v, want one with zone tk0", d.From)
			}
			if d.To != addr(tt.to) {
				t.Errorf("got destination %v, want %v", d.To, tt.to)
			}
			if d.At < before || d.At > bootClock() {
				t.Errorf("got time %v, want one between %v and now", d.At, before)
			}
			if st := links[0].State(); !st.Up || st.Reason != "" {
				t.Errorf("got state %+v, want up without remark", st)
			}
			eventually(t, "all is counted", func() bool {
				c := links[0].Counters()
				return c.Sent > 0 && c.Received > 0 && c.Dropped == 0
			})
		})
	}
}

// Many links on one port: each datagram is credited to its own, here and there.
func TestSharedPort(t *testing.T) {
	specs := func(own, peer string) []Spec {
		return []Spec{
			bcast("ts0"),
			ucast("ts0", "10.0.0.1"), ucast("ts0", "10.0.0.2"), // one file for both nodes
			mcast("ts0", "225.0.0.1"), mcast("ts0", "225.0.0.2"),
			mcast("ts0", "ff02::694"),
			ucast("ts0", "fd00::"+peer),
			bcast("ts1"),
			ucast("ts1", "10.0.1."+peer),
			ucast("ts1", "fd01::"+peer), ucast("ts1", "fd01::"+own),
		}
	}
	m := newMachine(t, specs("2", "1")...)
	m.cable("ts0")
	m.cable("ts1")
	m.addresses("ts0", "10.0.0", "fd00")
	m.addresses("ts1", "10.0.1", "fd01")
	received := make(chan Datagram, 1000)
	set, links := open(t, received, specs("1", "2")...)
	own := map[string]bool{"ucast ts0 10.0.0.1": true, "ucast6 ts1 fd01::1": true}
	there := map[string]string{ // how the other side calls it
		"ucast ts0 10.0.0.2": "ucast ts0 10.0.0.1", "ucast6 ts0 fd00::2": "ucast6 ts0 fd00::1",
		"ucast ts1 10.0.1.2": "ucast ts1 10.0.1.1", "ucast6 ts1 fd01::2": "ucast6 ts1 fd01::1",
	}
	for range 3 {
		for _, l := range links {
			name := l.String()
			if own[name] {
				if err := l.Send([]byte(name)); err != nil {
					t.Error(err)
				}
				if d := <-received; d.Link != l || string(d.Data) != name {
					t.Errorf("%s to ourselves: got %q credited to %s", name, d.Data, d.Link)
				}
				continue
			}
			want := name
			if w := there[name]; w != "" {
				want = w
			}
			if d := ask(t, l, received); !strings.HasSuffix(string(d.Data), " by "+want) {
				t.Errorf("%s: got %q, want it by %s", name, d.Data, want)
			}
			for len(received) > 0 { // our own broadcasts
				<-received
			}
		}
	}
	// One link goes; the others stay, and lose nothing.
	links[0].Close()
	links[3].Close()
	for _, l := range []*Link{links[2], links[4], links[7]} {
		ask(t, l, received)
	}
	if err := links[0].Send(nil); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("send on a closed link: got %v", err)
	}
	links[0] = set.Open(bcast("ts0"), received)
	ask(t, links[0], received)
}

// A link is opened and closed on a socket that is busy: no datagram of the other
// links is lost.
func TestOpenLosesNothing(t *testing.T) {
	m := newMachine(t)
	m.cable("to0")
	m.addresses("to0", "10.0.0", "")
	received := make(chan Datagram, 5000)
	s, links := open(t, received, bcast("to0"))
	conn := m.listen("udp4", "10.0.0.2:0")
	const count, window = 1000, 100
	done := make(chan error)
	go func() {
		for i := range count {
			if _, err := conn.WriteTo(fmt.Appendf(nil, "%d", i), &net.UDPAddr{IP: net.IPv4(10, 0, 0, 255), Port: testPort}); err != nil {
				done <- err
				return
			}
			time.Sleep(100 * time.Microsecond)
			for links[0].Counters().Received+window < uint64(i) { // the kernel's queue is not what this is about
				time.Sleep(time.Millisecond)
			}
		}
		done <- nil
	}()
	rounds := 0
	for sending := true; sending; rounds++ {
		s.Open(mcast("to0", "225.0.0.1"), received).Close()
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			sending = false
		default:
		}
	}
	for i := range count {
		select {
		case d := <-received:
			if string(d.Data) != fmt.Sprint(i) {
				t.Fatalf("datagram %d: got %q", i, d.Data)
			}
		case <-time.After(patience):
			t.Fatalf("datagram %d of %d is missing", i, count)
		}
	}
	t.Logf("%d datagrams while another link was opened and closed %d times", count, rounds)
}

func TestSendErrors(t *testing.T) {
	m := newMachine(t)
	m.cable("te0")
	m.addresses("te0", "10.0.0", "fd00")
	for _, peer := range []string{"10.0.0.2", "fd00::2"} {
		_, links := open(t, make(chan Datagram, 1), ucast("te0", peer))
		l := links[0]
		before := reports(t)
		must(t, l.Send([]byte("refused")))
		eventually(t, "the report comes back, and waits to be told", func() bool { return reports(t) > before })
		conn := m.listen("udp", net.JoinHostPort(peer, fmt.Sprint(testPort)))
		err := l.Send([]byte("hello"))
		if !errors.Is(err, unix.ECONNREFUSED) || !strings.Contains(err.Error(), "nothing listens") {
			t.Errorf("got %v, want a refusal with advice", err)
		}
		// The report did not cost this datagram, nor any after it.
		for range 19 {
			must(t, l.Send([]byte("hello")))
		}
		buf := make([]byte, 10)
		for i := range 20 {
			if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if n, _, err := conn.ReadFrom(buf); err != nil || string(buf[:n]) != "hello" {
				t.Fatalf("datagram %d: got %q, %v", i, buf[:n], err)
			}
		}
		if c := l.Counters(); c.SendErrors != 1 || c.Sent != 21 {
			t.Errorf("got %+v, want 1 error and 21 sent", c)
		}
	}
}

// reports counts what the kernel was told of ports and machines that are not there.
func reports(t testing.TB) int {
	t.Helper()
	n := 0
	for file, name := range map[string]string{"/proc/thread-self/net/snmp": "Icmp:", "/proc/thread-self/net/snmp6": "Icmp6InDestUnreachs"} {
		text, err := os.ReadFile(file)
		must(t, err)
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			column := 1
			if name == "Icmp:" {
				column = 4 // InMsgs InErrors InCsumErrors InDestUnreachs
			}
			if len(fields) <= column || fields[0] != name {
				continue
			}
			if count, err := strconv.Atoi(fields[column]); err == nil { // the first line of two has the names
				n += count
			}
		}
	}
	return n
}

// A machine that is not there. (For IPv4 the kernel gives its own report to the
// loopback interface, where a socket bound to another interface does not get it.)
func TestUnreachable(t *testing.T) {
	m := newMachine(t)
	m.cable("th0")
	m.addresses("th0", "10.0.0", "fd00")
	_, links := open(t, make(chan Datagram, 1), ucast("th0", "fd00::99"))
	eventually(t, "it is reported as silent", func() bool {
		err := links[0].Send([]byte("x"))
		return errors.Is(err, unix.EHOSTUNREACH) && strings.Contains(err.Error(), "does not answer")
	})
}

// A foreign program on the port is told of, and the link opens once it is gone.
func TestPortTaken(t *testing.T) {
	m := newMachine(t, bcast("tp0"))
	m.cable("tp0")
	m.addresses("tp0", "10.0.0", "")
	foreign, err := net.ListenUDP("udp4", &net.UDPAddr{Port: testPort})
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	received := make(chan Datagram, 100)
	_, links := open(t, received, bcast("tp0"))
	if st := links[0].State(); st.Up || !strings.Contains(st.Reason, "udp port 694 on tp0 is used by another program") {
		t.Errorf("got %+v", st)
	}
	foreign.Close()
	ask(t, links[0], received)
}

// A group is left with its last link, and only then.
func TestLeaveGroup(t *testing.T) {
	m := newMachine(t)
	m.cable("tg0")
	m.addresses("tg0", "10.0.0", "")
	received := make(chan Datagram, 10)
	group := mcast("tg0", "225.0.0.9")
	s, links := open(t, received, bcast("tg0"), group, group)
	member := func() bool {
		out, err := exec.Command("ip", "maddr", "show", "dev", "tg0").Output()
		must(t, err)
		return strings.Contains(string(out), "225.0.0.9")
	}
	for i, want := range []bool{true, true, false} {
		if got := member(); got != want {
			t.Errorf("with %d links of the group closed: got member %v, want %v", i, got, want)
		}
		if i < 2 {
			links[1+i].Close()
		}
	}
	s.Open(group, received)
	if !member() {
		t.Error("opened again: not a member")
	}
}

// What a listener sees of our options: type of service, time to live, loop.
func TestOptions(t *testing.T) {
	m := newMachine(t)
	m.cable("tx0")
	m.addresses("tx0", "10.0.0", "fd00")
	ours := make(chan Datagram, 10)
	group := mcast("tx0", "225.0.0.1")
	group.TTL, group.Loop = 7, true
	group6 := mcast("tx0", "ff02::694")
	group6.TTL, group6.Loop = 9, true
	_, links := open(t, ours, ucast("tx0", "10.0.0.2"), group, ucast("tx0", "fd00::2"), group6, mcast("tx0", "225.0.0.2"))

	conn := m.listen("udp4", ":694")
	p := ipv4.NewPacketConn(conn)
	var ifi *net.Interface
	m.within(func() { ifi, _ = net.InterfaceByName("tx0") })
	must(t, p.SetControlMessage(ipv4.FlagTTL|ipv4.FlagDst, true))
	must(t, p.JoinGroup(ifi, &net.UDPAddr{IP: net.IPv4(225, 0, 0, 1)}))
	must(t, setOption(conn, unix.IPPROTO_IP, unix.IP_RECVTOS))
	for i, want := range []struct{ ttl, tos int }{{64, lowDelay}, {7, 0}} {
		must(t, links[i].Send([]byte("x")))
		if ttl, tos := arrived(t, conn, unix.IPPROTO_IP, unix.IP_TTL, unix.IP_TOS); ttl != want.ttl || tos != want.tos {
			t.Errorf("%s: got ttl %d, tos %#x, want %+v", links[i], ttl, tos, want)
		}
	}

	conn6 := m.listen("udp6", ":694")
	p6 := ipv6.NewPacketConn(conn6)
	must(t, p6.SetControlMessage(ipv6.FlagHopLimit|ipv6.FlagTrafficClass, true))
	must(t, p6.JoinGroup(ifi, &net.UDPAddr{IP: net.ParseIP("ff02::694")}))
	for i, want := range []struct{ ttl, tos int }{{64, lowDelay}, {9, 0}} {
		must(t, links[2+i].Send([]byte("x")))
		if ttl, tos := arrived(t, conn6, unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT, unix.IPV6_TCLASS); ttl != want.ttl || tos != want.tos {
			t.Errorf("%s: got hop limit %d, class %#x, want %+v", links[2+i], ttl, tos, want)
		}
	}

	// With loop both came back to us; the group without loop did not.
	must(t, links[4].Send([]byte("x")))
	must(t, links[1].Send([]byte("x")))
	eventually(t, "our own datagrams are back", func() bool {
		return links[1].Counters().Received == 2 && links[3].Counters().Received == 1
	})
	if c := links[4].Counters(); c.Received != 0 {
		t.Errorf("without loop %d came back", c.Received)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func setOption(conn *net.UDPConn, level, name int) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	ctlErr := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, name, 1) })
	return errors.Join(ctlErr, err)
}

// arrived reads one datagram and returns two of its control messages.
func arrived(t testing.TB, conn *net.UDPConn, level, first, second int) (a, b int) {
	t.Helper()
	must(t, conn.SetReadDeadline(time.Now().Add(patience)))
	data, control := make([]byte, 100), make([]byte, 200)
	_, n, _, _, err := conn.ReadMsgUDPAddrPort(data, control)
	must(t, err)
	messages, err := unix.ParseSocketControlMessage(control[:n])
	must(t, err)
	for _, c := range messages {
		switch {
		case int(c.Header.Level) == level && int(c.Header.Type) == first:
			a = int(c.Data[0])
		case int(c.Header.Level) == level && int(c.Header.Type) == second:
			b = int(c.Data[0])
		}
	}
	return a, b
}

// On the loopback interface a link to oneself needs no privilege.
func TestLoopback(t *testing.T) {
	if lo, err := net.InterfaceByName("lo"); err != nil || lo.Flags&net.FlagUp == 0 {
		needRoot(t)
		run(t, "ip link set lo up")
	}
	received := make(chan Datagram, 10)
	spec := Spec{Kind: Unicast, Interface: "lo", Address: addr("127.0.0.1"), Port: freePort(t)}
	_, links := open(t, received, spec)
	for _, size := range []int{0, 1, 1400, 65507} {
		data := bytes.Repeat([]byte{'x'}, size)
		must(t, links[0].Send(data))
		select {
		case d := <-received:
			if !bytes.Equal(d.Data, data) || d.From.Addr() != addr("127.0.0.1") {
				t.Errorf("size %d: got %d bytes from %v", size, len(d.Data), d.From)
			}
		case <-time.After(patience):
			t.Fatalf("size %d: nothing arrived; %+v", size, links[0].State())
		}
	}
	if err := links[0].Send(make([]byte, 65508)); !errors.Is(err, unix.EMSGSIZE) {
		t.Errorf("got %v", err)
	}
}

func freePort(t testing.TB) int {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	must(t, err)
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).Port
}
