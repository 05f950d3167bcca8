package cluster

import (
	"fmt"
	"slices"
	"time"
)

// fencing is how far the other node's end by a fence device has come (rule S5).
type fencing struct {
	since   Time   // since when a group waits for it; 0: none does
	attempt uint64 // the newest; it runs while running
	running bool
	ending  bool   // it was cancelled
	tries   int    // how many there were since
	next    Time   // not before: the delay, or the pause after a failure
	failed  int    // attempts in a row
	words   string // of the newest failure
	lines   []string
	tested  bool
	works   bool
	test    string
}

// The pauses between two attempts to fence: doubling, for ever.
const (
	fencePause    = 5 * time.Second
	maxFencePause = time.Minute
)

// demandFence asks for the peer's end by the fence device (rule S5). When that is
// done the peer is gone, and the group is taken as from a node that left.
func (m *Machine) demandFence(g *group, w way) {
	g.unfenced = m.needsFence(g, w)
	f := &m.fence
	if g.unfenced && f.since == 0 {
		f.since, f.next = m.now, m.now.Add(m.fenceDelay())
		m.changed = true
		why, cause := "", m.peer.cause
		if m.peer.is == up {
			why, cause = fmt.Sprintf("%s could not stop %s and is blocked: ", m.cfg.Peer, g.cfg.Name), 0
		}
		g.cause = m.emit(Event{Kind: "fence", Level: Warning, Group: g.cfg.Name, Cause: cause, Rule: "S5", Words: fmt.Sprintf(
			"%s%s has to be fenced before %s may take %s%s", why, m.cfg.Peer, m.cfg.Self, g.cfg.Name, m.delayWords())})
	}
}

// needsFence says that the group could be had if the peer were off: every other
// rule holds, or held a moment ago and nothing spoke against it since; or the
// peer could not stop it, and it is served nowhere.
func (m *Machine) needsFence(g *group, w way) bool {
	stuck := m.peer.is == up && m.said(g).State == Blocked && g.state == Stopped && m.mayTry(g)
	return m.cfg.Fencing && !g.handsOff() && (stuck || w == bySilence && g.intent && (m.mayTake(g) || g.unfenced))
}

// fenceDelay lets one of two nodes shoot first when both have something to lose:
// the one that serves fewer groups waits, with equal numbers the one whose name comes later.
func (m *Machine) fenceDelay() time.Duration {
	mine, theirs := 0, 0
	for _, g := range m.groups {
		if g.state.owns() {
			mine++
		}
		if m.lastSaid(g).owns() {
			theirs++
		}
	}
	if mine == 0 || mine > theirs || mine == theirs && m.cfg.Self < m.cfg.Peer {
		return 0
	}
	return m.cfg.FenceDelay
}

// lastSaid is the state of the group in the peer's last heartbeat, however old.
func (m *Machine) lastSaid(g *group) State {
	for _, b := range m.peer.beat.Groups {
		if b.Name == g.cfg.Name {
			return b.State
		}
	}
	return Stopped
}

func (m *Machine) delayWords() string {
	if d := m.fence.next.Sub(m.now); d > 0 {
		return fmt.Sprintf("; it waits %v, so that not both shoot", round(d))
	}
	return ""
}

// judgeFence starts the fence that a group waits for, and lets it go when no
// group does any more.
func (m *Machine) judgeFence() {
	f := &m.fence
	wanted := slices.ContainsFunc(m.groups, func(g *group) bool { return g.unfenced })
	switch {
	case !wanted && f.running && !f.ending:
		f.ending = true
		m.emit(Event{Kind: "fence", Level: Warning, Node: m.cfg.Peer, Rule: "S5", Words: fmt.Sprintf(
			"%s need not be fenced any more: the fence device is told to leave it, if it is not too late", m.cfg.Peer)})
		m.do(Cancel{f.attempt})
	case !wanted && f.since != 0 && !f.running:
		f.since, f.tries, f.failed, f.words, f.lines = 0, 0, 0, "", nil
		m.changed = true
	case !wanted || f.running:
	case m.now < f.next:
		m.at(f.next)
	default:
		m.actions++
		f.attempt, f.running, f.ending = m.actions, true, false
		f.tries++
		m.emit(Event{Kind: "fence", Node: m.cfg.Peer, Rule: "S5", Words: fmt.Sprintf("%s is being fenced (attempt %d)", m.cfg.Peer, f.tries)})
		m.do(Fence{f.attempt})
	}
}

