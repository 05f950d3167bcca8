package vip

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Interfaces returns the interfaces of this machine by index, with their own addresses and connected routes.
func Interfaces() ([]Interface, error) {
	links, err := listLinks()
	if err != nil {
		return nil, err
	}
	entries, err := listAddresses()
	if err != nil {
		return nil, err
	}
	routes, err := listRoutes()
	if err != nil {
		return nil, err
	}
	byIndex := make(map[int]*Interface, len(links))
	for index, link := range links {
		byIndex[index] = &Interface{Link: link}
	}
	shared := make(map[netip.Addr]bool)
	for _, e := range entries {
		i, known := byIndex[e.index]
		switch {
		case e.marked:
			shared[e.Prefix.Addr()] = true
		case known:
			e.Interface = i.Name
			i.Addresses = append(i.Addresses, e.Address)
		}
	}
	for _, r := range routes {
		if i, known := byIndex[r.index]; known && !shared[r.source] {
			i.Routes = append(i.Routes, r.to)
		}
	}
	interfaces := make([]Interface, 0, len(byIndex))
	for _, index := range slices.Sorted(maps.Keys(byIndex)) {
		interfaces = append(interfaces, *byIndex[index])
	}
	return interfaces, nil
}

// route is a connected route.
type route struct {
	index  int
	to     netip.Prefix
	source netip.Addr // the preferred source; a shared address that made the route stands here
}

// listRoutes returns the routes of the main table that need no gateway.
func listRoutes() ([]route, error) {
	var all []netlink.Route
	var err error
	for range listTries {
		all, err = netlink.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{
			Table: unix.RT_TABLE_MAIN, Type: unix.RTN_UNICAST,
		}, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_TYPE)
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("ask the kernel for its routes: %w", err)
	}
	var routes []route
	for _, r := range all {
		if r.Dst == nil || r.Gw != nil || r.Via != nil || len(r.MultiPath) > 0 {
			continue
		}
		to, ok := netip.AddrFromSlice(r.Dst.IP)
		ones, bits := r.Dst.Mask.Size()
		if !ok || ones == 0 {
			continue
		}
		if bits == 32 {
			to = to.Unmap()
		}
		source, _ := netip.AddrFromSlice(r.Src)
		routes = append(routes, route{index: r.LinkIndex, to: netip.PrefixFrom(to, ones), source: source.Unmap()})
	}
	return routes, nil
}
