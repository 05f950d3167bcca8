package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lubdub/internal/lab"
)

const (
	// manyMoves is how often the service goes to and fro: what fails once in ten moves must show.
	manyMoves = 12
	// moveSpan is the window of one of them.
	moveSpan = time.Second
	// movePace is the time from one to the next: the old owner ends what was begun with it, and takes nothing meanwhile.
	movePace = 2600 * time.Millisecond
)

// many moves the service to and fro by order, many times, and counts what failed.
func (r report) many(ctx context.Context, w wishes) error {
	r.printf("\n## Many planned moves\n\n`lubdub move web`, %d times to and fro, %v apart; a datagram each 2 ms and a page each 5 ms go on all the time.\n\n", manyMoves, movePace)
	r.printf("| service | load average before | moves, not ended | datagrams: median and longest silence at the switch, ms | lost (calm) | pages: median and longest gap, ms | failed (calm) | why |\n")
	r.printf("| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, s := range everySeries(w.binary) {
		if o, isOurs := s.product.(ours); !isOurs || o.times != usual() {
			continue
		}
		load := loadAverage()
		all, err := s.many(ctx, filepath.Join(w.dir, "moves-"+s.file()))
		if err != nil {
			return err
		}
		r.printf("| %s | %s | %d, %d | %s | %s | %s | %s | %s |\n", s.service, load, len(all),
			len(chosen(all, func(x result) bool { return x.served < 0 })), medianAndLongest(all, silenceOf), lost(all, datagrams),
			medianAndLongest(all, func(x result) time.Duration { return x.page.gap }), lost(all, page), causes(all))
	}
	return nil
}

// many is one cluster that moves its service many times.
func (s series) many(ctx context.Context, dir string) (all []result, err error) {
	w, err := newWorld(ctx, dir, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if err := w.await(ctx, owner); err != nil {
		return nil, err
	}
	calm := lab.Now()
	if err := pause(ctx, moveSpan); err != nil {
		return nil, err
	}
	var marks []mark
	for n := range manyMoves {
		from, to := owner, other
		if n%2 == 1 {
			from, to = to, from
		}
		marks = append(marks, mark{step: step{to: to, window: moveSpan}, at: lab.Now()})
		if err := command(ctx, w.lab.Host(from), s.product.(ours).binary, "move", "web"); err != nil {
			marks[n].err = err
		}
		if err := pause(ctx, marks[n].at+movePace-lab.Now()); err != nil {
			return nil, err
		}
	}
	if err := w.rest(); err != nil {
		return nil, err
	}
	for _, m := range marks {
		one := result{err: m.err, page: look(w.page, calm, m), udp: look(w.udp, calm, m)}
		one.served, one.silence = w.moved(m)
		if len(all) > 0 { // it is the same calm for all
			one.page.calmFailed, one.udp.calmFailed = 0, 0
		}
		all = append(all, one)
	}
	return all, nil
}

func medianAndLongest(all []result, of func(result) time.Duration) string {
	longest := slices.MaxFunc(all, func(a, b result) int { return shorter(of(a), of(b)) })
	return fmt.Sprintf("**%s**, %s", list([]time.Duration{medianOf(all, of)}), list([]time.Duration{of(longest)}))
}

// causes lists why pages failed, without the numbers of ports.
func causes(all []result) string {
	why := map[string]int{}
	for _, x := range all {
		for cause, n := range x.page.why {
			why[cause[strings.LastIndex(cause, ": ")+1:]] += n
		}
	}
	for _, x := range all {
		if x.err != nil {
			why["not moved: "+strings.Join(strings.Fields(x.err.Error()), " ")]++
		}
	}
	var out []string
	for _, cause := range slices.Sorted(maps.Keys(why)) {
		out = append(out, fmt.Sprintf("%d × %s", why[cause], strings.TrimSpace(cause)))
	}
	return strings.Join(out, "; ")
}
