package sim

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

var (
	mutants = flag.Bool("mutants", false, "play each mutant of testdata/mutants until it is caught")
	only    = flag.String("mutant", "", "with -mutants: those alone whose name begins with this")
	hunt    = flag.Int("hunt", 0, "play so many schedules, or until a rule is broken, and tell what it took")
	alone   = flag.Bool("alone", false, "with -hunt and -mutants: what would catch it if that rule did not count?")
	keep    = flag.String("keep", "", "with -hunt: write the shortest night into this file")
)

const (
	// mutantBudget is within how many schedules a mutant must be caught, when
	// its patch has no line "budget N".
	mutantBudget = 1000
	// aloneBudget is how many schedules are played with the rule off that caught
	// it: a rule that is needed has a mutant that no other one catches in these.
	aloneBudget = 250
	// mutantsAtOnce leaves the machine to others.
	mutantsAtOnce = 2
)

// catch is what it took to catch a mutant.
type catch struct {
	Name      string
	Rule      string // the first that was broken; empty: none
	Seed      uint64
	Trace     string // the night of testdata/traces that caught it; empty: a drawn one
	Schedules int
	Left      int    // faults of the night that are needed for it
	Other     string // the first rule that is broken when that one does not count; empty: none
	After     int    // schedules until then
	Only      string // the patch says that no other rule catches it
}

