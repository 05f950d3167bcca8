package vip

import (
	"math/rand/v2"
	"net/netip"
)

const (
	// unusedTries is how often another address is drawn for one that is taken.
	unusedTries = 16

	// fewestHostBits leave room for six hosts: in a smaller subnet every address is likely to be somebody's.
	fewestHostBits = 3

	// mostHostBits of an address are drawn; more add nothing.
	mostHostBits = 48
)

// unused returns addresses of the query's subnet that nobody is known to have.
func (f *Front) unused(q Query, entries []entry) []netip.Addr {
	taken := map[netip.Addr]bool{q.Address: true}
	for _, list := range [][]netip.Addr{q.Neighbours, q.Taken} {
		for _, a := range list {
			taken[a] = true
		}
	}
	for _, e := range entries {
		taken[e.Prefix.Addr()] = true
	}
	f.mu.Lock()
	for _, s := range f.seen {
		taken[s.Address] = true
	}
	for a := range f.watched {
		taken[a] = true
	}
	f.mu.Unlock()
	return drawUnused(q.Subnet, controls, taken, rand.Int64N)
}

// drawUnused draws host addresses of a subnet that are not taken; none where they are not to be had.
func drawUnused(subnet netip.Prefix, count int, taken map[netip.Addr]bool, draw func(n int64) int64) []netip.Addr {
	hostBits := subnet.Addr().BitLen() - subnet.Bits()
	if !subnet.IsValid() || hostBits < fewestHostBits {
		return nil
	}
	last := int64(1)<<min(hostBits, mostHostBits) - 1 // for IPv4 that is broadcast; 0 is the subnet itself, or its routers
	var found []netip.Addr
	drawn := make(map[netip.Addr]bool)
	for range count * unusedTries {
		a := hostOf(subnet, 1+draw(last-1))
		if drawn[a] || taken[a] {
			continue
		}
		drawn[a] = true
		if found = append(found, a); len(found) == count {
			return found
		}
	}
	return nil
}

// hostOf returns the address of a subnet with this number.
func hostOf(subnet netip.Prefix, number int64) netip.Addr {
	bytes := subnet.Masked().Addr().AsSlice()
	for i := len(bytes) - 1; i >= 0 && number > 0; i-- {
		bytes[i] |= byte(number)
		number >>= 8
	}
	a, _ := netip.AddrFromSlice(bytes)
	return a
}
