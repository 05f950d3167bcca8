package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lubdub/internal/lab"
)

const (
	apacheConf = "/etc/apache2/lab.conf"
	apachePid  = "/var/run/apache2/apache2.pid" // as the agent wants it
	apacheLine = shared + " apache::" + apacheConf
	backEnd    = "http://192.0.2.80:8080"
	// apacheStart is what httpd's start and the agent's look at it may take, and the stop before it; the agent waits in
	// whole seconds.
	apacheStart = 6 * second
	// giveUp is how long the agent may try to start httpd. The agent never gives up by itself.
	giveUp = 6 * second
)

// apacheSetup is the tutorial's line.
func apacheSetup() setup {
	return setup{resources: apacheLine, conf: fmt.Sprintf("timeout apache start=%v stop=20s\n", giveUp)}
}

// httpd is the configuration of a reverse proxy on the shared address, which nobody has yet when it is read.
func httpd(node, more string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "ServerRoot /etc/apache2\nServerName www.example.org\nPidFile %s\nListen %s:80\n", apachePid, shared)
	for _, m := range []string{"mpm_event", "authz_core", "authz_host", "headers", "proxy", "proxy_http", "status"} {
		fmt.Fprintf(&b, "LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", m, m)
	}
	fmt.Fprintf(&b, `User www-data
Group www-data
StartServers 1
ErrorLog /var/log/apache2/lab.log
Header always set X-Node %s
<Location "/server-status">
  SetHandler server-status
  Require local
</Location>
ProxyPass /server-status !
ProxyPass / %s/
`, node, backEnd)
	return b.String() + more
}

// newApachePair builds the pair with Debian's Apache on both nodes and a web server behind them.
func newApachePair(t *testing.T, s setup, more string) *pair {
	t.Helper()
	asRoot(t)
	programs(t, "/usr/sbin/apache2", "/usr/lib/ocf/resource.d/heartbeat/apache", "/usr/lib/apache2/modules/mod_proxy_http.so")
	p := newPair(t, s)
	_, err := p.Host(web).Serve(backEnd, 0)
	must(t, err)
	for _, node := range []string{one, two} {
		must(t, p.Host(node).WriteFile(apacheConf, httpd(node, more), 0o644))
	}
	return p
}

// runsHere says whether httpd runs on a host.
func (p *pair) runsHere(node string) bool {
	return strings.TrimSpace(p.run(node, "pgrep -c -x apache2 || true")) != "0"
}

// TestApache is the story that matters most, from the tutorial's own line.
func TestApache(t *testing.T) {
	t.Run("with Heartbeat's wrapper", func(t *testing.T) { tellApache(t, true) })
	t.Run("with the OCF agent alone", func(t *testing.T) { slow(t); tellApache(t, false) })
}

func tellApache(t *testing.T, wrapper bool) {
	const script = "/etc/ha.d/resource.d/apache"
	p := newApachePair(t, apacheSetup(), "")
	for _, node := range []string{one, two} {
		if wrapper {
			programs(t, script)
		} else {
			p.run(node, "rm -f "+script)
		}
	}
	load := p.asks("http://" + shared + "/")
	began := lab.Now()
	p.serve()
	p.within("first page after the start of both", p.servedBy(load, one, began, 15*second+busy)-began, 15*second)
	p.onlyOn(one, began)

	if wrapper {
		p.killed(load, "pkill -9 -x apache2")
	} else {
		p.killed(load, "kill -9 $(cat "+apachePid+")") // the workers live on, and hold the port
	}
	p.adopted(load)
	p.stoppedBehindOurBack(load)
	p.leaves(load)
	p.powerLoss(load)
	p.returns(load)
	p.neverTwo()
}

// onlyOn demands that address and httpd are on one node and on no other.
func (p *pair) onlyOn(node string, since time.Duration) {
	p.t.Helper()
	p.alone(node, since)
	for _, n := range []string{one, two} {
		has := strings.Contains(p.run(n, "ip -4 -o addr show"), shared+"/")
		if serves := n == node; p.runsHere(n) != serves || has != serves {
			p.t.Errorf("on %s: httpd runs: %v, address: %v; want both %v", n, p.runsHere(n), has, serves)
		}
	}
}

// killed: httpd dies.
func (p *pair) killed(load *lab.Load, command string) {
	was := p.httpdPid(one)
	at := lab.Now()
	p.run(one, command)
	took := eventually(p.t, interval+apacheStart+busy, "another httpd runs", func() bool {
		now := p.httpdPid(one)
		return now != "" && now != was
	})
	p.within("kill -9 of httpd: another runs", took, interval+apacheStart)
	p.within("kill -9 of httpd: page again", p.servedBy(load, one, lab.Now(), apacheStart+busy)-at, interval+apacheStart)
	p.says(one, "apache does not run")
	p.causes(one, at, "apache", "not run")
	p.settled()
	p.alone(one, at)
}

// httpdPid is the process that leads httpd on a host; empty: none does.
func (p *pair) httpdPid(node string) string {
	return strings.TrimSpace(p.run(node, "pid=$(cat "+apachePid+" 2>/dev/null) && kill -0 $pid 2>/dev/null && echo $pid || true"))
}

