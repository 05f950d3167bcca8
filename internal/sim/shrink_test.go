package sim

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lubdub/internal/cluster"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// deaf is a core that does not hear who answers or speaks for an address.
type deaf struct{ *cluster.Machine }

func (m deaf) Step(now cluster.Time, in cluster.Input) []cluster.Output {
	switch i := in.(type) {
	case cluster.Probed:
		i.MAC, i.Foreign = "", ""
		in = i
	case cluster.Sighted:
		in = nil
	}
	return m.Machine.Step(now, in)
}

// TestShrink gives a core that takes the address although it is answered for,
// and wants the night in which it is found cut down to what it takes.
func TestShrink(t *testing.T) {
	opts := Options{New: func(cfg cluster.Config, saved cluster.Saved, now cluster.Time) Core {
		return deaf{cluster.New(cfg, saved, now)}
	}}
	n := night{}
	for seed := uint64(1); n.seed == 0; seed++ {
		if seed > 300 {
			t.Fatal("a core that does not hear who answers was not found in 300 schedules")
		}
		plain := draw(seed)
		if s := plain.setup; s.Fencing || s.Watchdog > 0 || s.Pings > 0 {
			continue
		}
		if w := plain.play(opts); w.stop != nil && w.stop.Rule == "I1" {
			n = plain
		}
	}
	short := n.shrink(opts, 2*fewPlays)
	opts.Trace = true
	w := short.play(opts)
	if len(short.strikes) == 0 || len(short.strikes) > 3 || w.stop == nil || w.stop.Rule != "I1" {
		t.Errorf("%d faults of %d are left, want one to three that break I1: %v\n%s", len(short.strikes), len(n.strikes), w.stop, short.text())
	}
	golden(t, "testdata/shrunk.golden", short.text()+"\n"+w.picture(short))
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *rewrite {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s differs (-rewrite writes it anew):\n%s", file, d)
	}
}

// TestTraces plays the nights that once broke a rule, or break one in a mutant of
// the core: they break none.
func TestTraces(t *testing.T) {
	files, err := filepath.Glob("testdata/traces/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no traces: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			n := readNight(t, file)
			fail(t, n, n.run(options()))
		})
	}
}
