package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// condition is what is known of a back end at one moment; a value, replaced as a whole.
type condition struct {
	up     bool
	run    int // checks in a row that spoke against up
	reason string
	since  time.Time
}

// after returns the condition after one more check: empty fault for a good one.
func (c condition) after(fault string, check HealthCheck, now time.Time) condition {
	if c.up == (fault == "") {
		c.run = 0
		if !c.up {
			c.reason = fault
		}
		return c
	}
	c.run++
	if c.up && c.run >= check.Fall {
		return condition{reason: fault, since: now}
	}
	if !c.up && c.run >= check.Rise {
		return condition{up: true, since: now}
	}
	return c
}

type backEnd struct {
	url       *url.URL
	running   atomic.Int64 // requests on it now
	condition atomic.Pointer[condition]
}

func (b *backEnd) change(next func(condition) condition) {
	for {
		old := b.condition.Load()
		c := next(*old)
		if b.condition.CompareAndSwap(old, &c) {
			return
		}
	}
}

// pool chooses the back end of a request: of those that are up the one with the fewest requests running. With none
// up it tries them all the same: a check may be wrong, and an answer is better than a certain refusal.
type pool struct {
	backEnds  []*backEnd
	turn      atomic.Uint64 // equals take turns
	transport *http.Transport
	check     HealthCheck
}

func newPool(s Settings, transport *http.Transport) (*pool, error) {
	p := &pool{transport: transport, check: s.Check}
	for _, text := range s.BackEnds {
		u, err := url.Parse(text)
		if err != nil {
			return nil, err
		}
		b := &backEnd{url: u}
		b.condition.Store(&condition{up: true, since: time.Now()}) // innocent until checked: a new worker answers at once
		p.backEnds = append(p.backEnds, b)
	}
	return p, nil
}

// pick returns the best back end other than except, nil if there is none, and whether it is up.
func (p *pool) pick(except *backEnd) (best *backEnd, up bool) {
	first := p.turn.Add(1)
	var fewest int64
	for i := range uint64(len(p.backEnds)) {
		b := p.backEnds[(first+i)%uint64(len(p.backEnds))]
		if b == except {
			continue
		}
		isUp, running := b.condition.Load().up, b.running.Load()
		if best == nil || isUp && !up || isUp == up && running < fewest {
			best, up, fewest = b, isUp, running
		}
	}
	return best, up
}

// attempt is one request's way through the pool. The handler that made it releases it when the answer is through.
type attempt struct {
	backEnd *backEnd
}

type attemptKey struct{}

func (a *attempt) take(b *backEnd) {
	a.release()
	b.running.Add(1)
	a.backEnd = b
}

func (a *attempt) release() {
	if a.backEnd != nil {
		a.backEnd.running.Add(-1)
		a.backEnd = nil
	}
}

// RoundTrip sends the request to a back end, and once more to another one if the first could not even be reached
// and the request may be repeated.
func (p *pool) RoundTrip(r *http.Request) (*http.Response, error) {
	a, ok := r.Context().Value(attemptKey{}).(*attempt)
	if !ok {
		return nil, errors.New("request did not come through the proxy's handler")
	}
	b, _ := p.pick(nil)
	a.take(b)
	answer, err := p.send(r, b)
	if err == nil || !unreachable(r.Context(), err) || !repeatable(r) {
		return answer, err
	}
	other, _ := p.pick(b)
	if other == nil {
		return nil, err
	}
	a.take(other)
	return p.send(r, other)
}

func (p *pool) send(r *http.Request, b *backEnd) (*http.Response, error) {
	out := *r
	u := *r.URL
	u.Scheme, u.Host = b.url.Scheme, b.url.Host
	out.URL = &u
	answer, err := p.transport.RoundTrip(&out)
	if err != nil && unreachable(r.Context(), err) {
		now := time.Now()
		b.change(func(c condition) condition {
			if c.up {
				c.since = now
			}
			return condition{reason: err.Error(), since: c.since}
		})
	}
	return answer, err
}

// unreachable is true when no byte of the request left this node, and not because the client went away.
func unreachable(ctx context.Context, err error) bool {
	op := (*net.OpError)(nil)
	return errors.As(err, &op) && op.Op == "dial" && ctx.Err() == nil
}

func repeatable(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return r.Body == nil || r.Body == http.NoBody
	}
	return false
}
