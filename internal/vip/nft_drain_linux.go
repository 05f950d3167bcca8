package vip

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// The drain, as nft would print it; for IPv6 the same with old6, back6 and begun6:
//
//	table netdev lubdub {
//	    map old4   { type ipv4_addr : ether_addr; flags timeout; }
//	    set back4  { type ipv4_addr . ether_addr; flags timeout; }
//	    set begun4 { type ipv4_addr . inet_service . ipv4_addr . inet_service; size 65536; flags dynamic,timeout; timeout 1m; }
//	    chain in_eth0 { type filter hook ingress device "eth0" priority -500; policy accept;
//	        meta iiftype ether meta pkttype host ip daddr @old4 tcp flags syn / syn,ack
//	            update @begun4 { ip saddr . tcp sport . ip daddr . tcp dport } accept
//	        meta iiftype ether meta pkttype host ip daddr @old4 ip daddr . ether saddr != @back4
//	            ip saddr . tcp sport . ip daddr . tcp dport != @begun4
//	            ether saddr set ether daddr ether daddr set ip daddr map @old4 fwd to iif }
//	}
//
// Without an element in old4 nothing matches. The new source is the frame's own destination, which is this
// interface's address: the switch must not learn the client's on our port. So no rule names an interface's number or
// hardware address, and both may change.
//
// Frames do not run in circles: only what was sent to this very interface is forwarded ("pkttype host"), so never our
// own frame, and never what the old owner sent (back4). The old owner, being quiet, has no element.
//
// A fragment has no ports to look up, so it stays here. When begun4 is full, a new connection goes to the old owner, which
// still accepts it.

// Limits of the drain's memory.
const (
	begunSize = 65536       // connections that begin in one drain; some 10 MB when full
	begunFor  = time.Minute // longer than any drain; a connection of then is known to the kernel by itself
)

// nft's numbers of types. One of several parts has six bits for each.
const (
	typeEther = 9
	typePort  = 13
	typeBits  = 6
)

// Where ports and flags stand in TCP's header, and addresses in Ethernet's.
const (
	srcPort  = 0
	dstPort  = 2
	tcpFlags = 13
	dstEther = 0
	srcEther = 6
)

// drainFamily is what differs between IPv4 and IPv6.
type drainFamily struct {
	etherType        uint16
	src, dst         uint32 // offsets of the addresses
	old, back, begun set
}

func drain4() drainFamily {
	return drainFamily{unix.ETH_P_IP, srcIPv4, dstIPv4,
		set{unix.NFPROTO_NETDEV, "old4", typeIPv4, 4, true},
		set{unix.NFPROTO_NETDEV, "back4", concatenate(typeIPv4, typeEther), 4 + 8, true},
		set{unix.NFPROTO_NETDEV, "begun4", concatenate(typeIPv4, typePort, typeIPv4, typePort), 16, true}}
}

func drain6() drainFamily {
	return drainFamily{unix.ETH_P_IPV6, srcIPv6, dstIPv6,
		set{unix.NFPROTO_NETDEV, "old6", typeIPv6, 16, true},
		set{unix.NFPROTO_NETDEV, "back6", concatenate(typeIPv6, typeEther), 16 + 8, true},
		set{unix.NFPROTO_NETDEV, "begun6", concatenate(typeIPv6, typePort, typeIPv6, typePort), 40, true}}
}

func drainFamilyOf(a netip.Addr) drainFamily {
	if a.Is4() {
		return drain4()
	}
	return drain6()
}

func concatenate(types ...uint32) uint32 {
	var all uint32
	for _, t := range types {
		all = all<<typeBits | t
	}
	return all
}

// oldElement is the key of an address in the map of old owners.
func (f drainFamily) oldElement(a netip.Addr) element { return element{f.old, a.AsSlice()} }

// backElement is what marks a frame that the old owner sent. Each part is padded to four bytes.
func (f drainFamily) backElement(a netip.Addr, mac MAC) element {
	return element{f.back, append(append(a.AsSlice(), mac[:]...), 0, 0)}
}

