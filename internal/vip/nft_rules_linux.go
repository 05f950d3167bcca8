package vip

import (
	"encoding/binary"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// The gate, as nft would print it:
//
//	table inet lubdub {
//	    chain in   { type filter hook prerouting priority -500; policy accept;
//	        iif != lo ip  daddr @gated4 ip  daddr != @carry4 fib daddr type local drop
//	        iif != lo ip6 daddr @gated6 ip6 daddr != @carry6 fib daddr type local drop }
//	    chain out  { type filter hook output priority -500; policy accept;
//	        oif != lo ip  saddr @gated4 ip  saddr != @carry4 drop
//	        oif != lo ip6 saddr @gated6 ip6 saddr != @carry6 drop
//	        oif != lo ip6 saddr @gated6 ip6 saddr != @speak6 icmpv6 type 133-137 drop }
//	    chain post { type filter hook postrouting priority 500; policy accept;
//	        oif != lo ip  saddr @gated4 ip  saddr != @carry4 fib saddr type local drop
//	        oif != lo ip6 saddr @gated6 ip6 saddr != @carry6 fib saddr type local drop }
//	}
//	table arp lubdub {
//	    chain out  { type filter hook output priority -500; policy accept;
//	        arp saddr ip @gated4 arp saddr ip != @speak4 drop }
//	}
//
// "fib ... type local": the other node's address may pass through this node, for a container here may be its
// client. Chain post is for what address translation makes of a forwarded packet. Priorities lie
// outside those of connection tracking (-400), firewalls (0) and address translation (-100, 100).
//
// Only ARP that is sent is gated: the kernel's replies, and its requests with the address as sender, which would
// claim it too. What others announce about the address must reach this node's neighbour table. Likewise an IPv6
// node answers a solicitation with the asked address as source. Packet sockets pass the arp hooks by, so our own
// probes are not held up by the gate.
//
// While an address is quiet the kernel cannot ask for a neighbour it does not know in that address's name.

// hook is a base chain.
type hook struct {
	family   byte
	name     string
	num      uint32
	priority int32
	rules    [][]expression
}

// Hook numbers and priorities.
const (
	hookPrerouting  = 0
	hookOutput      = 3
	hookPostrouting = 4
	hookARPOutput   = 1
	beforeAll       = -500
	afterAll        = 500
)

// Where the addresses stand in a packet's network header.
const (
	srcIPv4 = 12
	dstIPv4 = 16
	srcIPv6 = 8
	dstIPv6 = 24
	srcARP  = 14 // with hardware addresses of six bytes
)

// ICMPv6 types of neighbour discovery (RFC 4861 section 4).
const (
	firstND = 133
	lastND  = 137
)

// loopback is the index of lo in every network namespace.
const loopback = 1

func hooks() []hook {
	in := func(proto byte, at uint32, gated, pass set) []expression {
		return chainOf(notLoopback(unix.NFT_META_IIF), ipVersion(proto), shut(at, gated, pass), isLocal(unix.NFTA_FIB_F_DADDR), drop())
	}
	out := func(proto byte, at uint32, gated, pass set, more ...expression) []expression {
		return chainOf(notLoopback(unix.NFT_META_OIF), ipVersion(proto), shut(at, gated, pass), more, drop())
	}
	local := isLocal(unix.NFTA_FIB_F_SADDR)
	return []hook{
		{unix.NFPROTO_INET, "in", hookPrerouting, beforeAll, [][]expression{
			in(unix.NFPROTO_IPV4, dstIPv4, gated4, carry4),
			in(unix.NFPROTO_IPV6, dstIPv6, gated6, carry6),
		}},
		{unix.NFPROTO_INET, "out", hookOutput, beforeAll, [][]expression{
			out(unix.NFPROTO_IPV4, srcIPv4, gated4, carry4),
			out(unix.NFPROTO_IPV6, srcIPv6, gated6, carry6),
			out(unix.NFPROTO_IPV6, srcIPv6, gated6, speak6, isND()...),
		}},
		{unix.NFPROTO_INET, "post", hookPostrouting, afterAll, [][]expression{
			out(unix.NFPROTO_IPV4, srcIPv4, gated4, carry4, local...),
			out(unix.NFPROTO_IPV6, srcIPv6, gated6, carry6, local...),
		}},
		{unix.NFPROTO_ARP, "out", hookARPOutput, beforeAll, [][]expression{
			chainOf(shut(srcARP, gatedARP, speak4), drop()),
		}},
	}
}

// putGate adds what makes the whole gate to a batch. Sets that are there already keep their elements; chains get
// exactly our rules.
func (b *batch) putGate(addrs []netip.Addr) {
	b.putTable(unix.NFPROTO_INET)
	b.putTable(unix.NFPROTO_ARP)
	for i, s := range allSets() {
		b.putSet(s, uint32(i+1))
	}
	for _, h := range hooks() {
		b.putHook(h, "")
	}
	for _, a := range addrs {
		b.putGated(a)
	}
}

func (b *batch) putTable(family byte) {
	b.message(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, family, forInstall, element{}, func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_TABLE_NAME, tableName)
		ae.Uint32(unix.NFTA_TABLE_FLAGS, 0) // awake: somebody may have made it dormant
	})
}

