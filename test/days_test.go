package test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"lubdub/internal/lab"
)

// newServedPair is a pair with the address alone as its group, and a web server on both nodes that accepts on it.
func newServedPair(t *testing.T, s setup) *pair {
	t.Helper()
	p := newPair(t, s)
	for _, node := range []string{one, two} {
		_, err := p.Host(node).Serve("http://"+shared+":80", 0)
		must(t, err)
	}
	_, err := p.Host(web).Serve(backEnd, 0) // for the control
	must(t, err)
	p.serve()
	return p
}

// lives starts a client whose connections stay open.
func (p *pair) lives() *lab.Load {
	p.t.Helper()
	l, err := p.Host(client).Load("http://"+shared+":80", lab.Pace{Every: 5 * time.Millisecond, Timeout: second, KeepAlive: true})
	must(p.t, err)
	p.t.Cleanup(l.Stop)
	p.controlled()
	eventually(p.t, busy, "the client is served", func() bool { return l.Summary(0, lab.Now()).Servers[one] > 10 })
	return l
}

// unbroken demands that no request failed since a time and that the owner answered ARP without a gap.
func (p *pair) unbroken(l *lab.Load, since, gap time.Duration) {
	p.t.Helper()
	until := lab.Now() - 100*time.Millisecond
	s := l.Summary(since, until)
	p.t.Logf("%d requests, %d failed, longest gap %v, slowest %v; longest without ARP answer %v", s.Requests, s.Failed,
		round(s.Gap.Duration()), round(s.Slowest), round(p.gap(one, since, until)))
	if failed := p.noticed(l, since, until); failed > 0 {
		p.t.Errorf("%d of %d requests failed", failed, s.Requests)
	}
	if g := p.gap(one, since, until); g > gap {
		p.t.Errorf("%v without an ARP answer, allowed are %v", round(g), gap)
	}
	p.alone(one, since)
}

// TestDaemonKilled: kill -9 of the owner's daemon, which is back within a second. Nobody notices.
func TestDaemonKilled(t *testing.T) {
	p := newServedPair(t, setup{})
	l := p.lives()
	was := p.status(one).Incarnation
	for _, pause := range []time.Duration{0, 800 * time.Millisecond} {
		at := lab.Now()
		for try := 1; ; try++ {
			p.daemon(one).Kill()
			time.Sleep(pause)
			p.start(one)
			p.settled()
			time.Sleep(2 * deadTime)
			away := p.lifeBegins(one, at) - at
			t.Logf("kill -9, started again after %v: away for %v", pause, round(away))
			if away < yieldOf(deadTime)-2*keepalive || try == tries {
				break
			}
			at = p.home() // the machine is too busy to start it within the yield time
		}
		p.unbroken(l, at, 500*time.Millisecond)
		now := p.status(one).Incarnation
		if now <= was {
			t.Errorf("incarnation %d after %d", now, was)
		}
		was = now
	}
	p.neverTwo()
}

// lifeBegins is when the first life of a node's daemon after a time began, as it says itself.
func (p *pair) lifeBegins(node string, after time.Duration) time.Duration {
	p.t.Helper()
	began := time.Now().Add(-lab.Now())
	for _, e := range p.events(node) {
		if at := e.Time.Sub(began); at > after && strings.Contains(e.Words, " starts on ") {
			return at
		}
	}
	p.t.Fatalf("%s has no event of its start", node)
	return 0
}

// home brings the group back to the first node, and returns when it is calm there.
func (p *pair) home() time.Duration {
	p.t.Helper()
	if p.status(two).Groups[0].State == "running" {
		p.order(two, "move web "+one)
		p.answered(one, lab.Now(), busy)
		p.drained(two)
		p.settled()
		time.Sleep(deadTime)
	}
	return lab.Now()
}

