package vip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// The lease writes its few messages itself. google/nftables does not tell which message of a batch the kernel
// refused, and mdlayher/netlink drops the sequence number of a refusal, but "the ticket was gone" and "the
// entitlement was gone" are different answers here. Only the encoding of attributes is borrowed.

// netfilter is a connection to the kernel's nfnetlink.
type netfilter interface {
	// exchange sends one datagram and returns all that the kernel answers. The kernel works it off before it
	// returns from the send, so the answers are there at once and nothing waits for them.
	exchange(request []byte) ([]reply, error)
	// port is the connection's address; the kernel signs notifications of its writes with it.
	port() uint32
	close() error
}

// reply is one message from the kernel.
type reply struct {
	kind  uint16 // message type
	flags uint16
	seq   uint32
	errno unix.Errno // of an unix.NLMSG_ERROR; 0 is an acknowledgement
	body  []byte     // what follows the header
}

// nfSocket is the real kernel.
type nfSocket struct {
	fd   int
	addr uint32
	buf  []byte
}

// replyBuffer is larger than any datagram of the kernel's: dumps come in at most 32 KiB.
const replyBuffer = 64 << 10

func dialNetfilter() (netfilter, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EAFNOSUPPORT) {
		return nil, fmt.Errorf("open netlink socket for nftables: %w: %w", err, ErrNoNftables)
	}
	if err != nil {
		return nil, fmt.Errorf("open netlink socket for nftables: %w", err)
	}
	s := &nfSocket{fd: fd, buf: make([]byte, replyBuffer)}
	if err := s.bind(); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind netlink socket for nftables: %w", err)
	}
	return s, nil
}

func (s *nfSocket) bind() error {
	if err := unix.Bind(s.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	// Refusals need not carry the message they refuse. An old kernel without the option sends it, no more.
	_ = unix.SetsockoptInt(s.fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	sa, err := unix.Getsockname(s.fd)
	if err != nil {
		return err
	}
	if nl, ok := sa.(*unix.SockaddrNetlink); ok {
		s.addr = nl.Pid
	}
	return nil
}

func (s *nfSocket) port() uint32 { return s.addr }

func (s *nfSocket) close() error { return os.NewSyscallError("close", unix.Close(s.fd)) }

func (s *nfSocket) exchange(request []byte) ([]reply, error) {
	if err := unix.Sendto(s.fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, os.NewSyscallError("sendto", err)
	}
	var out []reply
	for {
		n, _, err := unix.Recvfrom(s.fd, s.buf, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return out, nil
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return out, os.NewSyscallError("recvfrom", err)
		}
		out = appendReplies(out, s.buf[:n])
	}
}

// appendReplies cuts a datagram into its messages and copies them.
func appendReplies(out []reply, b []byte) []reply {
	for len(b) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return out
		}
		r := reply{
			kind:  binary.NativeEndian.Uint16(b[4:]),
			flags: binary.NativeEndian.Uint16(b[6:]),
			seq:   binary.NativeEndian.Uint32(b[8:]),
			body:  slices.Clone(b[unix.SizeofNlMsghdr:size]),
		}
		if r.kind == unix.NLMSG_ERROR && len(r.body) >= 4 {
			r.errno = unix.Errno(-int32(binary.NativeEndian.Uint32(r.body)))
		}
		out = append(out, r)
		b = b[min(align4(size), len(b)):]
	}
	return out
}

func align4(n int) int { return (n + 3) &^ 3 }

// purpose says what it means when the kernel refuses an entry of a batch.
type purpose int

const (
	forInstall  purpose = iota // part of the gate
	forTicket                  // deletes the ticket
	forRunning                 // deletes a running element
	forAdding                  // adds an element
	forDrain                   // part of a drain; the grant does without it if need be
	forDrainEnd                // deletes an element of a drain
)

// batchEntry is one message of a batch.
type batchEntry struct {
	seq  uint32
	why  purpose
	elem element
}

// batch is one transaction: all of it happens, or nothing.
type batch struct {
	bytes   []byte
	seq     uint32 // of the newest message
	last    int    // where the newest message starts
	entries []batchEntry
	err     error
}

// newBatch starts a transaction whose messages are numbered from seq.
func newBatch(seq uint32) *batch {
	b := &batch{seq: seq}
	b.put(unix.NFNL_MSG_BATCH_BEGIN, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, nil)
	return b
}

