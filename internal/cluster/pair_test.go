package cluster

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// pair is two machines in the smallest world there is: everything takes a
// millisecond and succeeds unless a transcript says otherwise. Package sim has
// the honest world; this one makes transcripts that a person can read.
type pair struct {
	now   Time
	nodes map[string]*side
	order []string
	queue []arrival
	cut   map[string]bool // links that carry nothing
	front bool            // the front network works
	split bool            // it works, but not between the nodes
	log   strings.Builder
	all   bool                // log beats too
	timed func(time.Duration) // is told how long each step took; nil: nobody is
	hear  bool                // a probe of the other node is heard, as on a real front
}

// side is one node of a pair: its machine and what is true there.
type side struct {
	name    string
	m       *Machine
	cfg     Config
	disk    Saved
	lives   uint64
	runs    map[string]bool // GROUP/RESOURCE
	fails   map[string]Result
	lease   map[string]SavedGroup
	refuses bool            // its kernel refuses to write leases
	blind   map[string]bool // ping nodes that do not answer it
	asks    asking
	fence   string // what its fence device does: "", "fail", "hang"
	fed     Time   // the watchdog's last food; 0: it is not open
	stopped bool   // frozen: nothing is delivered
	next    Config // what its files say after an edit
	probed  Time   // when it last asked the front
	held    []Input
}

type arrival struct {
	at    Time
	to    string
	input Input
}

// asking is a node's turn to ask its ping nodes, an input of this world only.
type asking struct {
	every time.Duration
	turn  int
}

func (asking) input() {}

const pairDelay = Time(time.Millisecond)

func newPair(cfg Config) *pair {
	p := &pair{now: Time(1000 * time.Second), nodes: map[string]*side{}, cut: map[string]bool{}, front: true}
	for _, names := range [][2]string{{"alpha", "beta"}, {"beta", "alpha"}} {
		c := cfg
		c.Self, c.Peer = names[0], names[1]
		p.nodes[names[0]] = &side{name: names[0], cfg: c, runs: map[string]bool{}, fails: map[string]Result{}, blind: map[string]bool{}, lease: map[string]SavedGroup{}}
		p.order = append(p.order, names[0])
	}
	return p
}

// start begins a life of a node's daemon.
func (p *pair) start(name string) { p.live(name, nil) }

// live begins a life, after a reload with what the one before knew.
func (p *pair) live(name string, before *Machine) {
	s := p.nodes[name]
	s.lives++
	saved := s.disk
	saved.Incarnation, saved.Clock, saved.Before = 100*s.lives, 7+uint64(p.now/Time(time.Second))-1000, before
	groups := map[string]SavedGroup{}
	for n, g := range saved.Groups {
		if l, ok := s.lease[n]; ok && l.Until > p.now {
			g.Until, g.Quiet = l.Until, l.Quiet
		}
		groups[n] = g
	}
	saved.Groups = groups
	s.m = New(s.cfg, saved, p.now)
	p.step(s, FrontChanged{Interface: "eth0", Carrier: true, MAC: "mac-" + name})
}

// kill ends a daemon; crash ends the machine.
func (p *pair) kill(name string) { p.nodes[name].m = nil }

func (p *pair) crash(name string) {
	s := p.nodes[name]
	s.stopped, s.held = false, nil
	s.m, s.runs, s.lease = nil, map[string]bool{}, map[string]SavedGroup{}
	s.disk.SameBoot = false
}

func (p *pair) step(s *side, in Input) {
	if s.m == nil {
		return
	}
	if turn, ok := in.(asking); ok {
		p.ping(s, turn)
		return
	}
	if probed, ok := in.(Probed); ok && p.hear && p.front && p.other(s).probed >= probed.Began.Add(-s.cfg.Keepalive) {
		probed.Foreign = "mac-" + s.cfg.Peer
		in = probed
	}
	life := s.m
	began := time.Now()
	out := s.m.Step(p.now, in)
	if p.timed != nil {
		p.timed(time.Since(began))
	}
	for _, o := range out {
		p.perform(s, o)
	}
	if s.m != life {
		return
	}
	if again := s.m.Step(p.now, nil); len(again) > 0 {
		panic(fmt.Sprintf("%s: a second step is not silent: %+v", s.name, again))
	}
}

