package test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"lubdub/internal/cluster"
	"lubdub/internal/lab"
	"lubdub/internal/sim"

	"golang.org/x/sys/unix"
)

// simWorld is package sim's world.
type simWorld struct{ *sim.World }

func newSimWorld(s settings) simWorld {
	setup := sim.Tutorial()
	setup.Links, setup.Failback = s.links, s.failback
	setup.Groups[0].Resources = setup.Groups[0].Resources[:1] // the address alone
	return simWorld{sim.New(1, setup, sim.Options{})}
}

func (w simWorld) Kill(node string)        { w.World.Kill(node, -1) }
func (w simWorld) Missed() time.Duration   { return w.World.Missed().Total }
func (w simWorld) Says(node string) string { return said(w.Status(node)) }

func (w simWorld) Sound() error {
	if v := w.Violation(); v != nil {
		return v
	}
	return nil
}

// said is a status as one text.
func said(status any) string {
	text, err := json.Marshal(status)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// labWorld is two real hosts. Its judge is the prober.
type labWorld struct {
	*pair
	t     *testing.T
	split bool
}

// blink is the longest time without an answer that the prober's own pace and a busy machine explain.
const blink = 200 * time.Millisecond

func newLabWorld(t *testing.T, s settings) *labWorld {
	t.Helper()
	set := setup{times: "keepalive 250ms\ndeadtime 2\nwarntime 1\ninitdead 4\n"}
	if s.links == 1 {
		set.links = cableLink
	}
	if s.failback {
		set.failback = "on"
	}
	w := &labWorld{pair: newPair(t, set), t: t, split: s.split}
	for _, node := range []string{one, two} {
		must(t, w.Host(node).PowerOff())
	}
	return w
}

// host is the host of a node of the story.
func host(node string) string { return map[string]string{"a": one, "b": two}[node] }

// inWords replaces the story's names of nodes.
func inWords(what string) []string {
	words := strings.Fields(what)
	for i, w := range words {
		if h := host(w); h != "" {
			words[i] = h
		}
	}
	return words
}

func (w *labWorld) Boot(node string) {
	w.on(host(node))
	w.start(host(node))
}

func (w *labWorld) Crash(node string) { w.off(host(node)) }
func (w *labWorld) Kill(node string)  { w.daemon(host(node)).Kill() }
func (w *labWorld) Start(node string) { w.start(host(node)) }

func (w *labWorld) Freeze(node string, d time.Duration) {
	p := w.daemon(host(node))
	must(w.t, p.Signal(unix.SIGSTOP))
	thaw := time.AfterFunc(d, func() { _ = p.Signal(unix.SIGCONT) }) // it may have been killed meanwhile
	w.t.Cleanup(func() { thaw.Stop() })
}

func (w *labWorld) Strip(node, _ string) { w.run(host(node), "ip addr del "+shared+"/24 dev eth0") }

func (w *labWorld) Order(node string, c cluster.Command) {
	switch c.Verb {
	case cluster.Leave:
		w.stop(host(node))
	case cluster.Move:
		w.order(host(node), "move "+c.Group+" "+host(c.Node))
	default:
		w.order(host(node), string(c.Verb))
	}
}

func (w *labWorld) Cut(what string)  { w.wire(inWords(what), w.Lab.Cut, w.Unplug) }
func (w *labWorld) Heal(what string) { w.wire(inWords(what), w.Lab.Heal, w.Plug) }

// wire cuts or heals.
func (w *labWorld) wire(words []string, fault func(lab.Fault) error, plug func(network, host string) error) {
	beats := lab.Fault{Network: front, Only: "udp dport 694"}
	crossover := lab.Fault{Network: cable}
	switch {
	case words[0] == "links":
		must(w.t, fault(crossover))
		must(w.t, fault(beats))
	case words[0] == "crossover" && len(words) == 1:
		must(w.t, fault(crossover))
	case len(words) == 2: // front between
		must(w.t, fault(lab.Fault{Network: front, From: one, To: two}))
		must(w.t, fault(lab.Fault{Network: front, From: two, To: one}))
	default:
		network := map[string]string{"crossover": cable, "front": front}[words[0]]
		switch words[2] {
		case "out":
			must(w.t, fault(lab.Fault{Network: network, From: words[1]}))
		case "in":
			must(w.t, fault(lab.Fault{Network: network, To: words[1]}))
		case "carrier":
			must(w.t, plug(network, words[1]))
		}
	}
}

func (w *labWorld) Pass(d time.Duration) { time.Sleep(d) }

// Answers says who has answered within the last moment.
func (w *labWorld) Answers(string) string {
	seen := map[string]bool{}
	now := lab.Now()
	for _, a := range w.prober.Answers(now-blink/2, now) {
		if !a.Announced {
			seen[a.MAC] = true
		}
	}
	var names []string
	for _, node := range []string{"a", "b"} {
		if seen[w.mac(host(node))] {
			names = append(names, node)
		}
	}
	return strings.Join(names, " ")
}

func (w *labWorld) Until(nodes, group string, limit time.Duration) (time.Duration, bool) {
	began := lab.Now()
	for lab.Now()-began < limit+busy {
		if w.Answers(group) == nodes {
			return round(lab.Now() - began), true
		}
		time.Sleep(probePace)
	}
	return round(lab.Now() - began), false
}

func (w *labWorld) Moves(string) int { return w.moves(0) }

func (w *labWorld) Missed() time.Duration {
	var missed, last time.Duration
	for _, a := range w.prober.Answers(0, lab.Now()) {
		if a.Announced {
			continue
		}
		if last != 0 && a.At-last > blink {
			missed += a.At - last
		}
		last = a.At
	}
	return missed
}

func (w *labWorld) Says(node string) string {
	s, err := w.ask(host(node))
	if err != nil {
		return err.Error()
	}
	return said(s)
}

func (w *labWorld) Sound() error {
	if both := w.prober.Overlaps(0, lab.Now()); len(both) > 0 && !w.split {
		return fmt.Errorf("two answered: %v", both)
	}
	return nil
}
