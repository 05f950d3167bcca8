package ping

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	// openPause is the time between two tries to open a socket: what hinders it (no IPv6, no right) seldom ends.
	openPause = time.Second

	// readSize holds an answer with the longest IPv4 header, and one byte more, so that a longer one shows.
	readSize = 60 + echoSize + 1

	wholePacket = 0xffff // what a filter lets pass
)

// socket sends questions and reads answers of one family.
type socket struct {
	six   bool
	id    uint16 // identifies our questions among those of this machine
	fd    int    // as of file
	file  *os.File
	ended chan struct{} // closed when the reader has ended
	err   error         // why it could not be opened
	tried int64         // when
}

func newSocket(six bool, id uint16) *socket { return &socket{six: six, id: id} }

// ready opens the socket unless it is open.
func (s *socket) ready(replies chan<- reply, sources map[netip.Addr]bool) error {
	if s.file != nil {
		select {
		case <-s.ended: // it failed
			s.close()
		default:
			return nil
		}
	}
	now := boottime()
	if s.err != nil && now-s.tried < int64(openPause) {
		return s.err
	}
	s.tried = now
	fd, err := openRaw(s.six, s.id)
	if err != nil {
		if s.err == nil || s.err.Error() != (&openError{err}).Error() {
			s.err = &openError{err} // the same reason stays the same error
		}
		return s.err
	}
	s.fd, s.err = fd, nil
	s.file = os.NewFile(uintptr(fd), "icmp")
	s.ended = make(chan struct{})
	go s.read(s.file, replies, sources)
	return nil
}

// close closes the socket and waits for its reader.
func (s *socket) close() {
	if s.file == nil {
		return
	}
	s.file.Close() // nothing is buffered that closing could lose
	<-s.ended
	s.file = nil
}

// send sends a question, or gives it up where it would have to wait: a neighbour that is gone fills our queue.
func (s *socket) send(packet []byte, to unix.Sockaddr) error {
	err := unix.Sendto(s.fd, packet, unix.MSG_DONTWAIT, to)
	if err == unix.EAGAIN {
		return nil
	}
	return err
}

// read hands on what could be an answer, until the socket is closed or fails.
func (s *socket) read(file *os.File, replies chan<- reply, sources map[netip.Addr]bool) {
	defer close(s.ended)
	conn, err := file.SyscallConn()
	if err != nil {
		return
	}
	var (
		n    int
		from unix.Sockaddr
		b    = make([]byte, readSize)
	)
	receive := func(fd uintptr) bool {
		n, from, err = unix.Recvfrom(int(fd), b, 0)
		return err != unix.EAGAIN && err != unix.EINTR
	}
	for {
		if closed := conn.Read(receive); closed != nil || err != nil {
			return
		}
		r, ok := readEcho(b[:n], s.six, s.id)
		r.from, r.index = source(from)
		if !ok || !sources[r.from] {
			continue
		}
		select {
		case replies <- r:
		default: // dropped
		}
	}
}

// source is who sent a packet, and the interface where that is part of the address.
func source(from unix.Sockaddr) (netip.Addr, uint32) {
	switch from := from.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(from.Addr), 0
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(from.Addr), from.ZoneId
	}
	return netip.Addr{}, 0
}

// openRaw opens a socket that only answers to our own questions wake.
func openRaw(six bool, id uint16) (int, error) {
	family, protocol := unix.AF_INET, unix.IPPROTO_ICMP
	if six {
		family, protocol = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return 0, err
	}
	if err := errors.Join(onlyReplies(fd, six), onlyOurs(fd, six, id)); err != nil {
		unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

// onlyReplies has the kernel pass echo replies alone; a bit that is set blocks its type.
func onlyReplies(fd int, six bool) error {
	if !six {
		return unix.SetsockoptInt(fd, unix.SOL_RAW, unix.ICMP_FILTER, ^(1 << echoReply4))
	}
	var filter unix.ICMPv6Filter
	for i := range filter.Data {
		filter.Data[i] = ^uint32(0)
	}
	filter.Data[echoReply6/32] &^= 1 << (echoReply6 % 32)
	return unix.SetsockoptICMPv6Filter(fd, unix.SOL_ICMPV6, unix.ICMPV6_FILTER, &filter)
}

// onlyOurs has the kernel pass replies with our identifier alone: other programs of this machine ping too.
func onlyOurs(fd int, six bool, id uint16) error {
	instructions := []bpf.Instruction{
		bpf.LoadMemShift{Off: 0}, // the length of the IPv4 header
		bpf.LoadIndirect{Off: 4, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(id), SkipFalse: 1},
		bpf.RetConstant{Val: wholePacket},
		bpf.RetConstant{Val: 0},
	}
	if six {
		instructions = append([]bpf.Instruction{bpf.LoadAbsolute{Off: 4, Size: 2}}, instructions[2:]...)
	}
	program, err := bpf.Assemble(instructions)
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(program))
	for i, p := range program {
		filter[i] = unix.SockFilter{Code: p.Op, Jt: p.Jt, Jf: p.Jf, K: p.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
}

// interfaceIndex is the kernel's number of an interface now; any socket serves to ask for it.
func interfaceIndex(fd int, name string) (uint32, error) {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, request); err != nil {
		return 0, err
	}
	return request.Uint32(), nil
}

// boottime is the boot clock in nanoseconds. It runs on while the machine sleeps, and nobody can set it.
func boottime() int64 {
	var ts unix.Timespec
	// The call fails only for a clock that does not exist; this one exists since Linux 2.6.39.
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts)
	return ts.Nano()
}

// openError is why there is no socket.
type openError struct{ err error }

func (e *openError) Error() string {
	switch {
	case errors.Is(e.err, unix.EPERM), errors.Is(e.err, unix.EACCES):
		return fmt.Sprintf("open a socket for ICMP: %v; lubdub needs the right CAP_NET_RAW", e.err)
	case errors.Is(e.err, unix.EAFNOSUPPORT):
		return fmt.Sprintf("open a socket for ICMP: %v; is IPv6 switched off here?", e.err)
	}
	return fmt.Sprintf("open a socket for ICMP: %v", e.err)
}

func (e *openError) Unwrap() error { return e.err }

// explain says what keeps us from asking an address, and what to do.
func explain(t *target, err error) error {
	name := t.addr.WithZone(t.zone)
	if _, ok := errors.AsType[*openError](err); ok {
		return fmt.Errorf("ask %s: %w", name, err)
	}
	remedy := ""
	switch {
	case errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.EADDRNOTAVAIL):
		remedy = "; is there an interface up, with an address, and a route to it? see: ip route get " + name.String()
	case errors.Is(err, unix.EPERM):
		remedy = "; a firewall of this machine forbids it: let ICMP echo requests out"
	case errors.Is(err, unix.EACCES):
		remedy = "; a broadcast address? write the address of one machine"
	case errors.Is(err, unix.ENODEV):
		remedy = "; there is no interface " + t.zone
	}
	return fmt.Errorf("ask %s: %w (%d questions were not sent)%s; it is tried again", name, err, t.unsent, remedy)
}
