package cluster

import "time"

// Time is a moment of the boot clock (CLOCK_BOOTTIME) in nanoseconds. It runs
// on while the machine sleeps and no operator can set it. Wall time decides nothing.
type Time int64

// Add returns the moment d after t.
func (t Time) Add(d time.Duration) Time { return t + Time(d) }

// Sub returns how long after u the moment t is.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// never is a moment that does not come.
const never Time = 1<<63 - 1