// putDrain adds what drains need on these interfaces to a batch. What is there already stays.
func (b *batch) putDrain(interfaces []string) {
	b.putTable(unix.NFPROTO_NETDEV)
	for i, f := range []drainFamily{drain4(), drain6()} {
		id := uint32(3*i + 1)
		b.putSetAs(f.old, id, unix.NFT_SET_TIMEOUT|unix.NFT_SET_MAP, func(ae *netlink.AttributeEncoder) {
			ae.Uint32(unix.NFTA_SET_DATA_TYPE, typeEther)
			ae.Uint32(unix.NFTA_SET_DATA_LEN, uint32(len(MAC{})))
		})
		b.putSet(f.back, id+1)
		b.putSetAs(f.begun, id+2, unix.NFT_SET_TIMEOUT|unix.NFT_SET_EVAL, func(ae *netlink.AttributeEncoder) {
			ae.Uint64(unix.NFTA_SET_TIMEOUT, uint64(begunFor.Milliseconds()))
			ae.Nested(unix.NFTA_SET_DESC, func(d *netlink.AttributeEncoder) error {
				d.Uint32(unix.NFTA_SET_DESC_SIZE, begunSize)
				return nil
			})
		})
	}
	for _, name := range interfaces {
		const hookIngress = 0
		b.putHook(hook{unix.NFPROTO_NETDEV, "in_" + name, hookIngress, beforeAll, [][]expression{
			drain4().note(), drain4().forward(), drain6().note(), drain6().forward(),
		}}, name)
	}
}

// putOld adds the elements that make packets of an address go to its old owner.
func (b *batch) putOld(a netip.Addr, mac MAC, life time.Duration) {
	f := drainFamilyOf(a)
	flags := uint16(unix.NLM_F_CREATE | unix.NLM_F_EXCL)
	e := f.oldElement(a)
	b.message(unix.NFT_MSG_NEWSETELEM, flags, unix.NFPROTO_NETDEV, forDrain, e, func(ae *netlink.AttributeEncoder) {
		encodeElement(ae, e, mac[:], life)
	})
	b.add(f.backElement(a, mac), life, true)
}

// under gives all that put adds one purpose.
func (b *batch) under(why purpose, put func()) {
	first := len(b.entries)
	put()
	for i := range b.entries[first:] {
		b.entries[first+i].why = why
	}
}

// note remembers a connection that begins here.
func (f drainFamily) note() []expression {
	const syn, ack = 0x02, 0x10
	flags := payload(unix.NFT_PAYLOAD_TRANSPORT_HEADER, tcpFlags, 1)
	return chainOf(f.drained(), isTCP(), []expression{flags, mask(syn | ack), compare(unix.NFT_CMP_EQ, []byte{syn})},
		f.connection(), []expression{f.update()}, verdict(1))
}

// forward sends what belongs to no connection that began here to the old owner.
func (f drainFamily) forward() []expression {
	ether, network := uint32(unix.NFT_PAYLOAD_LL_HEADER), uint32(unix.NFT_PAYLOAD_NETWORK_HEADER)
	size := uint32(len(MAC{}))
	return chainOf(f.drained(),
		[]expression{payload(network, f.dst, f.old.size), payloadInto(registerAfter(f.old.size), ether, srcEther, size), lookup(f.back, 1)},
		isTCP(), f.connection(), []expression{lookup(f.begun, 1)},
		[]expression{payload(ether, dstEther, size), writeEther(srcEther)},
		[]expression{payload(network, f.dst, f.old.size), f.value(), writeEther(dstEther)},
		[]expression{meta(unix.NFT_META_IIF), forwardTo()})
}

