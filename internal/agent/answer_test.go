package agent

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"lubdub/internal/cluster"
)

func TestOCFExitCodes(t *testing.T) {
	w := newWorld(t)
	w.ocf(t, "db", `echo "ocf-exit-reason:disk full" >&2; exit $OCF_RESKEY_code`)
	const failed, unusable, runs, not = cluster.Failed, cluster.Unusable, cluster.OK, cluster.NotRunning
	for _, c := range []struct {
		code                 int
		start, monitor, stop cluster.Result
		words                string // of the start
	}{
		{0, runs, runs, runs, "db is started"},
		{1, failed, failed, failed, "db start: exit code 1 (generic error): disk full"},
		{2, unusable, unusable, failed, "db start: exit code 2 (bad arguments): disk full"},
		{3, unusable, unusable, failed, "db start: exit code 3 (the agent cannot do that): disk full"},
		{4, unusable, unusable, failed, "db start: exit code 4 (not permitted): disk full"},
		{5, unusable, unusable, failed, "db start: exit code 5 (something it needs is not installed): disk full"},
		{6, unusable, unusable, failed, "db start: exit code 6 (badly configured): disk full"},
		{7, failed, not, not, "db start: exit code 7 (not running): disk full"},
		{8, runs, runs, failed, "db is started: exit code 8 (promoted): disk full"},
		{9, failed, failed, failed, "db start: exit code 9 (promoted, and it failed): disk full"},
		{42, failed, failed, failed, "db start: exit code 42: disk full"},
		{190, runs, runs, failed, "db is started: exit code 190 (degraded): disk full"},
		{191, runs, runs, failed, "db is started: exit code 191 (promoted and degraded): disk full"},
	} {
		q := request("db", cluster.Start)
		q.Resource.Params = []string{fmt.Sprintf("code=%d", c.code)}
		w.expect(t, q, c.start, c.words)
		q.Action = cluster.Monitor
		w.expect(t, q, c.monitor, "db ...")
		q.Action = cluster.Stop
		w.expect(t, q, c.stop, "db ...")
	}
}

func TestLSBExitCodes(t *testing.T) {
	w := newWorld(t)
	w.write(t, "init.d/db", "#!/bin/sh\necho \"$2 says $1\"; exit $1\n")
	for _, c := range []struct {
		code   string
		result cluster.Result
		words  string
	}{
		{"0", cluster.OK, "db runs"},
		{"1", cluster.NotRunning, "db does not run: exit code 1 (dead, its pid file is left): status says 1"},
		{"2", cluster.NotRunning, "db does not run: exit code 2 (dead, its lock file is left): status says 2"},
		{"3", cluster.NotRunning, "db does not run: exit code 3 (not running): status says 3"},
		{"4", cluster.Failed, "db monitor: exit code 4 (unknown): status says 4"},
		{"150", cluster.Failed, "db monitor: exit code 150: status says 150"},
	} {
		w.expect(t, request("db", cluster.Monitor, c.code), c.result, c.words)
	}
	w.expect(t, request("db", cluster.Start, "0"), cluster.OK, "db is started")
	w.expect(t, request("db", cluster.Start, "6"), cluster.Failed, "db start: exit code 6 (badly configured): start says 6")
	w.expect(t, request("db", cluster.Stop, "7"), cluster.NotRunning, "db does not run: exit code 7: stop says 7")
}

func TestHeartbeatStatusText(t *testing.T) {
	w := newWorld(t)
	w.heartbeat(t, "db", `echo "ERROR: on stderr, running" >&2; [ "$1" = - ] || echo "$1"; exit $2`)
	for _, c := range []struct {
		text, code string
		result     cluster.Result
		words      string
	}{
		{"db is running", "0", cluster.OK, "db runs"},
		{"Running", "0", cluster.OK, "db runs"},
		{"INFO:  Running OK", "0", cluster.OK, "db runs"},
		{"OK", "0", cluster.OK, "db runs"},
		{"running", "3", cluster.OK, `db runs by what its status says ("running"), although its exit code is 3`},
		{"db is not running", "3", cluster.NotRunning, `db does not run ("db is not running")`},
		{"Not  Running, OK", "1", cluster.NotRunning, `db does not run ("Not Running, OK")`},
		{"db stopped", "7", cluster.NotRunning, `db does not run ("db stopped")`},
		{"db stopped", "0", cluster.NotRunning, `db does not run by what its status says ("db stopped"), although its exit code is 0...`},
		{"-", "0", cluster.NotRunning, "db does not run by what its status says, although its exit code is 0; a status that means running prints running or OK"},
		{"-", "1", cluster.NotRunning, "db does not run"},
		{"RUNNING", "3", cluster.NotRunning, `db does not run ("RUNNING")`}, // as Heartbeat
		{"ERROR: Generic error", "1", cluster.Failed, "db monitor: exit code 1: Generic error"},
	} {
		out := w.expect(t, request("db", cluster.Monitor, c.text, c.code), c.result, c.words)
		if contradicts := c.result == cluster.OK && c.code != "0"; out.Degraded != contradicts {
			t.Errorf("%s, exit code %s: a warning: %v, want %v", c.text, c.code, out.Degraded, contradicts)
		}
	}
}

