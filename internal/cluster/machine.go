package cluster

import (
	"fmt"
	"time"
)

// Machine decides. Step is the only way to change it. Its fields are the facts:
// what was heard, what runs, what was promised. Everything else follows from them.
type Machine struct {
	cfg         Config
	incarnation uint64
	clock       uint64 // seconds of the wall clock at start, for a group's first epoch
	born        Time   // the same moment on the boot clock
	now         Time
	started     Time // moved on by own stalls
	peer        peer
	links       []link
	fronts      []front
	sights      []sight
	pings       pinging
	fence       fencing
	dog         dog
	groups      []*group
	standby     bool
	leaving     departure
	minute      int // of the local day, where a failback has its hours
	clockTold   bool
	reload      reloading
	coldWord    bool // policy coldstart strict: the peer was up, or the operator said go

	out     []Output
	replies []Output // said last: what the answer promises is to be saved first
	changed bool     // a decision changed a fact: decide again
	wake    Time     // the earliest moment at which a fact changes by itself
	events  uint64
	actions uint64
	probes  uint64
	seq     uint64 // of the newest heartbeat
	spoken  Beat   // the newest heartbeat
	draft   Beat   // room for the next one
	spokeAt Time
	answer  bool // the peer is waiting for an echo: speak now
	saved   Saved
	stalled time.Duration // the longest own stall
}

// link is what is known of one path between the nodes.
type link struct {
	usable bool
	reason string
	heard  Time // last heartbeat of the peer on it; 0: none
	up     bool
}

// front is the interface of a shared address.
type front struct {
	name    string
	carrier bool
	mac     string
}

// maxRounds bounds how often one step decides again. Each round passes a state
// of a group on; a group has fewer states than this.
const maxRounds = 64

// New returns the machine of a node whose daemon starts at now.
func New(cfg Config, saved Saved, now Time) *Machine {
	m := &Machine{
		cfg:         cfg,
		incarnation: saved.Incarnation,
		clock:       saved.Clock,
		born:        now,
		now:         now,
		started:     now,
		standby:     saved.Standby,
		links:       make([]link, len(cfg.Links)),
		sights:      make([]sight, len(cfg.Pings)),
		wake:        now,
	}
	m.dog.open = cfg.Watchdog > 0 // an earlier life may have left it running
	m.peer = peer{heardAt: now, since: now, macs: saved.PeerMACs}
	m.peer.beat.Incarnation = saved.PeerLife
	for i := range m.links {
		m.links[i].usable = true
	}
	m.addFronts()
	for _, c := range cfg.Groups {
		m.groups = append(m.groups, newGroup(c, saved, now))
	}
	m.inherit(saved.Before)
	m.saved = m.remember()
	return m
}

// addFronts notes each interface that carries a shared address.
func (m *Machine) addFronts() {
	for _, g := range m.cfg.Groups {
		for _, r := range g.Resources {
			if r.isAddress() && m.front(r.Interface) == nil {
				m.fronts = append(m.fronts, front{name: r.Interface, carrier: true})
			}
		}
	}
}

func (m *Machine) front(name string) *front {
	for i := range m.fronts {
		if m.fronts[i].name == name {
			return &m.fronts[i]
		}
	}
	return nil
}

func (m *Machine) group(name string) *group {
	for _, g := range m.groups {
		if g.cfg.Name == name {
			return g
		}
	}
	return nil
}

// Step absorbs an input, decides from the facts, and speaks if a heartbeat is
// due or something changed. It returns what is to be done, in order.
func (m *Machine) Step(now Time, in Input) []Output {
	m.begin(now)
	m.absorb(in)
	m.decide()
	m.feed()
	m.speak()
	out := append(m.out, m.replies...)
	m.out, m.replies = nil, nil
	return out
}

// Deadline is when to step again, come what may.
func (m *Machine) Deadline() Time { return m.wake }

// begin takes note of the time. A step that comes long after its deadline means
// that this daemon stood still: the peer is not blamed for our own silence.
func (m *Machine) begin(now Time) {
	now = max(now, m.now)
	if late := now.Sub(m.wake); m.wake != never && late > m.cfg.Keepalive/4 {
		m.stalled = max(m.stalled, late)
		m.thaw(now, late)
		for _, t := range []*Time{&m.peer.heardAt, &m.started} {
			*t = min(now, t.Add(late))
		}
		for i := range m.links {
			if l := &m.links[i]; l.heard != 0 {
				l.heard = min(now, l.heard.Add(late))
			}
		}
	}
	m.now = now
	m.wake = never
}

