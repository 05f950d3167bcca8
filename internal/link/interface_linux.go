package link

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// face is an interface as it stands, with the addresses of one family.
type face struct {
	name      string
	index     int
	up        bool         // set up by the administrator
	carrier   bool         // and something at the other end of the cable
	prefix    netip.Prefix // the first usable address with its mask; zero if there is none
	broadcast netip.Addr   // as configured with that address; zero if there is none
}

// errNoInterface says that the interface is not there. Any other error of
// lookAt says that it could not be seen, and then nothing may be concluded.
var errNoInterface = errors.New("does not exist")

// lookAt asks the kernel for an interface.
func lookAt(name string, six bool) (face, error) {
	dev, err := netlink.LinkByName(name)
	if missing := (netlink.LinkNotFoundError{}); errors.As(err, &missing) {
		return face{}, fmt.Errorf("interface %s %w", name, errNoInterface)
	}
	if err != nil {
		return face{}, fmt.Errorf("look at interface %s: %w", name, err)
	}
	family := netlink.FAMILY_V4
	if six {
		family = netlink.FAMILY_V6
	}
	addrs, err := netlink.AddrList(dev, family)
	if err != nil {
		return face{}, fmt.Errorf("list the addresses of %s: %w", name, err)
	}
	attrs := dev.Attrs()
	f := face{
		name:    attrs.Name,
		index:   attrs.Index,
		up:      attrs.RawFlags&unix.IFF_UP != 0,
		carrier: attrs.RawFlags&unix.IFF_RUNNING != 0,
	}
	for _, a := range addrs {
		if a.Flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) != 0 {
			continue // the kernel does not send from it
		}
		ip, ok := netip.AddrFromSlice(a.IP)
		if !ok {
			continue
		}
		bits, _ := a.Mask.Size()
		f.prefix = netip.PrefixFrom(ip.Unmap(), bits)
		if b, ok := netip.AddrFromSlice(a.Broadcast); ok {
			f.broadcast = b.Unmap()
		}
		break
	}
	return f, nil
}

// everybody is the broadcast address that needs no prefix.
var everybody = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// maxBroadcastBits is the longest IPv4 prefix with a broadcast address: a /31 has
// two machines and no address to spare (RFC 3021), a /32 one.
const maxBroadcastBits = 30

// broadcastOf returns the interface's broadcast address, and a remark if it had
// to be computed.
func broadcastOf(f face) (netip.Addr, string) {
	if f.broadcast.Is4() && !f.broadcast.IsUnspecified() {
		return f.broadcast, ""
	}
	if !f.prefix.IsValid() {
		return everybody, fmt.Sprintf("%s has no IPv4 address: sending to %s, and hearing only what is sent there", f.name, everybody)
	}
	if f.prefix.Bits() > maxBroadcastBits {
		return everybody, fmt.Sprintf("%s has no broadcast address in %s: sending to %s", f.name, f.prefix, everybody)
	}
	b := f.prefix.Addr().As4()
	for i := f.prefix.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	addr := netip.AddrFrom4(b)
	return addr, fmt.Sprintf("%s has no broadcast address: %s is computed from %s", f.name, addr, f.prefix)
}

// judge says whether an open link can work over the interface, and where it sends.
func judge(s Spec, f face) State {
	st := State{To: netip.AddrPortFrom(s.Address, uint16(s.Port))}
	if s.Kind == Broadcast {
		addr, remark := broadcastOf(f)
		st.To, st.Reason = netip.AddrPortFrom(addr, uint16(s.Port)), remark
	}
	switch {
	case !f.up:
		st.Reason = fmt.Sprintf("%s is down: ip link set %s up", f.name, f.name)
	case !f.carrier:
		st.Reason = fmt.Sprintf("%s has no carrier: look at the cable and at what is at its other end", f.name)
	case s.Kind != Broadcast && !f.prefix.IsValid():
		family := "IPv4"
		if s.six() {
			family = "IPv6"
		}
		st.Reason = fmt.Sprintf("%s has no usable %s address yet", f.name, family)
	default:
		st.Up = true
	}
	return st
}
