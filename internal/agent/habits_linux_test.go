package agent

import (
	"os"
	"strings"
	"testing"
	"time"

	"lubdub/internal/cluster"
)

// A start that is tried although validate-all was not content says both when it fails.
func TestFussyStart(t *testing.T) {
	w := newWorld(t)
	w.ocf(t, "web", w.describe(`<action name="validate-all"/>`, `[ $1 = start ] && { echo "ocf-exit-reason:port taken"; exit 1; }; echo "ocf-exit-reason:no status page"; exit 2`))
	w.expect(t, request("web", cluster.Start), cluster.Failed,
		"web start: exit code 1 (generic error): port taken; before, web validate-all: exit code 2 (bad arguments): no status page")
}

// What was not tried to start does not fail to stop, and only that.
func TestStopOfUntouched(t *testing.T) {
	w := newWorld(t)
	w.ocf(t, "disk", w.describe(`<action name="validate-all"/>`, `[ -e `+w.dir+`/tool ] && [ $1 != stop ] && exit 0; echo "ocf-exit-reason:no tool"; exit 5`))
	w.expect(t, request("disk", cluster.Stop), cluster.Failed, "disk stop: exit code 5 (something it needs is not installed): no tool")
	w.expect(t, request("disk", cluster.Start), cluster.Unusable, "disk start: not tried, for disk validate-all: exit code 5 (something it needs is not installed): no tool")
	w.expect(t, request("disk", cluster.Stop), cluster.OK, "disk is stopped: it was not started (disk stop: exit code 5 (something it needs is not installed): no tool)")
	w.write(t, "tool", "")
	w.expect(t, request("disk", cluster.Start), cluster.OK, "disk is started")
	w.expect(t, request("disk", cluster.Stop), cluster.Failed, "disk stop: exit code 5 (something it needs is not installed): no tool")
}

// Agents that wait for what has ended are ended, with the words that tell of it.
func TestVain(t *testing.T) {
	w := newWorld(t)
	w.ocf(t, "pgsql", `echo "PostgreSQL is down"; [ $1 = start ] || exit 7
		for i in 1 2 3 4 5 6 7 8; do echo "INFO: PostgreSQL is down" >&2; done; exec sleep 60`)
	q := request("pgsql", cluster.Start)
	w.expect(t, q, cluster.Failed, "pgsql start: ended, for it would wait in vain: PostgreSQL is down; what PostgreSQL says of it goes to /dev/null: write 'param pgsql logfile=/var/log/postgresql/NAME.log' in lubdub.conf")
	log := w.write(t, "log", "LOG: something older\nLOG: unrecognized configuration parameter\nFATAL: configuration file contains errors\n")
	q.Resource.Params = []string{"logfile=" + log, "pgdba=root"}
	out := w.expect(t, q, cluster.Failed, "pgsql start: ended, for it would wait in vain: PostgreSQL is down; "+log+
		" ends: LOG: unrecognized configuration parameter; FATAL: configuration file contains errors")
	if n := len(out.Lines); n < 4 || out.Lines[n-3] != "LOG: something older" {
		t.Errorf("the log is not shown: %q", out.Lines)
	}
	for kind, text := range map[string]string{"redis": "Could not connect to Redis at /run/redis/redis.sock: Connection refused",
		agentApache: "AH00526: Syntax error on line 14 of /etc/apache2/ports.conf:"} {
		if v := vainOf(kind); v == nil || !v.said.MatchString(text) || v.said.MatchString("INFO: all is well") {
			t.Errorf("%s is not known by %q", kind, text)
		}
	}
	if pgsqlVain.MatchString("INFO: PostgreSQL is down\nINFO: server starting\nINFO: PostgreSQL is down\n") {
		t.Error("PostgreSQL gets no time to start")
	}
}

// Delay does not delay its monitor action, unless somebody wants that.
func TestDelayParameters(t *testing.T) {
	r := &Runner{}
	q := request("Delay", cluster.Monitor)
	for want, params := range map[string][]string{"0": nil, "7": {"mondelay=7"}} {
		env := strings.Join(r.environment(q, plan{class: classHeartbeat, params: params}, 0), "\n")
		if !strings.Contains(env, "\nOCF_RESKEY_mondelay="+want+"\n") {
			t.Errorf("mondelay is not %s in:\n%s", want, env)
		}
	}
}

// An iptables with which portblock leaves its rules behind is told of.
func TestPortblock(t *testing.T) {
	w := newWorld(t)
	for version, doubts := range map[string]int{"iptables v1.8.9 (nf_tables)": 1, "iptables v1.8.11 (nf_tables)": 0} {
		path := w.write(t, "iptables", "#!/bin/sh\necho '"+version+"'\n")
		if got := examinePortblock(t.Context(), path); len(got) != doubts {
			t.Errorf("%s: got %v", version, got)
		}
	}
}

// What Pacemaker's commands say without Pacemaker is no reason.
func TestBesides(t *testing.T) {
	for _, line := range []string{
		"/usr/lib/ocf/resource.d/heartbeat/redis: line 313: /usr/sbin/crm_master: No such file or directory",
		"crm_attribute: Could not connect to the CIB: Transport endpoint is not connected, error",
		"error: Could not connect to controller: Connection refused",
		"ERROR: command failed: runuser postgres -c cd /var/lib/labdb; kill -s 0 353 >/dev/null 2>&1",
	} {
		if got := reason([]string{"ERROR: the disk is full", line}); got != "the disk is full" {
			t.Errorf("%q became the reason of a failure", got)
		}
	}
}

// Deeper looks come in their time, at once after a start, and again until they find all well.
func TestDeeper(t *testing.T) {
	w := newWorld(t)
	w.ocf(t, "web", `echo "$1 $OCF_CHECK_LEVEL" >>`+w.dir+`/calls; [ $1 = monitor ] && [ $OCF_CHECK_LEVEL = 20 ] && [ -e `+w.dir+`/sick ] && exit 1; exit 0`)
	q := request("web", cluster.Monitor)
	q.Resource.Deeper = []cluster.Look{{Depth: 10, Every: time.Nanosecond}, {Depth: 20, Every: time.Hour}}
	look := func() { w.Run(t.Context(), q) }
	start := func() {
		s := q
		s.Action = cluster.Start
		w.Run(t.Context(), s)
	}
	look() // what runs at the beginning is to be known soon
	look()
	start()
	w.write(t, "sick", "")
	look()
	look()
	w.write(t, "sick", "")
	start()
	look()
	if err := os.Remove(w.dir + "/sick"); err != nil {
		t.Fatal(err)
	}
	look()
	look()
	want := "monitor 0\nmonitor 10\nmeta-data 0\nstart 0\nmonitor 0\nmonitor 20\nmonitor 20\nstart 0\nmonitor 0\nmonitor 20\nmonitor 20\nmonitor 10\n"
	if got := read(t, w.dir+"/calls"); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}
