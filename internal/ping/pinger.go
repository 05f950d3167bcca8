package ping

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"time"
)

const (
	// shortestInterval is what a neighbour can be expected to bear: 100 small packets a second.
	shortestInterval = 10 * time.Millisecond

	// replyQueue is how many answers wait while Run is held up. The rest is dropped: the next question is on its way.
	replyQueue = 256

	// troublePause is the least time between two words about one address: a flapping interface is not worth more lines.
	troublePause = time.Minute
)

// Pinger asks its neighbours again and again while Run runs.
type Pinger struct {
	targets  []target
	heard    func(neighbour int, sent int64)
	trouble  func(neighbour int, err error)
	interval chan time.Duration // holds one, the newest
	replies  chan reply
	sources  map[netip.Addr]bool // whose answers are looked at; never changed
	packet   [echoSize]byte      // the question that is being written
	four     *socket
	six      *socket
}

// New makes a Pinger. Each neighbour is one address, or several of which any speaks for it; a link-local address has its
// interface as zone. Nobody is asked before Every is called.
//
// For each answered question heard gets the neighbour's index and the boot time at which the question was sent, in
// nanoseconds; answers may come in another order than they were asked for. For an address that cannot be asked trouble gets
// the reason and the remedy. Both are called by Run, one at a time, and must not wait.
func New(neighbours [][]netip.Addr, heard func(neighbour int, sent int64), trouble func(neighbour int, err error)) *Pinger {
	p := &Pinger{heard: heard, trouble: trouble, interval: make(chan time.Duration, 1), replies: make(chan reply, replyQueue), sources: map[netip.Addr]bool{}}
	for i, addrs := range neighbours {
		for _, a := range addrs {
			t := newTarget(i, a)
			p.targets = append(p.targets, t)
			p.sources[t.addr] = true
		}
	}
	id := make([]byte, 2)
	_, _ = rand.Read(id) // it never fails: the program would end
	p.four, p.six = newSocket(false, binary.BigEndian.Uint16(id)), newSocket(true, binary.BigEndian.Uint16(id))
	return p
}

// Every has each neighbour asked now, and then at this interval, but not more often than each 10 ms. It does not wait.
func (p *Pinger) Every(interval time.Duration) {
	interval = max(interval, shortestInterval)
	for {
		select {
		case p.interval <- interval:
			return
		default:
		}
		select {
		case <-p.interval: // an older wish
		default:
		}
	}
}

// Run asks and listens until ctx ends.
func (p *Pinger) Run(ctx context.Context) {
	defer p.four.close()
	defer p.six.close()
	tick := time.NewTicker(time.Hour) // until Every says how often
	tick.Stop()
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case interval := <-p.interval:
			tick.Reset(interval)
			p.ask()
		case <-tick.C:
			p.ask()
		case r := <-p.replies:
			p.hear(r)
		}
	}
}

// ask sends one question to every address.
func (p *Pinger) ask() {
	for i := range p.targets {
		t := &p.targets[i]
		s := p.four
		if t.addr.Is6() {
			s = p.six
		}
		err := s.ready(p.replies, p.sources)
		if err == nil {
			err = t.locate(s.fd)
		}
		if err == nil {
			nonce := p.packet[echoHeader+targetSize:]
			_, _ = rand.Read(nonce)
			t.ask(nonce, boottime())
			writeEcho(p.packet[:], t.addr.Is6(), s.id, t.seq, uint16(i))
			err = s.send(p.packet[:], t.to)
		}
		if err != nil {
			t.unsent++
			p.complain(t, err)
		}
	}
}

// complain says why an address cannot be asked: once, until it has answered or the reason is another.
func (p *Pinger) complain(t *target, err error) {
	at := boottime()
	if err == t.said || t.saidAt != 0 && at-t.saidAt < int64(troublePause) {
		return
	}
	t.said, t.saidAt = err, at
	p.trouble(t.neighbour, explain(t, err))
}

// hear takes what came as an answer, and passes it over unless it is one.
func (p *Pinger) hear(r reply) {
	if int(r.target) >= len(p.targets) {
		return
	}
	t := &p.targets[r.target]
	if sent, ok := t.answered(r, boottime()); ok {
		t.said = nil
		p.heard(t.neighbour, sent)
	}
}
