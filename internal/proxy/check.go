package proxy

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// watch asks every back end at once and then each interval, until the context ends.
func (p *pool) watch(ctx context.Context) {
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true} // each check proves that it accepts
	var all sync.WaitGroup
	for _, b := range p.backEnds {
		all.Go(func() { p.watchOne(ctx, b, transport) })
	}
	all.Wait()
}

func (p *pool) watchOne(ctx context.Context, b *backEnd, transport http.RoundTripper) {
	tick := time.NewTicker(p.check.Interval)
	defer tick.Stop()
	for {
		fault := p.ask(ctx, b, transport)
		if ctx.Err() != nil {
			return
		}
		now := time.Now()
		b.change(func(c condition) condition { return c.after(fault, p.check, now) })
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// ask returns what is wrong with the back end, empty for nothing. A redirect or a "not found" is an answer.
func (p *pool) ask(ctx context.Context, b *backEnd, transport http.RoundTripper) string {
	ctx, cancel := context.WithTimeout(ctx, p.check.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url.Scheme+"://"+b.url.Host+p.check.Path, nil)
	if err != nil {
		return err.Error()
	}
	r.Header.Set("User-Agent", "lubdub-proxy-check")
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return err.Error()
	}
	_ = answer.Body.Close() // the status says it all
	if answer.StatusCode >= http.StatusInternalServerError {
		return "health check answered with status " + strconv.Itoa(answer.StatusCode)
	}
	return ""
}

// state lists the back ends for the status.
func (p *pool) state() []BackEnd {
	var list []BackEnd
	for _, b := range p.backEnds {
		c := b.condition.Load()
		list = append(list, BackEnd{URL: b.url.String(), Up: c.up, Reason: c.reason, Since: c.since, Running: int(b.running.Load())})
	}
	return list
}
