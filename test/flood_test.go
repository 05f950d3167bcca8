package test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lubdub/internal/cluster"
	"lubdub/internal/lab"
	"lubdub/internal/wire"
)

const (
	// floodPace is how many packets a second come in.
	floodPace = 10_000
	// floodTime is how long.
	floodTime = 8 * second
	// quietLines is how many lines a flood of all kinds may bring into the log: one a cause, and now and then again.
	quietLines = 40
)

// bad is one kind of packet that must not count.
type bad struct {
	name string
	make func(*rand.Rand) []byte
}

// TestFlood sends packets of every bad kind, 10,000 a second, at a cluster that runs.
func TestFlood(t *testing.T) {
	p := newPair(t, setup{})
	p.serve()
	beats := p.listen()
	capture, err := p.Host(one).Capture(front, "udp and src host 192.0.2.11 and dst port 694")
	if err != nil {
		missing(t, err)
	}
	before := map[string]int{}
	states := map[string]string{}
	for _, node := range []string{one, two} {
		before[node] = len(p.events(node))
		states[node] = p.stands(node)
	}
	at := lab.Now()
	sent := p.flood(kinds(t, beats), floodTime)
	end := lab.Now()
	capture.Stop()
	t.Logf("%d packets in %v: %.0f a second", sent, round(end-at), float64(sent)/(end-at).Seconds())
	p.alone(one, at)
	p.atMost("longest without ARP answer in the flood", p.gap(one, at, end), 500*time.Millisecond)
	for _, node := range []string{one, two} {
		if now := p.stands(node); now != states[node] {
			t.Errorf("%s: the flood changed its state from %s to %s", node, states[node], now)
		}
		s := p.status(node)
		t.Logf("%s refused %v, dropped %d", node, s.Refused, s.Dropped)
		if lines := len(p.events(node)) - before[node]; lines > quietLines {
			t.Errorf("%s wrote %d events in the flood, want at most %d:\n%s", node, lines, quietLines, tail(p.daemon(node).Output(), 20))
		}
	}
	if s := p.status(one); len(s.Refused) < 3 {
		t.Errorf("refused by reason: %v; want a counter for each kind", s.Refused)
	}
	p.onTime(capture)
	p.neverTwo()
}

// stands is what must not change: who is up, who owns, in which life.
func (p *pair) stands(node string) string {
	p.t.Helper()
	s := p.status(node)
	g := s.Groups[0]
	return fmt.Sprintf("%d %s since %d, %s is %s since %d in epoch %d, owner %s", s.Peer.Incarnation, s.Peer.Membership, s.Peer.Since, g.Name, g.State, g.Since, g.Epoch, g.Owner)
}

// listen hears the heartbeats on the front network, as any machine there may.
func (p *pair) listen() [][]byte {
	p.t.Helper()
	conn := p.udp(client, ":694")
	defer conn.Close()
	must(p.t, conn.SetReadDeadline(time.Now().Add(3*busy)))
	var all [][]byte
	buffer := make([]byte, 2000)
	for len(all) < 8 {
		n, err := conn.Read(buffer)
		if err != nil {
			p.t.Fatalf("after %d heartbeats on the front network: %v", len(all), err)
		}
		all = append(all, append([]byte(nil), buffer[:n]...))
	}
	return all
}

// udp opens a socket on a host.
func (p *pair) udp(host, address string) *net.UDPConn {
	p.t.Helper()
	var conn net.PacketConn
	must(p.t, p.Host(host).Do(func() (err error) {
		conn, err = net.ListenPacket("udp4", address)
		return err
	}))
	return conn.(*net.UDPConn)
}

