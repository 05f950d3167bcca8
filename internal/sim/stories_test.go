package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lubdub/internal/cluster"
)

const (
	ms = time.Millisecond
	s1 = time.Second
)

// story is a world with a test that complains.
type story struct {
	*World
	t *testing.T
}

// tell builds a world in which web is served by its preferred node a.
func tell(t *testing.T, setup Setup) story {
	t.Helper()
	s := story{New(1, setup, Options{Trace: true}), t}
	s.Boot("a")
	s.Boot("b")
	s.settle("a", "web", 3*setup.InitDead)
	s.Pass(2 * setup.DeadTime)
	return s
}

// cold builds a world whose machines are off.
func cold(t *testing.T, setup Setup, seed uint64) story {
	return story{New(seed, setup, Options{Trace: true}), t}
}

func (s story) settle(node, group string, limit time.Duration) time.Duration {
	s.t.Helper()
	took, ok := s.Until(node, group, limit)
	if !ok {
		s.die("after %v %q answers for %s, want %s", took, s.Answers(group), group, node)
	}
	return took
}

func (s story) pass(d time.Duration) {
	s.t.Helper()
	s.Pass(d)
	s.sound()
}

func (s story) sound() {
	s.t.Helper()
	if v := s.Violation(); v != nil {
		s.die("%v", v)
	}
}

func (s story) answers(group, want string) {
	s.t.Helper()
	s.sound()
	if got := s.Answers(group); got != want {
		s.die("%q answers for %s, want %q", got, group, want)
	}
}

// missed demands that clients missed at most so much since before.
func (s story) missed(before Outages, most time.Duration) {
	s.t.Helper()
	if now := s.Missed(); now.Total-before.Total > most {
		s.die("clients missed %v, want at most %v", now.Total-before.Total, most)
	}
}

func (s story) die(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("at %v: %s\n%s", s.Now(), fmt.Sprintf(format, args...), strings.Join(s.Transcript(4*s1), "\n"))
}

func warm(links int) Setup {
	s := Tutorial()
	s.Links = links
	s.Groups = []cluster.Group{group("web", "a", address("ip0", 100), proxy("proxy"))}
	return s
}

func bare(links int) Setup {
	s := Tutorial()
	s.Links = links
	s.Groups = []cluster.Group{group("web", "a", address("ip0", 100))}
	return s
}

// TestStoryO4SurvivorIsNotMutedWhenItsPeerDies is rule O4: alone begins while the entitlement still runs.
func TestStoryO4SurvivorIsNotMutedWhenItsPeerDies(t *testing.T) {
	for links := 1; links <= 2; links++ {
		s := tell(t, bare(links))
		before := s.Missed()
		s.Crash("b")
		s.pass(20 * s1)
		s.answers("web", "a")
		s.missed(before, 0)
	}
}

// Rule K2: what was decided before a freeze does not act after it.
func TestStoryK2WriteAfterFreeze(t *testing.T) {
	for _, place := range []string{"ticket", "clock", "write", "ack", "entitle"} {
		s := tell(t, bare(2))
		s.When("a", place, 1, func() { s.Freeze("a", 9800*ms) })
		s.settle("b", "web", 5*s1)
		s.pass(20 * s1)
		s.answers("web", "b")
	}
}

// Rule K1: a frozen owner falls silent before the other one answers.
func TestStoryK1FrozenOwner(t *testing.T) {
	s := tell(t, bare(2))
	s.Freeze("a", 30*s1)
	if took := s.settle("", "web", 2*s1); took > s.setup.yield()+s.setup.ticket() {
		s.die("the frozen owner answered for %v", took)
	}
	s.settle("b", "web", 2*s1)
	s.pass(60 * s1)
	s.answers("web", "b")
}

// Rule H2: two owners that only the front can tell of each other.
func TestStoryH2OnlyTheFrontKnows(t *testing.T) {
	s := tell(t, bare(1))
	s.Cut("crossover")
	s.Cut("front between")
	s.settle("a b", "web", 5*s1)
	s.pass(4 * s1)
	s.Heal("front between")
	s.settle("a", "web", s.setup.yield()+4*s.setup.Keepalive)
	s.pass(30 * s1)
	s.answers("web", "a")
}

// Rule S4, an announcement heard: the preferred node does not flap.
func TestStoryS4AnnouncementHeard(t *testing.T) {
	for _, cut := range []string{"front a in", "front a out", "front b in", "front b out"} {
		s := tell(t, bare(1))
		s.Cut("crossover")
		s.Cut(cut)
		s.Pass(45 * s1)
		if s.Moves("web") > 3 {
			s.die("%s: web moved %d times in 45 s", cut, s.Moves("web"))
		}
	}
}

// Rule K3: quiet is not said before the kernel has acknowledged it.
func TestStoryK3QuietDoesNotOvertakeTheKernel(t *testing.T) {
	s := tell(t, warm(2))
	s.slow = 8 * ms
	s.Order("a", cluster.Command{Verb: cluster.Move, Group: "web", Node: "b"})
	s.settle("b", "web", s1)
	s.pass(5 * s1)
	s.answers("web", "b")
}

// Rule B2: quiet stays quiet over a restart.
func TestStoryB2QuietStaysQuiet(t *testing.T) {
	for _, back := range []time.Duration{20 * ms, 100 * ms, 500 * ms} {
		s := tell(t, warm(2))
		s.Order("a", cluster.Command{Verb: cluster.Move, Group: "web", Node: "b"})
		s.When("b", "ack", 1, func() {
			s.Cut("links b out")
			s.Kill("a", back)
		})
		s.settle("b", "web", s1)
		s.pass(400*ms + back)
		s.answers("web", "b")
		s.Heal("links b out")
		s.pass(20 * s1)
		s.answers("web", "b")
	}
}

