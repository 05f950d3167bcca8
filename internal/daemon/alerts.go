package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"lubdub/internal/agent"
	"lubdub/internal/api"
	"lubdub/internal/cluster"
	"lubdub/internal/config"
)

const (
	kindAlert = "alert"
	// alertQueue is how many events wait while a server takes its time.
	alertQueue = 256
	// keptAlerts is how many events one mail tells, and keptFirst how many of them are the first ones: they say how it
	// began, the others how it stands. What lies between is counted.
	keptAlerts = 40
	keptFirst  = 15
	// gatherMail is how long a mail waits for what belongs to its first event: that the other node is down, and that it was
	// taken over from, is one mail. A program need not wait.
	gatherMail    = 10 * time.Second
	gatherWebhook = time.Second
	// mailTime bounds the conversation with a mail server: some make strangers wait half a minute.
	mailTime = time.Minute
	// firstRetry and lastRetry bound the time between two attempts, which doubles: what could not be told is told when
	// the way is free again.
	firstRetry = 2 * time.Second
	lastRetry  = 5 * time.Minute
	// quietFailures are not worth an event: servers are restarted.
	quietFailures = 3
	// lastAlert is how long the daemon's end waits for its last alert.
	lastAlert = 5 * time.Second
)

// alert tells somebody what happens. What comes while it may not speak is summed up.
type alert struct {
	name   string
	level  string
	gather time.Duration
	every  time.Duration
	time   time.Duration // of one attempt
	send   func(context.Context, telling) error
	queue  chan api.Event
	missed atomic.Int64 // events that found no place in the queue
	node   string
	of     string // the cluster
	// unheard is who did not get the last mail, and why; run's alone.
	unheard string
	untold  int // what run had gathered when it ended
}

// refusedPost makes a refusal for good of an answer that the same post would get again.
func refusedPost(err error) error {
	var status int
	if err == nil {
		return nil
	}
	if n, _ := fmt.Sscanf(err.Error(), "it answered %d", &status); n == 1 && status/100 == 4 &&
		status != http.StatusRequestTimeout && status != http.StatusTooManyRequests {
		return &agent.Refused{Err: err}
	}
	return err
}

// alerts are all of lubdub.conf.
type alerts struct {
	all     []*alert
	closing chan struct{} // closed: nothing more comes
	running sync.WaitGroup
}

func newAlerts(loaded *config.Loaded) *alerts {
	a := &alerts{closing: make(chan struct{})}
	for _, c := range loaded.Alerts {
		a.all = append(a.all, newAlert(c, loaded.Config))
	}
	return a
}

func newAlert(c config.Alert, cfg cluster.Config) *alert {
	a := &alert{level: c.Level, every: c.Every, queue: make(chan api.Event, alertQueue), node: cfg.Self, of: cfg.Cluster}
	switch {
	case c.Mail != nil:
		m := agent.Mail(*c.Mail)
		a.name, a.gather, a.time = m.Name, min(gatherMail, c.Every), mailTime
		a.send = func(ctx context.Context, t telling) error { return m.Send(ctx, t.Node, t.subject(), t.letter()) }
	case c.Webhook != nil:
		w := agent.Webhook(*c.Webhook)
		a.name, a.gather, a.time = w.Name, min(gatherWebhook, c.Every), w.Timeout
		a.send = func(ctx context.Context, t telling) error { return refusedPost(w.Post(ctx, t.json())) }
	}
	return a
}

// tell hands an event to those who want it. It never waits. changed says that it is about who serves.
func (a *alerts) tell(e api.Event, changed bool) {
	for _, one := range a.all {
		if !one.wants(e, changed) {
			continue
		}
		select {
		case one.queue <- e:
		default:
			one.missed.Add(1)
		}
	}
}

// wants says that an event is worth telling. That an alert does not work is told by the log alone.
func (a *alert) wants(e api.Event, changed bool) bool {
	member := slices.Contains([]string{"membership", "fence", "standby", "leave"}, e.Kind)
	switch {
	case e.Kind == kindAlert:
		return false
	case e.Level == cluster.Alarm || a.level == "info":
		return true
	case a.level == "change":
		return changed || member || e.Kind == "group" && e.Level == cluster.Warning
	case a.level == "warning":
		return changed || member || e.Level == cluster.Warning
	}
	return false
}

