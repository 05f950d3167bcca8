package sim

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"lubdub/internal/cluster"
)

var (
	schedules = flag.Int("schedules", 300, "how many schedules to play")
	seed      = flag.Uint64("seed", 0, "play this seed only; 0: all from -first on")
	first     = flag.Uint64("first", 1, "the first seed")
	faults    = flag.String("faults", "", "play the night of this file instead of a seed")
	shrink    = flag.Bool("shrink", false, "cut a night that breaks a rule down to what it takes, and draw it")
	off       = flag.String("off", "", "rules that do not count, with commas between")
	tail      = flag.Duration("tail", 6*time.Second, "how much of the time before a violation is printed")
	survey    = flag.Bool("survey", false, "do not end at the first violation: count them by rule")
)

// sample is which seeds are played twice: one in so many.
const sample = 50

// TestSchedules plays seeds and prints what they came to.
func TestSchedules(t *testing.T) {
	if *seed > 0 || *faults != "" {
		playOne(t)
		return
	}
	before := used(t)
	sum, failed := playAll(*first, *schedules)
	hours := (used(t) - before).Hours()
	years := sum.simulated.Hours() / (365.25 * 24)
	t.Logf("%d schedules, %d faults, %.4f simulated years, %d violations; per core-hour %.2f simulated years, %.1f million faults",
		sum.count, sum.faults, years, sum.violations(), years/hours, float64(sum.faults)/1e6/hours)
	t.Logf("%d steps, %d beats, %d moves; %d schedules were played twice and said the same", sum.steps, sum.beats, sum.moves, sum.twice)
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
		fail(t, draw(failed.Seed), *failed)
	}
}

// used is the time that this process has had of the cores.
func used(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func options() Options {
	return Options{Tail: *tail, Off: strings.Split(*off, ",")}
}

// playOne plays one seed, or the night of a file.
func playOne(t *testing.T) {
	n, name := draw(*seed), fmt.Sprintf("seed %d", *seed)
	if *faults != "" {
		n, name = readNight(t, *faults), *faults
	}
	opts := options()
	opts.Hash, opts.Trace = true, testing.Verbose()
	r := n.run(opts)
	t.Logf("%s: hash %016x, %d faults, %v simulated, %d steps, %d moves, outages %+v", name, r.Hash, r.Faults, r.Simulated, r.Steps, r.Moves, r.Outages)
	if err := n.same(opts); err != nil {
		t.Error(err)
	}
	fail(t, n, r)
}

func readNight(t *testing.T, file string) night {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n, err := parseNight(f)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return n
}

// fail prints a night that broke a rule, and what it takes to break it if -shrink is given.
func fail(t *testing.T, n night, r Report) {
	t.Helper()
	if r.Violation == nil {
		return
	}
	if *shrink {
		short := n.shrink(options(), maxPlays)
		opts := options()
		opts.Trace = true
		t.Errorf("%v\n%d faults of %d are enough:\n\n%s\n%s", r.Violation, len(short.strikes), len(n.strikes), short.text(), short.play(opts).picture(short))
		return
	}
	t.Errorf("%v\n%s\nreplay: go test ./internal/sim -run TestSchedules -seed=%d -v (or -shrink)",
		r.Violation, strings.Join(r.Violation.Transcript, "\n"), n.seed)
}

// sum adds reports up.
type sum struct {
	count, moves, twice  int
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

func (s *sum) violations() (count int) {
	for _, all := range s.broken {
		count += len(all)
	}
	return count
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
				r, twice := playSeed(first + i)
				lock.Lock()
				total.add(r)
				total.twice += twice
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

// playSeed plays a seed; one in so many is played twice, and must say the same.
func playSeed(seed uint64) (r Report, twice int) {
	r = Run(seed, options())
	if seed%sample != 0 || r.Violation != nil {
		return r, 0
	}
	if err := draw(seed).same(options()); err != nil {
		r.Violation = &Violation{Seed: seed, Rule: "determinism", Words: err.Error()}
	}
	return r, 1
}

// moody is a core that says something else each time it is played.
type moody struct {
	*cluster.Machine
	plays *int
}

func (m moody) Step(now cluster.Time, in cluster.Input) []cluster.Output {
	out := m.Machine.Step(now, in)
	for i := range out {
		if e, is := out[i].(cluster.Emit); is {
			e.Event.Words += fmt.Sprint(", life ", *m.plays)
			out[i] = e
		}
	}
	return out
}

// TestDeterminism: a core that is not the same twice is found, and where.
func TestDeterminism(t *testing.T) {
	plays := 0
	opts := Options{New: func(cfg cluster.Config, saved cluster.Saved, now cluster.Time) Core {
		plays++
		return moody{cluster.New(cfg, saved, now), &plays}
	}}
	n := draw(1)
	n.strikes = nil
	err := n.same(opts)
	if err == nil || !strings.Contains(err.Error(), ", life ") {
		t.Errorf("a core that says something else in its second night was not found: %v", err)
	}
	if err := n.same(Options{}); err != nil {
		t.Error(err)
	}
}

// TestProcesses: another process plays the same night, to the last word.
func TestProcesses(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for seed := uint64(3); seed < 6; seed++ {
		out, err := exec.Command(self, "-test.run=^TestSchedules$", "-test.v", fmt.Sprint("-seed=", seed)).CombinedOutput()
		if err != nil && errors.As(err, new(*exec.ExitError)) == false {
			t.Fatal(err)
		}
		want := fmt.Sprintf("%016x", draw(seed).run(Options{Hash: true}).Hash)
		if got := regexp.MustCompile(`hash ([0-9a-f]{16})`).FindSubmatch(out); got == nil || string(got[1]) != want {
			t.Errorf("seed %d: here %s, there %s", seed, want, got)
		}
	}
}
