package link

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// sender is a link's sending socket and where it sends. It does not change: for
// another destination there is another sender over the same socket.
type sender struct {
	conn    *net.UDPConn
	raw     syscall.RawConn
	reports bool // the network's reports come back as errors
	index   int  // of the interface, the zone of an IPv6 destination
	to      netip.AddrPort
	name    unix.Sockaddr // to, as the kernel wants it
}

// openSender opens the sending socket of a link. Its port is any free one.
func openSender(s Spec, index int, to netip.AddrPort) (*sender, error) {
	conn, err := openSocket(portKey{name: s.Interface, six: s.six()}, sendOptions(s))
	if err != nil {
		return nil, fmt.Errorf("open the sending socket of %s: %w%s", s, err, advice(err))
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("open the sending socket of %s: %w", s, err)
	}
	return (&sender{conn: conn, raw: raw, reports: s.Kind == Unicast, index: index}).toward(to), nil
}

// sendOptions returns the socket options of each kind of link. A multicast socket
// needs no IP_MULTICAST_IF, since it is bound to its interface.
func sendOptions(s Spec) []option {
	options := []option{
		{unix.SOL_SOCKET, unix.SO_RCVBUF, unreadBuffer},
		{unix.SOL_SOCKET, unix.SO_PRIORITY, interactive},
	}
	loop := 0
	if s.Loop {
		loop = 1
	}
	switch {
	case s.Kind == Broadcast:
		options = append(options,
			option{unix.SOL_SOCKET, unix.SO_BROADCAST, 1},
			option{unix.SOL_SOCKET, unix.SO_DONTROUTE, 1})
	case s.Kind == Multicast && s.six():
		options = append(options,
			option{unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, s.TTL},
			option{unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP, loop})
	case s.Kind == Multicast:
		options = append(options,
			option{unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, s.TTL},
			option{unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, loop})
	case s.six():
		options = append(options,
			option{unix.IPPROTO_IPV6, unix.IPV6_TCLASS, lowDelay},
			option{unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1})
	default:
		options = append(options,
			option{unix.IPPROTO_IP, unix.IP_TOS, lowDelay},
			option{unix.IPPROTO_IP, unix.IP_RECVERR, 1})
	}
	return options
}

// toward returns a sender over the same socket with another destination.
func (s *sender) toward(to netip.AddrPort) *sender {
	next := *s
	next.to = to
	if to.Addr().Is4() {
		next.name = &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	} else {
		next.name = &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16(), ZoneId: uint32(s.index)}
	}
	return &next
}

// send sends p and says whether it left. With IP_RECVERR the kernel returns a
// report about an earlier datagram instead of sending this one, once; so it is
// tried again. (The report's details stay in the socket's error queue, which
// its small buffer bounds; nobody needs them.)
func (s *sender) send(p []byte) (left bool, err error) {
	err = s.write(p)
	if err == nil {
		return true, nil
	}
	if s.reports && isReport(err) {
		return s.write(p) == nil, err
	}
	return false, err
}

func (s *sender) write(p []byte) error {
	var err error
	rawErr := s.raw.Write(func(fd uintptr) bool {
		err = unix.Sendto(int(fd), p, unix.MSG_DONTWAIT, s.name)
		return true // never wait for room in the buffer
	})
	return errors.Join(rawErr, err)
}

func (s *sender) close() { s.conn.Close() }

// isReport says that an error may be the network's word on an earlier datagram.
func isReport(err error) bool {
	return anyOf(err, unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EACCES,
		unix.EMSGSIZE, unix.ENOPROTOOPT, unix.EPROTO, unix.EHOSTDOWN)
}

// hintsAtChange says that an error may come from an interface or address that is
// no longer what it was.
func hintsAtChange(err error) bool {
	return anyOf(err, unix.ENODEV, unix.ENXIO, unix.ENETDOWN, unix.ENETUNREACH, unix.EADDRNOTAVAIL, unix.EINVAL)
}

func anyOf(err error, errnos ...unix.Errno) bool {
	for _, e := range errnos {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// advice says what an operator can do about a socket's error, as the end of a
// sentence.
func advice(err error) string {
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		return " (that machine answers, but nothing listens on the port: start the program there and compare udpport)"
	case errors.Is(err, unix.EHOSTUNREACH):
		return " (that machine does not answer: is it on, is the cable in, is the address right?)"
	case errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EADDRNOTAVAIL):
		return " (look at the interface's addresses: ip addr)"
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return " (a firewall rule or missing privileges forbid it: nft list ruleset)"
	case errors.Is(err, unix.ENETDOWN):
		return " (the interface is down: ip link)"
	}
	return ""
}
