package daemon

import (
	"net/netip"
	"time"

	"lubdub/internal/cluster"
)

// claimShare is how often the same claim of an address is handed to the loop, in
// keepalives. The rules look at claims half a keepalive apart (rule H2).
const claimShare = 0.25

// claim is what a station says about an address. All but the peer's are one:
// the rules treat every stranger alike, and a flood may come from a thousand.
type claim struct {
	addr  netip.Addr
	from  string // the peer's hardware address; empty: a stranger's
	reply bool
}

// claims thins out what stations claim, so that no flood of announcements keeps
// heartbeats out of the loop.
type claims struct {
	pause time.Duration
	told  map[claim]cluster.Time
}

func newClaims(keepalive time.Duration) claims {
	return claims{pause: time.Duration(claimShare * float64(keepalive)), told: map[claim]cluster.Time{}}
}

// due says whether a claim is to be told, and takes note that it is.
func (c *claims) due(is claim, at cluster.Time) bool {
	if last, ok := c.told[is]; ok && at.Sub(last) < c.pause {
		return false
	}
	c.told[is] = at
	return true
}
