package vip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	// maxFrame is more than any ARP or neighbour discovery frame that makes sense; a longer one is cut and then refused.
	maxFrame = 1514

	// countBuffer keeps the counting socket's queue at the kernel's minimum: it only counts.
	countBuffer = 1
)

// session is a front's sockets on one life of the interface, while its index and its hardware address stay the same.
type session struct {
	index   int
	mac     MAC
	losses  uint32 // of the carrier, when it was opened
	arp, nd tap    // read as frames come
	count   tap    // never read for its content; the kernel counts what passes its filter
	member  int    // a socket that only holds memberships of IPv6 groups, so that switches hear of them; -1: no IPv6 here

	readers sync.WaitGroup
	broken  atomic.Bool // a socket failed in a way that only a new one repairs
}

// tap is one packet socket. One a protocol: a socket for all of them would also see frames of VLANs on top.
type tap struct {
	conn *packet.Conn
	raw  syscall.RawConn
}

// openSession opens all sockets on the interface with this index.
func openSession(index int) (s *session, err error) {
	s = &session{index: index, member: -1}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.arp, err = openTap(index, etherTypeARP, nil); err != nil {
		return s, err
	}
	if s.mac, err = s.readMAC(); err != nil {
		return s, err
	}
	if s.nd, err = openTap(index, etherTypeIPv6, ndFilter()); err != nil {
		return s, err
	}
	links, err := listLinks()
	if err != nil {
		return s, err
	}
	s.losses = links[index].losses
	if s.count, err = openTap(index, unix.ETH_P_ALL, foreignFilter(ownMACs(s.mac, links))); err != nil {
		return s, err
	}
	var optErr error
	err = s.count.raw.Control(func(fd uintptr) {
		optErr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, countBuffer)
	})
	if err = errors.Join(err, optErr); err != nil {
		return s, err
	}
	if fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err == nil {
		s.member = fd
	}
	return s, s.join(allNodes)
}

func openTap(index, protocol int, filter []bpf.Instruction) (tap, error) {
	program, err := bpf.Assemble(filter)
	if err != nil {
		return tap{}, err
	}
	conn, err := packet.Listen(&net.Interface{Index: index}, packet.Raw, protocol, &packet.Config{Filter: program})
	if err != nil {
		return tap{}, fmt.Errorf("open a packet socket: %w", err)
	}
	raw, err := conn.SyscallConn()
	return tap{conn, raw}, err
}

// close ends the sockets and waits for their readers. The front's mu must not be held: the readers need it to end.
func (s *session) close() {
	for _, t := range []tap{s.arp, s.nd, s.count} {
		if t.conn != nil {
			_ = t.conn.Close() // a packet socket has nothing left to write
		}
	}
	if s.member >= 0 {
		_ = unix.Close(s.member)
	}
	s.readers.Wait()
}

// readMAC asks the socket for the interface's hardware address as it is now; ENODEV if the interface is gone.
func (s *session) readMAC() (MAC, error) {
	var name unix.Sockaddr
	var nameErr error
	err := s.arp.raw.Control(func(fd uintptr) { name, nameErr = unix.Getsockname(int(fd)) })
	if err = errors.Join(err, nameErr); err != nil {
		return MAC{}, err
	}
	link, ok := name.(*unix.SockaddrLinklayer)
	switch {
	case !ok || link.Ifindex != s.index || link.Halen == 0:
		return MAC{}, unix.ENODEV
	case link.Hatype != unix.ARPHRD_ETHER || int(link.Halen) != len(MAC{}):
		return MAC{}, errors.New("it is no Ethernet interface, so it has neither ARP nor neighbour discovery: name another")
	}
	return MAC(link.Addr[:len(MAC{})]), nil
}

// send writes whole frames, without waiting: what the interface cannot take now is an error.
func (s *session) send(frames ...[]byte) error {
	for _, frame := range frames {
		t, protocol := s.arp, uint16(etherTypeARP)
		if binary.BigEndian.Uint16(frame[12:]) == etherTypeIPv6 {
			t, protocol = s.nd, etherTypeIPv6
		}
		to := &unix.SockaddrLinklayer{Ifindex: s.index, Protocol: bigEndian(protocol), Halen: uint8(len(MAC{}))}
		copy(to.Addr[:], frame[:len(MAC{})])
		var sendErr error
		err := t.raw.Control(func(fd uintptr) { sendErr = unix.Sendto(int(fd), frame, unix.MSG_DONTWAIT, to) })
		if err = errors.Join(err, sendErr); err != nil {
			return fmt.Errorf("send a frame: %w", err)
		}
	}
	return nil
}

