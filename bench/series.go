package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"lubdub/internal/lab"
)

// The scenarios, in the order of the tables.
const (
	planned      = "standby: planned switch-over"
	plannedBack  = "failback: after the standby is taken back"
	cleanStop    = "stop: clean stop of the owner"
	stopBack     = "failback: the stopped daemon starts again"
	powerLoss    = "power: loss of the owner"
	powerBack    = "failback: the machine that lost power boots"
	workerKilled = "worker: kill -9 of the built-in proxy's worker"
)

// scenarios lists them, with what is hoped for.
func scenarios() []string {
	return []string{planned, cleanStop, plannedBack, stopBack, powerBack, powerLoss, workerKilled}
}

// step is one thing that happens to a cluster.
type step struct {
	scenario string
	window   time.Duration // how long it is watched
	to       string        // who serves in the end
	do       func(context.Context, *world) error
}

// series is a product with one setting, and what is done to it.
type series struct {
	title   string // the product
	setting string
	service string // what answers the client
	proxied bool
	delay   time.Duration // what a page takes
	settle  time.Duration // how long it is left alone between two steps
	product product
	steps   []step // none: only what is moved many times
}

func (s series) name() string { return s.title + " " + s.setting + " (" + s.service + ")" }

// file is the name as a directory can have it.
func (s series) file() string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" /()", r) {
			return '-'
		}
		return r
	}, s.name())
}

// spans are the windows of a product: long enough for the slowest of its moves that was seen.
type spans struct{ move, online, rejoin, loss time.Duration }

// slowly is how long a page takes where it is to be open when the service moves.
const slowly = 20 * time.Millisecond

// everySeries lists all series. Heartbeat and keepalived have the fastest settings that ran without a false alarm for long.
func everySeries(binary string) []series {
	const second = time.Second
	mine := spans{second, 2 * second, 2500 * time.Millisecond, 2 * second}
	theirs := spans{second, second, 2 * second, second}
	scripts := spans{2 * second, 2 * second, 7 * second, 3 * second} // sooner after a node joined its take-over waits for seconds more
	plain, proxied := ours{binary, usual(), false}, ours{binary, usual(), true}
	fault, priority := keepalived{20 * time.Millisecond, leaveFault}, keepalived{20 * time.Millisecond, leavePriority}
	all := []series{
		{title: "lubdub", setting: usualSetting, product: plain, steps: rounds(mine)},
		{title: "lubdub", setting: usualSetting, proxied: true, product: proxied, steps: append(rounds(mine), deadWorker())},
		{title: "lubdub", setting: usualSetting, delay: slowly, product: plain},
		{title: "lubdub", setting: usualSetting, delay: slowly, proxied: true, product: proxied},
		{title: "lubdub", setting: "25 ms / 100 ms", product: ours{binary, inMS(25, 100), false}, steps: []step{loss(mine.loss)}},
		{title: "lubdub", setting: "25 ms / 75 ms", product: ours{binary, inMS(25, 75), false}, steps: []step{loss(mine.loss)}},
		{title: "keepalived", setting: "20 ms, by fault", product: fault, steps: rounds(theirs)},
		{title: "keepalived", setting: "20 ms, by priority", product: priority, steps: rounds(theirs)[:2]},
		{title: "Heartbeat", setting: "20 ms / 100 ms", product: heartbeat{inMS(20, 100)}, steps: rounds(scripts)},
		{title: "Heartbeat", setting: usualSetting, product: heartbeat{usual()}, steps: []step{loss(scripts.loss)}},
	}
	for i := range all {
		all[i].service = all[i].answers()
		// The old owner of lubdub ends what was begun with it for two seconds.
		all[i].settle = 2500 * time.Millisecond
	}
	return all
}

// answers says what answers the client.
func (s series) answers() string {
	text := "web server on both nodes"
	if s.proxied {
		text = "built-in proxy"
	}
	if s.delay > 0 {
		text += fmt.Sprintf(", %d ms a page", s.delay.Milliseconds())
	}
	return text
}

