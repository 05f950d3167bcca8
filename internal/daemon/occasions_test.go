package daemon

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lubdub/internal/api"
	"lubdub/internal/cluster"
)

// told is a twin whose occasions are kept.
type told struct {
	*twin
	watch *watcher
	list  []string

	happened func(occasion) // if somebody wants to know
	beat     func()
}

func newTold(self, peer string) *told {
	w := &told{twin: newTwin(self, peer)}
	cfg := cluster.Config{Self: self, Peer: peer}
	w.watch = newWatcher(cfg, w.loop.machine.Status())
	before := w.loop.before
	w.loop.before = func(in cluster.Input) {
		before(in)
		if h, ok := in.(cluster.Heard); ok {
			w.watch.heard(h.Beat)
		}
	}
	return w
}

func (w *told) start(ctx context.Context) {
	ctx, w.cancel = context.WithCancel(ctx)
	w.loop.perform = func(o cluster.Output) {
		w.perform(ctx, o)
		if _, ok := o.(cluster.Send); ok && w.beat != nil {
			w.beat()
		}
		if e, ok := o.(cluster.Emit); ok {
			for _, o := range w.watch.see(e.Event, w.loop.machine.Status) {
				if w.happened != nil {
					w.happened(o)
				}
				w.list = append(w.list, strings.TrimRight(fmt.Sprintf("%s %s%s %s>%s %s%s", o.when, o.group, o.node, o.from, o.to, o.state, o.reason), " "))
			}
		}
	}
	w.ended.Go(func() { w.clean, w.left = w.loop.run(ctx) })
}

// since are the occasions that are new.
func (w *told) since() []string {
	out := w.list
	w.list = nil
	return out
}

// The real machine starts, moves, loses and takes over a group; each node's occasions say so.
func TestOccasions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alpha, beta := newTold("alpha", "beta"), newTold("beta", "alpha")
		alpha.peer, beta.peer = beta.twin, alpha.twin
		alpha.start(t.Context())
		beta.start(t.Context())
		settle := func(w *told, state string) {
			t.Helper()
			for end := time.Now().Add(time.Minute); w.state(t) != state; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("it is %s, want %s", w.state(t), state)
				}
			}
			time.Sleep(5 * time.Second)
			synctest.Wait()
		}
		expect := func(what string, w *told, want ...string) {
			t.Helper()
			if diff := cmp.Diff(want, w.since()); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", w.watch.self, what, diff)
			}
		}
		settle(alpha, "running")
		expect("start", alpha, "status beta > active", "before-start web >alpha", "after-start web >alpha")
		expect("start", beta, "status alpha > active")

		alpha.loop.tell(t.Context(), cluster.Command{ID: 1, Verb: cluster.Move, Group: "web", Node: "beta"})
		settle(beta, "running")
		expect("move", alpha, "before-move web alpha>beta the operator asks for it", "before-stop web alpha>beta", "after-stop web alpha>beta")
		expect("move", beta, "before-start web alpha>beta", "after-start web alpha>beta", "after-move web alpha>beta")

		beta.stop() // as a crash
		settle(alpha, "running")
		expect("takeover", alpha, "status beta > dead", "before-start web beta>alpha", "after-start web beta>alpha", "after-move web beta>alpha")

		alpha.loop.tell(t.Context(), cluster.Command{ID: 2, Verb: cluster.Leave})
		alpha.ended.Wait()
		expect("leave", alpha, "before-stop web alpha>", "after-stop web alpha>")
		alpha.stop()
	})
}

