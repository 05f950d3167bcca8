package agent

import (
	"slices"
	"strings"
	"testing"

	"lubdub/internal/cluster"
)

// A unit that is started at boot runs on both nodes: as long as it runs here that is said, unless it is meant to.
func TestUnitAtBoot(t *testing.T) {
	httpd := loaded("httpd.service", "active")
	httpd.file = "enabled"
	newSystemd(t, httpd)
	w := newWorld(t)
	q := unitRequest("httpd", cluster.Monitor)
	out := w.expect(t, q, cluster.OK, "systemd:httpd runs, but httpd.service is started at boot, by both nodes and without lubdub: systemctl disable httpd.service")
	if !out.Degraded {
		t.Error("it is not said to be degraded")
	}
	q.Resource.Warm = true
	if out := w.expect(t, q, cluster.OK, "systemd:httpd runs"); out.Degraded {
		t.Error("what is warm may be started at boot")
	}
}

// What is started at boot beside the cluster is found for agents too, by what is enabled.
func TestAgentAtBoot(t *testing.T) {
	w := newWorld(t)
	w.etc = w.dir + "/etc"
	w.ocf(t, "apache", "exit 3")
	w.heartbeat(t, "queue", "exit 0")
	doubts := func(name string, warm bool) string {
		res := request(name, cluster.Start).Resource
		res.Warm = warm
		var all []string
		for _, p := range w.Examine(t.Context(), "web", res).Doubts {
			if strings.Contains(p.Words, "at boot") {
				all = append(all, p.String())
			}
		}
		return strings.Join(all, "; ")
	}
	if got := doubts("apache", false) + doubts("queue", false); got != "" {
		t.Errorf("nothing is enabled, and got %s", got)
	}
	w.write(t, "etc/systemd/system/multi-user.target.wants/httpd.service", "")
	w.write(t, "etc/rc3.d/S01queue", "")
	for name, want := range map[string]string{"apache": "httpd.service is started at boot, by both nodes and without lubdub: systemctl disable httpd.service",
		"queue": w.etc + "/rc3.d/S01queue is started at boot, by both nodes and without lubdub: update-rc.d queue disable (or: chkconfig queue off)"} {
		if got := doubts(name, false); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if got := doubts(name, true); got != "" {
			t.Errorf("what is warm may be started at boot: %s", got)
		}
	}
}

// The job's own words, the service's log and the kernel's are one outcome.
func TestUnitFails(t *testing.T) {
	sick := loaded("db.service", "inactive")
	sick.result = "failed"
	newSystemd(t, sick)
	w := newWorld(t)
	log := w.write(t, "db.log", "old\n")
	w.kernelLogPath = w.write(t, "kmsg", "")
	q := unitRequest("db", cluster.Start)
	q.Resource.Logs = []string{log}
	out := w.expect(t, q, cluster.Failed, `systemd:db start: the job of db.service ended with "failed", and the unit is failed: exit-code, status 1`)
	if slices.Contains(out.Lines, "old") {
		t.Errorf("got %q", out.Lines)
	}
	q.Action = cluster.Monitor
	appendTo(t, log, "FATAL: write to /srv/db: No space left on device\n")
	out = w.expect(t, q, cluster.NotRunning, "systemd:db does not run: a disk that it writes to is full: find it with df -h and df -i...")
	if !strings.HasPrefix(out.Lines[0], "systemd:db does not run: db.service is failed: exit-code") || out.Lines[len(out.Lines)-1] != "FATAL: write to /srv/db: No space left on device" {
		t.Errorf("got %q", out.Lines)
	}
}
