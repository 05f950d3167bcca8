package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lubdub/internal/agent"
	"lubdub/internal/cluster"
)

// hooked are hooks whose commands are scripts of the test, and that note what they have to say.
type hooked struct {
	*hooks
	t     *testing.T
	dir   string
	notes chan cluster.Noted
}

func newHooked(t *testing.T) *hooked {
	h := &hooked{t: t, dir: t.TempDir(), notes: make(chan cluster.Noted, 10*hookQueue)}
	h.hooks = &hooks{cfg: cluster.Config{Self: "alpha", Peer: "beta"}, gates: gates{}, queue: make(chan job, hookQueue), closing: make(chan struct{}), ended: make(chan struct{}),
		rc:    func(string) (agent.Hook, bool, *agent.Problem) { return agent.Hook{}, false, nil },
		tell:  func(n cluster.Noted) { h.notes <- n },
		offer: func(in cluster.Input) bool { h.notes <- in.(cluster.Noted); return true }}
	return h
}

// script writes a shell's script.
func (h *hooked) script(name, body string) agent.Hook {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\ncd "+h.dir+"\n"+body+"\n"), 0o755); err != nil {
		h.t.Fatal(err)
	}
	return agent.Hook{Name: "hook " + name, Argv: []string{path}, Timeout: time.Hour}
}

func (h *hooked) add(when, group string, block bool, k agent.Hook) {
	h.all = append(h.all, hook{k, when, group, block})
}

// note waits for what the hooks have to say.
func (h *hooked) note() cluster.Noted {
	h.t.Helper()
	select {
	case n := <-h.notes:
		return n
	case <-time.After(time.Minute):
		h.t.Fatal("nothing was noted")
		return cluster.Noted{}
	}
}

func (h *hooked) file(name string) string {
	text, _ := os.ReadFile(filepath.Join(h.dir, name))
	return string(text)
}

// drain waits until all that was queued has run.
func (h *hooked) drain() {
	h.t.Helper()
	close(h.closing)
	select {
	case <-h.ended:
	case <-time.After(time.Minute):
		h.t.Fatal("the hooks do not end")
	}
}

// come waits until a script wrote its file.
func (h *hooked) come(name string) {
	h.t.Helper()
	for end := time.Now().Add(time.Minute); h.file(name) == ""; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("%s did not come", name)
		}
	}
}

