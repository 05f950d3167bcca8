package sim

import (
	"cmp"
	"flag"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	schedules = flag.Int("schedules", 300, "how many schedules to play")
	seed      = flag.Uint64("seed", 0, "play this seed only; 0: all from -first on")
	first     = flag.Uint64("first", 1, "the first seed")
	tail      = flag.Duration("tail", 6*time.Second, "how much of the time before a violation is printed")
	survey    = flag.Bool("survey", false, "do not end at the first violation: count them by rule")
)

// TestSchedules plays seeds and prints what they came to.
func TestSchedules(t *testing.T) {
	if *seed > 0 {
		r := Run(*seed, Options{Trace: testing.Verbose(), Tail: *tail})
		fail(t, r)
		t.Logf("seed %d: %d faults, %v simulated, %d steps, %d moves, outages %+v", r.Seed, r.Faults, r.Simulated, r.Steps, r.Moves, r.Outages)
		return
	}
	began := time.Now()
	sum, failed := playAll(*first, *schedules)
	took := time.Since(began)
	t.Logf("%d schedules, %d faults, %.1f hours simulated, %d steps, %d beats, %d moves in %v: %.0f schedules/min on %d cores",
		sum.count, sum.faults, sum.simulated.Hours(), sum.steps, sum.beats, sum.moves, took.Round(time.Millisecond),
		float64(sum.count)/took.Minutes(), runtime.GOMAXPROCS(0))
	t.Logf("clients: longest outage %v; longest time with two owners that nobody could tell apart %v", sum.longest, sum.overlap)
	for _, rule := range slices.Sorted(maps.Keys(sum.broken)) {
		all := sum.broken[rule]
		slices.SortFunc(all, func(a, b *Violation) int { return cmp.Compare(len(a.Transcript), len(b.Transcript)) })
		t.Logf("%s: %d schedules; the shortest transcripts:", rule, len(all))
		for _, v := range all[:min(6, len(all))] {
			t.Log("   ", v)
		}
	}
	if failed != nil {
		fail(t, *failed)
	}
}

func fail(t *testing.T, r Report) {
	t.Helper()
	if r.Violation == nil {
		return
	}
	t.Errorf("%v\n%s\nreplay: go test ./internal/sim -run TestSchedules -seed=%d -v",
		r.Violation, strings.Join(r.Violation.Transcript, "\n"), r.Seed)
}

// sum adds reports up.
type sum struct {
	count, moves         int
	faults, steps, beats uint64
	simulated            time.Duration
	longest, overlap     time.Duration
	broken               map[string][]*Violation // by rule
}

func (s *sum) add(r Report) {
	s.count++
	if v := r.Violation; v != nil {
		if s.broken == nil {
			s.broken = map[string][]*Violation{}
		}
		s.broken[v.Rule] = append(s.broken[v.Rule], v)
	}
	s.moves += r.Moves
	s.faults += r.Faults
	s.steps += r.Steps
	s.beats += r.Beats
	s.simulated += r.Simulated
	s.longest = max(s.longest, r.Outages.Longest)
	s.overlap = max(s.overlap, r.Outages.Overlap)
}

// playAll plays seeds on all cores until one fails, and returns the lowest that did.
func playAll(first uint64, count int) (sum, *Report) {
	var (
		total  sum
		failed *Report
		lock   sync.Mutex
		next   atomic.Uint64
		broken atomic.Bool
		wait   sync.WaitGroup
	)
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for !broken.Load() {
				i := next.Add(1) - 1
				if i >= uint64(count) {
					return
				}
				r := Run(first+i, Options{})
				lock.Lock()
				total.add(r)
				if r.Violation != nil {
					broken.Store(!*survey)
					if failed == nil || r.Seed < failed.Seed {
						failed = &r
					}
				}
				lock.Unlock()
			}
		})
	}
	wait.Wait()
	return total, failed
}

// TestDeterminism plays seeds twice: the cores must say the same.
func TestDeterminism(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		if a, b := Run(seed, Options{}), Run(seed, Options{}); a.Hash != b.Hash || a.Events != b.Events {
			t.Errorf("seed %d: %x after %d events, then %x after %d", seed, a.Hash, a.Events, b.Hash, b.Events)
		}
	}
}