func TestHeartbeatStartAsksFirst(t *testing.T) {
	w := newWorld(t)
	w.heartbeat(t, "db", `echo "$*" >>`+w.dir+`/calls
		case $2 in
		start) touch $1;;
		stop) rm -f $1;;
		status) [ -e $1 ] && echo running || echo stopped;;
		esac`)
	flag := w.dir + "/flag"
	w.expect(t, request("db", cluster.Start, flag), cluster.OK, "db is started")
	w.expect(t, request("db", cluster.Start, flag), cluster.OK, "db was running already")
	w.expect(t, request("db", cluster.Stop, flag), cluster.OK, "db is stopped")
	got := strings.Split(strings.TrimSpace(strings.ReplaceAll(read(t, w.dir+"/calls"), flag, "FLAG")), "\n")
	want := []string{"FLAG status", "FLAG start", "FLAG status", "FLAG status", "FLAG stop"} // the third verifies the start
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// A failed first look is repeated with the interval, for its words.
func TestSecondLook(t *testing.T) {
	w := newWorld(t)
	body := `echo "$OCF_RESKEY_CRM_meta_interval" >>` + w.dir + `/looks
		[ "${OCF_RESKEY_CRM_meta_interval:-0}" = 0 ] || echo "ocf-exit-reason:no status page" >&2
		echo "ERROR:  Generic error"; exit 1`
	w.ocf(t, "apache", body)
	w.ocf(t, "db", body)
	w.heartbeat(t, "script", body)
	for name, want := range map[string]string{"apache": "0\n10000\n", "db": "10000\n", "script": "\n10000\n"} {
		w.expect(t, request(name, cluster.Monitor), cluster.Failed, name+" monitor: exit code 1...")
		if out := w.expect(t, request(name, cluster.Monitor), cluster.Failed, name+" monitor: exit code 1..."); !strings.Contains(out.Words, "no status page") {
			t.Errorf("%s: the reason is missing: %q", name, out.Words)
		}
		if got := read(t, w.dir+"/looks"); got != want+want {
			t.Errorf("%s: got looks %q, want %q", name, got, want+want)
		}
		w.write(t, "looks", "")
	}
}

func TestReason(t *testing.T) {
	for name, c := range map[string]struct{ output, want string }{
		"nothing":               {"", ""},
		"last line":             {"one\ntwo\n\n", "two"},
		"last error":            {"Error: a\nERROR: b\nINFO: c\n", "b"},
		"exit reason":           {"ocf-exit-reason:first\nocf-exit-reason:why\nocf-exit-reason:first\nERROR: b\n", "first; why"},
		"Heartbeat's date":      {"2009/01/31_01:02:03\tERROR: late", "late"},
		"resource-agents' date": {"Jan  3 01:02:03 ERROR: late", "late"},
		"colours and bells":     {"\x1b[31mred\x07", "[31mred"},
		"bad UTF-8":             {"caf\xc3 latte", "caf latte"},
		"long":                  {"x" + strings.Repeat("é", 300), "x" + strings.Repeat("é", 198) + "..."},
	} {
		if got := reason(linesOf(c.output)); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestLastLines(t *testing.T) {
	var lines []string
	lines = append(lines, "lost")
	for i := range maxLines {
		lines = append(lines, fmt.Sprintf("line %d %s", i, strings.Repeat("x", 300)), "again")
	}
	got := lastLines(lines)
	if len(got) != maxLines || got[0] != "again (20 times)" {
		t.Errorf("got %d lines, the first %q", len(got), got[0])
	}
	for _, line := range got {
		if len(line) > maxLine {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
}

func FuzzOutput(f *testing.F) {
	f.Add("ocf-exit-reason:why\nERROR: x\n2009/01/31_01:02:03\tERROR: late\xff\x1b[0m")
	f.Fuzz(func(t *testing.T, output string) {
		lines := linesOf(output)
		for _, line := range append(lastLines(lines), reason(lines)) {
			if len(line) > maxWords || !utf8.ValidString(line) || strings.ContainsFunc(line, func(c rune) bool { return !unicode.IsPrint(c) }) {
				t.Errorf("%q is unfit to be shown", line)
			}
		}
		if got := len(lastLines(lines)); got > maxLines {
			t.Errorf("%d lines", got)
		}
	})
}
