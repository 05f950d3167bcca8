package demo

import (
	"bytes"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"lubdub/internal/config"
	"lubdub/internal/lab"
)

func TestFilesAreTheTutorialsButForTheLinesShown(t *testing.T) {
	for _, f := range files("no") {
		var was strings.Builder
		for _, l := range f.lines {
			if l.was != "" {
				was.WriteString(l.was + "\n")
			}
			if (l.was == l.now) != (l.why == "") {
				t.Errorf("%s: %q in place of %q has the reason %q", f.name, l.now, l.was, l.why)
			}
		}
		if f.name == "lubdub.conf" {
			continue // the tutorial has none
		}
		tutorial, err := os.ReadFile("../config/testdata/tutorial/" + f.name)
		if err != nil {
			t.Fatal(err)
		}
		if got := was.String(); got != string(tutorial) {
			t.Errorf("%s without the changes:\n%swant the tutorial's:\n%s", f.name, got, tutorial)
		}
	}
}

func TestFilesAreFaultless(t *testing.T) {
	for _, failback := range []string{"no", "on"} {
		texts := map[string][]byte{}
		for _, f := range files(failback) {
			texts[f.name] = []byte(f.text(newSecret()))
		}
		loaded, problems := config.Parse(config.Files{
			HaCF: texts["ha.cf"], Haresources: texts["haresources"], Authkeys: texts["authkeys"], LubdubConf: texts["lubdub.conf"],
		}, config.Options{Node: nameA, Interfaces: []config.Interface{
			{Name: "eth0", Prefixes: []netip.Prefix{netip.MustParsePrefix(addressA + "/24")}},
			{Name: "eth1", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}},
		}})
		var said bytes.Buffer
		if err := problems.Print(&said); err != nil {
			t.Fatal(err)
		}
		if said.Len() > 0 || loaded == nil {
			t.Fatalf("auto_failback %s: got\n%swant no word", failback, said.String())
		}
		if got := loaded.Config.AutoFailback; got != (failback == "on") {
			t.Errorf("auto_failback %s is read as %t", failback, got)
		}
		if loaded.Config.DeadTime != deadTime || loaded.Config.Keepalive != keepalive {
			t.Errorf("got deadtime %v, keepalive %v; the steps reckon with %v, %v", loaded.Config.DeadTime, loaded.Config.Keepalive, deadTime, keepalive)
		}
	}
}

func TestOutcome(t *testing.T) {
	a, b := &node{name: nameA, mac: "02:00:00:00:00:0a"}, &node{name: nameB, mac: "02:00:00:00:00:0b"}
	ms := func(from, to int) lab.Span {
		return lab.Span{From: time.Duration(from) * time.Millisecond, To: time.Duration(to) * time.Millisecond}
	}
	good := func() evidence {
		return evidence{
			Summary: lab.Summary{Requests: 200, Gap: ms(0, 20)}, calm: 6 * time.Millisecond,
			path: []string{nameA, nameB}, answering: []string{b.mac},
		}
	}
	planned := outcome{path: []*node{a, b}, gap: smooth}
	loss := outcome{path: []*node{a, b}, gap: takenOver, failed: true}
	tests := []struct {
		name  string
		must  outcome
		spoil func(*evidence)
		want  string // part of the complaint; empty: none
	}{
		{"as it must", planned, func(*evidence) {}, ""},
		{"a request failed", planned, func(e *evidence) { e.Failed = 1 }, "1 requests failed"},
		{"and why", planned, func(e *evidence) { e.Failed, e.why = 1, "reset" }, "1 requests failed; none should (reset)"},
		{"requests failed in a power loss", loss, func(e *evidence) { e.Failed = 300 }, ""},
		{"too long", planned, func(e *evidence) { e.Gap = ms(0, 900) }, "the client waited 900 ms"},
		{"long, on a busy machine", planned, func(e *evidence) { e.Gap = ms(0, 900); e.calm = 100 * time.Millisecond }, ""},
		{"long, in a power loss", loss, func(e *evidence) { e.Gap = ms(0, 2100) }, ""},
		{"nobody took it", loss, func(e *evidence) { e.path = e.path[:1] }, "answered by proxy01; it should be proxy01, then proxy02"},
		{"nobody answers", planned, func(e *evidence) { e.path = nil }, "answered by nobody"},
		{"back and forth", planned, func(e *evidence) { e.path = append(e.path, nameA, nameB) }, "proxy01, then proxy02, then proxy01, then proxy02"},
		{"ARP answered by the other", planned, func(e *evidence) { e.answering = []string{a.mac} }, "ARP is answered by 02:00:00:00:00:0a"},
		{"ARP answered by both", planned, func(e *evidence) { e.answering = []string{b.mac, a.mac} }, "ARP is answered by"},
		{"ARP answered by nobody", planned, func(e *evidence) { e.answering = nil }, "ARP is answered by nobody"},
		{"both at once", planned, func(e *evidence) { e.both = []lab.Span{ms(10, 90)} }, "both nodes answered ARP, for 80 ms"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := good()
			test.spoil(&e)
			got := strings.Join(test.must.wrong(e), "; ")
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestTurns(t *testing.T) {
	at := func(ms int) time.Duration { return time.Minute + time.Duration(ms)*time.Millisecond }
	ok := func(ms int, name string) lab.Request { return lab.Request{At: at(ms), Server: name} }
	bad := func(ms int) lab.Request { return lab.Request{At: at(ms), Err: "reset"} }
	tests := []struct {
		name     string
		requests []lab.Request
		path     []string
		lost     bool
	}{
		{"before, then after", []lab.Request{ok(-100, nameA), ok(5, nameA), ok(10, nameB), ok(15, nameB)}, []string{nameA, nameB}, false},
		{"one failed at the move", []lab.Request{ok(0, nameA), bad(5), ok(10, nameB)}, []string{nameA, nameB}, true},
		{"one failed without a move", []lab.Request{ok(0, nameA), bad(5), ok(10, nameA)}, []string{nameA}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := evidence{calm: 6 * time.Millisecond}
			e.turns(test.requests, at(0))
			if !slices.Equal(e.path, test.path) || (e.why != "") != test.lost {
				t.Errorf("got path %v, lost %q; want %v, lost %t", e.path, e.why, test.path, test.lost)
			}
		})
	}
}

func TestStoryLine(t *testing.T) {
	type event = struct{ Words, Rule string }
	tests := []struct {
		name  string
		story story
		stays bool
		want  string
	}{
		{"the last reason", story{Chain: []event{{"b is down: silent", ""}, {"b takes web: a is silent", "S1-S6"}, {"web is served by b", ""}}}, false, "b takes web: a is silent (rule S1-S6)"},
		{"a reason without a rule", story{Chain: []event{{"web moves to b: a is in standby", ""}}}, false, "web moves to b: a is in standby"},
		{"no reason", story{State: "running on b", Chain: []event{{"web is served by b", ""}}}, false, "running on b"},
		{"what holds it", story{Chain: []event{{"x: y", ""}}, Next: []string{"a is ready", "it does not go back: off"}}, true, "it does not go back: off"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.story.line(test.stays); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestReplaced(t *testing.T) {
	for _, f := range files("no") {
		for _, l := range f.lines {
			if l.was != l.now && l.was != "" && slices.Contains(strings.Fields(l.replaced()), strings.Fields(l.now)[0]) {
				t.Errorf("%q in place of %q: got %q, want only what was replaced", l.now, l.was, l.replaced())
			}
		}
	}
	if got := failbackLine("on").replaced(); got != "no" {
		t.Errorf("got %q, want no", got)
	}
}
