package daemon

import (
	"context"
	"fmt"
	"time"

	"lubdub/internal/api"
	"lubdub/internal/cluster"
	"lubdub/internal/wire"
)

// answer carries replies to who gave the orders. It owns the table of those
// who wait, so that the loop need not.
func (d *daemon) answer(ctx context.Context) {
	waiting := map[uint64]chan<- api.Answer{}
	for {
		select {
		case r := <-d.replies:
			switch to := waiting[r.id]; {
			case r.to != nil:
				waiting[r.id] = r.to
			case to != nil && r.is != nil:
				to <- *r.is // it has room for one
				fallthrough
			default:
				delete(waiting, r.id)
			}
		case <-ctx.Done():
			return
		}
	}
}

// Status says how things stand.
func (d *daemon) Status(ctx context.Context) (api.Status, error) {
	s, err := d.loop.status(ctx)
	if err != nil {
		return api.Status{}, err
	}
	refused, dropped := d.paths.counts()
	if d.paths.refusing() {
		s.Warnings = append(s.Warnings, refusedWords(refused, s)...)
	}
	watched, wrong := d.watched()
	s.Warnings = append(s.Warnings, wrong...)
	return api.Status{Status: s, Watched: watched, Version: d.Version, Build: d.Build, Before: d.past, Started: d.started, At: time.Now(), Boot: now(),
		Lease: d.leases.name, Refused: refused, Dropped: dropped + d.record.dropped.Load()}, nil
}

// refusedWords say that heartbeats come and cannot be accepted.
func refusedWords(refused map[string]uint64, s cluster.Status) []string {
	if s.Peer.Membership == "up" {
		return nil
	}
	var words []string
	for _, r := range []wire.Reason{wire.WrongSignature, wire.UnknownKey, wire.CRCRefused} {
		if n := refused[string(r)]; n > 0 {
			words = append(words, fmt.Sprintf("%d datagrams were refused (%s): make authkeys the same on both nodes, then: systemctl reload lubdub", n, r))
		}
	}
	if n := refused[foreignCluster]; n > 0 {
		words = append(words, fmt.Sprintf("%d datagrams were of another cluster: 'cluster' in ha.cf must be the same on both nodes", n))
	}
	return words
}

// Events are the recorded events behind an ID.
func (d *daemon) Events(after string) ([]api.Event, <-chan struct{}) { return d.record.after(after) }

// Order gives the machine an order and waits for its answer.
func (d *daemon) Order(ctx context.Context, o api.Order) (api.Answer, error) {
	if o.Verb == cluster.Reloading {
		return d.reload(ctx, o)
	}
	id := d.orders.Add(1)
	a, err := d.ask(ctx, id, cluster.Command{ID: id, Verb: o.Verb, Group: o.Group, Resource: o.Resource, Node: o.Node, For: o.For, Force: o.Force, Dry: o.Dry})
	a.Plan = nil
	return a, err
}

// ask gives the machine an input that it answers under this number.
func (d *daemon) ask(ctx context.Context, id uint64, in cluster.Input) (api.Answer, error) {
	to := make(chan api.Answer, 1)
	select {
	case d.replies <- reply{id: id, to: to}:
	case <-ctx.Done():
		return api.Answer{}, ctx.Err()
	}
	d.loop.tell(ctx, in)
	select {
	case a := <-to:
		return a, nil
	case <-ctx.Done():
		d.forget(id)
		return api.Answer{}, ctx.Err()
	}
}

// forget gives up waiting for an answer.
func (d *daemon) forget(id uint64) {
	select {
	case d.replies <- reply{id: id}:
	case <-d.ctx.Done():
	}
}