// putGated adds an address to the gated ones; it may be there already.
func (b *batch) putGated(a netip.Addr) {
	for _, s := range gatedSets(a) {
		b.add(element{s, a.AsSlice()}, 0, false)
	}
}

// putNoTable removes our table from these families, also when it is not there.
func (b *batch) putNoTable(families ...byte) {
	for _, family := range families {
		name := func(ae *netlink.AttributeEncoder) { ae.String(unix.NFTA_TABLE_NAME, tableName) }
		b.message(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, family, forInstall, element{}, name)
		b.message(unix.NFT_MSG_DELTABLE, 0, family, forInstall, element{}, name)
	}
}

func (b *batch) putSet(s set, id uint32) {
	flags := uint32(0)
	if s.timed {
		flags = unix.NFT_SET_TIMEOUT
	}
	b.putSetAs(s, id, flags, func(*netlink.AttributeEncoder) {})
}

// putSetAs adds a set with more than a key.
func (b *batch) putSetAs(s set, id, flags uint32, more func(*netlink.AttributeEncoder)) {
	b.message(unix.NFT_MSG_NEWSET, unix.NLM_F_CREATE, s.family, forInstall, element{set: s}, func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_SET_TABLE, tableName)
		ae.String(unix.NFTA_SET_NAME, s.name)
		ae.Uint32(unix.NFTA_SET_KEY_TYPE, s.typ)
		ae.Uint32(unix.NFTA_SET_KEY_LEN, s.size)
		ae.Uint32(unix.NFTA_SET_ID, id)
		if flags != 0 {
			ae.Uint32(unix.NFTA_SET_FLAGS, flags)
		}
		more(ae)
	})
}

// putHook adds a base chain with exactly our rules; device is set in family netdev only.
func (b *batch) putHook(h hook, device string) {
	const accept = 1
	b.message(unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE, h.family, forInstall, element{}, func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_CHAIN_TABLE, tableName)
		ae.String(unix.NFTA_CHAIN_NAME, h.name)
		ae.Nested(unix.NFTA_CHAIN_HOOK, func(n *netlink.AttributeEncoder) error {
			n.Uint32(unix.NFTA_HOOK_HOOKNUM, h.num)
			n.Int32(unix.NFTA_HOOK_PRIORITY, h.priority)
			if device != "" {
				n.String(unix.NFTA_HOOK_DEV, device)
			}
			return nil
		})
		ae.Uint32(unix.NFTA_CHAIN_POLICY, accept)
		ae.String(unix.NFTA_CHAIN_TYPE, "filter")
	})
	b.message(unix.NFT_MSG_DELRULE, 0, h.family, forInstall, element{}, func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_RULE_TABLE, tableName)
		ae.String(unix.NFTA_RULE_CHAIN, h.name)
	})
	for _, rule := range h.rules {
		b.message(unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND, h.family, forInstall, element{}, func(ae *netlink.AttributeEncoder) {
			ae.String(unix.NFTA_RULE_TABLE, tableName)
			ae.String(unix.NFTA_RULE_CHAIN, h.name)
			ae.Nested(unix.NFTA_RULE_EXPRESSIONS, func(list *netlink.AttributeEncoder) error {
				for _, x := range rule {
					list.Nested(unix.NFTA_LIST_ELEM, x.encode)
				}
				return nil
			})
		})
	}
}

// expression is one step of a rule; each reads or writes register 1, unless its maker takes another.
type expression struct {
	name string
	body func(*netlink.AttributeEncoder)
}

func (x expression) encode(ae *netlink.AttributeEncoder) error {
	ae.String(unix.NFTA_EXPR_NAME, x.name)
	ae.Nested(unix.NFTA_EXPR_DATA, func(n *netlink.AttributeEncoder) error {
		x.body(n)
		return nil
	})
	return nil
}

