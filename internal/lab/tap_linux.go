package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// maxFrame is more than any frame of the lab: its interfaces have an MTU of 1500.
const maxFrame = 2048

// tap reads the frames of one protocol that pass an interface, in both directions, with the times at which the kernel saw them.
type tap struct {
	conn *packet.Conn
	lead time.Duration // of the wall clock, in which the kernel tells times, before the boot clock
}

// frameSeen is a frame that passed; its data is good until the next one is read.
type frameSeen struct {
	at   time.Duration
	out  bool
	data []byte
}

// closeReading is how near to each other two clocks must be read to be compared.
const closeReading = 50 * time.Microsecond

// openTap opens a tap for frames of an EtherType.
func openTap(ifi *net.Interface, etherType uint32) (*tap, error) {
	filter, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 12, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: etherType, SkipFalse: 1},
		bpf.RetConstant{Val: maxFrame},
		bpf.RetConstant{},
	})
	if err != nil {
		return nil, err
	}
	conn, err := packet.Listen(ifi, packet.Raw, unix.ETH_P_ALL, &packet.Config{Filter: filter})
	if err != nil {
		return nil, err
	}
	t := &tap{conn: conn}
	for t.lead == 0 {
		t.compare()
	}
	raw, err := conn.SyscallConn()
	if err == nil {
		if e := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) }); e != nil {
			err = e
		}
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return t, nil
}

// compare reads both clocks, and believes them when nothing came between.
func (t *tap) compare() {
	before := Now()
	wall := time.Duration(time.Now().UnixNano())
	if after := Now(); after-before < closeReading {
		t.lead = wall - before
	}
}

// readAll passes on what choose makes of the frames, until the socket is closed. A link that goes down ends nothing.
func (t *tap) readAll(ctx context.Context, choose func(frameSeen) (sighting, bool), to chan<- sighting) error {
	buffer, control := make([]byte, maxFrame), make([]byte, 128)
	for {
		f, err := t.read(buffer, control)
		if errors.Is(err, unix.ENETDOWN) {
			continue
		}
		if err != nil {
			return err
		}
		s, ok := choose(f)
		if !ok {
			continue
		}
		select {
		case to <- s:
		case <-ctx.Done():
			return os.ErrClosed
		}
	}
}

// read reads a frame.
func (t *tap) read(buffer, control []byte) (f frameSeen, err error) {
	raw, err := t.conn.SyscallConn()
	if err != nil {
		return f, err
	}
	var n, controls int
	var from unix.Sockaddr
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		n, controls, _, from, failed = unix.Recvmsg(int(fd), buffer, control, 0)
		return !errors.Is(failed, unix.EAGAIN)
	})
	if err = errors.Join(err, failed); err != nil {
		return f, err
	}
	t.compare()
	f.data = buffer[:n]
	if link, ok := from.(*unix.SockaddrLinklayer); ok {
		f.out = link.Pkttype == unix.PACKET_OUTGOING
	}
	f.at = Now()
	if at, ok := stamp(control[:controls]); ok {
		f.at = min(f.at, at-t.lead)
	}
	return f, nil
}

// stamp finds the kernel's time of a frame.
func stamp(control []byte) (at time.Duration, ok bool) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0, false
	}
	for _, m := range messages {
		if m.Header.Level != unix.SOL_SOCKET || m.Header.Type != unix.SO_TIMESTAMPNS {
			continue
		}
		switch len(m.Data) {
		case 16: // two 64-bit numbers: seconds and nanoseconds
			return time.Duration(binary.NativeEndian.Uint64(m.Data))*time.Second + time.Duration(binary.NativeEndian.Uint64(m.Data[8:])), true
		case 8:
			return time.Duration(binary.NativeEndian.Uint32(m.Data))*time.Second + time.Duration(binary.NativeEndian.Uint32(m.Data[4:])), true
		}
	}
	return 0, false
}