// absorbFenced takes the end of an attempt in.
func (m *Machine) absorbFenced(in Fenced) {
	f := &m.fence
	if !f.running || in.Attempt != f.attempt {
		return
	}
	f.running = false
	switch {
	case f.ending && in.OK: // it was heard meanwhile: when it is off now, its silence will say so
		m.emit(Event{Kind: "fence", Level: Alarm, Node: m.cfg.Peer, Rule: "S5", Words: fmt.Sprintf(
			"the fence device was too quick to be told: %s", in.Words)})
	case f.ending:
		m.emit(Event{Kind: "fence", Node: m.cfg.Peer, Rule: "S5", Words: fmt.Sprintf("%s was not fenced: %s", m.cfg.Peer, in.Words)})
	case in.OK:
		m.setFenced(in.Words)
	default:
		f.failed++
		f.words, f.lines = in.Words, in.Lines
		f.next = m.now.Add(min(fencePause<<min(f.failed-1, 8), maxFencePause))
		level := Alarm
		if f.failed > 1 {
			level = Warning
		}
		m.emit(Event{Kind: "fence", Level: level, Node: m.cfg.Peer, Rule: "S5", Lines: in.Lines, Words: fmt.Sprintf(
			"%s was not fenced: %s; tried again in %v; when you know that it is off: lubdub fence confirm %s",
			m.cfg.Peer, in.Words, round(f.next.Sub(m.now)), m.cfg.Peer)})
	}
}

// setFenced takes note that the peer is off.
func (m *Machine) setFenced(words string) {
	m.fence = fencing{attempt: m.fence.attempt, running: m.fence.running, tested: m.fence.tested, works: m.fence.works, test: m.fence.test}
	m.setPeer(fenced, Warning, fmt.Sprintf("%s is fenced: %s", m.cfg.Peer, words))
}

// absorbFenceTested takes a self-test in; a change is said.
func (m *Machine) absorbFenceTested(in FenceTested) {
	f := &m.fence
	changed := !f.tested || f.works != in.OK
	f.tested, f.works, f.test = true, in.OK, in.Words
	switch {
	case !changed:
	case in.OK:
		m.emit(Event{Kind: "fence", Words: "the fence devices answer: " + in.Words})
	default:
		m.emit(Event{Kind: "fence", Level: Alarm, Words: fmt.Sprintf(
			"a fence device does not work: %s; until it does, a takeover may have to wait for your word (lubdub fence confirm)", in.Words)})
	}
}

// confirmFence is the operator's word that the other node is off.
func (m *Machine) confirmFence(in Command) (string, bool) {
	node := m.fullName(in.Node)
	switch {
	case node != m.cfg.Peer:
		return fmt.Sprintf("there is no other node %q; the other node is %s", in.Node, m.cfg.Peer), false
	case m.gone():
		return fmt.Sprintf("%s counts as off already", m.cfg.Peer), true
	case m.silence() < m.deadTime() && m.peer.beat.Seq > 0 || m.plain():
		return fmt.Sprintf("refused: %s was heard %v ago, so it is not off", m.cfg.Peer, round(m.silence())), false
	}
	for _, g := range m.groups {
		if g.probe.answer != "" && !in.Force {
			return fmt.Sprintf("refused: %s; look again, switch %s off, and say it once more (--force: believe me all the same)", g.refused, m.cfg.Peer), false
		}
	}
	if in.Dry {
		return fmt.Sprintf("%s would count as off", m.cfg.Peer), true
	}
	for _, g := range m.groups {
		g.probe.answer, g.refused = "", ""
	}
	m.setFenced("the operator says that it is off")
	return fmt.Sprintf("%s counts as off: %s may take its groups", m.cfg.Peer, m.cfg.Self), true
}

// fenceWords say what a takeover waits for; empty: nothing.
func (m *Machine) fenceWords() string {
	f := &m.fence
	switch {
	case f.since == 0:
		return ""
	case f.running:
		return fmt.Sprintf("%s is being fenced (attempt %d)", m.cfg.Peer, f.tries)
	case f.words != "":
		return fmt.Sprintf("%s is not fenced: %s; the next attempt is in %v; when you know that it is off: lubdub fence confirm %s",
			m.cfg.Peer, f.words, round(f.next.Sub(m.now)), m.cfg.Peer)
	}
	return fmt.Sprintf("%s will be fenced in %v", m.cfg.Peer, round(f.next.Sub(m.now)))
}

func (m *Machine) fenceStatus() FenceStatus {
	return FenceStatus{Configured: m.cfg.Fencing, Words: m.fenceWords(), Tested: m.fence.tested, Works: m.fence.works, TestWords: m.fence.test}
}
