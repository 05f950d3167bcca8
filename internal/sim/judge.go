package sim

import (
	"time"

	"lubdub/internal/cluster"
)

// verdict is what the outcomes have told a core about a resource.
type verdict uint8

const (
	unsaid verdict = iota
	saidRunning
	saidStopped
	saidFailed
)

// judge holds the rules against the world. It knows the truth, and what each
// core was told; it asks no core.
type judge struct {
	w        *World
	peaceful bool // no fault but agents that fail: what may run once runs once
	perjured bool // a fence device or the operator said of a living node that it is off
	nodes    [2]record
	split    split
	groups   []ledger
	upset    time.Duration // the last fault, or operator's command
	outages  Outages
}

// record is what the judge remembers of a node.
type record struct {
	answers  []bool
	silent   []promise
	granted  []uint64        // the newest Entitle of this life, by group
	state    []cluster.State // what its newest beat said
	voiced   []time.Duration
	known    [][]verdict
	adopted  bool // this life may have found something running
	actions  uint64
	second   time.Duration // beats are counted by the second
	beats    int
	commands map[uint64]cluster.Verb
	warrant  warrant
	told     []uint64      // by group: the highest epoch that it knows of
	unarmed  time.Duration // since when it serves without a watchdog; never: it does not
	epoch    []uint64      // by group: what it last served with
	cared    []bool        // by group: it says that it leaves it alone
	version  []uint64      // by group: the newest word about that which it knows
	firm     []string      // by group: the rule by which what it is told is no reason to give it up
}

// promise is a beat that said quiet, stopped or left (rule K3).
type promise struct {
	given bool
	life  int
	seq   uint64 // of the newest Entitle before it
}

// ledger is what the judge remembers of a group.
type ledger struct {
	server   int // who answered last; negative: nobody yet
	moves    int
	overlap  time.Duration // since when two answer; negative: not
	outage   time.Duration // since when nobody serves; negative: it is served
	ever     bool          // it was served once
	operator bool          // an operator moved it
}

func (j *judge) open(w *World) {
	j.w = w
	j.groups = make([]ledger, len(w.setup.Groups))
	for g := range j.groups {
		j.groups[g] = ledger{server: -1, overlap: -1, outage: -1}
	}
	for i := range j.nodes {
		r := &j.nodes[i]
		n := len(w.setup.Groups)
		r.answers, r.voiced = make([]bool, n), make([]time.Duration, n)
		r.silent, r.granted, r.state = make([]promise, n), make([]uint64, n), make([]cluster.State, n)
		r.known = make([][]verdict, n)
		for g := range w.setup.Groups {
			r.known[g] = make([]verdict, len(w.setup.Groups[g].Resources))
		}
		r.commands = map[uint64]cluster.Verb{}
		r.cared, r.version = make([]bool, n), make([]uint64, n)
		r.told, r.unarmed = make([]uint64, n), never
		r.epoch, r.firm = make([]uint64, n), make([]string, n)
	}
	j.split.open(w)
}

// change alters the network or a node; whether the nodes could tell each other
// apart is judged up to this moment.
func (w *World) change(alter func()) {
	w.judge.split.update()
	w.front.listen(w)
	var heard [2]bool
	for i, n := range w.nodes {
		heard[i] = w.front.audible(n)
	}
	alter()
	for i, n := range w.nodes {
		if !heard[i] && w.front.audible(n) {
			w.front.since[i] = w.now
		}
	}
	w.judge.split.changed()
	for g := range w.setup.Groups {
		w.answered(g)
	}
}

// answered looks again at who answers for a group.
func (w *World) answered(g int) {
	j := &w.judge
	both := true
	for i, n := range w.nodes {
		now := n.answering(g)
		both = both && now
		if now == j.nodes[i].answers[g] {
			continue
		}
		j.nodes[i].answers[g] = now
		if w.log.on {
			w.log.add(false, "%s %s for %s", n.name, map[bool]string{true: "ANSWERS", false: "is silent"}[now], w.setup.Groups[g].Name)
		}
		switch other := 1 - i; {
		case now:
			j.rises(n, g)
		case w.nodes[other].answering(g):
			j.groups[g].server = other
		}
	}
	j.overlaps(g, both)
	j.serves(g)
	j.single(g)
}

// rises judges a node that begins to answer.
func (j *judge) rises(n *node, g int) {
	w, e := j.w, &n.kernel.leases[g]
	p := j.nodes[n.id].silent[g]
	if p.given && p.life == e.life && e.seq <= p.seq {
		w.fail("K3", "%s had said that it is silent for %s, and answers by the older grant %d", n.name, w.setup.Groups[g].Name, e.seq)
	}
	l := &j.groups[g]
	if l.server >= 0 && l.server != n.id {
		l.moves++
		if w.now-n.stripped > restoreTime {
			j.voice(n, g)
		}
	}
	l.server = n.id
}

// voice demands that a new owner announces itself soon.
func (j *judge) voice(n *node, g int) {
	w, began, life := j.w, j.w.now, n.lives
	frozen := n.daemon == nil || n.daemon.frozen
	w.after(2*w.setup.Keepalive+2*w.maxLag, func() {
		still := j.nodes[n.id].answers[g] && n.live() && n.lives == life && !frozen && w.judge.upset < began
		if still && j.nodes[n.id].voiced[g] < began {
			w.fail("announce", "%s answers for %s since %v and has not announced it", n.name, w.setup.Groups[g].Name, began)
		}
	})
}

func (j *judge) announced(n *node, g int) { j.nodes[n.id].voiced[g] = j.w.now }

// overlaps judges invariant I1.
func (j *judge) overlaps(g int, both bool) {
	l := &j.groups[g]
	switch {
	case both && l.overlap < 0:
		j.split.update()
		l.overlap = j.w.now
		j.excuse(g)
	case !both && l.overlap >= 0:
		j.outages.Overlap = max(j.outages.Overlap, j.w.now-l.overlap)
		l.overlap = -1
	}
}

// excuse fails the schedule when two answer and nothing excuses them.
func (j *judge) excuse(g int) {
	if j.groups[g].overlap >= 0 && !j.split.is {
		j.w.fail("I1", "both nodes answer for %s since %v", j.w.setup.Groups[g].Name, j.groups[g].overlap)
	}
}

// watch is called after each event while two nodes answer.
func (j *judge) watch() {
	for g := range j.groups {
		if j.groups[g].overlap >= 0 {
			j.split.update()
			j.excuse(g)
		}
	}
}

// serves accounts for outages as a client sees them.
func (j *judge) serves(g int) {
	l := &j.groups[g]
	served := false
	for _, n := range j.w.nodes {
		served = served || n.serves(g)
	}
	switch {
	case served && l.outage >= 0:
		j.outages.add(j.w.now - l.outage)
		l.outage = -1
	case !served && l.outage < 0 && l.ever:
		l.outage = j.w.now
	}
	l.ever = l.ever || served
}

// serves says that a client gets an answer from this node.
func (n *node) serves(g int) bool {
	addressed := false
	for r, res := range n.w.setup.Groups[g].Resources {
		if !n.runs[g][r] {
			return false
		}
		addressed = addressed || isAddress(res)
	}
	return n.powered && (!addressed || n.answering(g) && n.w.front.reaches(n.id))
}

func (j *judge) overlapped() bool {
	for g := range j.groups {
		if j.groups[g].overlap >= 0 {
			return true
		}
	}
	return false
}
