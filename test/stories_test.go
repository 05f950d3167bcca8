package test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	table  = flag.Bool("table", false, "write what the stories came to into docs/safety.md")
	starts = flag.Int("starts", 25, "how often a story that is told many times is told on real interfaces")
)

const (
	// simStarts is how often such a story is told in virtual time.
	simStarts = 100
	// tries is how often a story is told, if a busy machine spoils it. That two answered is never blamed on the machine.
	tries = 4
	// lanes is how many stories are told on real interfaces at a time. They wait most of their time.
	lanes = 3
)

// day is what a bad day came to in one world.
type day struct {
	served       string
	missed, both time.Duration
	told         int
	why          string // why it was not told
}

// add takes in one more telling; the worst of each counts.
func (d *day) add(w world) {
	d.missed, d.both = max(d.missed, w.Missed()), max(d.both, w.Both())
	if served := w.Served(); d.told == 0 {
		d.served = served
	} else if d.served != served {
		d.served = "a or b"
	}
	d.told++
}

func (d *day) String() string {
	return fmt.Sprintf("served by %s; nobody for %d ms, two for %d ms", d.served, d.missed.Milliseconds(), d.both.Milliseconds())
}

// days are what the stories came to, by world and story.
type days struct {
	mu  sync.Mutex
	all map[string]*day
}

func (d *days) set(key string, one *day) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all[key] = one
}

// tellAgain tells a story so often in a world, and notes what it came to.
func (s *story) tellAgain(t *testing.T, w world, times int) *day {
	t.Helper()
	d := &day{}
	for i := range times {
		if i > 0 {
			w.Again()
		}
		for try := 1; ; try++ {
			s.mark = 0
			err := s.tell(t, w)
			if err == nil {
				break
			}
			spoiled := w.Spoiled()
			if spoiled == "" || try == tries {
				t.Fatalf("%v%s", err, spoiled)
			}
			t.Logf("told once more, for %s:\n%v", spoiled, err)
			w.Anew()
		}
		d.add(w)
	}
	t.Log(d)
	return d
}

// TestStories tells every story twice: in virtual time, and on real interfaces.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("stories/*.txt")
	must(t, err)
	if len(files) == 0 {
		t.Fatal("there are no stories")
	}
	d := &days{all: map[string]*day{}}
	var all []*story
	for _, file := range files {
		s, err := readStory(file)
		must(t, err)
		all = append(all, s)
	}
	t.Run("sim", func(t *testing.T) {
		for _, s := range all {
			t.Run(s.name(), func(t *testing.T) {
				d.set("sim/"+s.name(), s.tellAgain(t, newSimWorld(s.settings), s.times(simStarts)))
			})
		}
	})
	t.Run("lab", func(t *testing.T) { tellLab(t, all, d) })
	if *table && !t.Failed() {
		must(t, writeTable("../docs/safety.md", all, d.all))
	}
}

// times is how often a story is told.
func (s *story) times(often int) int {
	if s.repeat {
		return often
	}
	return 1
}

// tellLab tells all stories on real interfaces, some at a time, each lane on hosts of its own names.
func tellLab(t *testing.T, all []*story, d *days) {
	queue := make(chan *story, len(all))
	for _, s := range all {
		queue <- s
	}
	close(queue)
	var done sync.WaitGroup
	for lane := range lanes {
		done.Go(func() {
			for s := range queue {
				t.Run(s.name(), func(t *testing.T) {
					slow(t)
					if s.onlySim {
						const why = "one real machine has one wall clock, which is not ours to set"
						d.set("lab/"+s.name(), &day{why: why})
						t.Skip(why)
					}
					d.set("lab/"+s.name(), s.tellAgain(t, newLabWorld(t, s.settings, fmt.Sprintf("-%d", lane)), s.times(*starts)))
				})
			}
		})
	}
	done.Wait()
}

const (
	tableBegins = "<!-- days: written by go test ./test -run TestStories -table -->"
	tableEnds   = "<!-- end of days -->"
)

// writeTable puts what the stories came to between the marks of a page.
func writeTable(page string, all []*story, days map[string]*day) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), tableBegins)
	_, after, ends := strings.Cut(rest, tableEnds)
	if !ok || !ends {
		return fmt.Errorf("%s: the marks of the table are missing: %s and %s", page, tableBegins, tableEnds)
	}
	var b strings.Builder
	b.WriteString("\n| the day | served | nobody | two | story |\n| --- | --- | --- | --- | --- |\n")
	for _, s := range all {
		sim, lab := days["sim/"+s.name()], days["lab/"+s.name()]
		if sim == nil || lab == nil {
			return fmt.Errorf("the table needs all stories in both worlds: %s is missing", s.name())
		}
		fmt.Fprintf(&b, "| %s | %s |\n", s.title, columns(s.name(), sim, lab))
	}
	return os.WriteFile(page, []byte(before+tableBegins+"\n"+b.String()+"\n"+tableEnds+after), 0o644)
}

// columns are a day in both worlds: simulated, then real. Of who served what is equal stands there once.
func columns(name string, sim, lab *day) string {
	numbers := func(of func(*day) int64) string {
		real := "–"
		if lab.told > 0 {
			real = fmt.Sprint(of(lab))
		}
		return fmt.Sprintf("%d / %s", of(sim), real)
	}
	served := sim.served
	if lab.told > 0 && lab.served != served {
		served += " / " + lab.served
	}
	if sim.told > 1 {
		served += " (" + numbers(func(d *day) int64 { return int64(d.told) }) + " times)"
	}
	missed := numbers(func(d *day) int64 { return d.missed.Milliseconds() })
	both := numbers(func(d *day) int64 { return d.both.Milliseconds() })
	return fmt.Sprintf("%s | %s | %s | `%s`", served, missed, both, name)
}

// TestTable writes the table into a page of its own.
func TestTable(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page")
	must(t, os.WriteFile(page, []byte("before\n"+tableBegins+"\nold\n"+tableEnds+"\nafter\n"), 0o600))
	all := []*story{{title: "The owner dies.", file: "dies.txt"}, {title: "The clock jumps.", file: "clock.txt"}}
	days := map[string]*day{
		"sim/dies":  {served: "a, b", missed: 1752 * time.Millisecond, told: 1},
		"lab/dies":  {served: "a, b", missed: 2 * time.Second, both: 10 * time.Millisecond, told: 1},
		"sim/clock": {served: "a", told: 100}, "lab/clock": {why: "one clock"},
	}
	must(t, writeTable(page, all, days))
	text, err := os.ReadFile(page)
	must(t, err)
	want := "before\n" + tableBegins + `

| the day | served | nobody | two | story |
| --- | --- | --- | --- | --- |
| The owner dies. | a, b | 1752 / 2000 | 0 / 10 | ` + "`dies`" + ` |
| The clock jumps. | a (100 / – times) | 0 / – | 0 / – | ` + "`clock`" + ` |

` + tableEnds + "\nafter\n"
	if string(text) != want {
		t.Errorf("got:\n%s\nwant:\n%s", text, want)
	}
	delete(days, "lab/dies")
	if err := writeTable(page, all, days); err == nil {
		t.Error("a table without one of the stories was written")
	}
}
