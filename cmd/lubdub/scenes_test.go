package main

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"lubdub/internal/api"
	"lubdub/internal/cluster"
	"lubdub/internal/daemon"
)

// scene is how things stand on a node, and what becomes of orders there.
type scene struct {
	status  api.Status
	events  []api.Event
	answers map[cluster.Verb]api.Answer
	// after an order that is carried out:
	after      *api.Status
	moreEvents []api.Event
}

// stage plays a scene behind a control socket.
type stage struct {
	sync.Mutex
	scene scene // guarded by the Mutex: each request has its goroutine
	next  chan struct{}
}

func (s *stage) Status(context.Context) (api.Status, error) {
	s.Lock()
	defer s.Unlock()
	return s.scene.status, nil
}

func (s *stage) Events(after string) ([]api.Event, <-chan struct{}) {
	s.Lock()
	defer s.Unlock()
	for i, e := range s.scene.events {
		if e.ID == after {
			return s.scene.events[i+1:], s.next
		}
	}
	return s.scene.events, s.next
}

func (s *stage) Order(_ context.Context, o api.Order) (api.Answer, error) {
	s.Lock()
	defer s.Unlock()
	a, ok := s.scene.answers[o.Verb]
	if !ok {
		a.Words = "refused: this scene has no answer to " + string(o.Verb)
	}
	if a.OK && !o.Dry && s.scene.after != nil {
		s.scene.status, s.scene.after = *s.scene.after, nil
		s.scene.events = append(s.scene.events, s.scene.moreEvents...)
		close(s.next)
		s.next = make(chan struct{})
	}
	return a, nil
}

// startDaemon is the script command that lets a daemon run: daemon SCENE.
func startDaemon(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: daemon SCENE")
	}
	path := filepath.Join(ts.Getenv("WORK"), "run", daemon.SocketName)
	l, err := api.Listen(path)
	ts.Check(err)
	if args[0] == "frozen" { // it listens, as the kernel does for a stopped process, and never answers
		ts.Defer(func() { l.Close() })
		return
	}
	play, ok := scenes()[args[0]]
	if !ok {
		ts.Fatalf("there is no scene %s", args[0])
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- api.Serve(ctx, l, &stage{scene: play, next: make(chan struct{})}) }()
	ts.Defer(func() {
		cancel()
		ts.Check(<-ended)
		_ = os.Remove(path) // the listener may have done so
	})
}

// The moment at which all scenes are looked at, on the wall clock and the boot clock.
const boot = cluster.Time(90 * time.Minute)

func at() time.Time { return time.Date(2026, 11, 22, 21, 17, 12, 0, time.UTC) }

// ago is a moment of the wall clock, bootAgo the same one of the boot clock.
func ago(d time.Duration) time.Time        { return at().Add(-d) }
func bootAgo(d time.Duration) cluster.Time { return boot.Add(-d) }

const life = 0x6929a1f0

func id(n uint64) string { return eventID(life, n) }

func scenes() map[string]scene {
	return map[string]scene{
		"calm": calm(), "alpha-died": alphaDied(), "httpd-broken": httpdBroken(), "link-cut": linkCut(), "blocked": blocked(),
		"restarted": restarted(), "edited": edited(), "misspelt": misspelt(), "files-differ": filesDiffer(),
	}
}