// thaw takes note of a stall: an intent was not announced meanwhile, and after a
// long one it is announced anew; who was gone before it may have come back unheard;
// nobody is fenced before what waits to be read is read.
func (m *Machine) thaw(now Time, late time.Duration) {
	m.pings.thawed = now
	for _, g := range m.groups {
		g.intentAt = min(now, g.intentAt.Add(late))
		if late >= m.intentLead() {
			g.intentAt = now
		}
	}
	m.fence.next = max(m.fence.next, now.Add(m.intentLead()))
	if m.gone() && late >= m.deadTime() {
		m.peer.newLife = max(1, now.Add(-m.yield())) // and gives nothing any more (rule O2)
	}
}

// at asks for a step at t, when that is still to come.
func (m *Machine) at(t Time) {
	if t > m.now && t < m.wake {
		m.wake = t
	}
}

// absorb turns an input into facts.
func (m *Machine) absorb(in Input) {
	switch in := in.(type) {
	case nil:
	case Heard:
		m.absorbHeard(in)
	case LinkChanged:
		m.absorbLink(in)
	case FrontChanged:
		m.absorbFront(in)
	case Probed:
		m.absorbProbed(in)
	case Sighted:
		m.absorbSighted(in)
	case Pinged:
		m.absorbPinged(in)
	default:
		m.absorbOwn(in)
	}
}

// absorbOwn turns an input of this node's own into facts.
func (m *Machine) absorbOwn(in Input) {
	switch in := in.(type) {
	case Fenced:
		m.absorbFenced(in)
	case FenceTested:
		m.absorbFenceTested(in)
	case Outcome:
		m.absorbOutcome(in)
	case Suspected:
		m.absorbSuspected(in)
	case Leased:
		m.absorbLeased(in)
	case Command, Reload:
		m.absorbOrder(in)
	case TimeOfDay:
		m.minute, m.clockTold = in.Minute, true
	case Noted, Digested:
		m.absorbNews(in)
	default:
		panic(fmt.Sprintf("cluster: unknown input %T", in))
	}
}

// decide applies the rules until they have nothing more to say.
func (m *Machine) decide() {
	for range maxRounds {
		m.changed = false
		m.judgePeer()
		m.judgeSight()
		for _, g := range m.groups {
			m.judge(g)
		}
		m.judgeFence()
		m.judgeReload()
		m.judgeLeaving()
		if !m.changed {
			return
		}
	}
	panic(fmt.Sprintf("cluster: the rules do not come to rest: %+v", m.Status()))
}

// judge decides about one group.
func (m *Machine) judge(g *group) {
	m.heed(g)
	m.forget(g)
	m.entitle(g)
	m.heal(g)
	m.place(g)
	m.advance(g)
	m.announce(g)
}

// emit records an event and returns its ID.
func (m *Machine) emit(e Event) uint64 {
	m.events++
	e.ID, e.At = m.events, m.now
	if e.Node == "" {
		e.Node = m.cfg.Self
	}
	if e.Level == "" {
		e.Level = Info
	}
	m.do(Emit{e})
	return e.ID
}

// do wants something done. Whatever was decided, the rules are asked again.
func (m *Machine) do(o Output) {
	m.out = append(m.out, o)
	m.changed = true
}

func (m *Machine) absorbLink(in LinkChanged) {
	if in.Link < 0 || in.Link >= len(m.links) {
		return
	}
	l := &m.links[in.Link]
	if l.usable == in.Up && l.reason == in.Reason {
		return
	}
	l.usable, l.reason = in.Up, in.Reason
	words, level := fmt.Sprintf("link %s can be used", m.cfg.Links[in.Link]), Info
	if !in.Up {
		words, level = fmt.Sprintf("link %s cannot be used: %s", m.cfg.Links[in.Link], in.Reason), Warning
	}
	m.emit(Event{Kind: "link", Level: level, Words: words})
}

func (m *Machine) absorbFront(in FrontChanged) {
	f := m.front(in.Interface)
	if f == nil {
		return
	}
	if in.MAC != "" {
		f.mac = in.MAC
	}
	if f.carrier == in.Carrier {
		return
	}
	f.carrier = in.Carrier
	if in.Carrier {
		m.emit(Event{Kind: "front", Words: fmt.Sprintf("%s has carrier again", f.name)})
		return
	}
	if f.name == "" {
		return // an address that fits no interface yet: the daemon has said so
	}
	m.emit(Event{Kind: "front", Level: Alarm, Words: fmt.Sprintf("%s has no carrier: look at its cable and its switch port", f.name)})
}