// start starts all alerts. They run until ctx ends, or until nothing more comes.
func (a *alerts) start(ctx context.Context, tell func(cluster.Noted)) {
	for _, one := range a.all {
		a.running.Go(func() { one.run(ctx, a.closing, tell) })
	}
}

// finish has each tell what is left, once, and waits a moment for that.
func (a *alerts) finish() {
	close(a.closing)
	ended := make(chan struct{})
	go func() { a.running.Wait(); close(ended) }()
	patience := time.NewTimer(lastAlert)
	defer patience.Stop()
	select {
	case <-ended:
	case <-patience.C:
	}
}

// run gathers events, and tells them when it may.
func (a *alert) run(ctx context.Context, closing <-chan struct{}, tell func(cluster.Noted)) {
	t := telling{Node: a.node, Cluster: a.of}
	stuck := t                       // what the server refused for good, while nothing newer is there
	failures, next := 0, time.Time{} // when it may speak again
	timer := time.NewTimer(0)
	<-timer.C
	defer timer.Stop()
	for {
		select {
		case e := <-a.queue:
			if t.add(e); len(t.Events) == 1 {
				timer.Reset(max(a.gather, time.Until(next)))
			}
			continue
		case <-timer.C:
		case <-closing:
			a.last(ctx, t.after(stuck), tell)
			return
		case <-ctx.Done():
			a.untold = t.count() + stuck.count()
			return
		}
		t, stuck = t.after(stuck), telling{Node: a.node, Cluster: a.of}
		t.More += int(a.missed.Swap(0))
		err := a.attempt(ctx, t, a.time)
		if ctx.Err() != nil && err != nil {
			a.untold = t.count()
			return
		}
		if err = a.partly(err, tell); err != nil {
			if failures++; failures == quietFailures {
				tell(a.trouble(err))
			}
			wait := min(lastRetry, firstRetry<<min(failures-1, 16))
			timer.Reset(wait)
			if errors.As(err, new(*agent.Refused)) {
				t, stuck, next = stuck, t, time.Now().Add(wait)
			}
			continue
		}
		if failures >= quietFailures {
			tell(cluster.Noted{Kind: kindAlert, Words: a.name + " works again"})
		}
		failures, next, t = 0, time.Now().Add(a.every), telling{Node: a.node, Cluster: a.of}
	}
}

// partly says of a mail that only some got who did not get it, once; that is no failure.
func (a *alert) partly(err error, tell func(cluster.Noted)) error {
	var refused *agent.Refused
	switch {
	case err == nil:
		a.unheard = ""
	case errors.As(err, &refused) && refused.Partly:
		if words := err.Error(); words != a.unheard {
			a.unheard = words
			tell(cluster.Noted{Level: cluster.Warning, Kind: kindAlert, Words: fmt.Sprintf("%s does not reach everybody: %s", a.name, words)})
		}
		return nil
	}
	return err
}

func (a *alert) trouble(err error) cluster.Noted {
	return cluster.Noted{Level: cluster.Warning, Kind: kindAlert, Words: fmt.Sprintf("%s does not work: %v; it is tried again; see: lubdub alert test", a.name, err)}
}

func (a *alert) attempt(ctx context.Context, t telling, within time.Duration) error {
	ctx, free := context.WithTimeout(ctx, within)
	defer free()
	return a.send(ctx, t)
}

// last tells what is left, once.
func (a *alert) last(ctx context.Context, t telling, tell func(cluster.Noted)) {
	for range len(a.queue) {
		t.add(<-a.queue)
	}
	if len(t.Events) == 0 {
		return
	}
	if err := a.partly(a.attempt(ctx, t, min(lastAlert, a.time)), tell); err != nil {
		n := a.trouble(err)
		n.Words = strings.Replace(n.Words, "it is tried again", fmt.Sprintf("the last %d events are told to nobody", len(t.Events)), 1)
		tell(n)
	}
}