// calm: seen from alpha, which serves; beta could. Standby hands over.
func calm() scene {
	s := api.Status{Version: "0.1.0", Started: ago(75 * time.Minute), At: at(), Boot: boot, Lease: "nftables"}
	s.Status = cluster.Status{
		Sentence: "web runs on alpha (preferred); the other node is ready to take over; both links up",
		Cluster:  "linux-ha", Self: "alpha", Incarnation: life, Level: "L1",
		LevelWords: "the kernel ends the address with its owner, and the network is asked before it is taken",
		Limits: []string{"links and front network cut at once while both nodes live: each serves its own side; when they meet again one is silent within a heartbeat",
			"a machine that is paused as a whole (a suspended or migrated guest): it may answer for about a keepalive after it wakes"},
		Peer: cluster.PeerStatus{Name: "beta", Membership: "up", Words: "up since 1h14m, heard 120ms ago", Silence: 120 * time.Millisecond, Since: bootAgo(74 * time.Minute)},
		Links: []cluster.LinkStatus{
			{Name: "bcast eth1", Up: true, Peer: true, Last: 120 * time.Millisecond},
			{Name: "bcast eth0", Up: true, Peer: true, Last: 121 * time.Millisecond},
		},
		Groups: []cluster.GroupStatus{{
			Name: "web", Preferred: "alpha", State: "running", Words: "it is served here", Owner: "alpha", Epoch: 1763841600,
			Since: bootAgo(74 * time.Minute), Cause: 5, Entitled: "confirmed by beta", Until: boot.Add(1200 * time.Millisecond), PeerState: "stopped",
			Next: []string{"beta is ready to take it when alpha fails"},
			Resources: []cluster.ResourceStatus{
				{Name: "192.0.2.100", State: "running", Since: bootAgo(74 * time.Minute)},
				{Name: "apache", State: "running", Since: bootAgo(74 * time.Minute), Took: 812 * time.Millisecond},
			},
		}},
	}
	began := 74 * time.Minute
	events := []api.Event{
		{ID: id(1), Time: ago(began), Level: cluster.Info, Kind: "link", Node: "alpha", Words: "link bcast eth1 is up: beta is heard on it"},
		{ID: id(2), Time: ago(began), Level: cluster.Info, Kind: "link", Node: "alpha", Words: "link bcast eth0 is up: beta is heard on it"},
		{ID: id(3), Time: ago(began), Level: cluster.Info, Kind: "membership", Node: "beta", Words: "beta is up"},
		{ID: id(4), Cause: id(3), Time: ago(began - 62*time.Millisecond), Level: cluster.Info, Kind: "group", Group: "web", Node: "alpha", Words: "alpha takes web: beta agrees", Rule: "C1"},
		{ID: id(5), Cause: id(4), Time: ago(began - 900*time.Millisecond), Level: cluster.Info, Kind: "group", Group: "web", Node: "alpha", Words: "web is served by alpha"},
	}
	after := s
	after.Standby = true
	after.Sentence = "web runs on beta (preferred: alpha); alpha is in standby; both links up"
	g := s.Groups[0]
	g.State, g.Words, g.Owner, g.PeerState, g.Cause, g.Entitled, g.Since = "stopped", "it does not run here", "beta", "running", 8, "", boot
	g.Next = []string{"if beta fails nobody takes it: alpha is in standby"}
	g.Resources = []cluster.ResourceStatus{{Name: "192.0.2.100", State: "stopped", Since: boot}, {Name: "apache", State: "stopped", Since: boot}}
	after.Groups = []cluster.GroupStatus{g}
	return scene{status: s, events: events, after: &after,
		answers: map[cluster.Verb]api.Answer{
			cluster.Standby: {OK: true, Words: "alpha goes into standby: it takes nothing, not even when beta dies, until: lubdub online"},
			cluster.Online:  {OK: true, Words: "alpha is online already"},
			cluster.Move:    {OK: true, Words: "web moves to beta"},
			cluster.Cleanup: {OK: true, Words: "the failures are forgotten"},
		},
		moreEvents: []api.Event{
			{ID: id(6), Time: at(), Level: cluster.Warning, Kind: "standby", Node: "alpha", Words: "alpha goes into standby by the operator's order: it takes nothing, not even when beta dies, until: lubdub online"},
			{ID: id(7), Cause: id(6), Time: at(), Level: cluster.Info, Kind: "group", Group: "web", Node: "alpha", Words: "web moves to beta: alpha is in standby"},
			{ID: id(8), Cause: id(7), Time: at().Add(time.Second), Level: cluster.Info, Kind: "group", Group: "web", Node: "alpha", Words: "web is stopped on alpha and offered to beta"},
		}}
}

