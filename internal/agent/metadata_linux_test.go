package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lubdub/internal/cluster"
)

// described returns an agent's body that answers meta-data with these actions.
func (w *world) describe(actions, body string) string {
	return `case $1 in meta-data) echo x >>` + w.dir + `/asked; cat <<'END'
<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="db"><parameters><parameter name="disk" required="1"><content type="string"/></parameter>
<parameter name="size" required="1"><content default="1"/></parameter></parameters><actions>` + actions + `</actions></resource-agent>
END
exit 0;; esac
` + body
}

func TestValidateBeforeStart(t *testing.T) {
	w := newWorld(t)
	w.ocf(t, "db", w.describe(`<action name="validate-all" timeout="5"/>`, `echo "$1 $OCF_RESKEY_CRM_meta_timeout" >>`+w.dir+`/calls
		[ $1 = validate-all ] || exit 0
		[ "$OCF_RESKEY_code" = hang ] && exec sleep 60
		echo "ocf-exit-reason:no disk" >&2; exit $OCF_RESKEY_code`))
	for _, c := range []struct {
		code   string
		result cluster.Result
		words  string
	}{
		{"0", cluster.OK, "db is started"},
		{"1", cluster.OK, "db is started"}, // it may be wrong: nginx is
		{"2", cluster.OK, "db is started"},
		{"4", cluster.Unusable, "db start: not tried, for db validate-all: exit code 4 (not permitted): no disk"},
		{"3", cluster.OK, "db is started"}, // it says that it cannot
		{"5", cluster.Unusable, "db start: not tried, for db validate-all: exit code 5 (something it needs is not installed): no disk"},
		{"6", cluster.Unusable, "db start: not tried, for db validate-all: exit code 6 (badly configured): no disk"},
		{"7", cluster.OK, "db is started"},
	} {
		q := request("db", cluster.Start)
		q.Resource.Params = []string{"code=" + c.code}
		w.expect(t, q, c.result, c.words)
	}
	q := request("db", cluster.Stop)
	q.Resource.Params = []string{"code=6"}
	w.expect(t, q, cluster.OK, "db is stopped") // only a start is worth it
	if asked := read(t, w.dir+"/asked"); asked != "x\n" {
		t.Errorf("meta-data were asked for %d times", strings.Count(asked, "x"))
	}
	if calls := read(t, w.dir+"/calls"); !strings.HasPrefix(calls, "validate-all 10000\nstart 20000\nmonitor 20000\nvalidate-all") {
		t.Errorf("calls:\n%s", calls)
	}
	q = request("db", cluster.Start)
	q.Resource.Params = []string{"code=hang"}
	w.hang(t, q, 300*time.Millisecond, "db start: ended after TIME: it did not answer")
}

func TestAdvice(t *testing.T) {
	w := newWorld(t)
	w.ocf(t, "db", w.describe(`<action name="start" timeout="90s"/><action name="stop" timeout="5"/>
		<action name="monitor" depth="0" timeout="1min"/><action name="monitor" depth="10" timeout="30000ms"/>`,
		`echo "ERROR: $OCF_RESKEY_CRM_meta_timeout $OCF_CHECK_LEVEL"; exit 1`))
	all := []cluster.Action{cluster.Start, cluster.Stop, cluster.Monitor}
	for _, c := range []struct {
		action cluster.Action
		usual  []cluster.Action
		want   string
	}{
		{cluster.Start, all, "90000 0"},
		{cluster.Start, nil, "20000 0"}, // somebody wrote 20s
		{cluster.Stop, all, "20000 0"},  // it advises less
		{cluster.Monitor, all, "60000 10"},
	} {
		q := request("db", c.action)
		q.Resource.Usual, q.Resource.Depth = c.usual, 10
		w.expect(t, q, cluster.Failed, fmt.Sprintf("db %s: exit code 1 (generic error): %s", c.action, c.want))
	}
	res := request("db", cluster.Start).Resource
	res.Params = []string{"disk=x"}
	res.Usual, res.Timeouts = all, cluster.Timeouts{Start: time.Minute, Stop: time.Minute, Monitor: time.Minute}
	e := w.Examine(t.Context(), "web", res)
	if len(e.Notes) != 1 || !strings.HasPrefix(e.Notes[0].Words, "start may take 1m30s, as its agent advises, and not the usual 1m0s") || len(e.Doubts) > 0 {
		t.Errorf("got %+v", e)
	}
}