// discard throws away what lies in the counting socket, so that no memory of the driver stays in use.
func (s *session) discard() {
	const most = 16 // the smallest buffer the kernel gives holds fewer
	_ = s.count.raw.Control(func(fd uintptr) {
		var b [1]byte
		for range most {
			if _, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_DONTWAIT); err != nil {
				return
			}
		}
	})
}

// bigEndian returns v so that it lies in memory in network order.
func bigEndian(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}

// join listens to an IPv6 group: the interface lets its frames in, and switches that filter groups are told. The latter
// needs IPv6 on the interface; without it there is nothing to be told, for nobody here takes part.
func (s *session) join(group netip.Addr) error {
	_ = unix.SetsockoptIPv6Mreq(s.member, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, s.membership(group))
	mac := groupMAC(group)
	return s.nd.conn.JoinGroup(mac[:])
}

// leave undoes join. A group that is not left costs a few frames.
func (s *session) leave(group netip.Addr) {
	_ = unix.SetsockoptIPv6Mreq(s.member, unix.IPPROTO_IPV6, unix.IPV6_LEAVE_GROUP, s.membership(group))
	mac := groupMAC(group)
	_ = s.nd.conn.LeaveGroup(mac[:])
}

func (s *session) membership(group netip.Addr) *unix.IPv6Mreq {
	return &unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(s.index)}
}

// ndFilter lets solicitations and advertisements pass, so a busy interface does not wake the reader.
func ndFilter() []bpf.Instruction {
	const nextHeader, icmpType = etherLen + 6, etherLen + ipv6Len
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: nextHeader, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: icmpv6, SkipTrue: 3},
		bpf.LoadAbsolute{Off: icmpType, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: ndSolicit, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: ndAdvertise, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: maxFrame},
	}
}

// maxOwnMACs bounds the hardware addresses of this machine that the filter knows: a host of many containers has hundreds,
// none of them on the front's cable.
const maxOwnMACs = 32

// ownMACs returns the hardware addresses of this machine, first the one given.
func ownMACs(first MAC, links map[int]Link) []MAC {
	own := []MAC{first}
	for _, index := range slices.Sorted(maps.Keys(links)) {
		if m := links[index].MAC; m.station() && len(own) < maxOwnMACs && !slices.Contains(own, m) {
			own = append(own, m)
		}
	}
	return own
}

// foreignFilter lets frames pass that prove that the port to the network forwards: IP and ARP from another machine. Not
// what was sent here, nor ours come back from a switch or sent by another port of ours. Not what the switch itself says
// (spanning tree, LLDP, LACP): it says that on a port that forwards nothing too. Not frames of a VLAN on top, whose
// port may be in another state.
func foreignFilter(own []MAC) []bpf.Instruction {
	const vlanID, reject = 0xfff, 0
	program := []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.PACKET_OUTGOING, SkipTrue: 1},
		bpf.RetConstant{Val: reject},
		bpf.LoadExtension{Num: bpf.ExtVLANTag},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: vlanID},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 1},
		bpf.RetConstant{Val: reject},
		bpf.LoadAbsolute{Off: 12, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: etherTypeIPv4, SkipTrue: 3},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: etherTypeARP, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: etherTypeIPv6, SkipTrue: 1},
		bpf.RetConstant{Val: reject},
	}
	for _, m := range own {
		program = append(program,
			bpf.LoadAbsolute{Off: 6, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(m[:4]), SkipTrue: 3},
			bpf.LoadAbsolute{Off: 10, Size: 2},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(binary.BigEndian.Uint16(m[4:])), SkipTrue: 1},
			bpf.RetConstant{Val: reject},
		)
	}
	return append(program, bpf.RetConstant{Val: 1}) // the frame itself is of no use
}
