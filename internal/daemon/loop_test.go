package daemon

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lubdub/internal/agent"
	"lubdub/internal/cluster"
)

// fakeRunner takes a while for each action and succeeds.
type fakeRunner struct{ takes time.Duration }

func (f fakeRunner) Run(ctx context.Context, q agent.Request) cluster.Outcome {
	select {
	case <-time.After(f.takes):
	case <-ctx.Done():
		return cluster.Outcome{Result: cluster.Failed, Words: "cancelled"}
	}
	if q.Action == cluster.Monitor {
		return cluster.Outcome{Result: cluster.NotRunning}
	}
	return cluster.Outcome{Result: cluster.OK}
}

// twin is one node of a cluster in a bubble: the real loop and the real
// machine, with links, agents and kernel that are a few lines.
type twin struct {
	loop    *loop
	actions *actions
	peer    *twin
	beats   int
	cancel  context.CancelFunc
	ended   sync.WaitGroup
	clean   bool
	left    bool
}

func bubbleTime() cluster.Time { return cluster.Time(time.Now().UnixNano()) }

func newTwin(self, peer string) *twin {
	times := cluster.Timeouts{Start: time.Minute, Stop: time.Minute, Monitor: time.Minute}
	cfg := cluster.Config{
		Cluster: "c", Self: self, Peer: peer, Links: []string{"eth1"}, Keepalive: 250 * time.Millisecond,
		WarnTime: time.Second, DeadTime: 2 * time.Second, InitDead: 10 * time.Second,
		Groups: []cluster.Group{{Name: "web", Preferred: "alpha", Resources: []cluster.Resource{
			{Name: "ip", Class: "address", Interface: "eth0", Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.100/24")}, Timeouts: times},
			{Name: "httpd", Type: "apache", Timeouts: times},
		}}},
	}
	w := &twin{actions: newActions(cfg, fakeRunner{20 * time.Millisecond})}
	w.loop = newLoop(cluster.New(cfg, cluster.Saved{Incarnation: 1, Clock: 1}, bubbleTime()), bubbleTime, nil, func(in cluster.Input) {
		if o, ok := in.(cluster.Outcome); ok {
			w.actions.ended(o.ID)
		}
	})
	return w
}

func (w *twin) start(ctx context.Context) {
	ctx, w.cancel = context.WithCancel(ctx)
	w.loop.perform = func(o cluster.Output) { w.perform(ctx, o) }
	w.ended.Go(func() { w.clean, w.left = w.loop.run(ctx) })
}

func (w *twin) stop() {
	w.cancel()
	w.ended.Wait()
	w.actions.running.Wait()
}

func (w *twin) perform(ctx context.Context, o cluster.Output) {
	switch o := o.(type) {
	case cluster.Send:
		w.beats++
		w.peer.loop.offer(cluster.Heard{Beat: o.Beat})
	case cluster.Entitle:
		w.loop.offer(cluster.Leased{Group: o.Group, Seq: o.Seq})
	case cluster.Run:
		w.actions.start(ctx, w.loop, o, 0)
	case cluster.Cancel:
		w.actions.cancel(o.ID)
	case cluster.Probe:
		w.actions.running.Go(func() {
			began := bubbleTime()
			time.Sleep(60 * time.Millisecond)
			w.loop.tell(ctx, cluster.Probed{Group: o.Group, Attempt: o.Attempt, Began: began, Evidence: true})
		})
	}
}

func (w *twin) state(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := w.loop.status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return s.Groups[0].State
}

func TestLoopTakesOverAndHandsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alpha, beta := newTwin("alpha", "beta"), newTwin("beta", "alpha")
		alpha.peer, beta.peer = beta, alpha
		alpha.start(t.Context())
		beta.start(t.Context())
		time.Sleep(3 * time.Second)
		if got := alpha.state(t); got != "running" {
			t.Fatalf("alpha is %s after 3 s, want running", got)
		}
		alpha.stop() // as a crash: nothing is said
		died := time.Now()
		for beta.state(t) != "running" {
			time.Sleep(10 * time.Millisecond)
			if time.Since(died) > 10*time.Second {
				t.Fatal("beta did not take over within 10 s")
			}
		}
		if took := time.Since(died); took > 2*time.Second+250*time.Millisecond+100*time.Millisecond {
			t.Errorf("beta took %v: more than the dead time, one keepalive and its starts", took)
		}
		beta.loop.tell(t.Context(), cluster.Command{ID: 1, Verb: cluster.Leave})
		beta.ended.Wait()
		beta.stop()
		if !beta.left || !beta.clean {
			t.Errorf("beta left: %v, clean: %v; want both", beta.left, beta.clean)
		}
	})
}

func TestLoopBeatsOnTimeWhileAgentsHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alpha, beta := newTwin("alpha", "beta"), newTwin("beta", "alpha")
		alpha.peer, beta.peer = beta, alpha
		alpha.actions.runner = fakeRunner{time.Hour}
		alpha.start(t.Context())
		beta.start(t.Context())
		time.Sleep(10 * time.Second)
		alpha.stop()
		if alpha.beats < 40 {
			t.Errorf("alpha sent %d heartbeats in 10 s beside hanging agents, want at least 40", alpha.beats)
		}
		beta.stop()
	})
}

func TestOfferDropsWhenTheQueueIsFull(t *testing.T) {
	l := newLoop(nil, nil, nil, nil)
	for range inputQueue {
		if !l.offer(cluster.Noted{}) {
			t.Fatal("dropped although there was a place")
		}
	}
	if l.offer(cluster.Noted{}) {
		t.Error("a full queue took one more")
	}
}
