package sim

import (
	"time"

	"lubdub/internal/cluster"
)

// forever is longer than any schedule.
const forever = 1000 * time.Hour

// clock is the boot clock of one machine: it starts anew at each boot and
// runs a little fast or slow. The kernel's time-outs run by it too.
type clock struct {
	zero time.Duration // true time of the boot
	base cluster.Time  // what it showed then
	ppm  int64         // how much it runs fast
}

// at is what the clock shows at a moment of true time.
func (c clock) at(t time.Duration) cluster.Time {
	gone := int64(t - c.zero)
	return c.base + cluster.Time(gone+gone*c.ppm/1_000_000)
}

// when is the first moment of true time at which the clock shows l or more.
func (c clock) when(l cluster.Time) time.Duration {
	gone := int64(l - c.base)
	if gone >= int64(forever) {
		return forever
	}
	t := c.zero + time.Duration(gone-gone*c.ppm/(1_000_000+c.ppm)-1)
	for c.at(t) < l {
		t++
	}
	return t
}
