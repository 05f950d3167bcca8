package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/mdlayher/packet"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const (
	// maxHeld bounds the frames that a relay holds back: ten seconds of all that two nodes and a test say to each other.
	maxHeld = 10_000
	// maxRelayed is the largest frame that a kernel hands to a packet socket, segments still joined.
	maxRelayed = 64<<10 + 256
)

// Delay says how long a cross-over cable holds frames back. Each frame waits a time of its own, drawn evenly from Least to
// Most, so frames overtake each other.
type Delay struct {
	Network     string
	Least, Most time.Duration
	Seed        uint64
}

// courier carries the frames of a cable by hand.
type courier struct {
	lab     *Lab
	fault   Fault
	conns   []*packet.Conn
	readers sync.WaitGroup
	held    sync.WaitGroup
	room    chan struct{}
}

// Delay makes a cable slow, and returns what makes it fast again. The kernel's own queue discipline for that is not in every kernel,
// so a relay in this program carries the frames. A host that loses power meanwhile stays off the cable until the end of the delay.
func (l *Lab) Delay(d Delay) (end func() error, err error) {
	if d.Least < 0 || d.Most < d.Least {
		return nil, fmt.Errorf("delay %s: want from 0 up to more, not %v to %v", d.Network, d.Least, d.Most)
	}
	r := &courier{lab: l, fault: Fault{Network: d.Network}, room: make(chan struct{}, maxHeld)}
	ports, err := l.ends(d.Network)
	if err != nil {
		return nil, fmt.Errorf("delay %s: %w", d.Network, err)
	}
	if err := r.open(ports); err != nil {
		return nil, errors.Join(fmt.Errorf("delay %s: %w", d.Network, err), r.close())
	}
	if err := l.Cut(r.fault); err != nil {
		return nil, errors.Join(err, r.close())
	}
	for from, to := range []int{1, 0} {
		draw := rand.New(rand.NewPCG(d.Seed, uint64(from)))
		r.readers.Go(func() { r.carry(r.conns[from], r.conns[to], ports[from].mac, d, draw) })
	}
	return func() error {
		err := errors.Join(l.Heal(r.fault), r.close())
		r.readers.Wait()
		r.held.Wait()
		return err
	}, nil
}

// ends are the two ports of a cable.
func (l *Lab) ends(network string) ([]*port, error) {
	var ports []*port
	for _, p := range l.plan.ports {
		if n := l.networks[p.network]; n.Name == network && n.CrossOver {
			ports = append(ports, p)
		}
	}
	if len(ports) == 0 {
		return nil, errors.New("it is no cross-over cable")
	}
	return ports, nil
}

// open opens a packet socket on each end, in the switch. A frame comes with the kernel's note on what is still to be done to it
// (checksum, segments), which goes out with it again.
func (r *courier) open(ports []*port) error {
	return onThread(func() error {
		if err := netns.Set(r.lab.wires.ns); err != nil {
			return err
		}
		for _, p := range ports {
			ifi, err := net.InterfaceByName(p.name)
			if err != nil {
				return fmt.Errorf("find %s: %w", p.name, err)
			}
			conn, err := packet.Listen(ifi, packet.Raw, unix.ETH_P_ALL, nil)
			if err != nil {
				return fmt.Errorf("open a packet socket on %s: %w", p.name, err)
			}
			r.conns = append(r.conns, conn)
			raw, err := conn.SyscallConn()
			if err != nil {
				return err
			}
			var set error
			err = raw.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1) })
			if err = errors.Join(err, set); err != nil {
				return fmt.Errorf("packet socket on %s: %w", p.name, err)
			}
		}
		return nil
	})
}

func (r *courier) close() error {
	var errs []error
	for _, c := range r.conns {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// noteLen is the length of the note in front of a frame: struct virtio_net_hdr.
const noteLen = 10

// carry takes each frame that the host behind one end sends, and gives it to the other end when its time has come.
func (r *courier) carry(from, to *packet.Conn, sender net.HardwareAddr, d Delay, draw *rand.Rand) {
	buffer := make([]byte, maxRelayed)
	for {
		n, _, err := from.ReadFrom(buffer)
		switch {
		case errors.Is(err, unix.ENETDOWN):
			continue // the cable is out; it may come back
		case err != nil:
			return
		case n < noteLen+etherLen || net.HardwareAddr(buffer[noteLen+6:noteLen+12]).String() != sender.String():
			continue // what we sent into this end ourselves
		}
		frame := append([]byte(nil), buffer[:n]...)
		select {
		case r.room <- struct{}{}:
		default:
			continue // full, as a queue may be
		}
		r.held.Add(1)
		time.AfterFunc(d.Least+time.Duration(draw.Int64N(int64(d.Most-d.Least)+1)), func() {
			defer r.held.Done()
			// A cable that is out, or a relay that has ended, loses the frame.
			_, _ = to.WriteTo(frame, &packet.Addr{HardwareAddr: net.HardwareAddr(frame[noteLen : noteLen+6])})
			<-r.room
		})
	}
}
