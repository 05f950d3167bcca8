package vip

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// tableName is our table: once in family inet, once in family arp, and for drains once in family netdev.
const tableName = "lubdub"

// set is one set of ours.
type set struct {
	family byte
	name   string
	typ    uint32 // nft's number of the key's type, so that nft can print the set
	size   uint32 // bytes of a key
	timed  bool
}

// nft's numbers of types.
const (
	typeIPv4 = 7
	typeIPv6 = 8
	typeMark = 19
)

// The sets. An address of a "gated" set passes only while it is in "carry" (IP) and "speak" (ARP, ND) too.
var (
	ticketSet = set{unix.NFPROTO_INET, "ticket", typeMark, 4, true}
	gated4    = set{unix.NFPROTO_INET, "gated4", typeIPv4, 4, false}
	gated6    = set{unix.NFPROTO_INET, "gated6", typeIPv6, 16, false}
	carry4    = set{unix.NFPROTO_INET, "carry4", typeIPv4, 4, true}
	carry6    = set{unix.NFPROTO_INET, "carry6", typeIPv6, 16, true}
	speak6    = set{unix.NFPROTO_INET, "speak6", typeIPv6, 16, true}
	gatedARP  = set{unix.NFPROTO_ARP, "gated4", typeIPv4, 4, false}
	speak4    = set{unix.NFPROTO_ARP, "speak4", typeIPv4, 4, true}
)

func allSets() []set {
	return []set{ticketSet, gated4, gated6, carry4, carry6, speak6, gatedARP, speak4}
}

func gatedSets(a netip.Addr) []set {
	if a.Is4() {
		return []set{gated4, gatedARP}
	}
	return []set{gated6}
}

func carrySet(a netip.Addr) set {
	if a.Is4() {
		return carry4
	}
	return carry6
}

func speakSet(a netip.Addr) set {
	if a.Is4() {
		return speak4
	}
	return speak6
}

// element is a key in a set.
type element struct {
	set set
	key []byte
}

func (e element) label() string {
	if a, ok := netip.AddrFromSlice(e.key); ok && e.set.typ != typeMark {
		return a.String()
	}
	return fmt.Sprintf("%x", e.key)
}

// add puts an element into its set; life 0 has no end. With exclusive it must not be there.
func (b *batch) add(e element, life time.Duration, exclusive bool) {
	flags := uint16(unix.NLM_F_CREATE)
	if exclusive {
		flags |= unix.NLM_F_EXCL
	}
	b.message(unix.NFT_MSG_NEWSETELEM, flags, e.set.family, forAdding, e, func(ae *netlink.AttributeEncoder) {
		encodeElement(ae, e, nil, life)
	})
}

// remove deletes an element; the kernel refuses the batch when it is not there or has expired.
func (b *batch) remove(e element, why purpose) {
	b.message(unix.NFT_MSG_DELSETELEM, 0, e.set.family, why, e, func(ae *netlink.AttributeEncoder) {
		encodeElement(ae, e, nil, 0)
	})
}

// empty removes all elements of a set.
func (b *batch) empty(s set) {
	b.message(unix.NFT_MSG_DELSETELEM, 0, s.family, forInstall, element{set: s}, func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_SET_ELEM_LIST_TABLE, tableName)
		ae.String(unix.NFTA_SET_ELEM_LIST_SET, s.name)
	})
}

// putNothing removes every element that lets an address pass.
func (b *batch) putNothing() {
	for _, s := range []set{carry4, speak4, carry6, speak6} {
		b.empty(s)
	}
}

// signature marks every timed element that this program writes. The program nft neither prints nor writes it: so what was
// saved with "nft list ruleset" while a lease ran, and is loaded at the next boot, is told from a lease (rule B2).
func signature() []byte {
	const notNft = 0xd0 // nft knows the types below; the next byte is a length
	return append([]byte{notNft, byte(len(tableName))}, tableName...)
}

// encodeElement writes one element; value is what a map has for its key, else nil.
func encodeElement(ae *netlink.AttributeEncoder, e element, value []byte, life time.Duration) {
	ae.String(unix.NFTA_SET_ELEM_LIST_TABLE, tableName)
	ae.String(unix.NFTA_SET_ELEM_LIST_SET, e.set.name)
	ae.Nested(unix.NFTA_SET_ELEM_LIST_ELEMENTS, func(list *netlink.AttributeEncoder) error {
		list.Nested(unix.NFTA_LIST_ELEM, func(el *netlink.AttributeEncoder) error {
			el.Nested(unix.NFTA_SET_ELEM_KEY, func(k *netlink.AttributeEncoder) error {
				k.Bytes(unix.NFTA_DATA_VALUE, e.key)
				return nil
			})
			if value != nil {
				el.Nested(unix.NFTA_SET_ELEM_DATA, func(d *netlink.AttributeEncoder) error {
					d.Bytes(unix.NFTA_DATA_VALUE, value)
					return nil
				})
			}
			if ms := life.Milliseconds(); ms > 0 {
				el.Uint64(unix.NFTA_SET_ELEM_TIMEOUT, uint64(ms))
				el.Bytes(unix.NFTA_SET_ELEM_USERDATA, signature())
			}
			return nil
		})
		return nil
	})
}