// Whatever way the states take, a start and a stop each have their two occasions.
func TestOccasionsOfStates(t *testing.T) {
	for path, want := range map[string]string{
		"stopped starting running":                                 "before-start after-start",
		"stopped starting running starting running":                "before-start after-start", // a restart in place is none
		"stopped starting mute starting running":                   "before-start after-start",
		"stopped starting stopping stopped":                        "before-start before-stop after-stop",
		"running quiet stopping stopped":                           "before-stop after-stop",
		"running mute stopping stopped":                            "before-stop after-stop",
		"running stopped":                                          "before-stop after-stop",
		"running stopping starting running":                        "before-stop after-stop before-start after-start",
		"running stopping blocked":                                 "before-stop",
		"running stopping blocked stopping stopped":                "before-stop after-stop",
		"stopped stopping stopped":                                 "before-stop after-stop",
		"blocked stopping stopped":                                 "before-stop after-stop",
		"running mute starting running quiet mute running":         "",
		"stopped running":                                          "before-start after-start",
		"starting running":                                         "", // adopted
		"stopped starting stopping stopped starting running quiet": "before-start before-stop after-stop before-start after-start",
	} {
		states := strings.Fields(path)
		w := newWatcher(cluster.Config{Self: "alpha", Peer: "beta"}, cluster.Status{Groups: []cluster.GroupStatus{{Name: "web", State: states[0]}}})
		var got []string
		for _, s := range states[1:] {
			for _, o := range w.see(cluster.Event{Kind: "group", Group: "web"}, func() cluster.Status {
				return cluster.Status{Groups: []cluster.GroupStatus{{Name: "db"}, {Name: "web", State: s}}}
			}) {
				got = append(got, o.when)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

// Nodes and ping nodes have Heartbeat's words; what did not change is not told.
func TestOccasionsOfNodes(t *testing.T) {
	status := cluster.Status{Peer: cluster.PeerStatus{Membership: "unseen"}, Pings: []cluster.PingStatus{{Name: "gw"}, {Name: "dns", Up: true}}}
	w := newWatcher(cluster.Config{Self: "alpha", Peer: "beta"}, status)
	var got []string
	see := func(kind string) {
		for _, o := range w.see(cluster.Event{Kind: kind}, func() cluster.Status { return status }) {
			got = append(got, strings.Join(o.message()[:2], " ")+" "+o.info)
		}
	}
	for _, is := range []string{"unseen", "up", "up", "down", "unseen", "up", "left", "fenced"} {
		status.Peer.Membership = is
		see("membership")
	}
	see("ping")
	status.Pings = []cluster.PingStatus{{Name: "gw", Up: true}, {Name: "dns"}}
	see("ping")
	see("link")
	want := []string{"HA_src=beta HA_st=active ", "HA_src=beta HA_st=dead ", "HA_src=beta HA_st=up ", "HA_src=beta HA_st=active ", "HA_src=beta HA_st=dead ",
		"HA_src=gw HA_st=ping ping", "HA_src=dns HA_st=dead ping"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOccasionVars(t *testing.T) {
	o := occasion{when: afterMove, event: api.Event{ID: "7.3", Words: "web is served by alpha"}, reason: "beta is down", group: "web", epoch: 41, from: "beta", to: "alpha"}
	got := o.vars(cluster.Config{Self: "alpha", Peer: "beta", Cluster: "linux-ha"})
	slices.Sort(got)
	want := []string{"LUBDUB_CLUSTER=linux-ha", "LUBDUB_EPOCH=41", "LUBDUB_EVENT=7.3", "LUBDUB_FROM=beta", "LUBDUB_GROUP=web", "LUBDUB_NODE=alpha",
		"LUBDUB_PEER=beta", "LUBDUB_REASON=beta is down", "LUBDUB_TO=alpha", "LUBDUB_WHEN=after-move", "LUBDUB_WORDS=web is served by alpha"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The page for administrators names each variable that a hook gets, each script of rc.d's field, and no other.
func TestHooksPage(t *testing.T) {
	text, err := os.ReadFile("../../docs/hooks.md")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"LUBDUB_TEST"}
	for _, v := range (occasion{}).vars(cluster.Config{}) {
		name, _, _ := strings.Cut(v, "=")
		want = append(want, name)
	}
	slices.Sort(want)
	got := regexp.MustCompile("LUBDUB_[A-Z]+").FindAllString(string(text), -1)
	slices.Sort(got)
	if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, v := range (occasion{info: "ping"}).message() {
		if name, _, _ := strings.Cut(v, "="); !strings.Contains(string(text), name) {
			t.Errorf("the page does not name %s", name)
		}
	}
}
