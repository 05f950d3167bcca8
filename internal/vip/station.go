package vip

import (
	"cmp"
	"net/netip"
	"slices"
)

// maxStations is how many stations are remembered: a few to ask are enough, even if most of them are gone.
const maxStations = 16

// Station is another station that was seen on a front.
type Station struct {
	Address netip.Addr
	MAC     MAC
	At      int64 // boot time at which it was seen last
}

// stations is a table of the stations seen last, one entry an address.
type stations []Station

// see enters a station; the one not seen for longest makes room. What no host can be asked by is passed over.
func (t *stations) see(s Station) {
	a := s.Address
	if hostAddress(a) != nil {
		return
	}
	if i := slices.IndexFunc(*t, func(o Station) bool { return o.Address == a }); i >= 0 {
		(*t)[i] = s
		return
	}
	if len(*t) < maxStations {
		*t = append(*t, s)
		return
	}
	oldest := 0
	for i, o := range *t {
		if o.At < (*t)[oldest].At {
			oldest = i
		}
	}
	(*t)[oldest] = s
}

// forget removes an address that turned out to be no station of its own.
func (t *stations) forget(a netip.Addr) {
	*t = slices.DeleteFunc(*t, func(s Station) bool { return s.Address == a })
}

// latest returns a copy, the last seen first.
func (t stations) latest() []Station {
	list := slices.Clone(t)
	slices.SortFunc(list, func(a, b Station) int { return cmp.Compare(b.At, a.At) })
	return list
}