// ping asks the ping nodes, and again after the interval.
func (p *pair) ping(s *side, turn asking) {
	if turn != s.asks {
		return
	}
	for i, name := range s.cfg.Pings {
		if p.front && !s.blind[name] {
			p.later(s, Pinged{Node: i, Sent: p.now}, pairDelay)
		}
	}
	p.later(s, turn, Time(turn.every))
}

func (p *pair) later(to *side, in Input, after Time) {
	p.queue = append(p.queue, arrival{p.now + after, to.name, in})
}

func (p *pair) note(s *side, format string, args ...any) {
	fmt.Fprintf(&p.log, "%9.3f %-5s %s\n", time.Duration(p.now-Time(1000*time.Second)).Seconds(), s.name, fmt.Sprintf(format, args...))
}

func (p *pair) other(s *side) *side {
	return p.nodes[s.cfg.Peer]
}

// answers says that a node's kernel answers for a group's address.
func (p *pair) answers(s *side, group string) bool {
	l := s.lease[group]
	for _, g := range s.cfg.Groups {
		if g.Name != group {
			continue
		}
		for _, r := range g.Resources {
			if r.isAddress() && s.runs[group+"/"+r.Name] && l.Until > p.now && !l.Quiet {
				return true
			}
		}
	}
	return false
}

func (p *pair) perform(s *side, o Output) {
	switch o := o.(type) {
	case Send:
		if p.all {
			p.note(s, "beat %d %+v", o.Beat.Seq, o.Beat.Groups)
		}
		for i, l := range s.cfg.Links {
			if !p.cut[l] && !p.cut[s.name+" "+l] {
				p.later(p.other(s), Heard{i, o.Beat}, pairDelay)
			}
		}
	case Entitle:
		p.entitle(s, o)
	case Run:
		p.act(s, o)
	case Probe:
		p.note(s, "probe %s", o.Group)
		s.probed = p.now
		in := Probed{Group: o.Group, Attempt: o.Attempt, Began: p.now, Evidence: true}
		if p.front && !p.split && p.answers(p.other(s), o.Group) {
			in.MAC = "mac-" + s.cfg.Peer
		}
		p.later(s, in, 60*pairDelay)
	case Announce:
		if p.front && !p.split {
			p.later(p.other(s), Sighted{Group: o.Group, MAC: "mac-" + s.name}, pairDelay)
		}
	case Ping:
		p.note(s, "ping each %v", o.Interval)
		s.asks = asking{o.Interval, s.asks.turn + 1}
		p.later(s, s.asks, 0)
	case Fence:
		p.fence(s, o)
	case Feed:
		switch {
		case s.fed == 0:
			p.note(s, "the watchdog runs")
		case p.now.Sub(s.fed) > s.cfg.Watchdog:
			p.note(s, "the watchdog is fed after %v: the machine was reset", p.now.Sub(s.fed))
		}
		s.fed = p.now
	case Unleash:
		if s.fed == 0 {
			return
		}
		p.note(s, "the watchdog is let go, %v after it was fed", p.now.Sub(s.fed))
		s.fed = 0
	case Cancel:
		p.later(s, Fenced{Attempt: o.ID, Words: "it was told to stop"}, pairDelay)
	case Save:
		s.disk = o.Saved
		s.disk.SameBoot = true
	case Reply:
		p.note(s, "reply %v: %s", o.OK, o.Words)
	case Emit:
		p.note(s, "%s: %s%s", o.Event.Level, o.Event.Words, ruleWords(o.Event.Rule))
	case Exit:
		if o.Again != nil {
			p.again(s)
			return
		}
		p.note(s, "exit clean=%v", o.Clean)
		s.m = nil
	}
}

