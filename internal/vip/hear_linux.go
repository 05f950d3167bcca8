package vip

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// hearBatch is how many frames are read before others may have the front's lock.
const hearBatch = 64

// heard is one frame of ARP or neighbour discovery, as far as a front cares.
type heard struct {
	from     MAC // of the frame
	sighting Sighting
	station  Station
}

func hearARP(frame []byte) (heard, bool) {
	p, err := parseARP(frame)
	if err != nil {
		return heard{}, false
	}
	s, ok := p.sighting()
	return heard{p.from, s, p.station()}, ok
}

func hearND(frame []byte) (heard, bool) {
	p, err := parseND(frame)
	if err != nil {
		return heard{}, false
	}
	s, ok := p.sighting()
	return heard{p.from, s, p.station()}, ok
}

// missing reports whether err says that the interface is not there.
func missing(err error) bool { return errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) }

// ensure returns a session on the interface as it is now, and opens a new one if need be.
func (f *Front) ensure() (*session, error) {
	f.opening.Lock()
	defer f.opening.Unlock()
	f.mu.Lock()
	s, closed := f.session, f.closed
	f.mu.Unlock()
	if closed {
		return nil, net.ErrClosed
	}
	index, err := interfaceIndex(f.iface)
	if err == nil && s != nil && s.index == index && !s.broken.Load() {
		if mac, err := s.readMAC(); err == nil && mac == s.mac {
			return s, nil
		}
	}
	if s != nil {
		f.swap(nil)
	}
	if err != nil {
		return nil, err
	}
	if s, err = openSession(index); err != nil {
		return nil, err
	}
	if err := f.swap(s); err != nil {
		f.swap(nil)
		return nil, err
	}
	return s, nil
}

// swap puts s in the place of the present session, starts its readers, and ends the old one. The caller holds opening.
func (f *Front) swap(s *session) error {
	f.mu.Lock()
	old := f.session
	f.session = s
	var err error
	if s == nil {
		f.lastFrame, f.lostAt = 0, Boottime() // the interface is gone, or another one has its name
	} else {
		f.own[s.mac] = true
		f.sampledAt = Boottime()
		f.losses = s.losses
		for group := range f.groups {
			err = errors.Join(err, s.join(group))
		}
		s.readers.Add(2)
		go f.read(s, s.arp, hearARP)
		go f.read(s, s.nd, hearND)
	}
	f.mu.Unlock()
	if old != nil {
		old.close()
	}
	return err
}

// read takes frames from one socket until it is closed or breaks.
func (f *Front) read(s *session, t tap, hear func([]byte) (heard, bool)) {
	defer s.readers.Done()
	for {
		var more bool
		var err error
		closed := t.raw.Read(func(fd uintptr) bool {
			more, err = f.drain(int(fd), hear)
			return more || err != nil
		})
		if closed != nil {
			return
		}
		// That the interface went down is told once; the socket works again when it is up.
		if err != nil && !errors.Is(err, unix.ENETDOWN) {
			s.broken.Store(true)
			return
		}
	}
}

// drain reads what has arrived and enters it, all under the lock: so who calls it knows when it returns that nothing that
// had arrived is on its way any more. It returns with more when a batch is full.
func (f *Front) drain(fd int, hear func([]byte) (heard, bool)) (more bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var frame [maxFrame]byte
	for range hearBatch {
		n, _, err := unix.Recvfrom(fd, frame[:], unix.MSG_DONTWAIT|unix.MSG_TRUNC)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return false, nil
		case errors.Is(err, unix.EINTR), err == nil && n > len(frame):
			continue
		case err != nil:
			return false, err
		}
		if h, ok := hear(frame[:n]); ok {
			f.take(h)
		}
	}
	return true, nil
}

// settle reads everything that had arrived before the call.
func (f *Front) settle(s *session) error {
	return errors.Join(f.empty(s.arp, hearARP), f.empty(s.nd, hearND))
}

// empty reads all that lies in one socket. A flood is read for a bounded number of batches, then it is an error.
func (f *Front) empty(t tap, hear func([]byte) (heard, bool)) error {
	const batches = 32 // 2,048 frames, more than the socket's buffer holds
	for range batches {
		var more bool
		var drainErr error
		err := t.raw.Control(func(fd uintptr) { more, drainErr = f.drain(int(fd), hear) })
		if err = errors.Join(err, drainErr); err != nil {
			return fmt.Errorf("read what was answered: %w", err)
		}
		if !more {
			return nil
		}
	}
	return errors.New("frames come in faster than they can be read")
}

// take enters one frame. The caller holds mu.
func (f *Front) take(h heard) {
	if f.own[h.from] || f.own[h.sighting.MAC] {
		return
	}
	h.sighting.At = Boottime()
	h.station.At = h.sighting.At
	wanted := f.watched[h.sighting.Address]
	probed := false
	for p := range f.probings {
		p.hear(h.sighting)
		probed = probed || p.about(h.station.Address)
	}
	if !f.watched[h.station.Address] && !probed {
		f.seen.see(h.station)
	}
	if !wanted {
		return
	}
	select {
	case f.sightings <- h.sighting:
	default:
		f.missed++
	}
}

// sample takes the count of frames of other stations since the last sample. A frame of that time came after the last
// sample at least, so that is what is noted: a pause of this program makes old frames older, never younger.
func (f *Front) sample(s *session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := Boottime()
	stats, err := s.count.conn.Stats()
	if err != nil || f.session != s {
		return
	}
	if stats.Packets > 0 {
		f.frames += uint64(stats.Packets)
		f.lastFrame = f.sampledAt
		s.discard()
	}
	f.sampledAt = now
}

// countLost takes the count of frames that the kernel dropped because they were not read in time. The caller holds mu.
func (f *Front) countLost(s *session) {
	for _, t := range []tap{s.arp, s.nd} {
		if stats, err := t.conn.Stats(); err == nil {
			f.lost += uint64(stats.Drops)
		}
	}
}

// join listens to the group in which solicitations of addr are sent. The caller holds mu.
func (f *Front) join(addr netip.Addr) error {
	if !addr.Is6() {
		return nil
	}
	group := solicitedNode(addr)
	f.groups[group]++
	if f.groups[group] > 1 || f.session == nil {
		return nil
	}
	err := f.session.join(group)
	if err != nil {
		delete(f.groups, group)
	}
	return err
}

// leave undoes one join. The caller holds mu.
func (f *Front) leave(addr netip.Addr) {
	if !addr.Is6() {
		return
	}
	group := solicitedNode(addr)
	f.groups[group]--
	if f.groups[group] > 0 {
		return
	}
	delete(f.groups, group)
	if f.session != nil {
		f.session.leave(group)
	}
}
