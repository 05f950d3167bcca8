package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

const (
	// receiveBuffer is what a receiving socket may hold, as in Heartbeat: some
	// hundred heartbeats, while the program is held up.
	receiveBuffer = 256 << 10

	// unreadBuffer is what a sending socket may hold of what nobody reads: the
	// network's reports. The kernel raises it to its own minimum.
	unreadBuffer = 1

	// controlSpace holds one IP_PKTINFO (12 bytes) or IPV6_PKTINFO (20 bytes) with
	// its header, and some to spare.
	controlSpace = 128

	lowDelay    = 0x10 // IPTOS_LOWDELAY, which Heartbeat sets on unicast links
	interactive = 6    // TC_PRIO_INTERACTIVE: ahead of bulk traffic on our own machine
)

// option is one integer socket option.
type option struct{ level, name, value int }

// openSocket opens a UDP socket on an interface, bound to number or, for 0, to any
// free port.
func openSocket(key portKey, options []option) (*net.UDPConn, error) {
	network := "udp4"
	if key.six {
		network = "udp6" // Go sets IPV6_V6ONLY
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		ctlErr := c.Control(func(fd uintptr) { err = prepare(int(fd), key.name, options) })
		return errors.Join(ctlErr, err)
	}}
	conn, err := lc.ListenPacket(context.Background(), network, ":"+strconv.Itoa(key.number))
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// prepare sets a socket's options before it is bound.
func prepare(fd int, device string, options []option) error {
	if err := unix.BindToDevice(fd, device); err != nil {
		return fmt.Errorf("bind to device %s: %w", device, err)
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return fmt.Errorf("set socket option %d/%d to %d: %w", o.level, o.name, o.value, err)
		}
	}
	return nil
}

// listen opens the receiving socket of a port.
func listen(key portKey) (*net.UDPConn, error) {
	options := []option{
		{unix.IPPROTO_IP, unix.IP_PKTINFO, 1},
		{unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0}, // only the groups joined here
	}
	if key.six {
		options = []option{
			{unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1},
			{unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, 0},
		}
	}
	conn, err := openSocket(key, options)
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, fmt.Errorf("udp port %d on %s is used by another program: stop it (is it heartbeat?), or choose another udpport on all nodes; ss -lunp shows it", key.number, key.name)
	}
	if err != nil {
		return nil, fmt.Errorf("open udp port %d on %s: %w%s", key.number, key.name, err, advice(err))
	}
	setReceiveBuffer(conn)
	return conn, nil
}

// setReceiveBuffer asks for the buffer beyond net.core.rmem_max, which takes
// CAP_NET_ADMIN, or for as much as is allowed. Less than asked for still works.
func setReceiveBuffer(conn *net.UDPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
		}
	})
}

// join makes a receiving socket a member of a group on an interface.
func join(conn *net.UDPConn, group netip.Addr, index int) error {
	ifi, addr := &net.Interface{Index: index}, &net.UDPAddr{IP: group.AsSlice()}
	if group.Is6() {
		return ipv6.NewPacketConn(conn).JoinGroup(ifi, addr)
	}
	return ipv4.NewPacketConn(conn).JoinGroup(ifi, addr)
}

// leave ends what join began.
func leave(conn *net.UDPConn, group netip.Addr, index int) error {
	ifi, addr := &net.Interface{Index: index}, &net.UDPAddr{IP: group.AsSlice()}
	if group.Is6() {
		return ipv6.NewPacketConn(conn).LeaveGroup(ifi, addr)
	}
	return ipv4.NewPacketConn(conn).LeaveGroup(ifi, addr)
}

// destination reads from a datagram's control messages where it was sent. An IPv4
// datagram came by broadcast if its destination is not the address that the kernel
// would answer from.
func destination(control []byte) (how reach, to netip.Addr, ok bool) {
	for len(control) >= unix.SizeofCmsghdr {
		h, data, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			return 0, netip.Addr{}, false
		}
		switch {
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			// struct in_pktinfo: interface index, our address, destination of the header
			ours, _ := netip.AddrFromSlice(data[4:8])
			to, _ = netip.AddrFromSlice(data[8:12])
			switch {
			case to.IsMulticast():
				return toGroup, to, true
			case to != ours:
				return toEverybody, to, true
			}
			return toMachine, to, true
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			// struct in6_pktinfo: destination, interface index
			to, _ = netip.AddrFromSlice(data[:16])
			if to.IsMulticast() {
				return toGroup, to, true
			}
			return toMachine, to, true
		}
		control = rest
	}
	return 0, netip.Addr{}, false
}

// bootClock returns the time since the machine started, sleep included.
func bootClock() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("read the boot clock: " + err.Error()) // every kernel since 2.6.39 has it
	}
	return time.Duration(ts.Nano())
}