// fence ends the other machine within half a second, or does not.
func (p *pair) fence(s *side, o Fence) {
	p.note(s, "fence %s", s.cfg.Peer)
	in := Fenced{Attempt: o.Attempt, OK: s.fence != "fail", Words: "ipmi switched it off"}
	switch s.fence {
	case "hang":
		return
	case "fail":
		in.Words = "ipmi does not answer"
	default:
		p.crash(s.cfg.Peer)
	}
	p.later(s, in, 500*pairDelay)
}

func ruleWords(rule string) string {
	if rule == "" {
		return ""
	}
	return " [" + rule + "]"
}

func (p *pair) entitle(s *side, o Entitle) {
	l, in := s.lease[o.Group], Leased{Group: o.Group, Seq: o.Seq}
	held := l.Until > p.now
	switch {
	case s.refuses:
		in.State, in.Err = Unwritten, "no buffer space"
	case o.Until == 0:
		delete(s.lease, o.Group)
	case o.Until <= p.now || o.NotAfter != 0 && p.now > o.NotAfter:
		in.State = Void
	case !o.Fresh && !held:
		in.State = Lapsed
	default:
		s.lease[o.Group] = SavedGroup{Until: o.Until, Quiet: o.Quiet}
	}
	if o.Fresh || o.Until == 0 || l.Quiet != o.Quiet {
		p.note(s, "entitle %s fresh=%v quiet=%v revoked=%v", o.Group, o.Fresh, o.Quiet, o.Until == 0)
	}
	p.later(s, in, pairDelay/2)
	if o.Announce && p.front && !p.split && in.State == Granted {
		p.later(p.other(s), Sighted{Group: o.Group, MAC: "mac-" + s.name}, pairDelay)
	}
}

func (p *pair) act(s *side, o Run) {
	key := o.Group + "/" + o.Resource
	out := Outcome{ID: o.ID, Took: time.Millisecond}
	if r, ok := s.fails[string(o.Action)+" "+o.Resource]; ok {
		out.Result, out.Words = r, "it says no"
	} else {
		switch o.Action {
		case Start:
			s.runs[key] = true
		case Stop:
			delete(s.runs, key)
		case Monitor:
			if !s.runs[key] {
				out.Result, out.Words = NotRunning, "it does not run"
			}
		}
	}
	if o.Action != Monitor {
		p.note(s, "%s %s", o.Action, key)
	}
	p.later(s, out, pairDelay)
}

// pass lets time go by.
func (p *pair) pass(d time.Duration) {
	end := p.now.Add(d)
	for {
		next, which := end, -1
		for i, a := range p.queue {
			if a.at < next || a.at == next && which < 0 {
				next, which = a.at, i
			}
		}
		var due *side
		for _, n := range p.order {
			if s := p.nodes[n]; s.m != nil && !s.stopped && s.m.Deadline() < next {
				next, due, which = s.m.Deadline(), s, -1
			}
		}
		if next >= end && due == nil && (which < 0 || p.queue[which].at > end) {
			p.now = end
			return
		}
		p.now = max(p.now, next)
		if due != nil {
			p.step(due, nil)
			continue
		}
		a := p.queue[which]
		p.queue = slices.Delete(p.queue, which, which+1)
		s := p.nodes[a.to]
		if s.stopped {
			s.held = append(s.held, a.input)
			continue
		}
		p.step(s, a.input)
	}
}

// thaw lets a frozen daemon go on with what came meanwhile.
func (p *pair) thaw(name string) {
	s := p.nodes[name]
	s.stopped = false
	held := s.held
	s.held = nil
	p.step(s, nil)
	for _, in := range held {
		p.step(s, in)
	}
}
