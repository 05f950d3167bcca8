package test

import (
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

// gap is the longest time without an answer of a node between two times.
func (p *pair) gap(node string, from, to time.Duration) time.Duration {
	mac, longest, last := p.mac(node), time.Duration(0), from
	for _, a := range p.prober.Answers(from, to) {
		if a.MAC == mac && !a.Announced {
			longest, last = max(longest, a.At-last), a.At
		}
	}
	return max(longest, to-last)
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

// within demands that something took no longer than allowed, and notes it.
func (p *pair) within(what string, took, limit time.Duration) {
	p.t.Helper()
	p.t.Logf("%s: %v (allowed %v)", what, round(took), limit)
	if took > limit {
		p.t.Errorf("%s took %v, allowed are %v", what, round(took), limit)
	}
}

// asks starts a client that asks the shared address by HTTP.
func (p *pair) asks(url string) *lab.Load {
	p.t.Helper()
	l, err := p.Host(client).Load(url, lab.Pace{Every: 20 * time.Millisecond, Timeout: 500 * time.Millisecond, Header: "X-Node"})
	must(p.t, err)
	p.t.Cleanup(l.Stop)
	return l
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
