package config

import (
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxTime is the longest time: Heartbeat keeps milliseconds in 32 bits.
const maxTime = math.MaxInt32 * time.Millisecond

// maxSetting is the longest time in lubdub.conf: an action that takes a day is stuck.
const maxSetting = 24 * time.Hour

// value checks one word: it says what is wrong with it, and what to write.
type value func(text string) (wrong, remedy string)

const timeRemedy = "write seconds as 2 or 0.5, or 500ms, or 500000us"

// parseTime reads a time of ha.cf: seconds, or a number with ms or us in any
// case, rounded to the nearest millisecond.
func parseTime(text string) (time.Duration, bool) {
	text = strings.ToLower(text)
	number, unit := text, time.Second
	if n, ok := strings.CutSuffix(text, "ms"); ok {
		number, unit = n, time.Millisecond
	} else if n, ok := strings.CutSuffix(text, "us"); ok {
		number, unit = n, time.Microsecond
	}
	if number == "" || strings.Trim(number, "0123456789.") != "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || f*float64(unit) > float64(maxTime) {
		return 0, false
	}
	return time.Duration(math.Round(f*float64(unit)/float64(time.Millisecond))) * time.Millisecond, true
}

// seconds prints a time as an administrator would write it into ha.cf.
func seconds(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s"
}

func isTime(text string) (wrong, remedy string) {
	if _, ok := parseTime(text); ok {
		return "", ""
	}
	if ours := heartbeatTime(text); ours != "" {
		return "is a time that Heartbeat cannot read", "write " + ours + ", in seconds, or with ms or us"
	}
	return "is not a time, or too long", timeRemedy
}

func isPositiveTime(text string) (wrong, remedy string) {
	if d, ok := parseTime(text); ok && d <= 0 {
		return "is no time at all", "write more than 0"
	}
	return isTime(text)
}

// parseBoolean reads a truth of ha.cf.
func parseBoolean(text string) (truth, ok bool) {
	switch strings.ToLower(text) {
	case "true", "on", "yes", "y", "1":
		return true, true
	case "false", "off", "no", "n", "0":
		return false, true
	}
	return false, false
}

func isBoolean(text string) (wrong, remedy string) {
	if _, ok := parseBoolean(text); ok {
		return "", ""
	}
	return "is neither yes nor no", "write on or off"
}

func isAny(string) (wrong, remedy string) { return "", "" }

func isPath(text string) (wrong, remedy string) {
	if strings.HasPrefix(text, "/") {
		return "", ""
	}
	return "is not a full path", "begin it with /"
}

// isNumber accepts whole numbers from low to high.
func isNumber(low, high int) value {
	return func(text string) (string, string) {
		if n, err := strconv.Atoi(text); err == nil && n >= low && n <= high {
			return "", ""
		}
		return "is not a number that fits", fmt.Sprintf("write a whole number from %d to %d", low, high)
	}
}

// isOneOf accepts the words given.
func isOneOf(words ...string) value {
	return func(text string) (string, string) {
		if slices.Contains(words, text) {
			return "", ""
		}
		return "is not known here", "write one of: " + strings.Join(words, ", ")
	}
}

func isFailback(text string) (wrong, remedy string) {
	if _, ok := parseBoolean(text); ok || text == "legacy" {
		return "", ""
	}
	return "is not known here", "write on or off"
}

const (
	maxNodes     = 100 // Heartbeat's limit; more than two are refused anyway
	maxNodeName  = 99  // Heartbeat's limit
	maxInterface = 15  // the kernel's limit
)

func isNodeName(text string) (wrong, remedy string) {
	if len(text) > maxNodeName {
		return "is too long for a node name", fmt.Sprintf("at most %d characters", maxNodeName)
	}
	if !consistsOf(text, "-._") {
		return "cannot be a node name", "use letters, digits, '-', '_' and dots, as uname -n prints it"
	}
	return "", ""
}

func isInterface(text string) (wrong, remedy string) {
	switch device, _, labelled := strings.Cut(text, ":"); {
	case isIP(text):
		return "is an address, and the name of an interface belongs there", "see 'ip link' for the names"
	case labelled && device != "":
		return "is the label of an address", "write " + device
	}
	if text == "" || len(text) > maxInterface || strings.ContainsAny(text, "/:") || text == "." || text == ".." {
		return "cannot be the name of an interface", "see 'ip link' for the names"
	}
	return "", ""
}

// consistsOf says that text is letters, digits and the marks given.
func consistsOf(text, marks string) bool {
	for i := range len(text) {
		c := text[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(marks, c) >= 0) {
			return false
		}
	}
	return text != ""
}

// isDuration accepts the times of lubdub.conf, which need their unit.
func isDuration(text string) (wrong, remedy string) {
	if text == "0" {
		return "is no time at all", "write more than 0, with its unit, as 10s, or leave it out"
	}
	if strings.Trim(text, "0123456789.") == "" {
		return "has no unit", "write " + quote(text+"s") + " for seconds"
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		if d, ok := otherTime(text); ok && d > 0 && d <= maxSetting {
			return "is not a time", "write " + plainTime(d)
		}
		return "is not a time", "write 10s, 500ms or 1m30s"
	}
	if d <= 0 || d > maxSetting {
		return "is not a time that fits", fmt.Sprintf("write more than 0 and at most %.0fh", maxSetting.Hours())
	}
	return "", ""
}

func isInterval(text string) (wrong, remedy string) {
	switch strings.ToLower(text) {
	case "off":
		return "", ""
	case "0", "0s", "no", "none", wordNever:
		return "is not a time", "write interval=off, so that it is never asked"
	}
	return isDuration(text)
}

// isListen accepts :PORT and ADDRESS:PORT.
func isListen(text string) (wrong, remedy string) {
	const want = "write :80, 192.0.2.100:80 or [2001:db8::64]:80"
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return "is not an address with a port", want
	}
	if wrong, _ := isNumber(1, maxPort)(port); wrong != "" {
		return "has no port from 1 to 65535", want
	}
	if host != "" && !isIP(host) {
		return "has no IP address before the port", want
	}
	return "", ""
}
