package main

import (
	"context"
	"fmt"
	"time"

	"lubdub/internal/api"
)

// lookEach is how often --wait looks. The daemon answers in microseconds, and a
// person does not feel this much.
const lookEach = 100 * time.Millisecond

// follow waits until the order is carried out, and prints the events meanwhile.
func (o *order) follow(ctx context.Context, daemon asker, after string) (api.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	tick := time.NewTicker(lookEach)
	defer tick.Stop()
	held := ""
	for {
		// First the status, then the events: whatever led to the status is among them.
		s, err := daemon.status(ctx)
		if err == nil {
			after, err = o.tellNews(ctx, daemon, after)
		}
		if err != nil && ctx.Err() == nil {
			return api.Answer{}, err
		}
		if err == nil {
			var done, lost bool
			done, held, lost = o.over(s)
			switch {
			case done:
				return api.Answer{OK: true, Words: "done: " + s.Sentence}, nil
			case lost:
				return api.Answer{Words: "not done: " + held}, nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return api.Answer{Words: fmt.Sprintf("not done within %v: %s", o.timeout, held)}, nil
		}
	}
}

// tellNews prints the events behind after, and returns the ID of the newest.
func (o *order) tellNews(ctx context.Context, daemon asker, after string) (string, error) {
	events, err := daemon.events(ctx, after)
	if err != nil {
		return after, err
	}
	for _, e := range events {
		after = e.ID
		if o.asJSON {
			continue
		}
		if _, err := fmt.Fprint(o.Stdout, o.painter().event(e, e.Time.Local().Format("15:04:05.000"), false)); err != nil {
			return after, err
		}
	}
	return after, nil
}
