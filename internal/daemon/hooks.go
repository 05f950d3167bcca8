package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"lubdub/internal/agent"
	"lubdub/internal/api"
	"lubdub/internal/cluster"
	"lubdub/internal/config"
)

const (
	// hookQueue is how many hooks may wait for those before them: more than a takeover of every group causes.
	hookQueue = 256
	// lastHooks is how long the daemon's end waits for the hooks of its own leave.
	lastHooks = 10 * time.Second
	kindHook  = "hook"
)

// hooks are the commands that are told what happens. Those that block run within an action (see gate); the others run
// one after the other, and hold nothing up.
type hooks struct {
	cfg   cluster.Config
	all   []hook
	rc    func(kind string) (h agent.Hook, found bool, wrong *agent.Problem)
	watch *watcher // the loop's
	gates gates    // the loop's
	seen  struct { // the loop's
		step   uint64
		status cluster.Status
	}
	left    []string // what run left behind; whoever waited for its end may read it
	missed  int      // the loop's: hooks that found no place in the queue
	refused string   // why the script of rc.d is not run, as last said; the queue's
	queue   chan job
	closing chan struct{} // closed: nothing more comes
	ended   chan struct{} // closed: nothing runs any more
	tell    func(cluster.Noted)
	offer   func(cluster.Input) bool
}

// hook is a command, and when it is run.
type hook struct {
	agent.Hook
	when, group string
	block       bool
}

// job is a command that waits for its turn: a hook, or without one the script of rc.d.
type job struct {
	hook  *agent.Hook
	group string
	vars  []string
}

func newHooks(loaded *config.Loaded, r *agent.Runner, l *loop, tell func(cluster.Noted)) *hooks {
	h := &hooks{cfg: loaded.Config, all: hooksOf(loaded), rc: r.RC, gates: gates{}, queue: make(chan job, hookQueue),
		closing: make(chan struct{}), ended: make(chan struct{}), tell: tell, offer: l.offer}
	return h
}

// openHooks makes what runs commands: actions, hooks and alerts.
func (d *daemon) openHooks() {
	r := d.newRunner()
	d.actions = newActions(d.cfg, r)
	d.hooks = newHooks(d.Loaded, r, d.loop, func(n cluster.Noted) { d.loop.tell(d.ctx, n) })
	d.actions.gates, d.alerts = d.hooks.gates, newAlerts(d.Loaded)
}

// startHooks starts what runs commands and tells people.
func (d *daemon) startHooks(ctx context.Context) {
	d.edges.Go(func() { d.hooks.run(ctx, d.work) })
	d.alerts.start(ctx, d.hooks.tell)
	d.edges.Go(d.alerts.running.Wait)
}

// hooksOf are the hooks that lubdub.conf wants.
func hooksOf(loaded *config.Loaded) (out []hook) {
	for _, c := range loaded.Hooks {
		out = append(out, hook{agent.Hook{Name: c.Name, Argv: c.Command, User: c.User, Timeout: c.Timeout}, c.When, c.Group, c.Block})
	}
	return out
}

// happened has the commands told, and sets the gates of those that block. The loop calls it for each occasion, in order.
func (h *hooks) happened(o occasion) {
	if o.when == nodeStatus {
		h.wait(job{vars: o.message()})
		return
	}
	h.gates.set(o, h)
	for _, k := range h.wanted(o, false) {
		h.wait(job{hook: &k.Hook, group: o.group, vars: o.vars(h.cfg)})
	}
}

// wanted are the hooks for an occasion.
func (h *hooks) wanted(o occasion, block bool) []hook {
	return slices.DeleteFunc(slices.Clone(h.all), func(k hook) bool {
		return k.when != o.when || k.block != block || k.group != "" && k.group != o.group
	})
}

// wait gives a command its place in the queue. When there is none it is not run: an old story does not help.
func (h *hooks) wait(j job) {
	select {
	case h.queue <- j:
		if h.missed > 0 {
			h.offer(cluster.Noted{Level: cluster.Warning, Kind: kindHook, Words: fmt.Sprintf("there is room for hooks again; %d were not run", h.missed)})
			h.missed = 0
		}
	default:
		if h.missed++; h.missed == 1 {
			h.offer(cluster.Noted{Level: cluster.Warning, Kind: kindHook, Group: j.group, Words: fmt.Sprintf(
				"%d hooks wait already: further ones are not run; see which of them takes so long", hookQueue)})
		}
	}
}

