package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"lubdub/internal/api"
	"lubdub/internal/daemon"
)

// asker asks the daemon, and does not wait for ever: one that is frozen takes a
// call and never answers it.
type asker struct {
	client   *api.Client
	patience time.Duration
}

// errFrozen says that the daemon is there and does not answer.
var errFrozen = errors.New("lubdub runs but does not answer; is its process stopped? see: systemctl status lubdub")

// asker asks the daemon whose runtime directory this is.
func (w world) asker(runtime string) asker {
	return asker{api.NewClient(filepath.Join(runtime, daemon.SocketName)), w.Patience}
}

// within calls the daemon, and explains its silence.
func (a asker) within(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, a.patience, errFrozen)
	defer cancel()
	err := call(ctx)
	if err != nil && context.Cause(ctx) == errFrozen {
		return fmt.Errorf("no answer within %v: %w", a.patience, errFrozen)
	}
	return err
}

// status asks how things stand.
func (a asker) status(ctx context.Context) (s api.Status, err error) {
	return s, a.within(ctx, func(ctx context.Context) error {
		s, err = a.client.Status(ctx)
		return err
	})
}

// order gives an order.
func (a asker) order(ctx context.Context, o api.Order) (answer api.Answer, err error) {
	return answer, a.within(ctx, func(ctx context.Context) error {
		answer, err = a.client.Order(ctx, o)
		return err
	})
}

// events are those that are recorded by now, behind the one with the ID after.
func (a asker) events(ctx context.Context, after string) (all []api.Event, err error) {
	return all, a.within(ctx, func(ctx context.Context) error {
		return a.client.Events(ctx, after, false, func(e api.Event) error {
			all = append(all, e)
			return nil
		})
	})
}

// follow hands on each event behind after, for as long as the daemon lives.
func (a asker) follow(ctx context.Context, after string, each func(api.Event) error) error {
	return a.client.Events(ctx, after, true, each)
}
