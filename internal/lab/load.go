package lab

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"time"
)

// Pace says how a load asks.
type Pace struct {
	// Every is the time from one request to the next, whether or not it was answered: 5 ms is usual, 2 ms for datagrams.
	Every time.Duration
	// Timeout is how long an answer is waited for. 0 means one second.
	Timeout time.Duration
	// KeepAlive lets HTTP requests use connections again. Without it each has a fresh one.
	KeepAlive bool
	// Header is the answer's header that names the server. Empty means X-Served-By, which Serve sets.
	Header string
}

// Request is one request of a load, and how it went.
type Request struct {
	At      time.Duration // when it was sent
	Latency time.Duration // until it was answered, or given up
	Server  string        // who answered
	Err     string        // why it failed; empty when it did not
}

// Summary is what a client noticed in a span of time.
type Summary struct {
	Requests, Failed int
	// Gap is the longest time without a successful answer. It counts from the last answer before the span, if there is one, and
	// to the end of the span. In a calm it is about as long as the pace.
	Gap Span
	// Servers counts successful answers by who gave them.
	Servers map[string]int
	// Slowest is the longest that a successful answer took.
	Slowest time.Duration
}

// Load is a client that asks at a fixed pace until it is stopped.
type Load struct{ feed *feed[Request] }

// loadConfig is what the load's process must know.
type loadConfig struct {
	URL  string
	Pace Pace
}

// defaultTimeout is the patience of a client that was not told another.
const defaultTimeout = time.Second

// Load starts a client on the host. The target is http://..., https://... (certificates are not checked), or udp://HOST:PORT for
// datagrams that Serve echoes.
func (h *Host) Load(target string, pace Pace) (*Load, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "udp" {
		return nil, fmt.Errorf("load %s: want http, https or udp", target)
	}
	if pace.Every <= 0 {
		return nil, fmt.Errorf("load %s: want a pace above zero, not %v", target, pace.Every)
	}
	if pace.Timeout <= 0 {
		pace.Timeout = defaultTimeout
	}
	if pace.Header == "" {
		pace.Header = servedBy
	}
	p, reports, err := h.startTool(roleLoad, loadConfig{target, pace})
	if err != nil {
		return nil, err
	}
	return &Load{newFeed[Request](p, reports)}, nil
}

// Stop ends the load when its open requests are answered or given up. What it recorded can still be asked for.
func (l *Load) Stop() { l.feed.stop() }

// Requests returns the requests sent between two times, in the order they were sent. One that is still open is not among them.
func (l *Load) Requests(from, to time.Duration) []Request {
	chosen := l.feed.choose(func(r Request) bool { return from <= r.At && r.At <= to })
	slices.SortFunc(chosen, func(a, b Request) int { return cmp.Compare(a.At, b.At) })
	return chosen
}

// Summary returns what the client noticed between two times. It tells up to now at most, or to when the load was stopped.
func (l *Load) Summary(from, to time.Duration) (s Summary) {
	l.feed.view(func(requests []Request, until time.Duration) {
		s = summarize(requests, Span{from, min(to, until)})
	})
	return s
}

// summarize counts requests by when they were sent, and looks for the gap among the times of their answers.
func summarize(requests []Request, within Span) Summary {
	s := Summary{Servers: map[string]int{}}
	before := within.From // the last answer before the span
	var answers []time.Duration
	seen := false
	for _, r := range requests {
		counted := within.From <= r.At && r.At <= within.To
		if counted {
			s.Requests++
		}
		if r.Err != "" {
			if counted {
				s.Failed++
			}
			continue
		}
		at := r.At + r.Latency
		switch {
		case at < within.From && (!seen || at > before):
			before, seen = at, true
		case at >= within.From && at <= within.To:
			answers = append(answers, at)
		}
		if counted {
			s.Servers[r.Server]++
			s.Slowest = max(s.Slowest, r.Latency)
		}
	}
	slices.Sort(answers)
	for _, at := range append(answers, within.To) {
		if at-before > s.Gap.Duration() {
			s.Gap = Span{before, at}
		}
		before = at
	}
	return s
}
