package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"lubdub/internal/cluster"
)

// world is where a story is told: two nodes a and b, of which a is preferred, with one group, web, that is an address.
type world interface {
	Boot(node string) // switches the machine on, and starts its daemon
	Crash(node string)
	Kill(node string) // kill -9 of its daemon
	Start(node string)
	Freeze(node string, d time.Duration)
	Strip(node, group string)
	Order(node string, c cluster.Command)
	// Cut and Heal take what package sim's do: "crossover", "links", "front between", "front a out", "crossover a carrier".
	Cut(what string)
	Heal(what string)
	Pass(d time.Duration)
	// Until waits until these nodes answer, "a", "b", "a b" or "": nobody.
	Until(nodes, group string, limit time.Duration) (time.Duration, bool)
	Answers(group string) string
	Moves(group string) int
	// Missed is how long nobody has answered, all in all, since the group was first served.
	Missed() time.Duration
	// Says is all that a node's daemon says of its state.
	Says(node string) string
	// Sound is why what happened may never happen.
	Sound() error
}

// settings are the words of a story's first line.
type settings struct {
	links    int
	failback bool
	split    bool // the story parts the nodes in a way that two nodes alone cannot tell from death
}

// story is a text and how far it was told.
type story struct {
	settings
	file  string
	lines []string
	mark  time.Duration // Missed, when it was last marked
}

// readStory reads a story. Its first command may be "cluster links=1 failback=on split=yes".
func readStory(file string) (*story, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	s := &story{settings: settings{links: 2}, file: file, lines: strings.Split(string(text), "\n")}
	for i, line := range s.lines {
		line, _, _ = strings.Cut(line, "#")
		if s.lines[i] = strings.TrimSpace(line); !strings.HasPrefix(s.lines[i], "cluster") {
			continue
		}
		for _, w := range strings.Fields(s.lines[i])[1:] {
			switch w {
			case "links=1":
				s.links = 1
			case "failback=on":
				s.failback = true
			case "split=yes":
				s.split = true
			default:
				return nil, fmt.Errorf("%s:%d: no such setting: %s", file, i+1, w)
			}
		}
		s.lines[i] = ""
	}
	return s, nil
}

// tell tells the story in a world.
func (s *story) tell(t *testing.T, w world) {
	t.Helper()
	for i, line := range s.lines {
		if line == "" {
			continue
		}
		did, err := s.do(w, strings.Fields(line))
		if err == nil {
			err = w.Sound()
		}
		if err != nil {
			t.Fatalf("%s:%d: %s: %v\na says: %s\nb says: %s", s.file, i+1, line, err, w.Says("a"), w.Says("b"))
		}
		if did != "" {
			t.Logf("%s: %s", line, did)
		}
	}
}

// do does one command and says what came of it.
func (s *story) do(w world, words []string) (string, error) {
	rest := strings.Join(words[1:], " ")
	if words[0] == "expect" {
		return s.expect(w, words[1:], rest)
	}
	one := map[string]func(string){
		"boot": w.Boot, "crash": w.Crash, "kill": w.Kill, "start": w.Start, "cut": w.Cut, "heal": w.Heal,
		"mark": func(string) { s.mark = w.Missed() },
	}[words[0]]
	switch {
	case one != nil:
		one(rest)
	case words[0] == "pass" && len(words) == 2:
		d, err := time.ParseDuration(rest)
		w.Pass(d)
		return "", err
	case words[0] == "freeze" && len(words) == 3:
		d, err := time.ParseDuration(words[2])
		w.Freeze(words[1], d)
		return "", err
	case words[0] == "strip" && len(words) == 3:
		w.Strip(words[1], words[2])
	case words[0] == "order" && len(words) >= 3:
		c := cluster.Command{Verb: cluster.Verb(words[2])}
		if len(words) == 5 {
			c.Group, c.Node = words[3], words[4]
		}
		w.Order(words[1], c)
	default:
		return "", fmt.Errorf("no such command")
	}
	return "", nil
}

// expect checks what should be, and waits for it where the story allows time.
func (s *story) expect(w world, words []string, rest string) (string, error) {
	group, tail, ok := strings.Cut(rest, " on ")
	switch {
	case words[0] == "moves" && len(words) == 2:
		want, err := strconv.Atoi(words[1])
		if got := w.Moves("web"); err == nil && got != want {
			err = fmt.Errorf("it moved %d times", got)
		}
		return "", err
	case strings.HasPrefix(rest, "missed at most "):
		limit, err := time.ParseDuration(words[3])
		missed := w.Missed() - s.mark
		if err == nil && missed > limit {
			err = fmt.Errorf("clients missed %v", missed)
		}
		return missed.String(), err
	case len(words) > 2 && words[1] == "says":
		want := strings.Join(words[2:], " ")
		if said := w.Says(words[0]); !strings.Contains(said, want) {
			return "", fmt.Errorf("it does not")
		}
		return "", nil
	case ok:
		return expectOwner(w, group, tail)
	}
	return "", fmt.Errorf("nothing is expected that way")
}

// expectOwner checks "NODES within TIME" and "NODES for TIME".
func expectOwner(w world, group, tail string) (string, error) {
	words := strings.Fields(tail)
	if len(words) < 3 {
		return "", fmt.Errorf("say: on NODE within TIME, or: on NODE for TIME")
	}
	limit, err := time.ParseDuration(words[len(words)-1])
	if err != nil {
		return "", err
	}
	nodes := strings.Join(words[:len(words)-2], " ")
	if words[len(words)-2] == "within" {
		took, ok := w.Until(nodes, group, limit)
		if !ok {
			return "", fmt.Errorf("after %v it is on %q", took, w.Answers(group))
		}
		return took.String(), nil
	}
	before := w.Moves(group)
	w.Pass(limit)
	if got := w.Answers(group); got != nodes {
		return "", fmt.Errorf("it is on %q", got)
	}
	if n := w.Moves(group) - before; n > 0 {
		return "", fmt.Errorf("it moved %d times meanwhile", n)
	}
	return "", nil
}

// TestStories tells every story twice: in virtual time, and on real interfaces.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("stories/*.txt")
	must(t, err)
	if len(files) == 0 {
		t.Fatal("there are no stories")
	}
	for _, file := range files {
		s, err := readStory(file)
		must(t, err)
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run("sim/"+name, func(t *testing.T) { s.tell(t, newSimWorld(s.settings)) })
	}
	for _, file := range files {
		s, err := readStory(file)
		must(t, err)
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run("lab/"+name, func(t *testing.T) {
			slow(t)
			w := newLabWorld(t, s.settings)
			s.tell(t, w)
		})
	}
}