// Hooks run one after the other, each with what happened, and what became of them is noted; those of other groups and
// occasions do not.
func TestHooksInOrder(t *testing.T) {
	h := newHooked(t)
	tell := `echo "$(basename $0) $LUBDUB_WHEN $LUBDUB_GROUP" >>log`
	h.add(afterStart, "", false, h.script("all", "sleep 0.2; "+tell))
	h.add(afterStart, "web", false, h.script("web", tell+"; echo out; exit 3"))
	h.add(afterStart, "db", false, h.script("db", tell))
	h.add(beforeStart, "web", true, h.script("blocks", tell))
	h.add(afterStop, "", false, h.script("stop", tell))
	for _, o := range []occasion{{when: beforeStart, group: "web"}, {when: afterStart, group: "web"}, {when: afterStop, group: "web"}, {when: afterStart, group: "db"}} {
		h.happened(o)
	}
	go h.run(t.Context(), t.Context())
	h.drain()
	if got, want := h.file("log"), "all after-start web\nweb after-start web\nstop after-stop web\nall after-start db\ndb after-start db\n"; got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
	var got []string
	for range 5 {
		n := h.note()
		words, _, _ := strings.Cut(n.Words, " (")
		got = append(got, fmt.Sprintf("%s %s %s %v", n.Level, n.Group, words, n.Lines))
	}
	if want := []string{"info web hook all ended well []", "warning web hook web: exit code 3: out [out]", "info web hook stop ended well []", "info db hook all ended well []", "info db hook db ended well []"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// When too many wait, further ones are left out, and that is said once; so is the end of it.
func TestHooksOverflow(t *testing.T) {
	h := newHooked(t)
	h.add(afterStart, "", false, h.script("slow", "[ -e go ] || { echo >here here; while [ ! -e go ]; do sleep 0.02; done; }"))
	go h.run(t.Context(), t.Context())
	o := occasion{when: afterStart, group: "web"}
	h.happened(o)
	h.come("here")
	for range hookQueue + 3 {
		h.happened(o)
	}
	if n := h.note(); n.Level != cluster.Warning || n.Words != "256 hooks wait already: further ones are not run; see which of them takes so long" {
		t.Errorf("got %+v", n)
	}
	if len(h.notes) != 0 {
		t.Errorf("and said again: %+v", h.note())
	}
	if err := os.WriteFile(filepath.Join(h.dir, "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	h.note() // the first one has ended, so there is room soon
	for len(h.queue) == hookQueue {
		time.Sleep(5 * time.Millisecond)
	}
	h.happened(o)
	for {
		if n := h.note(); n.Level == cluster.Warning {
			if n.Words != "there is room for hooks again; 3 were not run" {
				t.Errorf("got %+v", n)
			}
			break
		}
	}
	h.drain()
}

// A hook that takes too long is ended, and the next one runs; the daemon's end ends one that has time.
func TestHooksEnd(t *testing.T) {
	h := newHooked(t)
	slow := h.script("slow", "sleep 600")
	slow.Timeout = 100 * time.Millisecond
	h.add(afterStart, "", false, slow)
	h.add(afterStart, "", false, h.script("next", "echo >here here; sleep 600"))
	ctx, cancel := context.WithCancel(t.Context())
	go h.run(ctx, ctx)
	h.happened(occasion{when: afterStart, group: "web"})
	if n := h.note(); n.Level != cluster.Warning || n.Words != "hook slow: ended after 100ms: it did not finish" {
		t.Errorf("got %+v", n)
	}
	h.come("here")
	cancel()
	<-h.ended
	if n := h.note(); n.Words != "hook next: cancelled" {
		t.Errorf("got %+v", n)
	}
}

// When another life follows at once, no hook holds that up, and what was not run is said.
func TestHooksLeft(t *testing.T) {
	h := newHooked(t)
	h.add(afterStart, "", false, h.script("slow", "trap '' TERM; echo >here here; while [ ! -e go ]; do sleep 0.02; done; echo >done done"))
	ctx, end := context.WithCancelCause(t.Context())
	go h.run(ctx, t.Context())
	for range 2 {
		h.happened(occasion{when: afterStart, group: "web"})
	}
	h.come("here")
	end(ErrAgain)
	select {
	case <-h.ended:
	case <-time.After(time.Minute):
		t.Fatal("a hook holds up the end")
	}
	var said strings.Builder
	a := &alert{name: "mail to a@example.org", untold: 2}
	d := &daemon{ctx: ctx, hooks: h.hooks, alerts: &alerts{all: []*alert{a}}}
	d.lost(&logger{stderr: &said})
	for _, want := range []string{"hook slow was still running: what becomes of it is not told; lubdub ended", "hook slow was not run; lubdub ended", "mail to a@example.org was not told of 2 events; lubdub ended"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, said.String())
		}
	}
	if err := os.WriteFile(filepath.Join(h.dir, "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	h.come("done") // it went on
	h.note()
}

// The script of rc.d is told of nodes. Why it is not run is said once.
func TestHooksTellRC(t *testing.T) {
	h := newHooked(t)
	script := h.script("status", "echo $1 $HA_src $HA_st >>log")
	script.Argv = append(script.Argv, "status")
	bad := &agent.Problem{Words: "it is Heartbeat's"}
	asked := 0
	h.rc = func(kind string) (agent.Hook, bool, *agent.Problem) {
		asked++
		return script, kind == "status" && asked > 1, []*agent.Problem{nil, nil, nil, bad, bad}[asked-1]
	}
	for _, state := range []string{"up", "active", "dead", "active", "dead"} {
		h.happened(occasion{when: nodeStatus, node: "beta", state: state})
	}
	go h.run(t.Context(), t.Context())
	h.drain()
	if got := h.file("log"); got != "status beta active\nstatus beta dead\n" {
		t.Errorf("got %q", got)
	}
	if a, b, c := h.note(), h.note(), h.note(); a.Level != cluster.Info || b.Level != cluster.Info || c.Words != bad.String() || len(h.notes) != 0 {
		t.Errorf("got %v, %v, %v and %d more", a, b, c, len(h.notes))
	}
}

// counting is a runner that counts what it is asked for.
type counting struct{ asked chan cluster.Action }

func (c counting) Run(_ context.Context, q agent.Request) cluster.Outcome {
	c.asked <- q.Action
	return cluster.Outcome{Words: "done"}
}

// act runs an action through the gates and returns its outcome, and whether the agent was asked.
func (h *hooked) act(r cluster.Resource, action cluster.Action) (cluster.Outcome, bool) {
	h.t.Helper()
	c := counting{make(chan cluster.Action, 1)}
	a := newActions(cluster.Config{Groups: []cluster.Group{{Name: "web", Resources: []cluster.Resource{r}}}}, c)
	a.gates = h.gates
	l := newLoop(nil, now, nil, nil)
	a.start(h.t.Context(), l, cluster.Run{ID: 7, Group: "web", Resource: r.Name, Action: action}, 0)
	a.running.Wait()
	out := (<-l.inputs).(cluster.Outcome)
	if out.ID != 7 {
		h.t.Errorf("the outcome has the ID %d", out.ID)
	}
	return out, len(c.asked) == 1
}

// A start waits for its hooks: the first that fails refuses it, each time it is tried, and none runs again once all have passed.
func TestGateOfAStart(t *testing.T) {
	h := newHooked(t)
	h.add(beforeStart, "", true, h.script("first", "echo first $LUBDUB_FROM >>log"))
	h.add(beforeStart, "web", true, h.script("second", "echo second >>log; echo not mounted; [ -e good ]"))
	h.add(beforeStart, "db", true, h.script("other", "echo other >>log"))
	ip, httpd := cluster.Resource{Name: "ip"}, cluster.Resource{Name: "httpd"}
	if _, asked := h.act(ip, cluster.Start); !asked {
		t.Error("without a gate nothing was started")
	}
	h.happened(occasion{when: beforeStart, group: "web", from: "beta"})
	for range 2 {
		out, asked := h.act(ip, cluster.Start)
		if want := "ip start: not tried, for hook second: exit code 1: not mounted"; asked || out.Result != cluster.Failed || out.Words != want || !slices.Equal(out.Lines, []string{"not mounted"}) {
			t.Errorf("asked %v, got %+v, want %s", asked, out, want)
		}
	}
	if out, asked := h.act(ip, cluster.Monitor); !asked || out.Words != "done" {
		t.Errorf("monitor: asked %v, %+v", asked, out)
	}
	if out, asked := h.act(cluster.Resource{Name: "warm", Warm: true}, cluster.Start); !asked || out.Words != "done" {
		t.Errorf("warm: asked %v, %+v", asked, out)
	}
	if err := os.WriteFile(filepath.Join(h.dir, "good"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, r := range []cluster.Resource{ip, httpd} {
		if out, asked := h.act(r, cluster.Start); !asked || out.Words != "done" {
			t.Errorf("%s: asked %v, got %+v", r.Name, asked, out)
		}
	}
	if got, want := h.file("log"), strings.Repeat("first beta\nsecond\n", 3); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
	if len(h.queue) > 0 {
		t.Error("a hook that blocks is in the queue, too")
	}
}

// A stop waits for its hooks, once, and goes on when they fail.
func TestGateOfAStop(t *testing.T) {
	h := newHooked(t)
	h.add(beforeStop, "", true, h.script("fails", "echo >>log fails; echo still busy; exit 1"))
	h.add(beforeStop, "", true, h.script("works", "echo >>log works"))
	h.happened(occasion{when: beforeStart, group: "web"})
	h.happened(occasion{when: beforeStop, group: "web"})
	for _, name := range []string{"httpd", "ip"} {
		if out, asked := h.act(cluster.Resource{Name: name}, cluster.Stop); !asked || out.Words != "done" {
			t.Errorf("asked %v, got %+v", asked, out)
		}
	}
	if got, want := h.file("log"), "fails\nworks\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if n := h.note(); n.Level != cluster.Info || n.Group != "web" || n.Words != "web waits for hook fails, at most 1h0m0s" {
		t.Errorf("got %+v", n)
	}
	if n := h.note(); n.Level != cluster.Alarm || n.Group != "web" || n.Words != "hook fails: exit code 1: still busy; the stop goes on" {
		t.Errorf("got %+v", n)
	}
	for range 2 {
		if n := h.note(); n.Level != cluster.Info {
			t.Errorf("got %+v", n)
		}
	}
}

// A stop that is cancelled while it waits for its hooks has not passed them, and nothing failed.
func TestGateCancelled(t *testing.T) {
	h := newHooked(t)
	h.add(beforeStop, "", true, h.script("hangs", "echo >here here; sleep 600"))
	h.happened(occasion{when: beforeStop, group: "web"})
	g := h.gates[gateAt{"web", cluster.Stop}]
	ctx, cancel := context.WithCancel(t.Context())
	passed := make(chan struct{})
	go func() {
		defer close(passed)
		if out, refused := g.pass(ctx, "ip"); !refused || out.Result != cluster.Failed || out.Words != "ip stop: cancelled" {
			t.Errorf("refused %v, got %+v", refused, out)
		}
	}()
	h.come("here")
	cancel()
	<-passed
	if n := h.note(); n.Level != cluster.Info || len(h.notes) > 0 || g.passed.Load() {
		t.Errorf("passed %v, got %+v and %d more", g.passed.Load(), n, len(h.notes))
	}
}

// Hooks that hang, blocking ones too, hold up nothing but their own start: the node beats on.
func TestHooksDoNotHoldUpTheLoop(t *testing.T) {
	h := newHooked(t)
	hangs := h.script("hangs", "echo >here here; sleep 600")
	h.add(beforeStart, "", true, h.script("gate", "echo >gate gate; sleep 600"))
	for _, when := range []string{beforeStart, afterStart, beforeMove} {
		h.add(when, "", false, hangs)
	}
	alpha, beta := newTold("alpha", "beta"), newTold("beta", "alpha")
	alpha.peer, beta.peer = beta.twin, alpha.twin
	alpha.actions.gates = h.gates
	alpha.happened = h.happened
	ctx, cancel := context.WithCancel(t.Context())
	beats := make(chan struct{}, 1)
	alpha.beat = func() {
		select {
		case beats <- struct{}{}:
		default:
		}
	}
	go h.run(ctx, ctx)
	alpha.start(ctx)
	beta.start(ctx)
	h.come("here")
	h.come("gate")
	for range 5 {
		select {
		case <-beats:
		case <-time.After(time.Minute):
			t.Fatal("no heartbeat")
		}
	}
	if s := alpha.state(t); s != "starting" {
		t.Errorf("alpha is %s, want starting", s)
	}
	alpha.loop.tell(ctx, cluster.Command{ID: 1, Verb: cluster.Leave}) // which cancels the start, and so its hook
	left := make(chan struct{})
	go func() { alpha.ended.Wait(); close(left) }()
	select {
	case <-left:
	case <-time.After(time.Minute):
		t.Error("the leave waits for a hook")
	}
	cancel()
	<-h.ended
	alpha.stop()
	beta.stop()
}
