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
	Again()           // begins anew, with both machines off
	Anew()            // the same, wherever the story ended
	Boot(node string) // switches the machine on, and starts its daemon; "both" at the same instant
	Crash(node string)
	Kill(node string) // kill -9 of its daemon
	Start(node string)
	Freeze(node string, d time.Duration)
	Strip(node, group string)
	Wind(node string, by time.Duration) // sets its wall clock
	Fill(node string)                   // leaves no room on its disk
	Die(node string)                    // its service ends without a word
	// Fail makes the agent of its service fail at an action from now on, and Mend makes it work.
	Fail(node string, at cluster.Action)
	Mend(node string)
	Order(node string, c cluster.Command)
	// Cut and Heal take what package sim's do: "crossover", "links", "frontlink", "front between", "front a out",
	// "crossover a carrier", "stranger web", "gateway", "gateway a". "beats" are the links for a firewall that eats
	// heartbeats only.
	Cut(what string)
	Heal(what string)
	Pass(d time.Duration)
	// Until waits until these nodes answer a client, "a", "b", "a b", "one" or "": nobody.
	Until(nodes, group string, limit time.Duration) (time.Duration, bool)
	Answers(group string) string
	Moves(group string) int
	// Missed is how long nobody has answered, all in all, since the group was first served.
	Missed() time.Duration
	// Both is how long two have answered, all in all.
	Both() time.Duration
	// Served is who has answered, one after the other.
	Served() string
	// Says is all that a node's daemon says of its state.
	Says(node string) string
	// Told is all that a node's daemon has logged.
	Told(node string) string
	// Sound is why what happened may never happen.
	Sound() error
	// Spoiled says why the machine below this world could not do what the story wants; empty: it could.
	Spoiled() string
}

// settings are the words of a story's first line.
type settings struct {
	links, pings       int
	failback           bool
	keep, strict, take bool // policies
	split              bool // the story parts the nodes in a way that two nodes alone cannot tell from death
	service            bool // behind the address stands a resource "service"
	limit              int  // so many failures of it move the group; 0: the usual number
	stay, ignore       bool // what is done when it does not start
	smallDisk          bool // what the daemon saves has a disk of its own, which can be filled
	onlySim            bool // the story cannot be told on one real machine
	repeat             bool // the story is told many times
}

// word sets what a word says, and tells whether there is such a word.
func (s *settings) word(w string) bool {
	flags := map[string]*bool{
		"failback=on": &s.failback, "split=yes": &s.split, "isolated=keep": &s.keep, "coldstart=strict": &s.strict,
		"partition=take": &s.take, "service=yes": &s.service, "start=stay": &s.stay, "start=ignore": &s.ignore, "disk=small": &s.smallDisk, "only=sim": &s.onlySim, "repeat=yes": &s.repeat,
	}
	numbers := map[string]*int{"links": &s.links, "ping": &s.pings, "limit": &s.limit}
	if flag := flags[w]; flag != nil {
		*flag = true
		return true
	}
	name, value, _ := strings.Cut(w, "=")
	n, err := strconv.Atoi(value)
	if number := numbers[name]; number != nil && err == nil {
		*number = n
		return true
	}
	return false
}

// story is a text and how far it was told.
type story struct {
	settings
	file  string
	title string // its first line, a comment
	lines []string
	mark  time.Duration // Missed, when it was last marked
}

// name is what the story is called.
func (s *story) name() string { return strings.TrimSuffix(filepath.Base(s.file), ".txt") }

// readStory reads a story. Its first command may be "cluster links=1 ping=3 failback=on split=yes".
func readStory(file string) (*story, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	s := &story{settings: settings{links: 2}, file: file, lines: strings.Split(string(text), "\n")}
	s.title = strings.TrimPrefix(s.lines[0], "# ")
	for i, line := range s.lines {
		line, _, _ = strings.Cut(line, "#")
		if s.lines[i] = strings.TrimSpace(line); !strings.HasPrefix(s.lines[i], "cluster") {
			continue
		}
		for _, w := range strings.Fields(s.lines[i])[1:] {
			if !s.word(w) {
				return nil, fmt.Errorf("%s:%d: no such setting: %s", file, i+1, w)
			}
		}
		s.lines[i] = ""
	}
	return s, nil
}

// nodesOf are the nodes that a word names.
func nodesOf(word string) []string {
	if word == "both" {
		return []string{"a", "b"}
	}
	return []string{word}
}