func inMS(keepalive, dead time.Duration) times {
	return times{keepalive * time.Millisecond, dead * time.Millisecond}
}

// usualSetting names it in tables.
const usualSetting = "50 ms / 500 ms"

// usual is the smallest setting that lubdub supports.
func usual() times { return times{50 * time.Millisecond, 500 * time.Millisecond} }

// rounds is the usual programme: each way off the owner, and the way back.
func rounds(s spans) []step {
	return []step{
		{planned, s.move, other, func(ctx context.Context, w *world) error { return w.product.standby(ctx, w.lab.Host(owner)) }},
		{plannedBack, s.online, owner, func(ctx context.Context, w *world) error { return w.product.online(ctx, w.lab.Host(owner)) }},
		{cleanStop, s.move, other, func(ctx context.Context, w *world) error { return w.stop(ctx, owner) }},
		{stopBack, s.rejoin, owner, func(ctx context.Context, w *world) error { return w.start(ctx, owner) }},
		loss(s.loss),
		{powerBack, s.rejoin, owner, func(ctx context.Context, w *world) error {
			if err := w.lab.Host(owner).PowerOn(); err != nil {
				return err
			}
			return w.boot(ctx, owner)
		}},
	}
}

func loss(window time.Duration) step {
	return step{powerLoss, window, other, func(_ context.Context, w *world) error { return w.lab.Host(owner).PowerOff() }}
}

func deadWorker() step {
	return step{workerKilled, time.Second, owner, func(_ context.Context, w *world) error { return killWorker(w.daemons[owner]) }}
}

// mark is when a step was taken.
type mark struct {
	step
	at      time.Duration // the order
	ordered time.Duration // how long the order's command took
	err     error
}

// repeat takes all steps once, and returns what was seen. A repetition that could not begin is a result, too.
func (s series) repeat(ctx context.Context, dir string) []result {
	results, err := s.once(ctx, dir)
	if err != nil {
		seen := map[string]bool{}
		for _, r := range results {
			seen[r.scenario] = true
		}
		for _, one := range s.steps {
			if !seen[one.scenario] {
				results = append(results, result{scenario: one.scenario, series: s.name(), err: err, unseen: true, served: -1, silence: -1, decided: -1})
			}
		}
	}
	return results
}

// once boots the cluster and takes one step after the other.
func (s series) once(ctx context.Context, dir string) (results []result, err error) {
	w, err := newWorld(ctx, dir, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if err := w.await(ctx, owner); err != nil {
		return nil, fmt.Errorf("first start: %w", err)
	}
	longest := slices.MaxFunc(s.steps, func(a, b step) int { return int(a.window - b.window) }).window
	calm := lab.Now()
	if err := pause(ctx, longest); err != nil {
		return nil, err
	}
	var marks []mark
	for i, one := range s.steps {
		m := w.take(ctx, one, i == len(s.steps)-1)
		marks = append(marks, m)
		if m.err != nil {
			break // the steps behind it need it; the table says so
		}
	}
	if err := w.rest(); err != nil {
		return nil, err
	}
	results, err = w.judge(ctx, s, calm, marks)
	if broken := marks[len(marks)-1].err; err == nil && broken != nil {
		err = fmt.Errorf("the step before it failed: %w", broken)
	}
	return results, err
}

// take takes a step, watches its window to the end, and waits until the cluster is calm again, unless it is the last one.
func (w *world) take(ctx context.Context, one step, last bool) mark {
	m := mark{step: one, at: lab.Now()}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		err := one.do(ctx, w)
		m.ordered = lab.Now() - m.at
		done <- err
	}()
	err := pause(ctx, one.window)
	m.err = errors.Join(err, <-done)
	if m.err == nil && !last {
		m.err = w.await(ctx, one.to)
	}
	return m
}