// adopted: lubdub itself is killed and started again. It finds httpd and does not touch it.
func (p *pair) adopted(load *lab.Load) {
	was := p.httpdPid(one)
	at := lab.Now()
	p.daemonDies(one)
	p.start(one)
	p.settled()
	time.Sleep(interval + deadTime)
	if now := p.httpdPid(one); now != was {
		p.t.Errorf("lubdub was killed and started again, and httpd %s became %q", was, now)
	}
	s := load.Summary(at, lab.Now()-second)
	p.t.Logf("kill -9 of lubdub and start: httpd is the same; %d requests, %d failed", s.Requests, s.Failed)
	if failed := p.noticed(load, at, lab.Now()-second); failed > 0 {
		p.t.Errorf("lubdub was killed and started again, and %d of %d requests failed", failed, s.Requests)
	}
	p.alone(one, at)
}

// stoppedBehindOurBack: somebody stops httpd with Apache's own command.
func (p *pair) stoppedBehindOurBack(load *lab.Load) {
	at := lab.Now()
	p.run(one, "apache2 -f "+apacheConf+" -k stop")
	eventually(p.t, busy, "httpd has stopped", func() bool {
		r := load.Requests(lab.Now()-300*time.Millisecond, lab.Now())
		return len(r) > 0 && r[len(r)-1].Err != "" || lab.Now()-at > interval
	})
	p.within("apachectl stop: page again", p.servedBy(load, one, lab.Now(), interval+apacheStart+busy)-at, interval+apacheStart)
	p.causes(one, at, "apache", "not run")
	p.settled()
	p.alone(one, at)
}

// leaves: lubdub is stopped on the owner, and comes back.
func (p *pair) leaves(load *lab.Load) {
	at := lab.Now()
	took := p.stop(one)
	p.t.Logf("SIGTERM to lubdub on the owner: ended after %v", round(took))
	p.within("lubdub stopped on the owner: the peer's page", p.servedBy(load, two, at, 2*apacheStart+busy)-at, 2*apacheStart)
	p.says(two, one, "left")
	p.onlyOn(two, p.answered(two, at, busy))
	p.start(one)
	p.settled()
	back := lab.Now()
	p.order(one, "move web "+one)
	p.within("ordered back: page", p.servedBy(load, one, back, 2*apacheStart+busy)-back, 2*apacheStart)
	p.settled()
}

// powerLoss: the owner's power goes.
func (p *pair) powerLoss(load *lab.Load) {
	at := p.off(one)
	arp := p.answered(two, at, deadTime+busy) - at
	p.within("power loss: the peer's ARP answer", arp, deadTime+second)
	p.within("power loss: the peer's page", p.servedBy(load, two, at, deadTime+apacheStart+busy)-at, deadTime+apacheStart)
	p.says(two, one, "silent")
}

// returns: the old owner comes back, and nothing moves; then, told to, it moves back once.
func (p *pair) returns(load *lab.Load) {
	p.on(one)
	at := lab.Now()
	p.start(one)
	p.settled()
	time.Sleep(3 * deadTime)
	p.onlyOn(two, at)
	p.says(two, "auto_failback is off")
	s := load.Summary(at, lab.Now()-second)
	p.t.Logf("return with auto_failback no: %d requests, %d failed, %v by %s", s.Requests, s.Failed, s.Servers, two)
	if failed := p.noticed(load, at, lab.Now()-second); failed > 0 {
		p.t.Errorf("a node came back, and %d of %d requests failed", failed, s.Requests)
	}
	p.failback(load)
}

// failback: both are told to move groups back; each daemon is restarted with the new word, the owner last.
func (p *pair) failback(load *lab.Load) {
	on := apacheSetup()
	on.failback = "on"
	p.stop(one)
	p.daemonDies(two)
	p.write(one, on)
	p.write(two, on)
	at := lab.Now()
	p.start(two)
	time.Sleep(second)
	p.start(one)
	home := p.servedBy(load, one, at, 30*second)
	p.t.Logf("auto_failback on: page from %s %v after its start", one, round(home-at))
	time.Sleep(3 * deadTime)
	p.onlyOn(one, home)
	if n := p.moves(at); n != 1 {
		p.t.Errorf("auto_failback on: %s moved %d times, want 1", shared, n)
	}
}

// daemonDies kills a daemon; what runs goes on.
func (p *pair) daemonDies(node string) {
	p.t.Helper()
	p.daemon(node).Kill()
}

// causes demands an event since a time with all these words.
func (p *pair) causes(node string, since time.Duration, words ...string) {
	p.t.Helper()
	at := time.Now().Add(since - lab.Now())
	var said []string
	for _, e := range p.events(node) {
		if e.Time.Before(at) {
			continue
		}
		if containsAll(e.Words, words...) {
			p.t.Logf("%s says: %s", node, e.Words)
			return
		}
		said = append(said, e.Words)
	}
	p.t.Errorf("no event on %s has the words %q:\n%s", node, words, strings.Join(said, "\n"))
}

// TestApacheCannotStart breaks httpd's configuration on one node: the other one serves, and Apache's own words are told.
func TestApacheCannotStart(t *testing.T) {
	p := newApachePair(t, apacheSetup(), "")
	load := p.asks("http://" + shared + "/")
	p.serve()
	must(t, p.Host(one).WriteFile(apacheConf, httpd(one, "ProxyPast / http://nowhere/\n"), 0o644))
	at := lab.Now()
	p.run(one, "pkill -9 -x apache2")
	p.within("httpd cannot start: the peer's page", p.servedBy(load, two, at, interval+giveUp+2*apacheStart+busy)-at, interval+giveUp+2*apacheStart)
	p.says(one, "Invalid command 'ProxyPast'")
	p.told(one, busy, "Invalid command 'ProxyPast'")
	p.onlyOn(two, p.answered(two, at, busy))
	p.neverTwo()
	t.Logf("why, on %s:\n%s", one, p.why(one))
}
