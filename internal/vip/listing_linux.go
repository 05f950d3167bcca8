package vip

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// listTries bounds how often a listing that changed under our hands is begun again.
const listTries = 5

// entry is one address as the kernel has it.
type entry struct {
	Address // its Interface is filled by whoever knows the links
	index   int
	marked  bool
	usable  bool // not in duplicate address detection, nor failed there
}

// listAddresses returns all addresses of this network namespace, without the names of their interfaces.
func listAddresses() ([]entry, error) {
	var entries []entry
	messages, err := dump(unix.RTM_GETADDR, unix.RTM_NEWADDR, nl.NewIfAddrmsg(unix.AF_UNSPEC))
	for _, m := range messages {
		if e, ok := parseAddress(m); ok {
			entries = append(entries, e)
		}
	}
	return entries, err
}

// listLinks returns all links of this network namespace by index.
func listLinks() (map[int]Link, error) {
	messages, err := dump(unix.RTM_GETLINK, unix.RTM_NEWLINK, nl.NewIfInfomsg(unix.AF_UNSPEC))
	links := make(map[int]Link, len(messages))
	for _, m := range messages {
		if l, ok := parseLink(m); ok {
			links[l.Index] = l
		}
	}
	return links, err
}

// readLink returns the present state of one link.
func readLink(index int) (Link, error) {
	header := nl.NewIfInfomsg(unix.AF_UNSPEC)
	header.Index = int32(index)
	request := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_ACK)
	request.AddData(header)
	messages, err := request.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
	if err != nil {
		return Link{}, err
	}
	for _, m := range messages {
		if l, ok := parseLink(m); ok {
			return l, nil
		}
	}
	return Link{}, unix.ENODEV
}

// dump asks for a whole table. The kernel says when the table changed meanwhile; then it is asked again.
func dump(command int, answer uint16, header nl.NetlinkRequestData) ([][]byte, error) {
	for try := 1; ; try++ {
		request := nl.NewNetlinkRequest(command, unix.NLM_F_DUMP)
		request.AddData(header)
		messages, err := request.Execute(unix.NETLINK_ROUTE, answer)
		if errors.Is(err, netlink.ErrDumpInterrupted) && try < listTries {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("ask the kernel for its interfaces and addresses: %w", err)
		}
		return messages, nil
	}
}

// parseAddress reads the body of an address message.
func parseAddress(m []byte) (entry, bool) {
	if len(m) < unix.SizeofIfAddrmsg {
		return entry{}, false
	}
	header := nl.DeserializeIfAddrmsg(m)
	attributes, err := nl.ParseRouteAttr(m[unix.SizeofIfAddrmsg:])
	if err != nil {
		return entry{}, false
	}
	e := entry{index: int(header.Index)}
	flags := uint32(header.Flags)
	var local, address netip.Addr
	for _, a := range attributes {
		switch a.Attr.Type {
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(a.Value)
		case unix.IFA_ADDRESS:
			address, _ = netip.AddrFromSlice(a.Value)
		case unix.IFA_BROADCAST:
			e.Broadcast, _ = netip.AddrFromSlice(a.Value)
		case unix.IFA_LABEL:
			e.Label = unix.ByteSliceToString(a.Value)
		case unix.IFA_FLAGS:
			if len(a.Value) >= 4 {
				flags = nl.NativeEndian().Uint32(a.Value)
			}
		case ifaProto:
			e.marked = len(a.Value) > 0 && a.Value[0] == mark
		}
	}
	if !local.IsValid() {
		local = address // IPv6 names no local address unless there is a remote one too
	}
	e.Prefix = netip.PrefixFrom(local, int(header.Prefixlen))
	e.usable = flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) == 0
	return e, e.Prefix.IsValid()
}

// parseLink reads the body of a link message. Bridges speak of their ports on the same channel in a family of their own:
// that is not about the link itself.
func parseLink(m []byte) (Link, bool) {
	if len(m) < unix.SizeofIfInfomsg {
		return Link{}, false
	}
	header := nl.DeserializeIfInfomsg(m)
	if header.Family != unix.AF_UNSPEC {
		return Link{}, false
	}
	attributes, err := nl.ParseRouteAttr(m[unix.SizeofIfInfomsg:])
	if err != nil {
		return Link{}, false
	}
	const carries = unix.IFF_UP | unix.IFF_RUNNING | unix.IFF_LOWER_UP
	l := Link{
		Index:   int(header.Index),
		Up:      header.Flags&unix.IFF_UP != 0,
		Carrier: header.Flags&carries == carries,
	}
	readLinkAttributes(&l, attributes)
	return l, l.Name != ""
}

func readLinkAttributes(l *Link, attributes []syscall.NetlinkRouteAttr) {
	for _, a := range attributes {
		switch a.Attr.Type {
		case unix.IFLA_IFNAME:
			l.Name = unix.ByteSliceToString(a.Value)
		case unix.IFLA_ADDRESS:
			if len(a.Value) == len(l.MAC) {
				l.MAC = MAC(a.Value)
			}
		case unix.IFLA_CARRIER_DOWN_COUNT:
			if len(a.Value) >= 4 {
				l.losses = nl.NativeEndian().Uint32(a.Value)
			}
		}
	}
}
