package daemon

import (
	"context"
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
	missed  int    // the loop's: hooks that found no place in the queue
	refused string // why the script of rc.d is not run, as last said; the queue's
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
	d.edges.Go(func() { d.hooks.run(ctx) })
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

// run runs the commands one after the other until ctx ends, or until nothing more comes.
func (h *hooks) run(ctx context.Context) {
	defer close(h.ended)
	for {
		select {
		case j := <-h.queue:
			h.do(ctx, j)
			continue
		default:
		}
		select {
		case j := <-h.queue:
			h.do(ctx, j)
		case <-h.closing:
			if len(h.queue) == 0 {
				return
			}
		case <-ctx.Done():
			return
		}
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
