package test

import (
	"slices"
	"time"

	"lubdub/internal/lab"
)

// answered waits until the prober sees an answer of the node at or after a time, and returns when that was.
func (p *pair) answered(node string, after, limit time.Duration) time.Duration {
	p.t.Helper()
	mac := p.mac(node)
	for again := true; again; time.Sleep(10 * time.Millisecond) {
		again = lab.Now()-after < limit
		for _, a := range p.prober.Answers(after, lab.Now()) {
			if a.MAC == mac && !a.Announced {
				return a.At
			}
		}
	}
	p.t.Fatalf("%s does not answer for %s within %v", node, shared, limit)
	return 0
}

// quietAt is when the node last answered before a time.
func (p *pair) quietAt(node string, before time.Duration) time.Duration {
	last, ok := p.prober.Last(p.mac(node), before)
	if !ok {
		return 0
	}
	return last.At
}

// alone demands that since a time no node but this one has answered, and that it does so now.
func (p *pair) alone(node string, since time.Duration) {
	p.t.Helper()
	p.answered(node, lab.Now(), busy)
	mac := p.mac(node)
	for _, a := range p.prober.Answers(since, lab.Now()) {
		if a.MAC != mac {
			p.t.Errorf("%s says that it has %s (unasked: %v) %v after the beginning; only %s (%s) should", a.MAC, shared, a.Announced,
				round(a.At-since), node, mac)
			return
		}
	}
}

// neverTwo demands that two never answered the same question, since the hosts are there.
func (p *pair) neverTwo() {
	p.t.Helper()
	if both := p.prober.Overlaps(p.began, lab.Now()); len(both) > 0 {
		p.t.Errorf("two answered for %s: %v", shared, both)
	}
}

// gap is the longest time for which questions had no answer of a node between two times.
func (p *pair) gap(node string, from, to time.Duration) time.Duration {
	return longest(p.prober.Silences(from, to, p.mac(node)))
}

// longest is how long the longest span is.
func longest(spans []lab.Span) (d time.Duration) {
	for _, s := range spans {
		d = max(d, s.Duration())
	}
	return d
}

// moves counts how often another node began to answer since a time.
func (p *pair) moves(since time.Duration) int {
	n, owner := 0, ""
	for _, a := range p.prober.Answers(since, lab.Now()) {
		if a.Announced || a.MAC == owner {
			continue
		}
		if owner != "" {
			n++
		}
		owner = a.MAC
	}
	return n
}

// within notes how long something took beside what is promised on a machine that has time, and demands that it was not much more:
// to the millisecond it is the same stories in virtual time that hold the promise.
func (p *pair) within(what string, took, limit time.Duration) {
	p.t.Helper()
	p.t.Logf("%s: %v (promised: %v)", what, round(took), limit)
	if took > limit+busy {
		p.t.Errorf("%s took %v, promised are %v", what, round(took), limit)
	}
}

// asks starts a client that asks the shared address by HTTP.
func (p *pair) asks(url string) *lab.Load {
	p.t.Helper()
	l, err := p.Host(client).Load(url, lab.Pace{Every: 20 * time.Millisecond, Timeout: requestTime, Header: "X-Node"})
	must(p.t, err)
	p.t.Cleanup(l.Stop)
	p.controlled()
	return l
}

// requestTime is how long the judge's clients wait for a page.
const requestTime = 500 * time.Millisecond

// controlled starts the control of all clients: the same questions to a web server that has nothing to do with lubdub.
func (p *pair) controlled() {
	p.t.Helper()
	var err error
	p.control, err = p.Host(client).Load(backEnd, lab.Pace{Every: 50 * time.Millisecond, Timeout: requestTime})
	must(p.t, err)
	p.t.Cleanup(p.control.Stop)
}

// noticed counts the requests between two times that failed. One that was not answered in time is no failure where at that time the
// control was not answered in time either: then it is the machine that is busy.
func (p *pair) noticed(l *lab.Load, from, to time.Duration) int {
	late := func(r lab.Request) bool { return r.Err != "" && r.Latency >= requestTime }
	control := slices.DeleteFunc(p.control.Requests(from-2*second, to+2*second), func(r lab.Request) bool { return !late(r) })
	n := 0
	for _, r := range l.Requests(from, to) {
		excused := late(r) && slices.ContainsFunc(control, func(c lab.Request) bool { return (c.At - r.At).Abs() < 2*second })
		if r.Err != "" && !excused {
			n++
		}
	}
	if len(control) > 0 {
		p.t.Logf("the machine is busy: %d requests to the control were not answered in time", len(control))
	}
	return n
}

// atMost demands that nobody was without an answer for longer than allowed. The kernel answers, and tells when: it is no matter of
// how busy the machine is.
func (p *pair) atMost(what string, gap, limit time.Duration) {
	p.t.Helper()
	p.t.Logf("%s: %v (allowed %v)", what, round(gap), limit)
	if gap > limit {
		p.t.Errorf("%s: %v, allowed are %v", what, round(gap), limit)
	}
}

// servedBy waits until a request sent after a time was answered by a node, and returns when it was answered.
func (p *pair) servedBy(l *lab.Load, node string, after, limit time.Duration) time.Duration {
	p.t.Helper()
	for again := true; again; time.Sleep(10 * time.Millisecond) {
		again = lab.Now()-after < limit
		for _, r := range l.Requests(after, lab.Now()) {
			if r.Err == "" && r.Server == node {
				return r.At + r.Latency
			}
		}
	}
	got := l.Requests(lab.Now()-second, lab.Now())
	p.t.Fatalf("no client was served by %s within %v; the last: %+v", node, limit, got[max(0, len(got)-3):])
	return 0
}