func TestExamine(t *testing.T) {
	w := newWorld(t)
	w.ocf(t, "db", w.describe(`<action name="validate-all" timeout="5"/>`, `[ "$OCF_RESKEY_disk" ] && exit 0; echo "ocf-exit-reason:no disk" >&2; exit 6`))
	w.ocf(t, "plain", w.describe("", "exit 0"))
	w.ocf(t, "standby", w.describe(`<action name="validate-all"/>`, `echo "ocf-exit-reason:bind() to 192.0.2.1:80 failed (99: Cannot assign requested address)"; exit 6`))
	w.ocf(t, "fussy", w.describe(`<action name="validate-all"/><action name="promote"/>`, `exit 2`))
	w.ocf(t, "mute", "echo x >>"+w.dir+"/mute; exit 1")
	res := func(name string, params ...string) cluster.Resource {
		return cluster.Resource{Name: name, Class: "ocf", Type: name, Params: params}
	}
	agent := filepath.Join(w.dir, "ocf/resource.d/heartbeat/")
	for _, c := range []struct {
		res         cluster.Resource
		ran, doubts string
	}{
		{res("db"), agent + "/db validate-all: it is not content", "db validate-all: exit code 6 (badly configured): no disk: a start here would end with that"},
		{res("db", "disk=/dev/x"), agent + "/db validate-all: nothing is wrong", ""},
		{res("plain"), agent + "/plain meta-data: it has no validate-all; its parameters were compared with those that it knows", "its agent needs the parameter disk: write 'param RESOURCE disk=...' in lubdub.conf"},
		{res("plain", "disk=x", "trace_ra=1", "dsik=y"), agent + "/plain meta-data: it has no validate-all; its parameters were compared with those that it knows", "its agent knows no parameter dsik: it knows disk, size"},
		{res("standby", "disk=x"), agent + "/standby validate-all: it is not content", "standby validate-all: exit code 6 (badly configured): bind() to 192.0.2.1:80 failed (99: Cannot assign requested address): that is as it should be on the node that has not got the shared address; see also net.ipv4.ip_nonlocal_bind"},
		{res("fussy", "disk=x"), agent + "/fussy validate-all: it is not content", "fussy validate-all: exit code 2 (bad arguments), and it said nothing: a start is tried all the same"},
		{res("mute"), agent + "/mute meta-data: it cannot say what it can", agent + "/mute meta-data: it did not answer well, and it said nothing: its time-outs are the usual ones, and its parameters are not checked before a start"},
		{res("absent"), "", ""},
	} {
		e := w.Examine(t.Context(), "web", c.res)
		var doubts []string
		for _, d := range e.Doubts {
			doubts = append(doubts, d.String())
		}
		if got := strings.Join(e.Ran, ";"); got != c.ran || strings.Join(doubts, ";") != c.doubts {
			t.Errorf("%s %q: ran %q, doubts %q", c.res.Name, c.res.Params, got, doubts)
		}
	}
	if e := w.Examine(t.Context(), "web", res("fussy")); len(e.Notes) != 1 || !strings.Contains(e.Notes[0].Words, "replicate") {
		t.Errorf("nothing is said of an agent that can be promoted: %+v", e.Notes)
	}
	w.Examine(t.Context(), "web", res("mute"))
	if asked := read(t, w.dir+"/mute"); asked != "x\n" {
		t.Errorf("who cannot describe itself is asked again: %q", asked)
	}
}

func TestDegraded(t *testing.T) {
	w := newWorld(t)
	w.ocf(t, "db", `echo "ocf-exit-reason:one disk is dead" >&2; exit $OCF_RESKEY_code`)
	for code, want := range map[string]bool{"0": false, "8": false, "190": true, "191": true} {
		q := request("db", cluster.Monitor)
		q.Resource.Params = []string{"code=" + code}
		out := w.Run(t.Context(), q)
		if out.Result != cluster.OK || out.Degraded != want || want && !strings.HasSuffix(out.Words, ": one disk is dead") {
			t.Errorf("%s: got %+v", code, out)
		}
	}
}

// The agents of this machine describe themselves in XML of many hands: all are understood.
func TestRealMetadata(t *testing.T) {
	r := &Runner{TempDir: t.TempDir()}
	for name, validates := range map[string]bool{"apache": true, "Filesystem": true, "IPaddr2": true, "nginx": true, "pgsql": true, "Dummy": true, "MailTo": true} {
		p := plan{class: classOCF, provider: usualProvider, path: filepath.Join(usualOCFRoot, "resource.d/heartbeat", name)}
		if _, err := os.Stat(p.path); err != nil {
			t.Skipf("resource-agents are not installed: %v", err)
		}
		p.argv = []string{p.path}
		m, err := r.metadata(t.Context(), p)
		if err != nil || m.validates != validates || m.advice["start"] == 0 || m.advice["monitor"] == 0 {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

func FuzzMetadata(f *testing.F) {
	f.Add(`<resource-agent><actions><action name="start" timeout="20s"/></actions></resource-agent>`)
	f.Add(`<?xml version="1.0" encoding="latin1"?><resource-agent><actions><action name="validate-all" timeout="1min"/>`)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseMetadata(text)
		if err != nil {
			return
		}
		for a, d := range m.advice {
			if d <= 0 || d > maxAdvice {
				t.Errorf("%s may take %v", a, d)
			}
		}
	})
}
