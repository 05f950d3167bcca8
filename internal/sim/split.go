package sim

import (
	"time"

	"lubdub/internal/cluster"
)

// split is the judge's knowledge whether the two nodes could tell each other
// apart: the excuse of doc.go.
type split struct {
	w         *World
	is        bool             // they could not, and have not had the time since
	delivered [2]time.Duration // when news of the node last reached the other's socket
	newest    [2]beatNumber    // what was newest
	mute      [2]time.Duration // since when what the node says is not sure to be read; never: it is
	lately    [2]time.Duration // until when it was so last
	torn      time.Duration    // when the network itself last had a direction without a sound link
	broken    time.Duration    // when a question on the front could last have failed
	blind     time.Duration    // when they last could not
	lost      time.Duration    // when they last could not, or two answered
	links     time.Duration    // since when both daemons run and links work both ways; never: not
	fronts    time.Duration    // the same of the front
	stood     time.Duration    // when a machine last stood still as a whole
	veiled    time.Duration    // when the front last told neither heartbeats nor answers
	blurred   time.Duration    // when both nodes had last an answer of one ping node, and no way between them
	stuck     time.Duration    // when a kernel last refused to write, or wrote slowly
	betrayed  bool             // a fence device, or the operator, said of a living node that it is off
}

// beatNumber orders the beats of a node.
type beatNumber struct{ incarnation, seq uint64 }

// never is before anything happened.
const never = -forever

func (s *split) open(w *World) {
	s.w = w
	nobody := [2]time.Duration{never, never}
	s.delivered, s.mute, s.lately = nobody, nobody, nobody
	s.torn, s.broken, s.lost, s.links, s.fronts = never, never, never, never, never
	s.blind, s.stood, s.veiled, s.blurred, s.stuck = never, never, never, never, never
	s.changed()
}

// sound says that some link carries all that the node sends in time.
func (s *split) sound(from int) bool {
	if s.still() {
		return false
	}
	for _, l := range s.w.links {
		if l.sound(s.w, from) {
			return true
		}
	}
	return false
}

// changed takes the new state of the world in.
func (s *split) changed() {
	w := s.w
	both := w.nodes[0].live() && w.nodes[1].live()
	for i := range s.mute {
		read := both && s.sound(i)
		if read && s.mute[i] != never {
			s.lately[i] = w.now
		}
		since(&s.mute[i], !read, w.now)
	}
	since(&s.links, s.mute[0] == never && s.mute[1] == never, w.now)
	since(&s.fronts, both && s.frontSound(), w.now)
	until(&s.stuck, w.nodes[0].stuck() || w.nodes[1].stuck(), w.now)
}

func since(at *time.Duration, holds bool, now time.Duration) {
	switch {
	case !holds:
		*at = never
	case *at == never:
		*at = now
	}
}

// still says that a machine stands still as a whole.
func (s *split) still() bool { return s.w.nodes[0].still.on || s.w.nodes[1].still.on }

// frontSound says that the nodes can ask each other for an address, and answer.
func (s *split) frontSound() bool {
	f := &s.w.front
	return f.up(0) && f.up(1) && f.loss == 0 && !s.still()
}

// seen notes an answer of a ping node. Two nodes that had one within the same
// third of G, while there was no way between them, live in a network in which
// ping nodes prove nothing.
func (s *split) seen(node, k int, asked time.Duration) {
	p := s.w.front.station(k)
	p.last[node] = asked
	first := min(p.last[0], p.last[1])
	if max(p.last[0], p.last[1])-first <= s.w.setup.pingLease()/pingGaps && (!s.tells() || s.veiled >= first) {
		s.blurred = s.w.now
	}
}

// unticketed notes that a lease without a ticket was written late: a freeze came
// between the clock and the write (rule K2), and the two may overlap for a while.
func (s *split) unticketed() {
	s.update()
	s.is, s.lost, s.blind = true, s.w.now, s.w.now
}

// tells says that two nodes that both reach the front know of each other there:
// by heartbeats, or by answers where these are asked for and believed.
func (s *split) tells() bool {
	if !s.frontSound() {
		return false
	}
	if !s.w.front.proxy && !s.w.setup.Take {
		return true
	}
	l := s.w.links[len(s.w.links)-1]
	return l.front && l.sound(s.w, 0) && l.sound(s.w, 1)
}

// betray notes a false word about a living node.
func (s *split) betray() {
	s.update()
	s.betrayed = true
}

