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
	lost      time.Duration    // when they last could not, or two answered
	links     time.Duration    // since when both daemons run and links work both ways; never: not
	fronts    time.Duration    // the same of the front
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
	s.changed()
}

// sound says that some link carries all that the node sends in time.
func (s *split) sound(from int) bool {
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
}

func since(at *time.Duration, holds bool, now time.Duration) {
	switch {
	case !holds:
		*at = never
	case *at == never:
		*at = now
	}
}

func (s *split) frontSound() bool {
	f := &s.w.front
	return f.up(0) && f.up(1) && f.loss == 0
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
	if !s.frontSound() {
		s.broken = w.now
	}
	if !s.sound(0) || !s.sound(1) {
		s.torn = w.now
	}
	if s.undecidable() {
		s.is = true
		s.lost = w.now
		return
	}
	if w.judge.overlapped() {
		s.lost = w.now
	}
	if s.links != never && w.now-s.links >= s.linksBound() ||
		s.fronts != never && w.now-s.fronts >= s.frontBound() ||
		w.now-s.lost > w.setup.DeadTime+w.setup.yield() {
		s.is = false
	}
}

// undecidable says that no beat has passed for the dead time, none that is sent
// now is read, and the front could not answer just now. A daemon that does not
// run cannot listen; but that alone, in a sound network, excuses nothing.
func (s *split) undecidable() bool {
	w := s.w
	if !s.unread(0) || !s.unread(1) {
		return false
	}
	silence := w.now - min(s.delivered[0], s.delivered[1])
	return silence >= w.setup.DeadTime-w.setup.DeadTime/500 &&
		w.now-s.broken <= max(3*w.setup.Keepalive, 300*time.Millisecond) &&
		w.now-s.torn <= w.setup.DeadTime+w.setup.yield()
}

// linksBound is how long two owners may last once beats pass both ways: one
// beat there, and the slack of two daemons.
func (s *split) linksBound() time.Duration {
	return 3*s.w.setup.Keepalive + 2*s.w.maxLag + 20*time.Millisecond
}

// frontBound is rule H2's: Y and three keepalives, and the same slack.
func (s *split) frontBound() time.Duration {
	return s.w.setup.yield() + 2*s.w.setup.Keepalive + s.linksBound()
}