// alphaDied: seen from beta, which took over.
func alphaDied() scene {
	s := calm().status
	s.Self, s.Started = "beta", ago(75*time.Minute)
	s.Sentence = "web runs on beta (preferred: alpha); alpha is down; 0 of 2 links up"
	s.Peer = cluster.PeerStatus{Name: "alpha", Membership: "down", Words: "silent for 3m12s (deadtime 2s)", Silence: 192 * time.Second, Since: bootAgo(190 * time.Second)}
	const reason = "alpha is not heard on it"
	s.Links = []cluster.LinkStatus{{Name: "bcast eth1", Reason: reason, Last: 192 * time.Second}, {Name: "bcast eth0", Reason: reason, Last: 192 * time.Second}}
	g := s.Groups[0]
	g.Owner, g.Since, g.Cause, g.PeerState = "beta", bootAgo(189*time.Second), 6, ""
	g.Entitled = "alone: alpha is not heard; only the address probe guards against it"
	g.Next = []string{"nobody takes it when beta fails: alpha is down",
		"it does not go back to alpha by itself: auto_failback is off; to move it: lubdub move web"}
	g.Resources = []cluster.ResourceStatus{{Name: "192.0.2.100", State: "running", Since: bootAgo(190 * time.Second)},
		{Name: "apache", State: "running", Since: bootAgo(189 * time.Second), Took: 812 * time.Millisecond}}
	s.Groups = []cluster.GroupStatus{g}
	s.Warnings = nil
	return scene{status: s, events: []api.Event{
		{ID: id(2), Time: ago(192 * time.Second), Level: cluster.Info, Kind: "group", Group: "web", Node: "beta", Words: "beta says that it will take web: alpha is silent for 1.5s", Rule: "S3"},
		{ID: id(3), Time: ago(190 * time.Second), Level: cluster.Warning, Kind: "link", Node: "beta", Words: "link bcast eth1 is dead: alpha was not heard on it for 2s"},
		{ID: id(4), Time: ago(190 * time.Second), Level: cluster.Alarm, Kind: "membership", Node: "alpha", Words: "alpha is down: silent on all links (bcast eth1, bcast eth0) for 2s (deadtime 2s)"},
		{ID: id(5), Cause: id(4), Time: ago(190 * time.Second), Level: cluster.Info, Kind: "group", Group: "web", Node: "beta", Words: "beta takes web: alpha is silent for 2s and nobody answers for its address", Rule: "S1-S6"},
		{ID: id(6), Cause: id(5), Time: ago(189 * time.Second), Level: cluster.Info, Kind: "group", Group: "web", Node: "beta", Words: "web is served by beta"},
	}, answers: map[cluster.Verb]api.Answer{cluster.FenceConfirm: {OK: true, Words: "alpha would count as off"}}}
}

// httpdBroken: seen from alpha, where httpd does not start; beta serves.
func httpdBroken() scene {
	said := []string{"AH00526: Syntax error on line 5 of /etc/httpd/conf/httpd.conf:", "Invalid command 'Lisen', perhaps misspelled or defined by a module not included in the server configuration"}
	const words = "start: exit 1: Configuration file /etc/httpd/conf/httpd.conf not found or wrong"
	s := calm().status
	s.Sentence = "web runs on beta (preferred: alpha); alpha cannot take everything; both links up"
	g := s.Groups[0]
	g.State, g.Words, g.Owner, g.PeerState, g.Cause, g.Entitled, g.Since = "stopped", "it does not run here", "beta", "running", 11, "", bootAgo(11*time.Second)
	g.Next = []string{"if beta fails nobody takes it: apache failed: " + words + " (counts for another 9m48s; to forget it: lubdub cleanup web)"}
	g.Resources = []cluster.ResourceStatus{{Name: "192.0.2.100", State: "stopped", Since: bootAgo(11 * time.Second)},
		{Name: "apache", State: "stopped", Since: bootAgo(11 * time.Second), Failures: 1, Limit: 3, Words: words, Lines: said, Took: 240 * time.Millisecond}}
	s.Groups = []cluster.GroupStatus{g}
	s.Warnings = []string{"apache of web failed: " + words}
	t := 12 * time.Second
	return scene{status: s, events: append(calm().events,
		api.Event{ID: id(6), Cause: id(5), Time: ago(t), Level: cluster.Warning, Kind: "resource", Group: "web", Resource: "apache", Node: "alpha", Words: "apache of web failed on alpha: it does not run"},
		api.Event{ID: id(7), Cause: id(6), Time: ago(t), Level: cluster.Info, Kind: "group", Group: "web", Resource: "apache", Node: "alpha", Words: "apache of web is restarted on alpha"},
		api.Event{ID: id(8), Cause: id(7), Time: ago(t - 300*time.Millisecond), Level: cluster.Alarm, Kind: "resource", Group: "web", Resource: "apache", Node: "alpha", Words: "apache of web did not start on alpha: " + words, Lines: said},
		api.Event{ID: id(9), Cause: id(8), Time: ago(t - 300*time.Millisecond), Level: cluster.Alarm, Kind: "group", Group: "web", Node: "alpha", Words: "web cannot run on alpha: apache did not start"},
		api.Event{ID: id(11), Cause: id(9), Time: ago(t - 340*time.Millisecond), Level: cluster.Info, Kind: "group", Group: "web", Node: "alpha", Words: "web is stopped on alpha and offered to beta"},
	), answers: map[cluster.Verb]api.Answer{
		cluster.Move: {Words: "refused: web cannot run here: apache failed: " + words + " (counts for another 9m48s; to forget it: lubdub cleanup web)"},
	}}
}

