package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"lubdub/internal/cluster"
)

// Boot switches a machine on and starts its daemon a moment later.
func (w *World) Boot(node string) {
	n := w.node(node)
	n.boot()
	w.after(100*time.Millisecond, n.start)
}

// Crash takes a machine's power away.
func (w *World) Crash(node string) { w.node(node).crash() }

// Kill is kill -9 of a daemon; its supervisor starts it again after a while; negative: never.
func (w *World) Kill(node string, back time.Duration) {
	n := w.node(node)
	n.kill()
	if back >= 0 {
		w.after(back, n.start)
	}
}

// Start starts a daemon that does not run.
func (w *World) Start(node string) { w.node(node).start() }

// Freeze stops a daemon, as SIGSTOP does, for a while.
func (w *World) Freeze(node string, d time.Duration) {
	n := w.node(node)
	n.freeze()
	life := n.lives
	w.after(d, func() {
		if n.lives == life {
			n.thaw()
		}
	})
}

// Strip removes the shared addresses of a group, as another program would.
func (w *World) Strip(node, group string) {
	g, n := w.groupIndex(group), w.node(node)
	w.note("%s: the addresses of %s are removed", node, group)
	for r, res := range w.setup.Groups[g].Resources {
		if isAddress(res) && n.runs[g][r] {
			n.strip(g, r)
		}
	}
}

// Die ends a resource without a word.
func (w *World) Die(node, group, resource string) {
	g := w.groupIndex(group)
	w.note("%s: %s dies", node, resource)
	w.node(node).die(g, w.resourceIndex(g, resource))
}

// Ail makes the agent of a resource fail at one action, and Mend makes it work again.
func (w *World) Ail(node, group, resource string, at cluster.Action) {
	g := w.groupIndex(group)
	w.note("%s: the agent of %s fails: %s", node, resource, at)
	m := map[cluster.Action]mood{cluster.Start: failsStart, cluster.Stop: failsStop, cluster.Monitor: failsMonitor}[at]
	w.node(node).moods[g][w.resourceIndex(g, resource)] = m
}

// Mend makes the agent of a resource work.
func (w *World) Mend(node, group, resource string) {
	g := w.groupIndex(group)
	w.note("%s: the agent of %s works", node, resource)
	w.node(node).moods[g][w.resourceIndex(g, resource)] = sane
}

// Order is an operator's command to a running daemon.
func (w *World) Order(node string, c cluster.Command) { w.command(w.node(node), c) }

// Cut breaks a part of the network, and Heal mends it. It is "crossover" or
// "front" or "links" (both), alone, or followed by a node and "out", "in" or
// "carrier": what the node sends, what it should receive, or its cable.
// "frontlink" are the heartbeats on the front. "front between" parts the nodes and leaves them their other neighbours;
// "stranger GROUP" is another station that has the group's address. A ping
// node ("gateway", "switch" or "dns") answers nobody, or a node that follows.
func (w *World) Cut(what string) { w.wire(what, 1) }

// Heal mends what Cut broke, by the same words.
func (w *World) Heal(what string) { w.wire(what, -1) }

func (w *World) wire(what string, by int) {
	w.note("%s: %s", map[int]string{1: "cut", -1: "heal"}[by], what)
	words := strings.Fields(what)
	w.change(func() {
		switch words[0] {
		case "crossover":
			w.wireLink(w.links[0], words[1:], by)
		case "links":
			for _, l := range w.links {
				w.wireLink(l, words[1:], by)
			}
		case "frontlink":
			w.wireLink(w.links[1], words[1:], by)
		case "front":
			w.wireFront(words[1:], by)
		case "stranger":
			w.front.stranger = -1
			if by > 0 {
				w.front.stranger = w.groupIndex(words[1])
				w.strangerSays(words[1])
			}
		default:
			w.wireStation(words, by)
		}
	})
	w.carrierChanged()
}

func (w *World) wireLink(l *link, words []string, by int) {
	if len(words) == 0 {
		l.way[0].cuts += by
		l.way[1].cuts += by
		return
	}
	from := w.node(words[0]).id
	switch words[1] {
	case "out":
		l.way[from].cuts += by
	case "in":
		l.way[1-from].cuts += by
	case "carrier":
		l.dead += by
	}
}

