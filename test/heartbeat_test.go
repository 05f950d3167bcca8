package test

import (
	"testing"
	"time"

	"lubdub/internal/lab"
)

// heartbeat is the program that Debian's package heartbeat brings.
const heartbeat = "/usr/libexec/heartbeat/heartbeat"

// TestHeartbeatAsPeer: the other node runs the real Heartbeat 3.0.6 with the same files and keys. lubdub serves nothing beside
// it, and says so.
func TestHeartbeatAsPeer(t *testing.T) {
	asRoot(t)
	programs(t, heartbeat)
	s := setup{auth: "auth 1\n1 sha1 two-hosts-one-heart\n", links: cableLink, times: "keepalive 250ms\ndeadtime 2\nwarntime 1\ninitdead 3\n"}
	p := newPair(t, s)
	s.more = "logfile /var/log/ha-log\n"
	p.write(two, s)
	p.run(two, "mkdir -p /run/heartbeat/ccm /run/heartbeat/dopd /run/heartbeat/crm /run/resource-agents && chown -R hacluster:haclient /run/heartbeat")
	at := lab.Now()
	_, err := p.Host(two).Start(heartbeat)
	must(t, err)
	p.start(one)
	p.told(one, 10*second+busy, "runs Heartbeat, not lubdub")
	t.Logf("%s says: %s; %s", one, p.status(one).Sentence, p.status(one).Peer.Words)
	time.Sleep(4 * deadTime)
	for _, a := range p.prober.Answers(at, lab.Now()) {
		if a.MAC == p.mac(one) {
			t.Fatalf("lubdub on %s serves %s beside a Heartbeat", one, shared)
		}
	}
	if state := p.status(one).Groups[0].State; state != "stopped" {
		t.Errorf("beside a Heartbeat the group is %s, want stopped", state)
	}
	p.says(one, "Heartbeat")
	t.Logf("why, on %s:\n%s", one, p.why(one))
	log, err := p.Host(two).ReadFile("/var/log/ha-log")
	must(t, err)
	t.Logf("Heartbeat's last words:\n%s", tail(log, 8))
	p.neverTwo()
}
