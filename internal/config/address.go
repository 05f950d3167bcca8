package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// maxLabel is the kernel's limit for an address label.
const maxLabel = 15

// Interface is one network interface of this machine and its addresses.
type Interface struct {
	Name     string
	Prefixes []netip.Prefix // each address with its mask
}

// address is a shared address as it is written.
type address struct {
	addr      netip.Addr
	bits      int    // -1: not written
	device    string // the interface; empty: not written
	label     string // as eth0:0
	broadcast netip.Addr
}

// looksLikeIPv4 is Heartbeat's pattern [0-9]*.[0-9]*.[0-9]*.[0-9]*.
func looksLikeIPv4(text string) bool {
	ip, _, _ := strings.Cut(text, "/")
	parts := strings.Split(ip, ".")
	if len(parts) < 4 {
		return false
	}
	for _, p := range parts {
		if p == "" || p[0] < '0' || p[0] > '9' {
			return false
		}
	}
	return true
}

// startsWithIP says that a word of haresources is a bare address.
func startsWithIP(text string) bool {
	ip, _, _ := strings.Cut(text, "/")
	return isIP(ip)
}

// parseAddress reads ip[/bits[/nic[/broadcast]]] or ip/bits/broadcast.
func parseAddress(text string) (a address, wrong, remedy string) {
	const form = "write IP, IP/BITS, IP/BITS/INTERFACE or IP/BITS/INTERFACE/BROADCAST"
	parts := strings.Split(text, "/")
	a.bits = -1
	ip, err := netip.ParseAddr(parts[0])
	if bare := strings.TrimRight(parts[0], ",;"); err != nil && bare != parts[0] && isIP(bare) {
		return a, "ends with what is no part of it", "write " + bare + ": words are separated by blanks"
	}
	if err != nil || ip.Zone() != "" || ip.Is4In6() {
		return a, "is not a valid IP address", form
	}
	if ip.IsUnspecified() || ip.IsMulticast() || ip.IsLoopback() {
		return a, "is an address that no node can share", "write a unicast address of the front network"
	}
	a.addr = ip
	if len(parts) > 4 {
		return a, "has too many parts", form
	}
	if len(parts) > 1 {
		if a.bits = maskBits(parts[1], ip.BitLen()); a.bits < 0 {
			return a, fmt.Sprintf("has no mask from 1 to %d bits", ip.BitLen()), form
		}
	}
	if len(parts) > 2 {
		wrong = a.place(parts[2:])
	}
	return a, wrong, form
}

// place reads the interface and the broadcast address.
func (a *address) place(parts []string) (wrong string) {
	broadcast := ""
	switch {
	case len(parts) == 2:
		a.device, broadcast = parts[0], parts[1]
	case parts[0] != "" && parts[0][0] >= '0' && parts[0][0] <= '9':
		broadcast = parts[0]
	default:
		a.device = parts[0]
	}
	if device, _, ok := strings.Cut(a.device, ":"); ok {
		a.device, a.label = device, a.device
	}
	if a.device != "" || broadcast == "" {
		if wrong, _ := isInterface(a.device); wrong != "" || len(a.label) > maxLabel {
			return "names an impossible interface"
		}
	}
	if broadcast == "" {
		return ""
	}
	b, err := netip.ParseAddr(broadcast)
	if err != nil || !b.Is4() || !a.addr.Is4() {
		return "has no valid IPv4 broadcast address"
	}
	a.broadcast = b
	return ""
}

// maskBits reads 24 or 255.255.255.0; negative when it is neither.
func maskBits(text string, most int) int {
	if mask, err := netip.ParseAddr(text); err == nil && mask.Is4() && most == 32 {
		ones, bits := net.IPMask(mask.AsSlice()).Size()
		if bits == 0 || ones == 0 {
			return -1
		}
		return ones
	}
	bits, err := strconv.Atoi(text)
	if err != nil || bits < 1 || bits > most {
		return -1
	}
	return bits
}

// fit finds where an address belongs, as Heartbeat does: on the interface with
// the longest subnet that contains it. What is written stands. The shared
// addresses themselves do not count: one may still be there from before.
func fit(a address, near []Interface, shared map[netip.Addr]bool) (device string, prefix netip.Prefix, ok bool) {
	device, bits := a.device, a.bits
	best := -1
	for _, i := range near {
		if i.Name == "lo" || (a.device != "" && a.device != i.Name) {
			continue
		}
		for _, p := range i.Prefixes {
			if !shared[p.Addr()] && p.Bits() > best && p.Contains(a.addr) {
				best, device = p.Bits(), i.Name
			}
		}
	}
	if bits < 0 {
		bits = best
	}
	if bits < 0 {
		bits = a.addr.BitLen()
	}
	// An interface with a mask, both as written, need not fit anything.
	ok = best >= 0 || (a.device != "" && a.bits >= 0 && present(near, a.device))
	return device, netip.PrefixFrom(a.addr, bits), ok
}

func present(near []Interface, name string) bool {
	for _, i := range near {
		if i.Name == name {
			return true
		}
	}
	return false
}

// subnets lists what addresses can fit, for a message.
func subnets(near []Interface, shared map[netip.Addr]bool, v4 bool) []string {
	var out []string
	for _, i := range near {
		for _, p := range i.Prefixes {
			if i.Name != "lo" && p.Addr().Is4() == v4 && !p.Addr().IsLinkLocalUnicast() && !shared[p.Addr()] {
				out = append(out, i.Name+" "+p.Masked().String())
			}
		}
	}
	return unique(out)
}
