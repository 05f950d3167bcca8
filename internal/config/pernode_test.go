package config

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// asNode is the machine under the name of a node.
func asNode(name string) Options {
	opts := machine()
	opts.Hostname = name
	return opts
}

// A line of one node counts there, whatever the order; the digest is the same on both.
func TestLinesOfOneNode(t *testing.T) {
	files := failing(`on beta timeout apache start=3m
timeout apache start=90s
on Alpha coldstart strict
on beta monitor 192.0.2.100 interval=30s   # the group
monitor apache interval=5s                 # its resource counts more
param apache a=1 b=2
on beta param apache b=3 c="x y"
on beta probe apache tcp 127.0.0.1:80
on alpha user apache www-data
on alpha point-to-point eth1
`)
	alpha, problems := Parse(files, asNode("alpha"))
	if alpha == nil || len(problems) > 0 {
		t.Fatal(printed(problems))
	}
	beta, problems := Parse(files, asNode("beta"))
	if beta == nil || len(problems) > 0 {
		t.Fatal(printed(problems))
	}
	if diff := cmp.Diff(alpha.Config.Digests, beta.Config.Digests); diff != "" {
		t.Errorf("digests (-alpha +beta):\n%s", diff)
	}
	a, b := alpha.Config.Groups[0].Resources, beta.Config.Groups[0].Resources
	if a[2].Timeouts.Start != 90*time.Second || b[2].Timeouts.Start != 3*time.Minute {
		t.Errorf("start: %v and %v", a[2].Timeouts.Start, b[2].Timeouts.Start)
	}
	if !alpha.Config.StrictStart || beta.Config.StrictStart {
		t.Errorf("strict: %v and %v", alpha.Config.StrictStart, beta.Config.StrictStart)
	}
	if a[1].Interval != 10*time.Second || b[1].Interval != 30*time.Second || a[2].Interval != 5*time.Second || b[2].Interval != 5*time.Second {
		t.Errorf("intervals: %v %v and %v %v", a[1].Interval, a[2].Interval, b[1].Interval, b[2].Interval)
	}
	if diff := cmp.Diff([]string{"a=1", "b=2"}, a[2].Params); diff != "" {
		t.Errorf("alpha (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a=1", "b=3", "c=x y"}, b[2].Params); diff != "" {
		t.Errorf("beta (-want +got):\n%s", diff)
	}
	if len(a[2].Endpoints) != 0 || len(b[2].Endpoints) != 1 || a[2].User != "www-data" || b[2].User != "" {
		t.Errorf("endpoints %v and %v, users %q and %q", a[2].Endpoints, b[2].Endpoints, a[2].User, b[2].User)
	}
	want := []string{
		"/etc/ha.d/lubdub.conf line 1 (on beta: timeout apache) counts on beta only, not here",
		"/etc/ha.d/lubdub.conf line 3 (on alpha: coldstart) counts here",
	}
	if diff := cmp.Diff(want, alpha.NodeLines[:2]); diff != "" || len(alpha.NodeLines) != 7 {
		t.Errorf("%d lines (-want +got):\n%s", len(alpha.NodeLines), diff)
	}
}

