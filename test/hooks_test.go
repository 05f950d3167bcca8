package test

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"lubdub/internal/api"
	"lubdub/internal/lab"
)

// The commands of the test. tell writes what it is told; there says whether
// the storage is there, and status is a script of rc.d.
const (
	tellScript = `#!/bin/sh
echo "$LUBDUB_WHEN $LUBDUB_GROUP $LUBDUB_FROM>$LUBDUB_TO ${LUBDUB_REASON:+why}" >>/var/log/told
[ "$LUBDUB_EPOCH" -gt 0 ] && [ "$LUBDUB_NODE" = "$(uname -n)" ] && [ -n "$LUBDUB_EVENT" ] && [ -z "$NOTIFY_SOCKET" ]
`
	thereScript = `#!/bin/sh
echo "there $LUBDUB_WHEN" >>/var/log/there
[ ! -e /run/absent ] || { echo "the storage is not there"; exit 1; }
`
	statusScript = `#!/bin/sh
[ "$1 $HA_t" = "status status" ] && echo "$HA_src $HA_st" >>/var/log/nodes
`
)

// TestHooks lets real daemons start, move, fail, take over and leave, and reads what their hooks were told.
func TestHooks(t *testing.T) {
	conf := "webhook http://192.0.2.50:8080/events every=1s\nhook before-start web /etc/ha.d/there block=yes timeout=20s\n"
	for _, when := range []string{"before-start", "after-start", "before-stop", "after-stop", "before-move", "after-move"} {
		conf += "hook " + when + " * /etc/ha.d/tell\n"
	}
	p := newPair(t, setup{conf: conf})
	for _, node := range []string{one, two} {
		for name, text := range map[string]string{"tell": tellScript, "there": thereScript, "rc.d/status": statusScript} {
			must(t, p.Host(node).WriteFile("/etc/ha.d/"+name, text, 0o755))
		}
	}
	if out := p.run(one, lubdub+" check"); !containsAll(out, "hook before-start web (/etc/ha.d/there): within 20s; the start waits for it", "/etc/ha.d/rc.d/status: is told when a node comes or goes") {
		t.Errorf("check says:\n%s", out)
	}
	posts := p.posts()
	p.serve()
	p.logs(one, "/var/log/told", "before-start web >proxy01 why", "after-start web >proxy01 why")
	p.logs(one, "/var/log/there", "there before-start")
	p.logs(one, "/var/log/nodes", "proxy02 active")

	p.forget("/var/log/told", one, two)
	p.order(one, "move web "+two)
	p.logs(one, "/var/log/told", "before-move web proxy01>proxy02 why", "before-stop web proxy01>proxy02 why", "after-stop web proxy01>proxy02 why")
	p.logs(two, "/var/log/told", "before-start web proxy01>proxy02 why", "after-start web proxy01>proxy02 why", "after-move web proxy01>proxy02 why")

	// The other node dies, and what the hook wants is not there: the start fails, and says why.
	must(t, p.Host(one).WriteFile("/run/absent", "", 0o644))
	p.forget("/var/log/told", one, two)
	p.off(two)
	p.says(one, "start: not tried, for hook before-start web (/etc/ha.d/there): exit code 1: the storage is not there")
	p.logs(one, "/var/log/nodes", "proxy02 active", "proxy02 dead")
	p.posted(posts, "proxy02 is down", "alarm")
	p.run(one, "rm /run/absent")
	cured := lab.Now()
	p.order(one, "cleanup web")
	p.answered(one, cured, 10*second+busy)
	p.logs(one, "/var/log/told", "before-start web proxy02>proxy01 why", "before-stop web proxy01> why", "after-stop web proxy01> why",
		"before-start web proxy02>proxy01 why", "after-start web proxy02>proxy01 why", "after-move web proxy02>proxy01 why")

	// The hooks of the daemon's own leave have run when it has ended, and their end is in the log.
	p.forget("/var/log/told", one)
	p.stop(one)
	text, err := p.Host(one).ReadFile("/var/log/told")
	must(t, err)
	if want := "before-stop web proxy01> why\nafter-stop web proxy01> why\n"; text != want {
		t.Errorf("at the leave: got\n%swant\n%s", text, want)
	}
	if out := p.daemon(one).Output(); !strings.Contains(out, "hook after-stop * (/etc/ha.d/tell) ended well (") {
		t.Errorf("the last hook's end is not in the log:\n%s", tail(out, 10))
	}
	p.posted(posts, "lubdub ends on proxy01", "warning")
	p.neverTwo()
}

// post is what a webhook gets.
type post struct {
	Node, Level string
	Events      []api.Event
}

// posts is a server of webhooks on the client's host.
func (p *pair) posts() <-chan post {
	p.t.Helper()
	var l net.Listener
	must(p.t, p.Host(client).Do(func() (err error) {
		l, err = net.Listen("tcp", "192.0.2.50:8080")
		return err
	}))
	all := make(chan post, 100)
	s := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var x post
		if err := json.NewDecoder(r.Body).Decode(&x); err != nil {
			p.t.Error(err)
		}
		all <- x
	})}
	var ended sync.WaitGroup
	ended.Go(func() { _ = s.Serve(l) })
	p.t.Cleanup(func() { s.Close(); ended.Wait() })
	return all
}

// posted waits until a webhook told of an event.
func (p *pair) posted(posts <-chan post, words, level string) {
	p.t.Helper()
	for limit := time.After(20*second + busy); ; {
		select {
		case x := <-posts:
			for _, e := range x.Events {
				if x.Node == one && strings.HasPrefix(e.Words, words) && string(e.Level) == level {
					return
				}
			}
		case <-limit:
			p.t.Errorf("no post from %s: %s", one, words)
			return
		}
	}
}

// logs waits until a file of a node has these lines, and no other.
func (p *pair) logs(node, file string, lines ...string) {
	p.t.Helper()
	want, text := strings.Join(lines, "\n")+"\n", ""
	for began := lab.Now(); lab.Now()-began < 20*second+busy; time.Sleep(20 * time.Millisecond) {
		if text, _ = p.Host(node).ReadFile(file); text == want {
			return
		}
	}
	p.t.Errorf("%s on %s: got\n%swant\n%s", file, node, text, want)
}

// forget empties a file of nodes.
func (p *pair) forget(file string, nodes ...string) {
	p.t.Helper()
	for _, node := range nodes {
		must(p.t, p.Host(node).WriteFile(file, "", 0o644))
	}
}