// kinds are all that may come in and must not count.
func kinds(t *testing.T, beats [][]byte) []bad {
	t.Helper()
	pick := func(r *rand.Rand) []byte { return append([]byte(nil), beats[r.IntN(len(beats))]...) }
	foreign := sealed(t, "two-hosts-one-heart", "another-cluster")
	wrong := sealed(t, "guessed", "linux-ha")
	huge := make([]byte, 60_000)
	copy(huge, "###\n99999:")
	return []bad{
		{"garbage", func(r *rand.Rand) []byte {
			b := make([]byte, 1+r.IntN(1200))
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			return b
		}},
		{"truncated", func(r *rand.Rand) []byte { b := pick(r); return b[:r.IntN(len(b))] }},
		{"a bit turned", func(r *rand.Rand) []byte { b := pick(r); b[r.IntN(len(b))] ^= 1 << r.IntN(8); return b }},
		{"replayed", pick},
		{"wrongly signed", func(*rand.Rand) []byte { return wrong }},
		{"foreign", func(*rand.Rand) []byte { return foreign }},
		{"oversized", func(r *rand.Rand) []byte {
			if r.IntN(50) > 0 { // a datagram of 60,000 bytes is 41 frames
				return huge[:1400]
			}
			return huge
		}},
	}
}

// sealed is a heartbeat of proxy02 in another life, which claims everything.
func sealed(t *testing.T, secret, name string) []byte {
	t.Helper()
	keys, err := wire.NewKeyring(1, []wire.Key{{Number: 1, Method: "sha256", Secret: secret}})
	must(t, err)
	b := cluster.Beat{Protocol: 1, Cluster: name, Node: two, Incarnation: 1 << 40, Seq: 1, Sent: 1, DeadTime: deadTime,
		Groups: []cluster.GroupBeat{{Name: "web", State: cluster.Running, Epoch: 1 << 50}}}
	m, err := b.Message([16]byte{1}, 1, "n/a")
	must(t, err)
	packet, err := keys.Seal(nil, m)
	must(t, err)
	return packet
}

// flood sends all kinds in turn from the client to the owner and to all, at the pace, and says how many it sent.
func (p *pair) flood(all []bad, d time.Duration) uint64 {
	p.t.Helper()
	conn := p.udp(client, ":0")
	defer conn.Close()
	to := []*net.UDPAddr{{IP: net.IPv4(192, 0, 2, 11), Port: 694}, {IP: net.IPv4(192, 0, 2, 255), Port: 694}}
	r := rand.New(rand.NewPCG(1, 2))
	var sent atomic.Uint64
	const burst = floodPace / 100
	tick := time.NewTicker(second / 100)
	defer tick.Stop()
	for end := lab.Now() + d; lab.Now() < end; <-tick.C {
		for i := range burst {
			packet := all[i%len(all)].make(r)
			target := to[i/len(all)%2]
			if len(packet) > 1472 {
				target = to[0] // what is sent to all is not cut into pieces
			}
			if _, err := conn.WriteToUDP(packet, target); err == nil {
				sent.Add(1)
			}
		}
	}
	return sent.Load()
}

// onTime reads with tshark when the owner sent heartbeats.
func (p *pair) onTime(c *lab.Capture) {
	p.t.Helper()
	rows, err := c.Fields(p.t.Context(), "udp.dstport == 694", "frame.time_epoch")
	must(p.t, err)
	var last, longest float64
	for _, r := range rows {
		at, err := strconv.ParseFloat(strings.TrimSpace(r[0]), 64)
		must(p.t, err)
		if last != 0 {
			longest = max(longest, at-last)
		}
		last = at
	}
	p.t.Logf("tshark: %d heartbeats of the owner, at most %.0f ms apart (keepalive %v)", len(rows), 1000*longest, keepalive)
	// The core asks for three keepalives at most; a busy machine may hold the daemon up, but not for a dead time.
	if len(rows) < int(floodTime/keepalive)/2 || longest > deadTime.Seconds() {
		p.t.Errorf("the flood delayed heartbeats: %d came, at most %.0f ms apart", len(rows), 1000*longest)
	}
}