// What is wrong on the other node is found on this one.
func TestLinesOfTheOtherNode(t *testing.T) {
	const exec = "exec queue start=/a stop=/b monitor=/c\n"
	for conf, want := range map[string]string{
		"on beta timeout apachee start=1m\n" + exec:             "lubdub.conf:1:17: error: haresources has no \"apachee\"; did you mean \"apache\"?",
		"on alpha " + exec:                                      `error: on beta: lubdub.conf has no commands for "exec:queue"`,
		"on beta " + exec:                                       `error: lubdub.conf has no commands for "exec:queue"`,
		"on beta failures apache limit=3 within=10s\n" + exec:   `warning: 3 failures of "apache" take 20s or more`,
		"on gamma timeout apache start=1m\n" + exec:             `lubdub.conf:1:4: error: there is no node "gamma"; the nodes are: alpha, beta`,
		"on alhpa timeout apache start=1m\n" + exec:             `did you mean "alpha"?`,
		"on alpha.example.org timeout apache start=1m\n" + exec: `did you mean "alpha"?`,
		"on timeout apache start=1m\n" + exec:                   `there is no node "timeout"; write 'on NODE WORD...', as 'on alpha timeout RESOURCE start=2m'`,
		"on alpha\n" + exec:                                     "on needs a node, and what holds there",
		"on alpha on beta coldstart strict\n" + exec:            "a line has one 'on'; write a line for each node",
		"on alpha timeuot apache start=1m\n" + exec:             `lubdub.conf:1:10: error: unknown word "timeuot"; did you mean "timeout"?`,
		"on alpha name 192.0.2.100 web\n" + exec:                "name must be the same on both nodes: heartbeats call the group by its name; remove 'on alpha'",
		"on alpha warm apache\n" + exec:                         "warm must be the same on both nodes",
		"on alpha isolated keep\n" + exec:                       "isolated must be the same on both nodes",
		"on alpha failback 192.0.2.100 delay=1m\n" + exec:       "failback must be the same on both nodes",
		"on alpha fence-delay 1m\n" + exec:                      "fence-delay must be the same on both nodes",
		"on alpha watchfile /etc/hosts\n" + exec:                "watchfile must be the same on both nodes",
		exec + "on beta user apache a\non beta user apache b\n": "user is written again",
	} {
		files := goodFiles()
		files.Haresources = []byte("alpha 192.0.2.100 apache exec:queue\n")
		files.LubdubConf = []byte(conf)
		_, problems := Parse(files, machine())
		got := printed(problems)
		if !strings.Contains(got, want) || len(problems) != 1 {
			t.Errorf("%q: want %q alone, got\n%s", conf, want, got)
		}
	}
}

// Whatever lines come together, both nodes find the same of them, and good lines do not spoil each other.
func TestBothNodesAgree(t *testing.T) {
	files := failing("")
	files.Haresources = []byte("alpha 192.0.2.100 lubdub-proxy::web apache exec:queue\nbeta db\n")
	var good, slips []string
	for _, e := range entries() {
		if e.example = strings.ReplaceAll(e.example, "\\\n", " "); e.name != wordOn {
			good = append(good, strings.Split(e.example, "\n")...)
		}
	}
	data, err := os.ReadFile("testdata/slips.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if slip, ok := strings.CutPrefix(strings.TrimSpace(line), "== lubdub.conf: "); ok {
			slips = append(slips, slip)
		}
	}
	random := rand.New(rand.NewPCG(4, 2))
	accepted := 0
	for range 600 {
		var lines []string
		for range 1 + random.IntN(6) {
			from := good
			if random.IntN(20) == 0 {
				from = slips
			}
			lines = append(lines, []string{"", "", "on alpha ", "on beta "}[random.IntN(4)]+from[random.IntN(len(from))])
		}
		// What the resources need to be there at all.
		lines = append(lines, `exec queue start=/a stop=/b monitor=/c`, `proxy web listen=:80 backend=http://a`)
		if bothNodes(t, files, []byte(strings.Join(lines, "\n"))) {
			accepted++
		}
	}
	if accepted < 20 {
		t.Errorf("%d of 600 are good", accepted)
	}
}

// Both nodes find the same wrong in a file that is right for one of them.
func TestBothNodesRefuse(t *testing.T) {
	files := failing("on beta warm nobody\non alpha timeout nobody start=1m\non beta timeout none start=1m\n")
	for _, name := range []string{"alpha", "beta"} {
		l, problems := Parse(files, asNode(name))
		if l != nil || len(problems) != 3 {
			t.Errorf("%s:\n%s", name, printed(problems))
		}
	}
}
