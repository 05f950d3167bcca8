package vip

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

const (
	// mark is the value of IFA_PROTO on every address that this package adds. The kernel itself uses 1 to 3; nobody
	// else is known to use 'L'.
	mark = 'L'

	// ifaProto is the attribute that carries the mark (linux/if_addr.h). Kernels before 5.18 ignore it: there no
	// leftovers are recognised.
	ifaProto = 11

	// forever is the kernel's word for a life without end.
	forever = math.MaxUint32
)

// Add puts a on its interface, marked as ours, to live for life, rounded up to whole seconds; 0 is without end. If it is
// there already, only its mark and its life change, so nothing flaps. IPv6 is usable at once: it does not wait for the
// kernel's duplicate address detection, because whoever calls has probed.
func Add(a Address, life time.Duration) error {
	if err := add(a, life); err != nil {
		return fmt.Errorf("add %s: %w", a, err)
	}
	return nil
}

func add(a Address, life time.Duration) error {
	if !a.Prefix.IsValid() || a.Interface == "" {
		return errors.New("address, mask and interface are needed")
	}
	if life < 0 {
		return fmt.Errorf("a life of %v is over already", life)
	}
	index, err := interfaceIndex(a.Interface)
	if err != nil {
		return err
	}
	keepSecondaries(a)
	request := addressRequest(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, a, index)
	seconds := wholeSeconds(life)
	cache := nl.IfaCacheInfo{IfaCacheinfo: unix.IfaCacheinfo{Valid: seconds, Prefered: seconds}}
	if a.Prefix.Addr().Is6() {
		cache.Prefered = 0 // or the kernel would take it as the source of what this node begins (RFC 6724, rule 3)
	}
	request.AddData(nl.NewRtAttr(unix.IFA_CACHEINFO, cache.Serialize()))
	request.AddData(nl.NewRtAttr(ifaProto, []byte{mark}))
	if a.Prefix.Addr().Is4() {
		if broadcast := a.broadcast(); broadcast.IsValid() {
			request.AddData(nl.NewRtAttr(unix.IFA_BROADCAST, broadcast.AsSlice()))
		}
		if a.Label != "" {
			request.AddData(nl.NewRtAttr(unix.IFA_LABEL, nl.ZeroTerminated(a.Label)))
		}
	} else {
		request.AddData(nl.NewRtAttr(unix.IFA_FLAGS, nl.Uint32Attr(unix.IFA_F_NODAD)))
	}
	_, err = request.Execute(unix.NETLINK_ROUTE, 0)
	if errors.Is(err, unix.EACCES) && a.Prefix.Addr().Is6() {
		return fmt.Errorf("%w: IPv6 is switched off there; set net.ipv6.conf.%s.disable_ipv6 to 0", err, a.Interface)
	}
	return err
}

// Remove takes the address of a off its interface, with whatever mask it has there. If it is not there, or the whole
// interface is gone, nothing is left to do. The other addresses of its subnet stay.
func Remove(a Address) error {
	if err := remove(a); err != nil {
		return fmt.Errorf("remove %s: %w", a, err)
	}
	return nil
}

func remove(a Address) error {
	index, err := interfaceIndex(a.Interface)
	if errors.Is(err, unix.ENODEV) {
		return nil
	}
	if err != nil {
		return err
	}
	entries, err := listAddresses()
	if err != nil {
		return err
	}
	keepSecondaries(a)
	for _, e := range entries {
		if e.index != index || e.Prefix.Addr() != a.Prefix.Addr() {
			continue
		}
		request := addressRequest(unix.RTM_DELADDR, 0, e.Address, index)
		_, err := request.Execute(unix.NETLINK_ROUTE, 0)
		if err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) && !errors.Is(err, unix.ENODEV) {
			return err
		}
	}
	return nil
}

// Has reports whether the address of a is on its interface, with whatever mask.
func Has(a Address) (bool, error) {
	index, err := interfaceIndex(a.Interface)
	if errors.Is(err, unix.ENODEV) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", a, err)
	}
	entries, err := listAddresses()
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", a, err)
	}
	for _, e := range entries {
		if e.index == index && e.Prefix.Addr() == a.Prefix.Addr() {
			return true, nil
		}
	}
	return false, nil
}

// Marked returns every address of this machine that carries our mark. The caller removes those that it does not know.
func Marked() ([]Address, error) {
	links, err := listLinks()
	if err != nil {
		return nil, fmt.Errorf("list marked addresses: %w", err)
	}
	entries, err := listAddresses()
	if err != nil {
		return nil, fmt.Errorf("list marked addresses: %w", err)
	}
	var marked []Address
	for _, e := range entries {
		link, known := links[e.index]
		if e.marked && known {
			e.Interface = link.Name
			marked = append(marked, e.Address)
		}
	}
	return marked, nil
}

// keepSecondaries makes the kernel keep the other addresses of a subnet when the first one goes, as systemd does on every
// machine it runs on. Otherwise a shared address that was there first would take the machine's own along, and the routes with
// them, when it is removed or its life ends. Where the setting cannot be written (a container) it stays as it is.
func keepSecondaries(a Address) {
	if !a.Prefix.Addr().Is4() {
		return // IPv6 addresses do not depend on each other
	}
	for _, scope := range []string{"all", a.Interface} {
		text, err := os.ReadFile(promotePath(scope))
		if err == nil && strings.TrimSpace(string(text)) != "0" {
			return
		}
	}
	_ = os.WriteFile(promotePath(a.Interface), []byte("1"), 0)
}

func promotePath(scope string) string {
	return filepath.Join("/proc/sys/net/ipv4/conf", scope, "promote_secondaries")
}

// addressRequest starts a request about a.
func addressRequest(command, flags int, a Address, index int) *nl.NetlinkRequest {
	request := nl.NewNetlinkRequest(command, flags|unix.NLM_F_ACK)
	family := unix.AF_INET
	if a.Prefix.Addr().Is6() {
		family = unix.AF_INET6
	}
	header := nl.NewIfAddrmsg(family)
	header.Prefixlen = uint8(a.Prefix.Bits())
	header.Scope = unix.RT_SCOPE_UNIVERSE
	header.Index = uint32(index)
	request.AddData(header)
	bytes := a.Prefix.Addr().AsSlice()
	request.AddData(nl.NewRtAttr(unix.IFA_LOCAL, bytes))
	if command == unix.RTM_NEWADDR { // to delete, the local address says it all; a remote end would have to match
		request.AddData(nl.NewRtAttr(unix.IFA_ADDRESS, bytes))
	}
	return request
}

// wholeSeconds rounds up; 0 and what does not fit is forever.
func wholeSeconds(life time.Duration) uint32 {
	if life == 0 {
		return forever
	}
	seconds := int64(life / time.Second)
	if life%time.Second != 0 {
		seconds++
	}
	return uint32(min(seconds, forever))
}

// interfaceIndex asks the kernel for the index of an interface; ENODEV if there is none of that name.
func interfaceIndex(name string) (int, error) {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return 0, fmt.Errorf("interface name %q: %w", name, err)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, request); err != nil {
		return 0, err
	}
	return int(request.Uint32()), nil
}
