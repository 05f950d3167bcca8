package vip

import (
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/mdlayher/packet"
)

// arpProber asks for an address from the client's side and notes which questions were answered. It builds and reads its frames by
// itself, so that it judges the kernel and not this package. Each question bears a hardware address of its own, to which it is
// answered: so an answer proves that the address was served at some time after its question was sent, however late it is read.
type arpProber struct {
	conn *packet.Conn
	all  *packet.Addr
	ask  []byte
	stop chan struct{}
	done sync.WaitGroup

	mu        sync.Mutex
	questions []asked // guarded by mu
}

// asked is one question of a prober.
type asked struct {
	sent     int64 // boot clock: not later than it went out
	answered bool
}

// proberName is whom the answers are for. It is not the client's address, whose connections must not suffer.
var proberName = netip.MustParseAddr("192.0.2.77")

func (n *leaseNet) probe(a netip.Addr, every time.Duration) *arpProber {
	n.t.Helper()
	p := &arpProber{stop: make(chan struct{})}
	var ifi *net.Interface
	n.within(n.client, func() {
		var err error
		if ifi, err = net.InterfaceByName("v1"); err == nil {
			p.conn, err = packet.Listen(ifi, packet.Raw, etherTypeARP, nil)
		}
		if err != nil {
			n.t.Fatal(err)
		}
	})
	p.all = &packet.Addr{HardwareAddr: broadcastMAC[:]}
	p.ask = append(append([]byte{}, broadcastMAC[:]...), ifi.HardwareAddr...)
	p.ask = append(p.ask, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1)
	p.ask = append(p.ask, make([]byte, 6)...) // the question's own
	p.ask = append(p.ask, proberName.AsSlice()...)
	p.ask = append(p.ask, make([]byte, 6)...)
	p.ask = append(p.ask, a.AsSlice()...)
	p.done.Add(2)
	go p.send(every)
	go p.read(a)
	return p
}

func (p *arpProber) send(every time.Duration) {
	defer p.done.Done()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-tick.C:
		}
		p.mu.Lock()
		copy(p.ask[22:], []byte{2, 0x4c})
		binary.BigEndian.PutUint32(p.ask[24:], uint32(len(p.questions)))
		p.questions = append(p.questions, asked{sent: Boottime()})
		p.mu.Unlock()
		_, _ = p.conn.WriteTo(p.ask, p.all)
	}
}

func (p *arpProber) read(a netip.Addr) {
	defer p.done.Done()
	buf := make([]byte, 1500)
	for {
		k, _, err := p.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if k < 42 || buf[21] != 2 || [4]byte(buf[28:32]) != a.As4() || buf[32] != 2 || buf[33] != 0x4c {
			continue
		}
		number := int(binary.BigEndian.Uint32(buf[34:]))
		p.mu.Lock()
		if number < len(p.questions) {
			p.questions[number].answered = true
		}
		p.mu.Unlock()
	}
}

// now is a copy of all questions.
func (p *arpProber) now() []asked {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]asked(nil), p.questions...)
}

// lastAnswered is the number of the last question that was answered; -1: none was.
func lastAnswered(all []asked) int {
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].answered {
			return i
		}
	}
	return -1
}

// await waits until the questions meet a condition, and returns them.
func (p *arpProber) await(t testing.TB, what string, holds func([]asked) bool) []asked {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		all := p.now()
		if holds(all) {
			return all
		}
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// end stops the prober.
func (p *arpProber) end() []asked {
	close(p.stop)
	p.conn.Close()
	p.done.Wait()
	return p.questions
}
