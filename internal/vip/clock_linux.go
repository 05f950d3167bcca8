package vip

import "golang.org/x/sys/unix"

// Boottime returns the boot clock in nanoseconds. It runs on while the machine sleeps and no one can set it.
// Every time that this package reports is of this clock.
func Boottime() int64 {
	var ts unix.Timespec
	// The call fails only for a clock that does not exist; this one exists since Linux 2.6.39.
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts)
	return ts.Nano()
}
