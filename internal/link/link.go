package link

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// MaxDatagram is the largest datagram, in bytes, that a link receives: no UDP
// datagram is larger.
const MaxDatagram = 64 << 10

// Datagram is one datagram as it arrived.
type Datagram struct {
	Link *Link // the link to which it is credited
	Data []byte
	From netip.AddrPort // the sender; an IPv6 link-local address has its zone
	To   netip.Addr     // where it was sent: an address of ours, a broadcast address, a group
	At   time.Duration  // the boot clock when it was read
}

// State says whether a link can work just now.
type State struct {
	Up     bool           // open, and the interface is up with carrier and the address it needs
	Reason string         // why it is not up; while it is up a remark, mostly empty
	To     netip.AddrPort // where Send sends; zero while waiting
}

// Counters counts a link's datagrams since it was opened.
type Counters struct {
	Sent       uint64 // handed to the kernel
	SendErrors uint64 // errors that Send returned
	Received   uint64 // handed to the receiver
	Dropped    uint64 // thrown away because the receiver's channel was full
}

// Link is one path to the other side. Send, State, Counters and Spec may be
// called from any goroutine.
type Link struct {
	spec    Spec
	receive chan<- Datagram
	set     *Set
	port    *port // nil if the spec can never work

	state  atomic.Pointer[State]
	sender atomic.Pointer[sender] // nil while waiting; written by the keeper

	sent, sendErrors, received, dropped atomic.Uint64
}

// Spec returns what the link was opened with.
func (l *Link) Spec() Spec { return l.spec }

// String names the link as Spec.String does.
func (l *Link) String() string { return l.spec.String() }

// State returns whether the link can work, as of the last look at its interface.
func (l *Link) State() State { return *l.state.Load() }

// Counters returns the counters as they stand.
func (l *Link) Counters() Counters {
	return Counters{
		Sent:       l.sent.Load(),
		SendErrors: l.sendErrors.Load(),
		Received:   l.received.Load(),
		Dropped:    l.dropped.Load(),
	}
}

// Send sends one datagram and does not wait: a full socket buffer is an error. No
// error closes the link. A unicast link also returns what the network reported
// about an earlier datagram (nobody listens, and with IPv6 no such machine); the
// present one has then been sent all the same, if the kernel took it.
func (l *Link) Send(p []byte) error {
	s := l.sender.Load()
	if s == nil {
		l.sendErrors.Add(1)
		return fmt.Errorf("send on %s: %s", l, l.State().Reason)
	}
	left, err := s.send(p)
	if left {
		l.sent.Add(1)
	}
	if err == nil {
		return nil
	}
	l.sendErrors.Add(1)
	if errors.Is(err, net.ErrClosed) { // the keeper was quicker
		return fmt.Errorf("send on %s: the link is being closed or opened anew: %w", l, err)
	}
	if hintsAtChange(err) {
		l.port.look()
	}
	return fmt.Errorf("send on %s to %s: %w%s", l, s.to, err, advice(err))
}

// deliver hands a datagram to the receiver, or drops and counts it.
func (l *Link) deliver(data []byte, from netip.AddrPort, to netip.Addr, at time.Duration) {
	// A full channel is seen before the copy is made, so that a flood of large
	// datagrams does not become work for the garbage collector.
	if cap(l.receive) > 0 && len(l.receive) == cap(l.receive) {
		l.dropped.Add(1)
		return
	}
	d := Datagram{Link: l, Data: append([]byte(nil), data...), From: from, To: to, At: at}
	select {
	case l.receive <- d:
		l.received.Add(1)
	default:
		l.dropped.Add(1)
	}
}

func (l *Link) setState(s State) { l.state.Store(&s) }