func (w *World) wireFront(words []string, by int) {
	f := &w.front
	if len(words) == 0 {
		words = []string{"between"}
	}
	if words[0] == "between" {
		f.pair[0] += by
		f.pair[1] += by
		return
	}
	p := &f.ports[w.node(words[0]).id]
	switch words[1] {
	case "out":
		p.out += by
	case "in":
		p.in += by
	case "carrier":
		p.dead += by
	}
}

// strangerSays is the stranger's first announcement.
func (w *World) strangerSays(group string) {
	for _, n := range w.nodes {
		n.frameAfter(w.transit(), func() {
			if n.daemon != nil && w.front.receives(n.id) {
				w.front.frame(w, n.id)
				n.daemon.post(cluster.Sighted{Group: group, MAC: "mac-stranger"})
			}
		})
	}
}

func (w *World) wireStation(words []string, by int) {
	k := slices.Index(pingNames(), words[0])
	switch {
	case k < 0 || k >= len(w.front.stations):
		panic(fmt.Sprintf("sim: nothing is called %q", words[0]))
	case len(words) > 1:
		w.front.station(k).deaf[w.node(words[1]).id] += by
	default:
		w.front.station(k).silent += by
		if k == 0 { // the gateway says nothing else either
			w.front.mumbles += by
		}
	}
}

// Wind sets the wall clock of a node by so much.
func (w *World) Wind(node string, by time.Duration) {
	w.note("the wall clock of %s is set by %v", node, by)
	w.node(node).wall += by
}

// Fill leaves no room on the disk of a node.
func (w *World) Fill(node string) {
	w.note("the disk of %s is full", node)
	w.node(node).disk.full = true
}

// When does something when a node's daemon comes to a place for the n-th time
// from now, just before it acts: send, entitle, run, probe, announce, save,
// ticket, clock, write, ack, probed, one probe.
func (w *World) When(node, place string, n int, do func()) {
	for p, name := range pointNames {
		if name == place {
			w.when(w.node(node), point(p), n, do)
			return
		}
	}
	panic(fmt.Sprintf("sim: no place is called %q", place))
}

// Answers says which nodes' kernels answer for a group: "", "a", "b" or "a b".
func (w *World) Answers(group string) string {
	var names []string
	for _, n := range w.nodes {
		if n.answering(w.groupIndex(group)) {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, " ")
}

// Seen says which of them a client gets an answer from.
func (w *World) Seen(group string) string {
	var names []string
	for _, n := range w.nodes {
		if n.answering(w.groupIndex(group)) && w.front.reaches(n.id) {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, " ")
}

// Until lets time pass until a node alone answers for a group, for at most so
// long. It says how long that took, and whether it came to that.
func (w *World) Until(node, group string, limit time.Duration) (time.Duration, bool) {
	began := w.now
	for w.now-began < limit && w.stop == nil {
		if w.Answers(group) == node {
			return w.now - began, true
		}
		w.Pass(time.Millisecond)
	}
	return w.now - began, false
}

// Missed is what clients of the groups have missed so far. An outage that
// lasts is counted up to now.
func (w *World) Missed() Outages {
	o := w.judge.outages
	for g := range w.judge.groups {
		if l := &w.judge.groups[g]; l.outage >= 0 {
			o.add(w.now - l.outage)
		}
	}
	return o
}

// Moves is how often another node began to answer for a group.
func (w *World) Moves(group string) int { return w.judge.groups[w.groupIndex(group)].moves }

// Status is what a node's core says; zero when no daemon runs there.
func (w *World) Status(node string) cluster.Status {
	if d := w.node(node).daemon; d != nil {
		return d.core.Status()
	}
	return cluster.Status{}
}

// Transcript is what happened in the newest part of the story, with all its faults.
func (w *World) Transcript(tail time.Duration) []string { return w.log.tell(tail) }

func (w *World) node(name string) *node {
	for _, n := range w.nodes {
		if n.name == name {
			return n
		}
	}
	panic(fmt.Sprintf("sim: no node is called %q", name))
}