// TestAddressRemoved: another program removes the shared address, and later the whole firewall.
func TestAddressRemoved(t *testing.T) {
	p := newServedPair(t, setup{})
	l := p.lives()
	best := busy
	for range 3 {
		at := lab.Now()
		p.run(one, "ip addr del "+shared+"/24 dev eth0")
		done := lab.Now()
		back := p.answered(one, done, busy)
		best = min(best, back-at)
		time.Sleep(500 * time.Millisecond)
		t.Logf("longest without ARP answer: %v (wanted: 100 ms)", round(p.gap(one, at-50*time.Millisecond, done+300*time.Millisecond)))
	}
	p.atMost("ip addr del: the address answers again, at best of three times", best, second) // sooner than a monitor action sees it
	p.told(one, busy, "running")
	p.causes(one, p.began, "removed by another program")
	s := l.Summary(lab.Now()-second, lab.Now())
	if s.Servers[one] == 0 {
		t.Errorf("the client is not served any more: %+v", s)
	}
	p.neverTwo()
}

// TestFirewallFlushed: "nft flush ruleset" takes lubdub's lease away with all else. It is put back, and the service stays.
func TestFirewallFlushed(t *testing.T) {
	p := newServedPair(t, setup{})
	l := p.lives()
	was := p.run(one, "nft list tables")
	for range 2 {
		at := lab.Now()
		p.run(one, "nft flush ruleset")
		took := eventually(t, 2*second+busy, "the table is back", func() bool { return p.run(one, "nft list tables") == was })
		t.Logf("nft flush ruleset: restored after %v", round(took))
		time.Sleep(deadTime)
		p.unbroken(l, at, 500*time.Millisecond)
	}
	p.causes(one, p.began, "nftables", "put back")
	// What was put back still binds: the address dies with its owner.
	at := lab.Now()
	p.daemon(one).Kill()
	p.answered(two, at, deadTime+second+busy)
	p.neverTwo()
}

// TestSecondDaemon: a second daemon on a node is refused, and the first does not mind.
func TestSecondDaemon(t *testing.T) {
	p := newServedPair(t, setup{})
	at := lab.Now()
	ctx, cancel := context.WithTimeout(t.Context(), question)
	defer cancel()
	out, err := p.Host(one).Run(ctx, lubdub, "run")
	if err == nil || ctx.Err() != nil || !strings.Contains(out, "lubdub runs on this node already") {
		t.Errorf("a second daemon: %v\n%s", err, out)
	}
	t.Logf("refused: %s", tail(out, 1))
	p.alone(one, at)
}

// TestInterfaceMissing: the cross-over interface is not there when lubdub starts, and comes later.
func TestInterfaceMissing(t *testing.T) {
	p := newPair(t, setup{})
	p.run(one, "ip link set eth1 down && ip link set eth1 name later1")
	p.serve()
	p.told(one, busy, "eth1")
	for _, l := range p.status(one).Links {
		t.Logf("link %s: up %v: %s", l.Name, l.Up, l.Reason)
		if strings.Contains(l.Name, "eth1") && (l.Up || l.Reason == "") {
			t.Errorf("link %s without its interface: up %v, reason %q", l.Name, l.Up, l.Reason)
		}
	}
	at := lab.Now()
	p.run(one, "ip link set later1 name eth1 && ip link set eth1 up && (ip addr add 10.0.0.1/24 dev eth1 2>/dev/null || true)")
	took := eventually(t, 3*second+busy, "the link is used", func() bool { return p.linksUp(one) == 2 && p.linksUp(two) == 2 })
	t.Logf("the interface came: the link is up on both nodes after %v", round(took))
	p.alone(one, at)
}