// Rule H1: only answering owners are compared: no move bounces.
func TestStoryH1MovesDoNotBounce(t *testing.T) {
	s := tell(t, warm(2))
	for i := range 40 {
		to := "ba"[i%2 : i%2+1]
		s.Order(string("ab"[i/2%2]), cluster.Command{Verb: cluster.Move, Group: "web", Node: to})
		s.settle(to, "web", s1)
		s.pass(2700 * ms) // the drain of the move before
		s.answers("web", to)
	}
	if s.Moves("web") != 40 {
		s.die("40 orders made %d moves", s.Moves("web"))
	}
}

// Rule O6: a silence counter alone makes nobody yield.
func TestStoryO6SilenceCounterAlone(t *testing.T) {
	s := tell(t, bare(1))
	before := s.Missed()
	s.Cut("crossover a out")
	s.Cut("front b carrier")
	s.pass(60 * s1)
	s.answers("web", "a")
	s.missed(before, 0)
}

// Rule S4, a quiet front: no third station talks.
func TestStoryS4QuietFront(t *testing.T) {
	setup := bare(1)
	setup.Gateway = false
	s := tell(t, setup)
	s.Crash("a")
	if took := s.settle("b", "web", 5*s1); took > setup.DeadTime+6*setup.Keepalive {
		s.die("the survivor needed %v", took)
	}
	alone := cold(t, setup, 2)
	alone.Boot("b")
	alone.settle("b", "web", 3*setup.InitDead)
}

// Rule O5: a mute owner without evidence stops being owner.
func TestStoryO5MuteOwnerWithoutEvidence(t *testing.T) {
	s := tell(t, bare(1))
	s.Cut("front a out")
	s.Cut("front a in")
	s.pass(s1)
	s.Freeze("a", 1600*ms)
	if took := s.settle("b", "web", 26*s1); took > 4*s.setup.DeadTime {
		s.die("nobody served for %v", took)
	}
	s.sound()
}

// Rules S4 and S6: probes that just miss each other at a cold start.
func TestStoryS6ColdStartsThatProbeAtOnce(t *testing.T) {
	for seed := range uint64(150) {
		s := cold(t, bare(1), seed)
		s.Cut("crossover")
		s.Boot("a")
		s.At(time.Duration(seed)*ms, func() { s.Boot("b") })
		s.When("a", "probed", 1, func() { s.Freeze("a", 70*ms) })
		s.pass(20 * s1)
		if got := s.Answers("web"); got != "a" && got != "b" {
			s.die("seed %d: %q answers", seed, got)
		}
	}
}

// The cross-over cable is pulled.
func TestStoryCrossoverCut(t *testing.T) {
	for links := 1; links <= 2; links++ {
		setup := Tutorial()
		setup.Links = links
		s := tell(t, setup)
		before := s.Missed()
		s.Cut("crossover a carrier")
		s.pass(60 * s1)
		s.Heal("crossover a carrier")
		s.pass(30 * s1)
		s.answers("web", "a")
		s.missed(before, 0)
	}
}

// Power loss of the owner, and its return.
func TestStoryPowerLossAndReturn(t *testing.T) {
	for _, failback := range []bool{false, true} {
		setup := Tutorial()
		setup.Failback = failback
		s := tell(t, setup)
		s.Crash("a")
		if took := s.settle("b", "web", 5*s1); took > setup.DeadTime+s1 {
			s.die("the survivor needed %v", took)
		}
		s.pass(10 * s1)
		s.Boot("a")
		s.pass(60 * s1)
		want, moves := "b", 1
		if failback {
			want, moves = "a", 2
		}
		s.answers("web", want)
		if s.Moves("web") != moves {
			s.die("web moved %d times, want %d", s.Moves("web"), moves)
		}
	}
}

// A machine that nobody knows has the address before the first start.
func TestStoryStranger(t *testing.T) {
	s := cold(t, Tutorial(), 1)
	s.Cut("stranger web")
	s.Boot("a")
	s.Boot("b")
	s.pass(30 * s1)
	s.answers("web", "")
	if words := fmt.Sprintf("%+v", s.Status("a")); !strings.Contains(words, "mac-stranger") {
		s.die("the status does not name the stranger: %s", words)
	}
	s.Heal("stranger web")
	s.settle("a", "web", 10*s1)
}

// A program removes the address: it is back at once, and nothing moves.
func TestStoryAddressRemoved(t *testing.T) {
	s := tell(t, Tutorial())
	before := s.Missed()
	s.Strip("a", "web")
	s.pass(10 * s1)
	s.answers("web", "a")
	s.missed(before, 100*ms)
}

// A daemon that is killed and comes back within Y is not noticed.
func TestStoryB1ShortRestart(t *testing.T) {
	s := tell(t, Tutorial())
	before := s.Missed()
	s.Kill("a", 700*ms)
	s.pass(30 * s1)
	s.answers("web", "a")
	s.missed(before, 0)
}

// Planned moves of warm resources miss nothing but the hand-over itself.
func TestStoryPlannedMoves(t *testing.T) {
	s := tell(t, warm(2))
	before := s.Missed()
	s.Order("a", cluster.Command{Verb: cluster.Standby})
	s.settle("b", "web", s1)
	s.pass(5 * s1)
	s.missed(before, 5*ms)
	s.Order("a", cluster.Command{Verb: cluster.Online})
	s.pass(5 * s1)
	s.node("b").back = 20 * s1
	s.Order("b", cluster.Command{Verb: cluster.Leave})
	s.settle("a", "web", s1)
	s.pass(30 * s1)
	s.answers("web", "a")
	s.missed(before, 10*ms)
}