// linkCut: seen from beta, which may not take over, for alpha lives.
func linkCut() scene {
	const refused = "alpha is not heard, but its address answers (52:54:00:aa:00:01): it lives, and a link is broken"
	s := alphaDied().status
	s.Sentence = "web is not taken: " + refused + "; alpha is down; 0 of 1 links up"
	s.Links = s.Links[:1]
	g := s.Groups[0]
	g.State, g.Words, g.Owner, g.Cause, g.Entitled, g.Since = "stopped", "it does not run here", "", 0, "", 0
	g.Next = []string{"it is not taken: " + refused}
	g.Resources = []cluster.ResourceStatus{{Name: "192.0.2.100", State: "stopped"}, {Name: "apache", State: "stopped"}}
	s.Groups = []cluster.GroupStatus{g}
	return scene{status: s, events: []api.Event{
		{ID: id(1), Time: ago(74 * time.Minute), Level: cluster.Info, Kind: "membership", Node: "alpha", Words: "alpha is up"},
		{ID: id(2), Time: ago(192 * time.Second), Level: cluster.Info, Kind: "group", Group: "web", Node: "beta", Words: "beta says that it will take web: alpha is silent for 1.5s", Rule: "S3"},
		{ID: id(3), Cause: id(1), Time: ago(191 * time.Second), Level: cluster.Alarm, Kind: "group", Group: "web", Node: "beta", Words: "web is not taken: " + refused, Rule: "S4"},
		{ID: id(4), Time: ago(190 * time.Second), Level: cluster.Warning, Kind: "link", Node: "beta", Words: "link bcast eth1 is dead: alpha was not heard on it for 2s"},
		{ID: id(5), Time: ago(190 * time.Second), Level: cluster.Alarm, Kind: "membership", Node: "alpha", Words: "alpha is down: silent on the only link (bcast eth1) for 2s (deadtime 2s)"},
	}}
}

// blocked: seen from alpha, where httpd does not stop.
func blocked() scene {
	c := calm()
	s := c.status
	s.Sentence = "web is BLOCKED on alpha; the other node is ready to take over; both links up"
	g := s.Groups[0]
	g.State, g.Words, g.Owner, g.Entitled, g.Cause = "blocked", "a resource did not stop: nothing is done with it until you look; then: lubdub cleanup", "", "", 5
	g.Resources = []cluster.ResourceStatus{{Name: "192.0.2.100", State: "running", Since: bootAgo(74 * time.Minute)},
		{Name: "apache", State: "failed", Since: bootAgo(time.Second), Failures: 1, Limit: 3, Words: "stop: ended after 1m0s: it did not answer"}}
	g.Next = nil
	c.after.Groups = []cluster.GroupStatus{g}
	c.after.Sentence = s.Sentence
	return c
}

// restarted: lubdub was restarted on alpha, which went on serving.
func restarted() scene {
	c := calm()
	c.status.Incarnation++
	c.status.Started = ago(time.Minute)
	c.status.Groups[0].Cause = 0
	return c
}

// filesDiffer: somebody changed the web files on one node; seen from alpha.
func filesDiffer() scene {
	c := calm()
	s := &c.status
	s.Differs = []string{"/srv/www"}
	s.Warnings = []string{"/srv/www differs from the one on beta: to see where: lubdub sync --plan; until they agree no group goes back by itself"}
	s.Watched = []api.Watched{
		{Path: "/srv/www", Tree: true, Sum: "0123456789abcdef", Entries: 1234, Bytes: 56 << 20, Looked: ago(12 * time.Second)},
		{Path: "/etc/httpd/conf/httpd.conf", Sum: "0123456789abcdef", Entries: 1, Bytes: 812, Looked: ago(3 * time.Second), Slow: true},
		{Path: "/srv/big", Tree: true, Looked: ago(time.Minute), Words: "/srv/big has more than 200000 names: exclude= what does not matter, or watch smaller trees: it is not compared"},
	}
	c.events = append(c.events, api.Event{ID: id(6), Time: ago(20 * time.Second), Level: cluster.Warning, Kind: "files", Node: "alpha", Words: s.Warnings[0]})
	return c
}