// TestHunt is what a mutant's own test program runs: play, shrink, and play on
// without the rule that was broken.
func TestHunt(t *testing.T) {
	if *hunt == 0 {
		t.Skip("for the mutants: -hunt=N")
	}
	opts := options()
	var c catch
	n, rule := playTraces(t, opts, &c)
	if rule == "" {
		n, rule = search(*first, *hunt, opts, &c.Schedules)
	}
	if c.Rule = rule; rule != "" {
		short := n.shrink(opts, fewPlays)
		c.Seed, c.Left = n.seed, len(short.strikes)
		if *keep != "" {
			text := fmt.Sprintf("# breaks %s\n%s", rule, short.text())
			if err := os.WriteFile(*keep, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if *alone {
			opts.Off = append(opts.Off, rule)
			_, c.Other = search(*first, aloneBudget, opts, &c.After)
		}
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("catch %s\n", text)
}

// playTraces plays the nights that are kept: what took long to find once is
// found at once from then on.
func playTraces(t *testing.T, opts Options, c *catch) (night, string) {
	files, err := filepath.Glob("testdata/traces/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		c.Schedules++
		n := readNight(t, file)
		if w := n.play(opts); w.stop != nil {
			c.Trace = strings.TrimSuffix(filepath.Base(file), ".txt")
			return n, w.stop.Rule
		}
	}
	return night{}, ""
}

// search plays seeds until a rule is broken, one after the other.
func search(first uint64, count int, opts Options, played *int) (night, string) {
	for i := range uint64(count) {
		*played++
		n := draw(first + i)
		if w := n.play(opts); w.stop != nil {
			return n, w.stop.Rule
		}
	}
	return night{}, ""
}

// TestMutants shows that the judge bites: each patch leaves one rule out, and
// must be caught within its budget.
func TestMutants(t *testing.T) {
	if !*mutants {
		t.Skip("takes a minute: -mutants")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	patches, err := filepath.Glob("../cluster/testdata/mutants/" + *only + "*.patch")
	if err != nil || len(patches) == 0 {
		t.Fatalf("no patches: %v", err)
	}
	caught := make([]catch, len(patches))
	free := make(chan bool, mutantsAtOnce)
	var wait sync.WaitGroup
	for i, p := range patches {
		wait.Go(func() {
			free <- true
			defer func() { <-free }()
			c, err := playMutant(root, p, t.TempDir())
			c.Name = strings.TrimSuffix(filepath.Base(p), ".patch")
			caught[i] = c
			t.Log(strings.TrimSpace(c.line()))
			switch {
			case err != nil:
				t.Errorf("%s: %v", c.Name, err)
			case c.Rule == "":
				t.Errorf("%s: not caught in %d schedules", c.Name, c.Schedules)
			case c.Only != "" && (c.Rule != c.Only || c.Other != ""):
				t.Errorf("%s: only %s should catch it; it was %s, and without that %q", c.Name, c.Only, c.Rule, c.Other)
			}
		})
	}
	wait.Wait()
	t.Logf("%s\n%s\n%d mutants killed of %d", mutantTable(caught), ruleTable(caught),
		len(slices.DeleteFunc(slices.Clone(caught), func(c catch) bool { return c.Rule == "" })), len(caught))
}

// mutantTable has a line for each mutant.
func mutantTable(all []catch) string {
	var s strings.Builder
	fmt.Fprintf(&s, "\n%-28s %-14s %6s %10s %7s  %s\n", "mutant", "caught by", "seed", "schedules", "faults", "without that rule")
	for _, c := range all {
		s.WriteString(c.line())
	}
	return s.String()
}

// line is the mutant's line of the table.
func (c catch) line() string {
	other := ""
	switch {
	case c.Rule == "":
		return fmt.Sprintf("%-28s ALIVE after %d schedules\n", c.Name, c.Schedules)
	case c.Other != "":
		other = fmt.Sprintf("%s in %d", c.Other, c.After)
	case c.After > 0:
		other = fmt.Sprintf("nothing in %d", c.After)
	}
	if c.Trace != "" {
		other = strings.TrimSpace("trace " + c.Trace + "  " + other)
	}
	return fmt.Sprintf("%-28s %-14s %6d %10d %7d  %s\n", c.Name, c.Rule, c.Seed, c.Schedules, c.Left, other)
}

// ruleTable has a line for each rule of the judge that caught a mutant: all of
// them, and those that no other rule catches.
func ruleTable(all []catch) string {
	first, alone := map[string][]string{}, map[string][]string{}
	var rules []string
	for _, c := range all {
		if c.Rule == "" {
			continue
		}
		if first[c.Rule] == nil {
			rules = append(rules, c.Rule)
		}
		first[c.Rule] = append(first[c.Rule], c.Name)
		if c.Other == "" && c.After > 0 {
			alone[c.Rule] = append(alone[c.Rule], c.Name)
		}
	}
	slices.Sort(rules)
	var s strings.Builder
	fmt.Fprintf(&s, "%-14s %7s  %s\n", "invariant", "catches", "mutants that nothing else catches")
	for _, r := range rules {
		fmt.Fprintf(&s, "%-14s %7d  %s\n", r, len(first[r]), strings.Join(alone[r], ", "))
	}
	return s.String()
}

// playMutant builds the simulator around a patched copy of the source, and runs it.
func playMutant(root, patch, dir string) (c catch, err error) {
	text, err := os.ReadFile(patch)
	if err != nil {
		return c, err
	}
	overlay, err := mutate(root, text, dir)
	if err != nil {
		return c, fmt.Errorf("apply %s: %w", patch, err)
	}
	program := filepath.Join(dir, "mutant.test")
	build := exec.Command("go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-o", program, "-overlay="+overlay, "./internal/sim")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return c, fmt.Errorf("build: %w\n%s", err, out)
	}
	rule, budget := header(text)
	args := []string{"-test.run=^TestHunt$", fmt.Sprint("-hunt=", budget), "-off=" + *off, fmt.Sprint("-alone=", *alone || rule != "")}
	if *keep != "" {
		args = append(args, "-keep="+filepath.Join(*keep, strings.TrimSuffix(filepath.Base(patch), ".patch")+".txt"))
	}
	out, err := exec.Command(program, args...).CombinedOutput()
	told := regexp.MustCompile(`(?m)^catch (.*)$`).FindSubmatch(out)
	if told == nil {
		return c, fmt.Errorf("the mutant was not played: %v\n%s", err, out)
	}
	err = json.Unmarshal(told[1], &c)
	c.Only = rule
	return c, err
}

// header is what stands above a patch: "only RULE" when nothing else catches the
// mutant, and "budget N" when it takes more schedules than others.
func header(patch []byte) (only string, budget int) {
	above, _, _ := strings.Cut(string(patch), "\n--- a/")
	for _, line := range strings.Split(above, "\n") {
		if words := strings.Fields(line); len(words) == 2 {
			switch words[0] {
			case "only":
				only = words[1]
			case "budget":
				budget, _ = strconv.Atoi(words[1])
			}
		}
	}
	return only, cmp.Or(budget, mutantBudget)
}

// mutate applies a patch to copies of the files that it names, and returns an
// overlay that puts them in place of the originals.
func mutate(root string, patch []byte, dir string) (string, error) {
	replace := map[string]string{}
	for _, name := range regexp.MustCompile(`(?m)^\+\+\+ b/(\S+)`).FindAllSubmatch(patch, -1) {
		from, to := filepath.Join(root, string(name[1])), filepath.Join(dir, string(name[1]))
		source, err := os.ReadFile(from)
		if err != nil {
			return "", err
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(to, source, 0o644); err != nil {
			return "", err
		}
		replace[from] = to
	}
	cmd := exec.Command("patch", "-p1", "--no-backup-if-mismatch", "-d", dir)
	cmd.Stdin = bytes.NewReader(patch)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, list, 0o644)
}
