package main

import (
	"slices"
	"time"

	"lubdub/internal/lab"
)

// The times that docs/protocol.md counts by, for the configuration of a night.
const (
	yield = stormDead * 7 / 10
	// afterSplit is how long two owners may go on once something can tell them apart again: Y and five keepalives when only the front
	// does (H2), and a second for a busy machine.
	afterSplit = yield + 5*stormKeepalive + time.Second
	// beforeSplit is how long before two owners meet the split may have ended: the one that has just taken over has decided up to
	// its dead time earlier.
	beforeSplit = stormDead + yield
)

// hurt says which ways between the nodes a fault hurts: 0 from the first node to the second, 1 back.
func (h happening) hurt(network string) (ways [2]bool) {
	for _, one := range h.kind.harms {
		if one.network != network {
			continue
		}
		own := 0
		if h.node == other {
			own = 1
		}
		if one.out || h.kind.both {
			ways[own] = true
		}
		if one.in || h.kind.both {
			ways[1-own] = true
		}
	}
	return ways
}

// undecidable are the spans in which nothing could tell the nodes apart: in each direction every network between them was hurt at
// the same time. With a ping node that both reach they can, unless the front shows both to it and not to each other, or loses frames.
func undecidable(all []happening, ping bool) (spans []lab.Span) {
	var edges []time.Duration
	for _, h := range all {
		s := h.inForce()
		edges = append(edges, s.From, s.To)
	}
	slices.Sort(edges)
	for i := 1; i < len(edges); i++ {
		if from, to := edges[i-1], edges[i]; from < to && blind(all, ping, from+(to-from)/2) {
			spans = join(spans, lab.Span{From: from, To: to})
		}
	}
	return spans
}

// blind says whether the nodes could not be told apart at a time.
func blind(all []happening, ping bool, at time.Duration) bool {
	hurt := map[string][2]bool{}
	opaque := false
	for _, h := range all {
		s := h.inForce()
		if at < s.From || at > s.To {
			continue
		}
		for _, network := range []string{front, cable} {
			ways, more := hurt[network], h.hurt(network)
			hurt[network] = [2]bool{ways[0] || more[0], ways[1] || more[1]}
			opaque = opaque || more != [2]bool{} && (h.kind.apart || h.kind.drops == "some")
		}
	}
	if ping && !opaque {
		return false
	}
	f, c := hurt[front], hurt[cable]
	return f[0] && c[0] && f[1] && c[1]
}

// excused says whether two owners are among the cases that two nodes cannot decide, and whether they parted soon enough.
func excused(two lab.Span, splits []lab.Span) bool {
	for _, s := range slices.Backward(splits) {
		if s.From <= two.To && two.From <= s.To+beforeSplit {
			return two.To <= s.To+afterSplit || slices.ContainsFunc(splits, func(o lab.Span) bool { return o.From > s.From && o.From < two.To })
		}
	}
	return false
}

// mayRunTwice says whether a resource without an address may have run on two nodes: the rules guard the address alone, so a
// daemon that did not run, or a split, leaves it where it was.
func mayRunTwice(two lab.Span, all []happening, splits []lab.Span) bool {
	if slices.ContainsFunc(splits, func(s lab.Span) bool { return s.From <= two.To && two.From <= s.To+beforeSplit }) {
		return true
	}
	return slices.ContainsFunc(all, func(h happening) bool {
		s := h.inForce()
		return h.kind.stops && s.From <= two.From && two.From <= s.To+beforeSplit
	})
}