// run runs the commands one after the other until ctx ends, or until nothing more comes. A command ends with work. When
// another life is to follow at once, no command holds that up.
func (h *hooks) run(ctx, work context.Context) {
	defer close(h.ended)
	for {
		select {
		case j := <-h.queue:
			if !h.await(ctx, work, j) {
				return
			}
			continue
		default:
		}
		select {
		case j := <-h.queue:
			if !h.await(ctx, work, j) {
				return
			}
		case <-h.closing:
			if len(h.queue) == 0 {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// await runs a command; false: it is left alone, for another life is to follow.
func (h *hooks) await(ctx, work context.Context, j job) bool {
	done := make(chan struct{})
	go func() { defer close(done); h.do(work, j) }()
	select {
	case <-done:
		return true
	case <-ctx.Done():
	}
	if followed(ctx) {
		h.left = append(h.left, j.name()+" was still running: what becomes of it is not told")
		return false
	}
	<-done
	return true
}

// followed says that a life ended because another one is to follow at once.
func followed(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return errors.Is(cause, ErrAgain) || errors.As(cause, new(*Again))
}

// name is the command's, as messages call it.
func (j job) name() string {
	if j.hook == nil {
		return "the script of rc.d"
	}
	return j.hook.Name
}

// lost says what nobody was told, for another life follows. All edges have ended.
func (d *daemon) lost(log *logger) {
	words := d.hooks.left
	for range len(d.hooks.queue) {
		words = append(words, (<-d.hooks.queue).name()+" was not run")
	}
	for _, a := range d.alerts.all {
		if n := a.untold + len(a.queue) + int(a.missed.Load()); n > 0 {
			words = append(words, fmt.Sprintf("%s was not told of %d events", a.name, n))
		}
	}
	for _, w := range words {
		log.line(cluster.Warning, time.Now(), w+"; lubdub ended to be started again")
	}
}

// finish lets the commands end that the leave still caused.
func (h *hooks) finish() {
	close(h.closing)
	patience := time.NewTimer(lastHooks)
	defer patience.Stop()
	select {
	case <-h.ended:
	case <-patience.C:
	}
}

func (h *hooks) do(ctx context.Context, j job) {
	if j.hook == nil {
		script, found, wrong := h.rc(nodeStatus)
		switch {
		case !found:
			return
		case wrong != nil:
			if words := wrong.String(); words != h.refused {
				h.refused = words
				h.tell(cluster.Noted{Kind: kindHook, Words: words})
			}
			return
		}
		j.hook = &script
	}
	h.tell(noted(j.hook.Run(ctx, j.vars), j.group, cluster.Warning))
}

// noted makes an event of what became of a hook.
func noted(out cluster.Outcome, group string, level cluster.Level) cluster.Noted {
	n := cluster.Noted{Level: level, Kind: kindHook, Group: group, Words: out.Words, Lines: out.Lines}
	if out.Result == cluster.OK {
		n.Level = cluster.Info
		n.Words += fmt.Sprintf(" (%v)", out.Took.Round(time.Millisecond))
	}
	return n
}

// told hands an event on to all who want to know. The loop calls it.
func (d *daemon) told(e cluster.Event) {
	event := d.record.add(e)
	changed := false
	for _, o := range d.hooks.watch.see(e, d.stepStatus) {
		o.event = event
		if o.reason == "" {
			o.reason = d.record.words(event.Cause)
		}
		changed = changed || o.changesHands()
		d.hooks.happened(o)
	}
	d.alerts.tell(event, changed)
}

// stepStatus is the status after the step whose outputs are performed: one for all its events.
func (d *daemon) stepStatus() cluster.Status {
	if s := &d.hooks.seen; s.step != d.loop.step {
		s.step, s.status = d.loop.step, d.loop.machine.Status()
	}
	return d.hooks.seen.status
}

// words are those of an event that is kept.
func (r *record) words(id string) string {
	events := r.snapshot.Load().events
	i := slices.IndexFunc(events, func(e api.Event) bool { return e.ID == id })
	if id == "" || i < 0 {
		return ""
	}
	return events[i].Words
}

// lastWords lets hooks and alerts of the leave end, and logs what they came to: nobody records it any more.
func (d *daemon) lastWords(log *logger) {
	var both sync.WaitGroup
	both.Go(d.alerts.finish)
	both.Go(d.hooks.finish)
	both.Wait()
	for {
		select {
		case in := <-d.loop.inputs:
			if n, ok := in.(cluster.Noted); ok && (n.Kind == kindHook || n.Kind == kindAlert) {
				log.line(n.Level, time.Now(), n.Words)
			}
		default:
			return
		}
	}
}
