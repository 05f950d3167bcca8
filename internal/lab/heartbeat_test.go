package lab

import (
	"os"
	"testing"
	"time"
)

// TestRealHeartbeatOnTwoHosts runs the real Heartbeat twice on one machine: all its paths are fixed, so it works only if each
// host has its own. It is the proof that the lab carries programs which know nothing of it.
func TestRealHeartbeatOnTwoHosts(t *testing.T) {
	const program = "/usr/libexec/heartbeat/heartbeat"
	if _, err := os.Stat(program); err != nil {
		t.Skip(err)
	}
	l := newPair(t)
	if mappedUser() {
		t.Skip("Heartbeat changes to users of its own: it needs root")
	}
	for _, name := range []string{"proxy01", "proxy02"} {
		h := l.Host(name)
		must(t, h.WriteFile("/etc/ha.d/ha.cf", "logfile /var/log/ha-log\nkeepalive 100ms\ndeadtime 1\ninitdead 3\n"+
			"bcast eth1\nauto_failback off\nnode proxy01 proxy02\n", 0o644))
		must(t, h.WriteFile("/etc/ha.d/haresources", "proxy01 IPaddr2::192.0.2.100/24/eth0\n", 0o644))
		must(t, h.WriteFile("/etc/ha.d/authkeys", "auth 1\n1 sha1 secret\n", 0o600))
		run(t, h, "sh", "-c", "mkdir -p /run/heartbeat/ccm /run/heartbeat/dopd /run/heartbeat/crm /run/resource-agents && "+
			"chown -R hacluster:haclient /run/heartbeat")
		_, err := h.Start(program)
		must(t, err)
	}
	begin := Now()
	p, err := l.Host("client").Probe("front", "192.0.2.100", 10*time.Millisecond)
	must(t, err)
	one, two := l.Host("proxy01"), l.Host("proxy02")
	_, macOne := one.Interface("front")
	_, macTwo := two.Interface("front")
	wait := func(mac string, since time.Duration) Answer {
		t.Helper()
		for deadline := Now() + 6*patience; Now() < deadline; time.Sleep(10 * time.Millisecond) {
			if a, ok := p.First(mac, since); ok {
				return a
			}
		}
		log, _ := two.ReadFile("/var/log/ha-log")
		t.Fatalf("%s does not answer; log of proxy02:\n%s", mac, log)
		return Answer{}
	}
	wait(macOne, begin)
	time.Sleep(500 * time.Millisecond)
	off := Now()
	must(t, one.PowerOff())
	dark, _ := p.Last(macOne, Now())
	taken := wait(macTwo, off)
	p.Stop()
	t.Logf("last answer of proxy01 %v after the power went, first of proxy02 %v after it", dark.At-off, taken.At-off)
	if overlap := p.Overlaps(begin, Now()); len(overlap) != 0 {
		t.Errorf("both answered: %v", overlap)
	}
}