// gate is our tables in the kernel, and the numbering of what we send there.
type gate struct {
	nf  netfilter
	seq uint32
}

func (g *gate) begin() *batch { return newBatch(g.seq) }

// errUnanswered means that it is not known whether a transaction happened.
var errUnanswered = errors.New("kernel did not answer the transaction")

// run sends a transaction. A *refusal says that nothing of it happened.
func (g *gate) run(b *batch) error {
	if b.err != nil {
		return fmt.Errorf("encode nftables message: %w", b.err)
	}
	first := g.seq
	acked := b.finish()
	g.seq = b.seq
	replies, err := g.nf.exchange(b.bytes)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnanswered, err)
	}
	r := &refusal{entries: b.entries, errnos: make(map[uint32]unix.Errno)}
	answered := false
	for _, m := range replies {
		if m.kind != unix.NLMSG_ERROR || m.seq <= first || m.seq > b.seq {
			continue
		}
		if m.errno != 0 {
			r.errnos[m.seq] = m.errno
		}
		answered = answered || m.seq == acked
	}
	switch {
	case len(r.errnos) > 0:
		return r
	case !answered:
		return errUnanswered
	}
	return nil
}

// dumpTries is how often a listing is begun anew because a transaction of somebody's came between.
const dumpTries = 10

// list returns the keys of a timed set with the time they have left, if this program wrote them; empty when there is no
// such set.
func (g *gate) list(s set) (map[string]time.Duration, error) {
	for range dumpTries {
		keys, whole, err := g.listOnce(s)
		if err != nil || whole {
			return keys, err
		}
	}
	return nil, fmt.Errorf("list set %s: the kernel's rules change all the time; look for a program that rewrites them in a loop", s.name)
}

func (g *gate) listOnce(s set) (keys map[string]time.Duration, whole bool, err error) {
	ae := netlink.NewAttributeEncoder()
	ae.String(unix.NFTA_SET_ELEM_LIST_TABLE, tableName)
	ae.String(unix.NFTA_SET_ELEM_LIST_SET, s.name)
	body, err := ae.Encode()
	if err != nil {
		return nil, false, err
	}
	g.seq++
	kind := uint16(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETSETELEM)
	replies, err := g.nf.exchange(appendMessage(nil, kind, unix.NLM_F_DUMP, g.seq, s.family, 0, body))
	if err != nil {
		return nil, false, fmt.Errorf("list set %s: %w", s.name, err)
	}
	keys = make(map[string]time.Duration)
	for _, r := range replies {
		switch {
		case r.seq != g.seq:
		case r.flags&unix.NLM_F_DUMP_INTR != 0:
			return nil, false, nil
		case r.kind == unix.NLMSG_DONE:
			whole = true
		case r.kind == unix.NLMSG_ERROR && r.errno == unix.ENOENT:
			return keys, true, nil
		case r.kind == unix.NLMSG_ERROR && r.errno != 0:
			return nil, false, fmt.Errorf("list set %s: %w", s.name, r.errno)
		case r.kind == unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWSETELEM:
			if err := decodeElements(r.body, keys); err != nil {
				return nil, false, fmt.Errorf("list set %s: %w", s.name, err)
			}
		}
	}
	return keys, whole, nil
}

// decodeElements reads a listing's message into keys.
func decodeElements(body []byte, keys map[string]time.Duration) error {
	const nfHeader = 4
	if len(body) < nfHeader {
		return errors.New("kernel sent a short message")
	}
	ad, err := netlink.NewAttributeDecoder(body[nfHeader:])
	if err != nil {
		return err
	}
	for ad.Next() {
		if ad.Type() != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
			continue
		}
		ad.Nested(func(list *netlink.AttributeDecoder) error {
			for list.Next() {
				list.Nested(func(el *netlink.AttributeDecoder) error {
					decodeElement(el, keys)
					return nil
				})
			}
			return nil
		})
	}
	return ad.Err()
}

func decodeElement(el *netlink.AttributeDecoder, keys map[string]time.Duration) {
	el.ByteOrder = binary.BigEndian
	var key string
	var left time.Duration
	var ours bool
	for el.Next() {
		switch el.Type() {
		case unix.NFTA_SET_ELEM_KEY:
			el.Nested(func(k *netlink.AttributeDecoder) error {
				for k.Next() {
					if k.Type() == unix.NFTA_DATA_VALUE {
						key = string(k.Bytes())
					}
				}
				return nil
			})
		case unix.NFTA_SET_ELEM_EXPIRATION:
			left = time.Duration(el.Uint64()) * time.Millisecond
		case unix.NFTA_SET_ELEM_USERDATA:
			ours = bytes.Equal(el.Bytes(), signature())
		}
	}
	if ours {
		keys[key] = left
	}
}
