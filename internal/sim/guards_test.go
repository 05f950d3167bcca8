package sim

import (
	"strings"
	"testing"
	"time"

	"lubdub/internal/cluster"
)

// guarded is the tutorial's cluster with what else has an opinion.
func guarded(change func(*Setup)) Setup {
	s := Tutorial()
	change(&s)
	return s
}

// isolate cuts a node off from everything.
func (s story) isolate(node string) {
	s.Cut("links " + node + " in")
	s.Cut("links " + node + " out")
	s.Cut("front " + node + " in")
	s.Cut("front " + node + " out")
}

// Rules O3 and S2: with ping nodes an owner that is cut off from everything is
// silent before the other one answers.
func TestStoryO3IsolatedOwner(t *testing.T) {
	for pings := 1; pings <= 3; pings++ {
		s := tell(t, guarded(func(s *Setup) { s.Pings = pings }))
		s.isolate("a")
		took := s.settle("", "web", 3*s1)
		took += s.settle("b", "web", 3*s1)
		if limit := s.setup.DeadTime + 3*s.setup.Keepalive + examProbes; took > limit {
			s.die("%d ping nodes: web was not on b after %v, want %v", pings, took, limit)
		}
		s.pass(30 * s1)
		s.answers("web", "b")
	}
}

// Policy isolated keep: both serve their side, and one is left after the heal.
func TestStoryIsolatedKeep(t *testing.T) {
	s := tell(t, guarded(func(s *Setup) { s.Pings, s.Keep = 1, true }))
	s.isolate("a")
	s.settle("a b", "web", 5*s1)
	s.pass(5 * s1)
	s.answers("web", "a b")
}

// Rules O3 and S2: nodes that reach the switch in turn, in gaps that are shorter
// than those of a run, never answer both.
func TestStoryS2PortsInTurn(t *testing.T) {
	setup := guarded(func(s *Setup) { s.Pings = 1 })
	s := tell(t, setup)
	s.Cut("crossover")
	gap := setup.pingLease()/pingGaps - 20*ms
	for i := range 300 {
		node := "ab"[i%2:][:1]
		s.Cut("front " + node + " in")
		s.Cut("front " + node + " out")
		s.pass(gap)
		s.Heal("front " + node + " in")
		s.Heal("front " + node + " out")
	}
	s.Heal("crossover")
	s.pass(20 * s1)
	if got := s.Answers("web"); got != "a" && got != "b" {
		s.die("%q answers", got)
	}
}

// Rule S5: nobody takes over while the fence device fails, and somebody does when
// it works again, or when the operator confirms.
func TestStoryS5NoTakeoverWithoutFence(t *testing.T) {
	for _, confirm := range []bool{false, true} {
		s := tell(t, guarded(func(s *Setup) { s.Fencing = true }))
		s.ail(s.node("a"), fenceFails)
		s.Crash("a")
		s.pass(30 * s1)
		s.answers("web", "")
		if words := s.Status("b").Fencing.Words; !strings.Contains(words, "fence confirm") {
			s.die("the status does not say how to go on: %q", words)
		}
		if confirm {
			s.Order("b", cluster.Command{Verb: cluster.FenceConfirm, Node: "a"})
			s.settle("b", "web", 2*s1)
			continue
		}
		s.ail(s.node("a"), fenceWorks)
		s.settle("b", "web", 90*s1)
	}
}

// Rule S5: with fencing two living nodes that are cut off from each other never serve both.
func TestStoryS5Split(t *testing.T) {
	s := tell(t, guarded(func(s *Setup) { s.Fencing = true }))
	s.Cut("links")
	s.Cut("front between")
	for range 600 {
		s.pass(100 * ms)
		if s.Answers("web") == "a b" {
			s.die("both serve")
		}
	}
}

// The watchdog resets a machine whose daemon stands still, before the other node
// starts what runs there.
func TestStoryWatchdogBitesFirst(t *testing.T) {
	s := tell(t, guarded(func(s *Setup) { s.Watchdog = s1 }))
	s.Freeze("a", time.Minute)
	s.settle("b", "web", 6*s1)
	if s.node("a").boots < 2 && s.node("a").powered {
		s.die("b serves, and a was not reset")
	}
	s.sound()
}

// A machine that is paused as a whole may answer when it wakes, for a heartbeat
// and what that needs; its timers stood still with it. After a sleep in which
// its clock ran on it knows at once.
func TestStoryPausedMachine(t *testing.T) {
	for _, jump := range []bool{false, true} {
		s := tell(t, Tutorial())
		s.node("a").pause()
		s.settle("b", "web", 6*s1)
		s.pass(20 * s1)
		s.node("a").resume(jump)
		for bound := s.Now() + s.judge.split.linksBound(); s.Now() < bound; {
			s.pass(ms)
		}
		s.answers("web", "b")
		s.pass(20 * s1)
		s.answers("web", "b")
	}
}

// What a machine had still to wait when it was paused, it waits after that.
func TestPauseShiftsTimers(t *testing.T) {
	w := New(1, Tutorial(), Options{})
	n := w.nodes[0]
	n.boot()
	var early, late time.Duration
	n.after(s1, func() { early = w.now })
	n.after(10*s1, func() { late = w.now })
	w.At(500*ms, n.pause)
	w.At(4500*ms, func() { n.resume(false) })
	w.At(6*s1, n.pause)
	w.At(7*s1, func() { n.resume(true) })
	w.Pass(time.Minute)
	if early != 5*s1 || late != 15*s1 {
		t.Errorf("the timers of 1 s and 10 s ended after %v and %v, want 5s and 15s", early, late)
	}
	if ahead := n.local().Sub(n.ticks()); ahead < s1-2*ms || ahead > s1+2*ms {
		t.Errorf("the boot clock is %v ahead of the kernel's timers, want 1s", n.local().Sub(n.ticks()))
	}
}

// A kernel that refuses to write a running lease lets it end, and the other node takes over.
func TestStoryNetlinkRefuses(t *testing.T) {
	s := tell(t, Tutorial())
	s.node("a").refuses++
	s.settle("", "web", 3*s1)
	s.pass(10 * s1)
	s.answers("web", "b")
}

// A forged or damaged beat is refused, and an honest one is read.
func TestForgedBeatsAreRefused(t *testing.T) {
	s := tell(t, Tutorial())
	s.pass(30 * s1) // some beats are on record then
	for range 2000 {
		s.forge(0)
		s.mangle(s.links[0].history[0][0])
	}
	s.sound()
	if _, err := s.keys.Open(s.sealed(s.links[0].history[0][0], s.keys)); err != nil {
		t.Errorf("an honest beat: %v", err)
	}
}