// message adds one nftables message.
func (b *batch) message(msg uint16, flags uint16, family byte, why purpose, e element, attrs func(*netlink.AttributeEncoder)) {
	ae := netlink.NewAttributeEncoder()
	ae.ByteOrder = binary.BigEndian
	attrs(ae)
	body, err := ae.Encode()
	if err != nil {
		b.err = errors.Join(b.err, err)
		return
	}
	b.put(unix.NFNL_SUBSYS_NFTABLES<<8|msg, flags, family, 0, body)
	b.entries = append(b.entries, batchEntry{seq: b.seq, why: why, elem: e})
}

// put appends a message: netlink's header, nfnetlink's header, attributes.
func (b *batch) put(kind, flags uint16, family byte, resource uint16, body []byte) {
	b.seq++
	b.last = len(b.bytes)
	b.bytes = appendMessage(b.bytes, kind, flags, b.seq, family, resource, body)
}

func appendMessage(buf []byte, kind, flags uint16, seq uint32, family byte, resource uint16, body []byte) []byte {
	const nfHeader = 4
	size := unix.SizeofNlMsghdr + nfHeader + align4(len(body))
	buf = slices.Grow(buf, size)
	buf = binary.NativeEndian.AppendUint32(buf, uint32(size))
	buf = binary.NativeEndian.AppendUint16(buf, kind)
	buf = binary.NativeEndian.AppendUint16(buf, flags|unix.NLM_F_REQUEST)
	buf = binary.NativeEndian.AppendUint32(buf, seq)
	buf = binary.NativeEndian.AppendUint32(buf, 0) // the kernel knows our port
	buf = append(buf, family, unix.NFNETLINK_V0)
	buf = binary.BigEndian.AppendUint16(buf, resource)
	buf = append(buf, body...)
	return append(buf, make([]byte, align4(len(body))-len(body))...)
}

// finish asks for an acknowledgement of the last message and closes the batch.
func (b *batch) finish() (acked uint32) {
	acked = b.seq
	flags := binary.NativeEndian.Uint16(b.bytes[b.last+6:])
	binary.NativeEndian.PutUint16(b.bytes[b.last+6:], flags|unix.NLM_F_ACK)
	b.put(unix.NFNL_MSG_BATCH_END, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, nil)
	return acked
}

// refusal is the kernel's answer to a transaction that did not happen.
type refusal struct {
	entries []batchEntry
	errnos  map[uint32]unix.Errno // by message
}

// Error names the first message that was refused.
func (r *refusal) Error() string {
	for _, e := range r.entries {
		if no, ok := r.errnos[e.seq]; ok {
			return fmt.Sprintf("kernel refused %s: %v", e.describe(), no)
		}
	}
	for _, no := range r.errnos {
		return fmt.Sprintf("kernel refused the transaction: %v", no)
	}
	return "kernel refused the transaction"
}

// any tells whether the kernel refused an entry of this purpose with this error.
func (r *refusal) any(why purpose, no unix.Errno) bool {
	for _, e := range r.entries {
		if e.why == why && r.errnos[e.seq] == no {
			return true
		}
	}
	return false
}

// touches tells whether the kernel refused any entry of this purpose.
func (r *refusal) touches(why purpose) bool {
	for _, e := range r.entries {
		if e.why == why && r.errnos[e.seq] != 0 {
			return true
		}
	}
	return false
}

// has tells whether any message, also the batch's own, was answered with one of these errors.
func (r *refusal) has(nos ...unix.Errno) bool {
	for _, no := range r.errnos {
		if slices.Contains(nos, no) {
			return true
		}
	}
	return false
}

func (e batchEntry) describe() string {
	switch e.why {
	case forTicket:
		return "to take the ticket back"
	case forRunning:
		return fmt.Sprintf("to delete %s from set %s", e.elem.label(), e.elem.set.name)
	case forAdding:
		return fmt.Sprintf("to add %s to set %s", e.elem.label(), e.elem.set.name)
	case forDrain:
		return "a part of the drain"
	case forDrainEnd:
		return fmt.Sprintf("to delete %s from map %s", e.elem.label(), e.elem.set.name)
	}
	return "the gate's table"
}