// TestDiskFull: the state directory is full. The cluster runs on, says so, and a restart still has a higher incarnation.
func TestDiskFull(t *testing.T) {
	asRoot(t)
	p := newPair(t, setup{})
	p.run(one, "mkdir -p /var/lib/lubdub && mount -t tmpfs -o size=1m tmpfs /var/lib/lubdub")
	p.serve()
	before := p.status(one).Incarnation
	p.run(one, "dd if=/dev/zero of=/var/lib/lubdub/fill bs=4k 2>/dev/null || true; df /var/lib/lubdub")
	at := lab.Now()
	p.order(one, "move web "+two)
	p.answered(two, at, busy)
	p.drained(one)
	p.order(one, "move web "+one)
	p.answered(one, lab.Now(), busy)
	p.drained(two)
	p.settled()
	p.causes(one, p.began, "no space left", "runs on")
	life, restarts := before, lab.Now()
	for range 3 {
		at := lab.Now()
		p.daemon(one).Kill()
		p.start(one)
		p.settled()
		now := p.status(one).Incarnation
		t.Logf("restart with a full disk: incarnation %d after %d", now, life)
		if now <= life {
			t.Errorf("a restart with a full disk has incarnation %d, before it had %d", now, life)
		}
		life = now
		p.causes(one, at, "the cluster runs on")
	}
	p.alone(one, restarts)
	p.neverTwo()
}

// evil is an agent as nobody should write it: it ignores SIGTERM, leaves children that do so too, and floods its output.
const evil = `#!/bin/sh
case $1 in
status) echo stopped; exit 3;;
stop) exit 0;;
esac
trap '' TERM HUP INT
for i in 1 2 3; do
  ( trap '' TERM HUP INT; while :; do echo "evil child $i floods and floods and floods"; done ) &
done
while :; do echo evil floods; done
`

// good is the same agent as it should be.
const good = `#!/bin/sh
case $1 in
start) touch /run/good; exit 0;;
stop) rm -f /run/good; exit 0;;
status) [ -e /run/good ] && echo running || echo stopped;;
esac
`

// TestPreferredLooksLonger: both nodes start at the same moment, and the preferred one needs longer to see what runs there. The
// other one does not take that for an inability.
func TestPreferredLooksLonger(t *testing.T) {
	p := newPair(t, setup{resources: shared + " good"})
	must(t, p.Host(one).WriteFile("/etc/ha.d/resource.d/good", strings.Replace(good, "\n", "\nsleep 1\n", 1), 0o755))
	must(t, p.Host(two).WriteFile("/etc/ha.d/resource.d/good", good, 0o755))
	at := lab.Now()
	p.start(one, two)
	p.within("the preferred node serves", p.answered(one, at, 10*second+busy)-at, 10*second)
	p.settled()
	p.alone(one, at)
}

// TestEvilAgent: the agent on the preferred node forks, floods and ignores SIGTERM. It is ended with all it started.
func TestEvilAgent(t *testing.T) {
	p := newPair(t, setup{resources: shared + " evil", conf: "timeout evil start=2s stop=2s\n"})
	must(t, p.Host(one).WriteFile("/etc/ha.d/resource.d/evil", evil, 0o755))
	must(t, p.Host(two).WriteFile("/etc/ha.d/resource.d/evil", good, 0o755))
	at := lab.Now()
	p.start(one, two)
	p.within("the peer serves", p.answered(two, at, 15*second+busy)-at, 15*second)
	eventually(t, busy, "the group runs on the peer", func() bool { return p.status(two).Groups[0].State == "running" })
	if left := p.run(one, "pgrep -af '[r]esource.d/evil' || true"); left != "" {
		t.Errorf("processes of the agent are left: %s", left)
	}
	p.causes(one, at, "evil", "ended after 2s")
	for _, e := range p.events(one) {
		if len(e.Lines) > 20 || len(fmt.Sprint(e.Lines)) > 10_000 {
			t.Errorf("an event keeps %d lines of the agent's flood", len(e.Lines))
		}
	}
	size := len(p.daemon(one).Output())
	rss := strings.TrimSpace(p.run(one, "grep VmHWM /proc/$(pgrep -x lubdub)/status"))
	t.Logf("the daemon's log: %d bytes; its memory at most: %s", size, rss)
	if size > 50_000 {
		t.Errorf("the agent's flood reached the log: %d bytes", size)
	}
	p.neverTwo()
}
