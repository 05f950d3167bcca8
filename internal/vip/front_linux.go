package vip

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// sampleGap is how often a front looks whether its interface is still the same and whether frames came in. It is the
	// precision of LastFrame, a fifth of the smallest supported dead time; to look twice as often costs 0.4 % of a core more.
	sampleGap = 100 * time.Millisecond

	// maxSightings is how many sightings wait for a slow reader: more than three probings of a whole configuration bring.
	maxSightings = 256

	// forwardDelay is how long a switch may keep a port shut after its carrier came: it listens and it learns, 15 s
	// each (IEEE 802.1D), and takes some seconds to begin.
	forwardDelay = 40 * time.Second

	// maxWatched bounds the addresses watched on one front; each takes a place in the interface's group filter.
	maxWatched = 128
)

// Front is one interface seen as a network: it announces addresses, asks for them, and hears what is said about them. The
// interface may be down, without address, missing at first or gone for a while; calls then return an error, and the front
// takes it up again when it comes.
type Front struct {
	iface     string
	sightings chan Sighting
	stop      context.CancelFunc
	work      sync.WaitGroup
	carrier   atomic.Bool

	opening sync.Mutex // held while sessions are exchanged, taken before mu

	mu       sync.Mutex // guards what follows; never held while a socket is closed
	session  *session
	closed   bool
	own      map[MAC]bool // hardware addresses of this machine
	watched  map[netip.Addr]bool
	groups   map[netip.Addr]int // IPv6 groups listened to, and how often wanted
	probings map[*probing]bool
	seen     stations
	missed   uint64
	traffic
}

// traffic counts frames of other stations.
type traffic struct {
	frames    uint64
	lost      uint64 // frames of ARP and neighbour discovery that the kernel dropped
	lastFrame int64  // no later than the newest frame since the carrier was lost last
	sampledAt int64
	losses    uint32 // of the carrier, as the kernel counted when it was looked at last
	lostAt    int64  // when a loss was noticed last; 0: never
}

// OpenFront opens the front behind an interface. That the interface is missing is no error: see [Front.Probe]. Missing
// rights are.
func OpenFront(iface string) (*Front, error) {
	ctx, stop := context.WithCancel(context.Background())
	f := &Front{
		iface:     iface,
		sightings: make(chan Sighting, maxSightings),
		stop:      stop,
		own:       make(map[MAC]bool),
		watched:   make(map[netip.Addr]bool),
		groups:    make(map[netip.Addr]int),
		probings:  make(map[*probing]bool),
	}
	if _, err := f.ensure(); err != nil && !missing(err) {
		stop()
		return nil, fmt.Errorf("open the front %s: %w", iface, err)
	}
	f.look()
	f.work.Go(func() { f.keep(ctx) })
	return f, nil
}

// Close ends the front and waits until nothing of it runs. No sighting comes after it.
func (f *Front) Close() {
	f.stop()
	f.work.Wait()
	f.opening.Lock()
	defer f.opening.Unlock()
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.swap(nil)
}

// keep reopens the interface when it comes back and samples its traffic.
func (f *Front) keep(ctx context.Context) {
	tick := time.NewTicker(sampleGap)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f.look()
		}
	}
}

// look takes a sample of the interface.
func (f *Front) look() {
	s, err := f.ensure()
	if err != nil { // whoever uses the front meets the same error; here there is nobody to tell
		f.carrier.Store(false)
		return
	}
	f.sample(s)
	link, err := readLink(s.index)
	f.carrier.Store(err == nil && link.Carrier)
	if err == nil {
		f.noteCarrier(s, link)
	}
}

// noteCarrier forgets the frames from before a loss of the carrier: a switch may keep the port shut for a while
// after it is back, and then they prove nothing. The kernel counts, so that a loss between two looks is no secret.
func (f *Front) noteCarrier(s *session, link Link) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.session != s {
		return
	}
	if !link.Carrier || link.losses != f.losses {
		f.lastFrame, f.lostAt = 0, Boottime()
	}
	f.losses = link.losses
}

// Watch sets the addresses about which sightings are wanted; it replaces those set before.
func (f *Front) Watch(addrs ...netip.Addr) error {
	if len(addrs) > maxWatched {
		return fmt.Errorf("watch %d addresses on %s: at most %d are possible", len(addrs), f.iface, maxWatched)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var err error
	wanted := make(map[netip.Addr]bool, len(addrs))
	for _, a := range addrs {
		wanted[a] = true
		f.seen.forget(a)
		if !f.watched[a] {
			err = errors.Join(err, f.join(a))
		}
	}
	for a := range f.watched {
		if !wanted[a] {
			f.leave(a)
		}
	}
	f.watched = wanted
	if err != nil {
		return fmt.Errorf("watch addresses on %s: %w", f.iface, err)
	}
	return nil
}

// Sightings returns what other stations say about the watched addresses. When nobody reads, the newest are dropped, and
// counted by Missed.
func (f *Front) Sightings() <-chan Sighting { return f.sightings }

// Missed returns how many sightings were dropped because nobody read them.
func (f *Front) Missed() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.missed
}

// LastFrame returns a boot time at or shortly before (100 ms at most while this program runs) the newest frame of any other
// station; 0 if none came since the front was opened, or since the carrier was lost last. A program that was frozen does
// not take old frames for new ones.
func (f *Front) LastFrame() int64 {
	f.mu.Lock()
	s := f.session
	f.mu.Unlock()
	if s != nil {
		f.sample(s)
		if link, err := readLink(s.index); err == nil {
			f.noteCarrier(s, link)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lastFrame
}

// Carrier reports whether the interface carried frames when it was looked at last, at most 100 ms ago while this program
// runs. The kernel's news, which [Watch] tells, may come a second late: it holds back all but the first change of a second.
func (f *Front) Carrier() bool { return f.carrier.Load() }

// Stations returns the other stations seen by ARP or neighbour discovery, the last seen first, at most 16. Watched
// addresses are not among them.
func (f *Front) Stations() []Station {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen.latest()
}

// Announce tells all neighbours that addr is here: gratuitous ARP as request and as reply, or an unsolicited neighbour
// advertisement with the override flag. It bypasses the kernel's lease: announce only while the lease runs.
func (f *Front) Announce(addr netip.Addr) error {
	if err := f.announce(addr); err != nil {
		return fmt.Errorf("announce %s on %s: %w", addr, f.iface, err)
	}
	return nil
}

func (f *Front) announce(addr netip.Addr) error {
	if err := hostAddress(addr); err != nil {
		return err
	}
	s, err := f.ensure()
	if err != nil {
		return err
	}
	if addr.Is4() {
		return s.send(arpAnnouncements(s.mac, addr)...)
	}
	return s.send(ndAnnouncement(s.mac, addr))
}