// drained holds for a frame to this interface whose destination has an old owner.
func (f drainFamily) drained() []expression {
	const ether, toUs = 1, 0 // ARPHRD_ETHER, PACKET_HOST
	return []expression{
		meta(unix.NFT_META_PROTOCOL), compare(unix.NFT_CMP_EQ, binary.BigEndian.AppendUint16(nil, f.etherType)),
		payload(unix.NFT_PAYLOAD_NETWORK_HEADER, f.dst, f.old.size), lookup(f.old, 0),
		meta(unix.NFT_META_IIFTYPE), compare(unix.NFT_CMP_EQ, binary.NativeEndian.AppendUint16(nil, ether)),
		meta(unix.NFT_META_PKTTYPE), compare(unix.NFT_CMP_EQ, []byte{toUs}),
	}
}

// connection loads the connection's name into the registers: both addresses and ports.
func (f drainFamily) connection() []expression {
	network, transport := uint32(unix.NFT_PAYLOAD_NETWORK_HEADER), uint32(unix.NFT_PAYLOAD_TRANSPORT_HEADER)
	size := f.old.size
	const portCell = 4 // a port takes a register of four bytes
	return []expression{
		payload(network, f.src, size),
		payloadInto(registerAfter(size), transport, srcPort, 2),
		payloadInto(registerAfter(size+portCell), network, f.dst, size),
		payloadInto(registerAfter(size+portCell+size), transport, dstPort, 2),
	}
}

// registerAfter is the register of four bytes that follows this many bytes from register 1 on.
func registerAfter(bytes uint32) uint32 { return unix.NFT_REG32_00 + bytes/4 }

func (f drainFamily) update() expression {
	return expression{"dynset", func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_DYNSET_SET_NAME, f.begun.name)
		ae.Uint32(unix.NFTA_DYNSET_OP, unix.NFT_DYNSET_OP_UPDATE)
		ae.Uint32(unix.NFTA_DYNSET_SREG_KEY, unix.NFT_REG_1)
	}}
}

// value replaces the address in the register by its old owner's hardware address.
func (f drainFamily) value() expression {
	return expression{"lookup", func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_LOOKUP_SET, f.old.name)
		ae.Uint32(unix.NFTA_LOOKUP_SREG, unix.NFT_REG_1)
		ae.Uint32(unix.NFTA_LOOKUP_DREG, unix.NFT_REG_1)
	}}
}

func writeEther(offset uint32) expression {
	return expression{"payload", func(ae *netlink.AttributeEncoder) {
		ae.Uint32(unix.NFTA_PAYLOAD_SREG, unix.NFT_REG_1)
		ae.Uint32(unix.NFTA_PAYLOAD_BASE, unix.NFT_PAYLOAD_LL_HEADER)
		ae.Uint32(unix.NFTA_PAYLOAD_OFFSET, offset)
		ae.Uint32(unix.NFTA_PAYLOAD_LEN, uint32(len(MAC{})))
	}}
}

func forwardTo() expression {
	return expression{"fwd", func(ae *netlink.AttributeEncoder) {
		ae.Uint32(unix.NFTA_FWD_SREG_DEV, unix.NFT_REG_1)
	}}
}

func isTCP() []expression {
	return []expression{meta(unix.NFT_META_L4PROTO), compare(unix.NFT_CMP_EQ, []byte{unix.IPPROTO_TCP})}
}

// mask keeps these bits of the register's first byte.
func mask(bits byte) expression {
	return expression{"bitwise", func(ae *netlink.AttributeEncoder) {
		ae.Uint32(unix.NFTA_BITWISE_SREG, unix.NFT_REG_1)
		ae.Uint32(unix.NFTA_BITWISE_DREG, unix.NFT_REG_1)
		ae.Uint32(unix.NFTA_BITWISE_LEN, 1)
		ae.Nested(unix.NFTA_BITWISE_MASK, func(n *netlink.AttributeEncoder) error {
			n.Bytes(unix.NFTA_DATA_VALUE, []byte{bits})
			return nil
		})
		ae.Nested(unix.NFTA_BITWISE_XOR, func(n *netlink.AttributeEncoder) error {
			n.Bytes(unix.NFTA_DATA_VALUE, []byte{0})
			return nil
		})
	}}
}
