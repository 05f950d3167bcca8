package cluster

import (
	"slices"
	"time"
)

// feedSlack is how old, beyond a keepalive, a confirmation may be that feeds the
// watchdog: with it the machine is reset at the latest W + keepalive + feedSlack
// after the heartbeat that the peer last confirmed.
const feedSlack = 50 * time.Millisecond

// dogMargin is added to what the watchdog needs when it is slower than the dead
// time allows.
const dogMargin = time.Second

// feedAge is the greatest age of a confirmation that feeds the watchdog.
func (m *Machine) feedAge() time.Duration { return m.cfg.Keepalive + feedSlack }

// advertised is the dead time that the peer is asked to wait: longer than
// written when the watchdog device cannot be set short enough to reset this
// machine before the peer takes over.
func (m *Machine) advertised() time.Duration {
	w := m.cfg.Watchdog
	if w == 0 {
		return m.cfg.DeadTime
	}
	needs := w + m.feedAge()
	if float64(needs) <= float64(m.cfg.DeadTime)*(1-clockError) {
		return m.cfg.DeadTime
	}
	return needs + dogMargin
}

// clockError is the greatest relative difference of two machines' clocks that
// is reckoned with: twice what NTP slews.
const clockError = 0.001

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
	if !m.servesAny() {
		if d.open {
			m.do(Unleash{})
		}
		*d = dog{}
		return
	}
	if proof := m.justified(); proof != 0 || d.now {
		if proof == 0 {
			proof = m.now
		}
		d.open, d.now, d.fed = true, false, m.now
		m.do(Feed{NotAfter: proof.Add(m.feedAge())})
	}
}

func (m *Machine) servesAny() bool {
	return slices.ContainsFunc(m.groups, func(g *group) bool { return g.state != Stopped })
}

// justified is the time of a proof that came and did not feed the watchdog yet; 0: none did.
func (m *Machine) justified() Time {
	d := &m.dog
	proof := m.peer.echoed
	lapsed := slices.ContainsFunc(m.groups, func(g *group) bool { return g.lapse && g.state != Stopped })
	if !lapsed {
		proof = max(proof, m.keptBy())
	}
	if proof > d.proof && m.now.Sub(proof) <= m.feedAge() {
		d.proof = proof
		return proof
	}
	if lapsed && !m.gone() || !m.unguarded() || !m.unconfirmed() && !m.gone() {
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
