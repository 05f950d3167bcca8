package config

import (
	"time"

	"lubdub/internal/cluster"
)

// The smallest times that are supported for now, and the usual proportion.
const (
	minKeepalive = 50 * time.Millisecond
	// leastKeepalive is what the kernel can time at all: a lease's ticket lives for 0.4 of it, and 10 ms are some ticks of its clock.
	leastKeepalive = 25 * time.Millisecond
	minDeadTime    = 500 * time.Millisecond
	fewBeats       = 5                // fewer heartbeats in a dead time: a little loss already kills
	shortInit      = 10 * time.Second // Heartbeat's own limit
)

// time returns the value of a directive, and whether it is written.
func (h *haCF) time(name string) (time.Duration, bool) {
	w, ok := h.last[name]
	if !ok {
		return 0, false
	}
	return parse(w.text), true
}

// parse is the value of a time that was checked before.
func parse(text string) time.Duration {
	d, _ := parseTime(text)
	return d
}

// times fills in the times, with Heartbeat's defaults and its rules between them.
func (h *haCF) times(cfg *cluster.Config) {
	cfg.Keepalive, cfg.DeadTime = parse(h.text("keepalive")), parse(h.text("deadtime"))
	cfg.WarnTime = cfg.DeadTime / 2
	if warn, ok := h.time("warntime"); ok {
		cfg.WarnTime = warn
	}
	cfg.DeadPing = cfg.DeadTime
	if ping, ok := h.time("deadping"); ok {
		cfg.DeadPing = ping
	}
	cfg.InitDead = usualInitDead(cfg.DeadTime)
	if initial, ok := h.time("initdead"); ok {
		cfg.InitDead = initial
	}
	if !h.usable() {
		return
	}
	h.checkDeadTime(cfg)
	h.checkOthers(cfg)
}

// usualInitDead is Heartbeat's rule.
func usualInitDead(dead time.Duration) time.Duration {
	switch {
	case dead > 10*time.Second:
		return dead
	case dead < 6*time.Second:
		return 12 * time.Second
	}
	return 2 * dead
}

// written is the place of the first of the directives that has a value; a rule
// about defaults alone is never broken.
func (h *haCF) written(names ...string) word {
	for _, name := range names {
		if w, ok := h.last[name]; ok {
			return w
		}
	}
	return word{line: 1}
}

func (h *haCF) checkDeadTime(cfg *cluster.Config) {
	dead, keep := seconds(cfg.DeadTime), seconds(cfg.Keepalive)
	at := h.written("deadtime", "keepalive")
	switch {
	case cfg.DeadTime <= 2*cfg.Keepalive:
		h.errorf(at, "make deadtime at least 5 times keepalive", "the deadtime of %s is too small: it must be more than twice the keepalive of %s", dead, keep)
	case cfg.DeadTime < fewBeats*cfg.Keepalive:
		h.warnf(at, "make deadtime at least 5 times keepalive", "the deadtime of %s is less than %d times the keepalive of %s: a few lost packets look like a dead node", dead, fewBeats, keep)
	}
	if cfg.DeadTime < minDeadTime {
		h.warnf(at, "write at least 500ms", "a deadtime of %s is not supported for now", dead)
	}
	switch {
	case cfg.Keepalive < leastKeepalive:
		h.errorf(h.written("keepalive"), "write at least 50ms", "a keepalive of %s is too short: the kernel cannot time the lease so finely", keep)
	case cfg.Keepalive < minKeepalive:
		h.warnf(h.written("keepalive"), "write at least 50ms", "a keepalive of %s is not supported for now", keep)
	}
}

func (h *haCF) checkOthers(cfg *cluster.Config) {
	dead, first := seconds(cfg.DeadTime), seconds(cfg.InitDead)
	switch {
	case cfg.InitDead < cfg.DeadTime:
		h.errorf(h.written("initdead"), "make it at least as long, better twice", "the initdead of %s is less than the deadtime of %s", first, dead)
	case cfg.InitDead < shortInit:
		h.warnf(h.written("initdead"), "give the network time to come up after a boot: 10 s or more", "an initdead of %s may be too small", first)
	}
	if cfg.WarnTime > cfg.DeadTime {
		h.warnf(h.written("warntime"), "write about half of the deadtime", "with a warntime of %s the node is dead before a warning", seconds(cfg.WarnTime))
	}
	if ping, ok := h.time("deadping"); ok && ping <= 2*cfg.Keepalive {
		h.errorf(h.written("deadping"), "make it at least 5 times keepalive", "the deadping of %s must be more than twice the keepalive of %s", seconds(ping), seconds(cfg.Keepalive))
	}
}
