package sim

import (
	"flag"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"lubdub/internal/cluster"
)

var hours = flag.Int("hours", 24, "how many simulated hours TestL6 lets pass")

// TestMain lets the heap grow: the worlds are small, and many.
func TestMain(m *testing.M) {
	debug.SetGCPercent(800)
	os.Exit(m.Run())
}

// L6: while every stall stays below Y there is no fail-over at all, and no client
// notices anything, for 24 hours.
func TestL6StallsBelowYMoveNothing(t *testing.T) {
	if testing.Short() {
		*hours = 1
	}
	for pings := range 2 {
		setup := bare(2)
		setup.Pings = pings
		s := tell(t, setup)
		s.log.on = false
		r := rand.New(rand.NewPCG(6, uint64(pings)))
		// A stall that begins just before a heartbeat is due lasts a keepalive longer
		// for the other node, and its answer needs another one.
		longest := setup.yield() - setup.margin()
		before, moves := s.Missed(), s.Moves("web")
		end := s.Now() + time.Duration(*hours)*time.Hour/time.Duration(1+7*pings)
		for s.Now() < end && s.Violation() == nil {
			s.Freeze("ab"[r.IntN(2):][:1], between(r, time.Millisecond, longest))
			s.Pass(longest + between(r, time.Second, 30*time.Second))
		}
		s.sound()
		s.missed(before, 0)
		if s.Moves("web") != moves {
			s.die("web moved %d times", s.Moves("web")-moves)
		}
	}
}

// margin is what Y needs beyond a stall: a heartbeat there, one back, and the lags.
func (s Setup) margin() time.Duration { return 2*s.Keepalive + 100*time.Millisecond }

// I9: the wall clock decides nothing. The same nights are played with and without
// its steps, by nodes that have met before, and the cores want the same things at
// the same moments.
func TestI9WallClockDecidesNothing(t *testing.T) {
	nights := 0
	for seed := uint64(1); nights < 40; seed++ {
		n := draw(seed)
		if n.stepped() == 0 {
			continue
		}
		nights++
		still := n.play(Options{StillClocks: true, prepare: seasoned})
		stepped := n.play(Options{prepare: seasoned})
		if still.effects != stepped.effects || still.tally.events != stepped.tally.events {
			t.Errorf("seed %d: the cores do something else when the wall clock is set", seed)
		}
	}
}

// stepped adds some steps of the wall clock to a night that has faults; it says how many.
func (n *night) stepped() int {
	steps := 0
	for i := range n.strikes {
		switch k := &n.strikes[i]; k.kind {
		case "disk full": // a life that forgets takes its number from the clock
			return 0
		case "clock stepped":
			steps++
		}
	}
	if len(n.strikes) == 0 {
		return 0
	}
	drawn := n.strikes
	for i := range 6 {
		steps++
		n.strikes = append(n.strikes, strike{
			at: drawn[i*len(drawn)/6].at, kind: "clock stepped",
			words: []word{{"node", "ab"[i%2 : i%2+1]}, {"seconds", strconv.Itoa(3600 - 1440*i)}},
		})
	}
	return steps
}

// seasoned makes nodes that have run for a while: their numbers are above every
// clock, so that no step can be seen in them.
func seasoned(w *World) {
	for _, n := range w.nodes {
		n.disk.incarnation = 2_000_000_000
		n.disk.saved.Groups = savedEpochs(w, 2_000_000_000)
	}
}

func savedEpochs(w *World, epoch uint64) map[string]cluster.SavedGroup {
	saved := map[string]cluster.SavedGroup{}
	for _, g := range w.setup.Groups {
		saved[g.Name] = cluster.SavedGroup{Epoch: epoch}
	}
	return saved
}
