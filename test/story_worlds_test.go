package test

import (
	"encoding/json"
	"strings"
	"time"

	"lubdub/internal/cluster"
	"lubdub/internal/sim"
)

// simWorld is package sim's world, and what a client in it has seen.
type simWorld struct {
	*sim.World
	setup sim.Setup
	seed  uint64
	trail
	missed, both time.Duration
}

// glance is how often the client of the simulated world looks.
const glance = time.Millisecond

func newSimWorld(s settings) *simWorld {
	setup := sim.Tutorial()
	setup.Links, setup.Failback, setup.Pings = s.links, s.failback, s.pings
	setup.Keep, setup.Strict, setup.Take = s.keep, s.strict, s.take
	setup.Limit, setup.Stay, setup.Ignore = s.limit, s.stay, s.ignore
	setup.Groups[0].Resources = setup.Groups[0].Resources[:1] // the address alone
	if s.service {
		setup.Groups[0].Resources = append(setup.Groups[0].Resources, sim.Service(serviceName, interval))
	}
	w := &simWorld{setup: setup}
	w.Again()
	return w
}

// Again begins a new world, with the next seed.
func (w *simWorld) Again() {
	w.seed++
	w.World = sim.New(w.seed, w.setup, sim.Options{Trace: true})
	w.trail, w.missed, w.both = nil, 0, 0
}

func (w *simWorld) Boot(node string) {
	for _, n := range nodesOf(node) {
		w.World.Boot(n)
	}
}

func (w *simWorld) Die(node string)                     { w.World.Die(node, "web", serviceName) }
func (w *simWorld) Fail(node string, at cluster.Action) { w.World.Ail(node, "web", serviceName, at) }
func (w *simWorld) Mend(node string)                    { w.World.Mend(node, "web", serviceName) }

func (w *simWorld) Kill(node string)        { w.World.Kill(node, -1) }
func (w *simWorld) Says(node string) string { return said(w.Status(node)) }

// Told is what its core has reported.
func (w *simWorld) Told(node string) string {
	var lines []string
	for _, line := range w.Transcript(w.Now()) {
		if strings.Contains(line, " "+node+" > event ") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// Cut and Heal know no firewall: the links of this world carry nothing but heartbeats.
func (w *simWorld) Cut(what string)  { w.World.Cut(strings.Replace(what, "beats", "links", 1)) }
func (w *simWorld) Heal(what string) { w.World.Heal(strings.Replace(what, "beats", "links", 1)) }

// Answers says who answers a client.
func (w *simWorld) Answers(group string) string { return w.Seen(group) }

func (w *simWorld) Missed() time.Duration { return w.missed }
func (w *simWorld) Both() time.Duration   { return w.both }
func (w *simWorld) Moves(string) int      { return w.moves() }

func (w *simWorld) Pass(d time.Duration) {
	for ; d > 0; d -= glance {
		w.step(min(d, glance))
	}
}

func (w *simWorld) step(d time.Duration) {
	w.World.Pass(d)
	switch now := w.Seen("web"); {
	case now != "":
		w.note(now)
		if now == "a b" {
			w.both += d
		}
	case len(w.trail) > 0:
		w.missed += d
	}
}

func (w *simWorld) Until(nodes, group string, limit time.Duration) (time.Duration, bool) {
	began := w.Now()
	for !matches(w.Answers(group), nodes) && w.Now()-began < limit && w.Violation() == nil {
		w.step(glance)
	}
	return w.Now() - began, matches(w.Answers(group), nodes)
}

func (w *simWorld) Anew()           { w.Again() }
func (w *simWorld) Spoiled() string { return "" }

func (w *simWorld) Sound() error {
	if v := w.Violation(); v != nil {
		return v
	}
	return nil
}

// trail is who has answered, one after the other: "a", "a b", "b".
type trail []string

func (t *trail) note(now string) {
	if n := len(*t); n == 0 || (*t)[n-1] != now {
		*t = append(*t, now)
	}
}

// moves is how often a node began to answer that had not answered just before.
func (t trail) moves() int {
	n := 0
	for i := 1; i < len(t); i++ {
		for _, node := range strings.Fields(t[i]) {
			if !strings.Contains(t[i-1], node) {
				n++
			}
		}
	}
	return n
}

// Served is the trail in words.
func (t trail) Served() string {
	var words []string
	for _, now := range t {
		words = append(words, strings.ReplaceAll(now, " ", " and "))
	}
	return strings.Join(words, ", ")
}

// said is a status as one text.
func said(status any) string {
	text, err := json.Marshal(status)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
