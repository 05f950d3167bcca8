package daemon

import (
	"net/netip"
	"testing"
	"time"

	"lubdub/internal/cluster"
)

// TestClaimsAreThinned: a flood from a thousand strangers is told a few times a second, and never in the way of the peer's claims.
func TestClaimsAreThinned(t *testing.T) {
	const keepalive = 200 * time.Millisecond
	c := newClaims(keepalive)
	addr := netip.MustParseAddr("192.0.2.100")
	told := map[string]int{}
	tell := func(is claim, at cluster.Time) {
		if c.due(is, at) {
			told[is.from]++
		}
	}
	start := cluster.Time(time.Hour)
	for i := range 10000 { // one second of a frame each 100 µs
		at := start.Add(time.Duration(i) * 100 * time.Microsecond)
		tell(claim{addr: addr}, at)
		if i%1000 == 500 {
			tell(claim{addr: addr, from: "02:00:00:00:00:01"}, at)
		}
	}
	if told[""] != 20 || told["02:00:00:00:00:01"] != 10 {
		t.Errorf("told %v; want 20 of the strangers and all 10 of the peer", told)
	}
	if !c.due(claim{addr: addr, reply: true}, start.Add(time.Second)) || !c.due(claim{addr: netip.MustParseAddr("2001:db8::64")}, start.Add(time.Second)) {
		t.Error("another kind or another address waits for the flood")
	}
}

// TestLifeOfAddresses: an address outlives its lease, also when a renewal comes late, and is gone by the dead time as far as
// whole seconds allow.
func TestLifeOfAddresses(t *testing.T) {
	for _, dead := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second, 5 * time.Second,
		7 * time.Second, 10 * time.Second, 30 * time.Second, 120 * time.Second} {
		a := newAddresses(t.Context(), dead, nil)
		yield := time.Duration(0.7 * float64(dead))
		if a.life != a.life.Truncate(time.Second) || a.life-a.pause < yield {
			t.Errorf("dead time %v: life %v renewed each %v ends before the lease of %v", dead, a.life, a.pause, yield)
		}
		if a.life > max(dead, 2*time.Second) {
			t.Errorf("dead time %v: life %v", dead, a.life)
		}
	}
}
