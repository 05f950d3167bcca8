package config

import (
	"fmt"
	"strings"
	"time"

	"lubdub/internal/cluster"
)

// Watchdog is the device that resets this node when it must no longer serve;
// without a Device there is none.
type Watchdog struct {
	Device   string
	Required bool          // the daemon does not start without it
	Wanted   time.Duration // the time-out to set: whole seconds, as the devices count
	Least    time.Duration // with a shorter one a lost heartbeat resets a healthy node
}

// The bounds of a time-out from below.
const (
	leastTimeout = time.Second // no device knows less
	fewFeeds     = 3           // keepalives: with fewer, one lost heartbeat and a late one reset a healthy node
)

// The directive, and the values of its policy.
const (
	wordWatchdog = "watchdog"
	wordOptional = "optional"
	wordRequired = "required"
)

// watchdog reckons with what both files say.
func (h *haCF) watchdog(c *lubdubConf, l *Loaded) Watchdog {
	at, ok := h.last[wordWatchdog]
	if !ok {
		return Watchdog{}
	}
	dead, keep := l.Config.DeadTime, l.Config.Keepalive
	w := Watchdog{Device: at.text, Required: c.required.text != ""}
	w.Wanted = l.Config.WatchdogLimit().Truncate(time.Second)
	w.Least = max(leastTimeout, fewFeeds*keep)
	if least := wholeSeconds(w.Least); w.Wanted < least {
		w.Wanted = least
		h.warnf(at, fmt.Sprintf("make deadtime at least %s", seconds(enough(least, l.Config))),
			"with a keepalive of %s and a deadtime of %s no watchdog is quick enough: the other node is asked to wait longer than the deadtime", seconds(keep), seconds(dead))
	}
	h.guarded(at, l)
	return w
}

// enough is the smallest dead time, in tenths of a second, for a time-out.
func enough(timeout time.Duration, c cluster.Config) time.Duration {
	const step = 100 * time.Millisecond
	c.DeadTime = timeout.Truncate(step)
	for c.WatchdogLimit() < timeout {
		c.DeadTime += step
	}
	return c.DeadTime
}

// wholeSeconds rounds up.
func wholeSeconds(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}

// guarded says which groups a watchdog does nothing for.
func (h *haCF) guarded(at word, l *Loaded) {
	var names []string
	for _, g := range l.Config.Groups {
		only := len(g.Resources) > 0
		for _, r := range g.Resources {
			only = only && r.Class == classAddress
		}
		if only {
			names = append(names, g.Name)
		}
	}
	if len(names) == 0 {
		return
	}
	remedy := "it is of use for the other groups"
	if len(names) == len(l.Config.Groups) {
		remedy = "a reset costs more than it saves here: remove the line, unless the node has more to guard"
	}
	h.at(Notice, at, fmt.Sprintf("the watchdog adds nothing for %s: it has only addresses, and the kernel's lease guards those", strings.Join(names, ", ")), remedy)
}

// checkRequired looks for a watchdog that is required and not named.
func (c *lubdubConf) checkRequired(h *haCF) {
	if _, ok := h.last[wordWatchdog]; !ok && c.required.text != "" && h.usable() {
		c.errorf(c.required, "write 'watchdog /dev/watchdog' into ha.cf, or remove this line", "the watchdog is required, but ha.cf names none")
	}
}

func (c *lubdubConf) watchdogPolicy(st statement) {
	w := st.args[0]
	c.required = word{}
	switch w.text {
	case wordRequired:
		c.required = w
	case wordOptional:
	default:
		if strings.HasPrefix(w.text, "/") {
			c.errorf(w, "write 'watchdog "+w.text+"' into ha.cf; here it is optional or required", "watchdog: the device is named in ha.cf")
			return
		}
		c.errorf(w, didYouMean(w.text, []string{wordOptional, wordRequired}, "write optional or required"), "watchdog: %s is not known here", quote(w.text))
	}
}