// beat notes that a beat of a node reached the other one.
func (s *split) beat(from int, b cluster.Beat) {
	n := beatNumber{b.Incarnation, b.Seq}
	if o := s.newest[from]; n.incarnation < o.incarnation || n.incarnation == o.incarnation && n.seq <= o.seq {
		return
	}
	s.newest[from] = n
	if s.unread(0) && s.unread(1) {
		s.update()
	}
	s.delivered[from] = s.w.now
}

// unread says that what the node says is not sure to be read, or that since it
// is again the next beat is not due yet.
func (s *split) unread(from int) bool {
	if s.mute[from] != never {
		return true
	}
	healed := s.lately[from]
	return s.delivered[from] < healed && s.w.now-healed <= s.w.setup.Keepalive+2*s.w.maxLag
}

// update judges the time up to now, in which nothing changed.
func (s *split) update() {
	w := s.w
	s.look()
	if s.undecidable() {
		s.is = true
		s.lost, s.blind = w.now, w.now
		return
	}
	if w.judge.overlapped() {
		s.lost = w.now
	}
	if s.links != never && w.now-max(s.links, s.blind) >= s.linksBound() ||
		s.fronts != never && w.now-max(s.fronts, s.blind) >= s.frontBound() ||
		w.now-s.lost > w.setup.DeadTime+w.setup.yield() {
		s.is, s.betrayed = false, s.betrayed && s.links == never
	}
}

// look notes what is wrong up to now.
func (s *split) look() {
	now, nodes := s.w.now, &s.w.nodes
	until(&s.broken, !s.frontSound(), now)
	until(&s.veiled, !s.tells(), now)
	until(&s.torn, !s.sound(0) || !s.sound(1), now)
	until(&s.stood, s.still(), now)
	until(&s.stuck, nodes[0].stuck() || nodes[1].stuck(), now)
}

func until(at *time.Duration, holds bool, now time.Duration) {
	if holds {
		*at = now
	}
}

// undecidable says that no beat has passed for the dead time, none that is sent
// now is read, and the front could not answer just now. A daemon that does not
// run cannot listen; but that alone, in a sound network, excuses nothing.
func (s *split) undecidable() bool {
	w := s.w
	a, b := s.unread(0), s.unread(1)
	if !a && !b || !s.unruly() && !(a && b) {
		return false
	}
	dead := w.setup.DeadTime
	silence := w.now - min(s.delivered[0], s.delivered[1])
	return silence >= dead-dead/400 &&
		(w.setup.Take || w.front.proxy || w.now-s.broken <= max(3*w.setup.Keepalive, 300*time.Millisecond)) &&
		w.now-s.torn <= dead+w.setup.yield() && s.unguarded()
}

// unruly says that one direction is enough: somebody said off of a living node,
// or a kernel that would not write cannot be silenced before its lease ends.
func (s *split) unruly() bool {
	return s.betrayed || s.w.now-s.stuck <= s.w.setup.yield()+s.w.setup.ticket()
}

// unguarded says that no third opinion could help: there is none, or it was
// wrong, or a machine stood still and woke with an opinion of long ago.
func (s *split) unguarded() bool {
	w := s.w
	switch {
	case w.setup.Fencing:
		return s.betrayed
	case w.setup.Pings > 0 && !w.setup.Keep:
		return w.now-s.blurred <= s.blurTime() || w.now-s.stood <= w.setup.DeadTime+w.setup.yield()
	}
	return true
}

// blurTime is for how long an answer of a ping node may stand behind an owner, or
// behind a grant.
func (s *split) blurTime() time.Duration {
	g := s.w.setup.pingLease()
	return s.w.setup.keepLease() + g/pingGaps + s.w.setup.ticket() + probeCount*probeGap + 100*time.Millisecond + 2*s.w.maxLag
}

// linksBound is how long two owners may last once beats pass both ways: one
// beat there, and the slack of two daemons. Where a kernel does not write what it
// is told, the lease has to end by itself.
func (s *split) linksBound() time.Duration {
	bound := 3*s.w.setup.Keepalive + 2*s.w.maxLag + 20*time.Millisecond
	if s.w.now-s.stuck <= bound+s.w.setup.yield() {
		bound += s.w.setup.yield() + s.w.setup.ticket()
	}
	return bound
}

// stuck says that the kernel of a node does not write at once what it is told.
func (n *node) stuck() bool { return n.refuses > 0 || n.slow > 0 }

// frontBound is rule H2's: Y and three keepalives, and the same slack.
func (s *split) frontBound() time.Duration {
	return s.w.setup.yield() + 2*s.w.setup.Keepalive + s.linksBound()
}