// places are the parts that "all" and "beats" stand for; a way of a node may follow.
func places(what string) []string {
	head, rest, _ := strings.Cut(what, " ")
	node, way, _ := strings.Cut(rest, " ")
	switch {
	case head != "all":
		return []string{what}
	case way != "":
		return []string{"crossover " + rest, "front " + rest}
	}
	return []string{"crossover", "front " + node + " out", "front " + node + " in"}
}

// tell tells the story in a world. It ends the test when what may never happen has happened.
func (s *story) tell(t *testing.T, w world) error {
	t.Helper()
	for i, line := range s.lines {
		if line == "" {
			continue
		}
		did, err := s.do(w, strings.Fields(line))
		say := func(err error) error {
			return fmt.Errorf("%s:%d: %s: %w\na says: %s\nb says: %s", s.file, i+1, line, err, w.Says("a"), w.Says("b"))
		}
		if err := w.Sound(); err != nil {
			t.Fatal(say(err))
		}
		if err != nil {
			return say(err)
		}
		if did != "" {
			t.Logf("%s: %s", line, did)
		}
	}
	return nil
}

// do does one command and says what came of it.
func (s *story) do(w world, words []string) (string, error) {
	rest := strings.Join(words[1:], " ")
	if words[0] == "expect" {
		return s.expect(w, words[1:], rest)
	}
	one := map[string]func(string){
		"boot": w.Boot, "crash": w.Crash, "kill": w.Kill, "start": w.Start, "fill": w.Fill,
		"die": w.Die, "mend": w.Mend,
		"cut":  func(what string) { each(places(what), w.Cut) },
		"heal": func(what string) { each(places(what), w.Heal) },
		"mark": func(string) { s.mark = w.Missed() },
	}[words[0]]
	switch {
	case one != nil:
		one(rest)
	case words[0] == "pass" && len(words) == 2:
		d, err := time.ParseDuration(rest)
		w.Pass(d)
		return "", err
	case (words[0] == "freeze" || words[0] == "wind") && len(words) == 3:
		d, err := time.ParseDuration(words[2])
		map[string]func(string, time.Duration){"freeze": w.Freeze, "wind": w.Wind}[words[0]](words[1], d)
		return "", err
	case words[0] == "fail" && len(words) == 3:
		w.Fail(words[1], cluster.Action(words[2]))
	case words[0] == "strip" && len(words) == 3:
		w.Strip(words[1], words[2])
	case words[0] == "order" && len(words) >= 3:
		w.Order(words[1], ordered(words[2:]))
	default:
		return "", fmt.Errorf("no such command")
	}
	return "", nil
}

// serviceName is the resource behind the address, where a story has one.
const serviceName = "service"

// ordered is an order: "standby", "move web a", "restart service", "maintenance on".
func ordered(words []string) cluster.Command {
	c := cluster.Command{Verb: cluster.Verb(words[0])}
	switch {
	case c.Verb == cluster.Move && len(words) == 3:
		c.Group, c.Node = words[1], words[2]
	case c.Verb == cluster.Restart && len(words) == 2:
		c.Resource = words[1]
	case len(words) == 2:
		c.Verb = cluster.Verb(words[0] + " " + words[1])
	}
	return c
}

// each does something with each word.
func each(words []string, do func(string)) {
	for _, w := range words {
		do(w)
	}
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
	case len(words) > 2 && (words[1] == "says" || words[1] == "told"):
		said := map[string]func(string) string{"says": w.Says, "told": w.Told}[words[1]](words[0])
		if !strings.Contains(said, strings.Join(words[2:], " ")) {
			return "", fmt.Errorf("it does not")
		}
		return "", nil
	case ok:
		return expectOwner(w, group, tail)
	}
	return "", fmt.Errorf("nothing is expected that way")
}

// matches says that those who answer are those who are meant; "one" is any single one.
func matches(got, nodes string) bool {
	return got == nodes || nodes == "one" && len(got) == 1
}

// expectOwner checks "NODES within TIME" and "NODES for TIME", where NODES may be "nobody" or "one".
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
	if nodes == "nobody" {
		nodes = ""
	}
	if words[len(words)-2] == "within" {
		took, ok := w.Until(nodes, group, limit)
		if !ok {
			return "", fmt.Errorf("after %v it is on %q", took, w.Answers(group))
		}
		return took.String(), nil
	}
	before := w.Moves(group)
	w.Pass(limit)
	if got := w.Answers(group); !matches(got, nodes) {
		return "", fmt.Errorf("it is on %q", got)
	}
	if n := w.Moves(group) - before; n > 0 {
		return "", fmt.Errorf("it moved %d times meanwhile", n)
	}
	return "", nil
}
