package ping

import (
	"encoding/binary"
	"net/netip"
)

// An echo is type, code, checksum, identifier and sequence (RFC 792, RFC 4443 section 4), and behind them what the other
// side sends back as it came: whom we asked, and the random bytes.
const (
	echoHeader = 8
	targetSize = 2
	echoSize   = echoHeader + targetSize + nonceSize

	echoRequest4, echoReply4 = 8, 0
	echoRequest6, echoReply6 = 128, 129

	leastHeader4 = 20 // of IPv4, without options
)

// reply is what came as an answer.
type reply struct {
	from   netip.Addr // without a zone
	index  uint32     // of the interface, for a link-local address
	seq    uint16
	target uint16
	nonce  [nonceSize]byte
}

// writeEcho completes a question whose nonce stands in b already. The kernel sums up ICMPv6 itself, for it knows the
// address that it will send from.
func writeEcho(b []byte, six bool, id, seq, target uint16) {
	b[0], b[1] = echoRequest4, 0
	binary.BigEndian.PutUint16(b[2:], 0)
	binary.BigEndian.PutUint16(b[4:], id)
	binary.BigEndian.PutUint16(b[6:], seq)
	binary.BigEndian.PutUint16(b[echoHeader:], target)
	if six {
		b[0] = echoRequest6
		return
	}
	binary.BigEndian.PutUint16(b[2:], checksum(b))
}

// checksum is the Internet's (RFC 1071), of an even number of bytes.
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	sum = sum>>16 + sum&0xffff
	sum += sum >> 16
	return ^uint16(sum)
}

// readEcho reads what a raw socket got: with its IP header for IPv4, without for IPv6. The kernel has not looked at the
// checksum of IPv4's; a reply with an error in what we compare is none.
func readEcho(b []byte, six bool, id uint16) (r reply, ok bool) {
	kind := byte(echoReply6)
	if !six {
		kind = echoReply4
		if len(b) < leastHeader4 {
			return r, false
		}
		header := int(b[0]&0x0f) * 4
		if header < leastHeader4 || len(b) < header {
			return r, false
		}
		b = b[header:]
	}
	if len(b) != echoSize || b[0] != kind || b[1] != 0 || binary.BigEndian.Uint16(b[4:]) != id {
		return r, false
	}
	r.seq = binary.BigEndian.Uint16(b[6:])
	r.target = binary.BigEndian.Uint16(b[echoHeader:])
	copy(r.nonce[:], b[echoHeader+targetSize:])
	return r, true
}
