package cluster

import (
	"slices"
	"time"
)

// The watchdog's time-out W and the age of what feeds it together must end
// before the other node acts (docs/protocol.md, "The watchdog").
const (
	// clockError is the greatest relative difference of two machines' clocks that
	// is reckoned with: twice what NTP slews.
	clockError = 0.001
	// feedPatience, in halves of a keepalive, is how old a confirmation that feeds
	// the watchdog must be allowed to be: it waits for the peer's next heartbeat,
	// and that may be late.
	feedPatience = 3
	// feedSlack is for the way from the decision to the device.
	feedSlack = 50 * time.Millisecond
	// dogMargin is added to what the watchdog needs when it is slower than the
	// dead time allows.
	dogMargin = time.Second
)

// certain is how much of a time of this node's has surely passed on the other too.
func certain(d time.Duration) time.Duration { return time.Duration(float64(d) * (1 - clockError)) }

// WatchdogLimit is the longest time-out of a watchdog that resets this node
// before the other one takes over.
func (c Config) WatchdogLimit() time.Duration {
	return certain(c.DeadTime) - feedPatience*c.Keepalive/2 - feedSlack
}

// AdvertisedDeadTime is how long the peer is asked to wait: longer than written
// when the watchdog cannot be set to WatchdogLimit.
func (c Config) AdvertisedDeadTime() time.Duration {
	if c.Watchdog <= c.WatchdogLimit() {
		return c.DeadTime
	}
	return c.Watchdog + feedPatience*c.Keepalive/2 + feedSlack + dogMargin
}

// feedAge is how old a proof may be when it feeds the watchdog.
func (m *Machine) feedAge() time.Duration {
	return certain(m.cfg.AdvertisedDeadTime()) - m.cfg.Watchdog - feedSlack
}

// dog is how the watchdog was last fed.
type dog struct {
	open  bool // it runs: it was fed and not let go
	now   bool // something begins in this step: it is to run from the start
	proof Time // the newest proof that fed it
	fed   Time // when it was fed last
}

// feed keeps the watchdog from resetting this machine while what it serves is
// justified: in the step that takes in a fresh confirmation or a fresh answer of
// the ping nodes, or, where neither is to be had, in each turn of the loop.
func (m *Machine) feed() {
	if m.cfg.Watchdog == 0 {
		return
	}
	d := &m.dog
	if !slices.ContainsFunc(m.groups, func(g *group) bool { return g.state != Stopped }) {
		m.unleash()
		return
	}
	begins := d.now && !slices.ContainsFunc(m.groups, m.hasLapsed)
	if proof := m.justified(); proof != 0 || begins {
		if proof == 0 {
			proof = m.now
		}
		d.open, d.now, d.fed = true, false, m.now
		m.do(Feed{NotAfter: proof.Add(m.feedAge())})
	}
	d.now = false
}

// unleash lets the watchdog go, once every resource was looked at: what an
// earlier life left running may have to be stopped first.
func (m *Machine) unleash() {
	unlooked := func(r *resource) bool { return r.state == unknown }
	for _, g := range m.groups {
		if !g.handsOff() && slices.ContainsFunc(g.resources, unlooked) {
			return
		}
	}
	if m.dog.open {
		m.do(Unleash{})
	}
	m.dog = dog{}
}

// justified is the time of a proof that came and did not feed the watchdog yet; 0: none did.
func (m *Machine) justified() Time {
	d := &m.dog
	proof := m.peer.echoed
	lapsed := slices.ContainsFunc(m.groups, m.hasLapsed)
	if !lapsed {
		proof = max(proof, m.keptBy())
	}
	if proof > d.proof && m.now.Sub(proof) <= m.feedAge() {
		d.proof = proof
		return proof
	}
	if alone := !lapsed && m.unguarded() && m.unconfirmed(); !alone && !m.free() {
		return 0
	}
	next := d.fed.Add(m.cfg.Keepalive)
	m.at(max(next, m.now.Add(m.cfg.Keepalive)))
	if m.now < next {
		m.at(next)
		return 0
	}
	return m.now
}

// hasLapsed says that something of the group is up here although its entitlement
// ended: as this node knows, or because the kernel has not answered for so long.
func (m *Machine) hasLapsed(g *group) bool {
	late := g.lease.held && m.now >= g.lease.granted
	return g.state != Stopped && (g.lapse || late) && !(g.handsOff() && m.told(g)) // then nobody takes it
}