func chainOf(parts ...[]expression) []expression {
	var rule []expression
	for _, p := range parts {
		rule = append(rule, p...)
	}
	return rule
}

func meta(key uint32) expression {
	return expression{"meta", func(ae *netlink.AttributeEncoder) {
		ae.Uint32(unix.NFTA_META_DREG, unix.NFT_REG_1)
		ae.Uint32(unix.NFTA_META_KEY, key)
	}}
}

func payload(base, offset, size uint32) expression {
	return payloadInto(unix.NFT_REG_1, base, offset, size)
}

func payloadInto(register, base, offset, size uint32) expression {
	return expression{"payload", func(ae *netlink.AttributeEncoder) {
		ae.Uint32(unix.NFTA_PAYLOAD_DREG, register)
		ae.Uint32(unix.NFTA_PAYLOAD_BASE, base)
		ae.Uint32(unix.NFTA_PAYLOAD_OFFSET, offset)
		ae.Uint32(unix.NFTA_PAYLOAD_LEN, size)
	}}
}

func compare(op uint32, value []byte) expression {
	return expression{"cmp", func(ae *netlink.AttributeEncoder) {
		ae.Uint32(unix.NFTA_CMP_SREG, unix.NFT_REG_1)
		ae.Uint32(unix.NFTA_CMP_OP, op)
		ae.Nested(unix.NFTA_CMP_DATA, func(n *netlink.AttributeEncoder) error {
			n.Bytes(unix.NFTA_DATA_VALUE, value)
			return nil
		})
	}}
}

// lookup goes on when the register's value is in the set, or with inverted when it is not.
func lookup(s set, inverted uint32) expression {
	return expression{"lookup", func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_LOOKUP_SET, s.name)
		ae.Uint32(unix.NFTA_LOOKUP_SREG, unix.NFT_REG_1)
		ae.Uint32(unix.NFTA_LOOKUP_FLAGS, inverted)
	}}
}

func notLoopback(key uint32) []expression {
	return []expression{meta(key), compare(unix.NFT_CMP_NEQ, binary.NativeEndian.AppendUint32(nil, loopback))}
}

func ipVersion(proto byte) []expression {
	return []expression{meta(unix.NFT_META_NFPROTO), compare(unix.NFT_CMP_EQ, []byte{proto})}
}

// shut holds for a packet whose address at this offset is gated and not in the set that lets it pass.
func shut(at uint32, gated, pass set) []expression {
	load := payload(unix.NFT_PAYLOAD_NETWORK_HEADER, at, gated.size)
	return []expression{load, lookup(gated, 0), load, lookup(pass, 1)}
}

func isLocal(which uint32) []expression {
	fib := expression{"fib", func(ae *netlink.AttributeEncoder) {
		ae.Uint32(unix.NFTA_FIB_DREG, unix.NFT_REG_1)
		ae.Uint32(unix.NFTA_FIB_RESULT, unix.NFT_FIB_RESULT_ADDRTYPE)
		ae.Uint32(unix.NFTA_FIB_FLAGS, which)
	}}
	return []expression{fib, compare(unix.NFT_CMP_EQ, binary.NativeEndian.AppendUint32(nil, unix.RTN_LOCAL))}
}

func isND() []expression {
	typ := payload(unix.NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1)
	return []expression{
		meta(unix.NFT_META_L4PROTO), compare(unix.NFT_CMP_EQ, []byte{unix.IPPROTO_ICMPV6}),
		typ, compare(unix.NFT_CMP_GTE, []byte{firstND}),
		typ, compare(unix.NFT_CMP_LTE, []byte{lastND}),
	}
}

func drop() []expression { return verdict(0) }

// verdict ends the chain: 0 drops the packet, 1 accepts it.
func verdict(code uint32) []expression {
	return []expression{{"immediate", func(ae *netlink.AttributeEncoder) {
		ae.Uint32(unix.NFTA_IMMEDIATE_DREG, unix.NFT_REG_VERDICT)
		ae.Nested(unix.NFTA_IMMEDIATE_DATA, func(d *netlink.AttributeEncoder) error {
			d.Nested(unix.NFTA_DATA_VERDICT, func(v *netlink.AttributeEncoder) error {
				v.Uint32(unix.NFTA_VERDICT_CODE, code)
				return nil
			})
			return nil
		})
	}}}
}
