package link

import (
	"bytes"
	"go.uber.org/goleak"
	"net"
	"sync"
	"testing"
	"time"
)

// Garbage at full speed on one link, read by nobody: it is dropped and counted,
// the other link works, and sending goes on.
func TestFlood(t *testing.T) {
	m := newMachine(t, bcast("tf0"), bcast("tf1"))
	m.cable("tf0")
	m.cable("tf1")
	m.addresses("tf0", "10.0.0", "")
	m.addresses("tf1", "10.0.1", "")
	s := NewSet()
	before := goleak.IgnoreCurrent()
	unread := make(chan Datagram, 16)
	flooded := s.Open(ucast("tf0", "10.0.0.2"), unread)
	received := make(chan Datagram, 100)
	quiet := s.Open(bcast("tf1"), received)
	ask(t, quiet, received)

	conn := m.listen("udp4", "10.0.0.2:0")
	var flood sync.WaitGroup
	const perMillisecond, lasts = 20, time.Second
	sent := 0
	flood.Go(func() {
		garbage := bytes.Repeat([]byte{0xff}, 1400)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for start := time.Now(); time.Since(start) < lasts; <-tick.C {
			for range perMillisecond {
				if _, err := conn.WriteTo(garbage, &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: testPort}); err == nil {
					sent++
				}
			}
		}
	})
	var slowest time.Duration
	for start := time.Now(); time.Since(start) < lasts; {
		asked := time.Now()
		ask(t, quiet, received)
		slowest = max(slowest, time.Since(asked))
		must(t, flooded.Send([]byte("x")))
		time.Sleep(10 * time.Millisecond)
	}
	flood.Wait()
	eventually(t, "all is counted", func() bool {
		c := flooded.Counters()
		return c.Received == 16 && c.Dropped >= uint64(sent)/10 // on a busy machine the kernel drops some before we see them
	})
	c := flooded.Counters()
	t.Logf("%d datagrams in %v: %+v; slowest answer on the other link %v", sent, lasts, c, slowest)
	if c := quiet.Counters(); c.Dropped != 0 || c.SendErrors != 0 {
		t.Errorf("the other link: %+v", c)
	}
	s.Close()
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
}

// Send, State, Counters and Refresh while the interface goes and comes, and Close
// under way: for the race detector.
func TestConcurrentUse(t *testing.T) {
	m := newMachine(t)
	received := make(chan Datagram, 1)
	m.cable("tc0")
	m.addresses("tc0", "10.0.0", "fd00")
	s, links := open(t, received, bcast("tc0"), ucast("tc0", "10.0.0.2"), ucast("tc0", "fd00::2"))
	stop := make(chan struct{})
	var users sync.WaitGroup
	for _, l := range links {
		for range 2 {
			users.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						_ = l.Send([]byte("x"))
						_, _ = l.State(), l.Counters()
					}
				}
			})
		}
	}
	for range 5 {
		run(t, "ip link del tc0")
		s.Refresh()
		m.cable("tc0")
		m.addresses("tc0", "10.0.0", "fd00")
		s.Refresh()
		s.Open(mcast("tc0", "225.0.0.1"), received).Close()
	}
	s.Close()
	close(stop)
	users.Wait()
}

// One datagram of a heartbeat's size to ourselves and back.
func BenchmarkSendReceive(b *testing.B) {
	if lo, err := net.InterfaceByName("lo"); err != nil || lo.Flags&net.FlagUp == 0 {
		needRoot(b)
		run(b, "ip link set lo up")
	}
	received := make(chan Datagram, 10)
	_, links := open(b, received, Spec{Kind: Unicast, Interface: "lo", Address: addr("127.0.0.1"), Port: freePort(b)})
	data := make([]byte, 300)
	b.ReportAllocs()
	for b.Loop() {
		must(b, links[0].Send(data))
		<-received
	}
}

// What a look at the interface costs.
func BenchmarkLook(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := lookAt("lo", false); err != nil {
			b.Fatal(err)
		}
	}
}
