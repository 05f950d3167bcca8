package vip

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// KeepsMarks says that this kernel keeps the mark of an address (IFA_PROTO, since
// 5.18), so that what this program added is told from the machine's own.
func KeepsMarks() bool {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return false
	}
	major, rest, _ := strings.Cut(unix.ByteSliceToString(name.Release[:]), ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, errA := strconv.Atoi(major)
	b, errB := strconv.Atoi(minor)
	return errA == nil && errB == nil && (a > 5 || a == 5 && b >= 18)
}
