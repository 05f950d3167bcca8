package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// withPings is a good configuration and some lines more of ha.cf.
func withPings(lines string) Files {
	files := goodFiles()
	files.HaCF = append(files.HaCF, lines...)
	return files
}

func TestPings(t *testing.T) {
	files := withPings("ping 192.0.2.1 2001:db8::1\nping6 fe80::9%eth0, router.example.org\nping_group routers 192.0.2.4 2001:db8::4\ndeadping 5\n")
	files.LubdubConf = []byte("isolated keep\n")
	l, problems := Parse(files, machine())
	if l == nil {
		t.Fatal(printed(problems))
	}
	if want := "host name \"router.example.org\" must be looked up"; len(problems) != 1 || problems[0].Severity != Warning || !strings.Contains(problems[0].Words, want) {
		t.Errorf("want one warning, %s:\n%s", want, printed(problems))
	}
	want := []Ping{
		{Name: "192.0.2.1", Hosts: []string{"192.0.2.1"}},
		{Name: "2001:db8::1", Hosts: []string{"2001:db8::1"}},
		{Name: "fe80::9%eth0", Hosts: []string{"fe80::9%eth0"}, Six: true},
		{Name: "router.example.org", Hosts: []string{"router.example.org"}, Six: true},
		{Name: "routers", Hosts: []string{"192.0.2.4", "2001:db8::4"}},
	}
	if diff := cmp.Diff(want, l.Pings); diff != "" {
		t.Errorf("ping nodes (-want +got):\n%s", diff)
	}
	var names []string
	for _, p := range want {
		names = append(names, p.Name)
	}
	if diff := cmp.Diff(names, l.Config.Pings); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if l.Config.DeadPing != 5*time.Second || !l.Config.KeepIsolated {
		t.Errorf("deadping %v, keep %v", l.Config.DeadPing, l.Config.KeepIsolated)
	}
	if got := l.Directives["deadping"]; got != "5" {
		t.Errorf("scripts get HA_deadping=%q", got)
	}
}

func TestDeadPingIsDeadTimeUnlessWritten(t *testing.T) {
	l, problems := Parse(withPings("ping 192.0.2.1\n"), machine())
	if l == nil || len(problems) > 0 || l.Config.DeadPing != 10*time.Second || l.Config.KeepIsolated {
		t.Errorf("%+v\n%s", l, printed(problems))
	}
}

// As many as a heartbeat has bits for, and one more.
func TestMostPings(t *testing.T) {
	lines := ""
	for i := range maxPings {
		lines += fmt.Sprintf("ping 198.51.100.%d\n", i+1)
	}
	if l, problems := Parse(withPings(lines), machine()); l == nil || len(l.Config.Pings) != maxPings {
		t.Errorf("%d ping nodes are refused:\n%s", maxPings, printed(problems))
	}
	if l, _ := Parse(withPings(lines+"ping 198.51.100.200\n"), machine()); l != nil {
		t.Errorf("%d ping nodes are accepted", len(l.Pings))
	}
	hosts := ""
	for i := range maxPingHosts + 1 {
		hosts += fmt.Sprintf(" 198.51.100.%d", i+1)
	}
	if l, _ := Parse(withPings("ping_group many"+hosts+"\n"), machine()); l != nil {
		t.Errorf("a group of %d hosts is accepted", maxPingHosts+1)
	}
}

// Both nodes must have the same ping nodes in the same order; the interface of
// one is each node's own.
func TestPingDigest(t *testing.T) {
	digest := func(lines string) string {
		t.Helper()
		opts := machine()
		opts.Interfaces = nil
		l, problems := Parse(withPings(lines), opts)
		if l == nil {
			t.Fatal(printed(problems))
		}
		return l.Config.Digests[0].Sum
	}
	base := digest("ping 192.0.2.1\nping fe80::9%eth0\n")
	for _, test := range []struct {
		name, lines string
		same        bool
	}{
		{"another interface", "ping 192.0.2.1\nping fe80::9%ens3\n", true},
		{"on one line", "ping 192.0.2.1 fe80::9%eth0 # the routers\n", true},
		{"deadping as it is", "deadping 10000ms\nping 192.0.2.1 fe80::9%eth0\n", true},
		{"another order", "ping fe80::9%eth0\nping 192.0.2.1\n", false},
		{"another host", "ping 192.0.2.2\nping fe80::9%eth0\n", false},
		{"a group of both", "ping_group r 192.0.2.1 fe80::9%eth0\n", false},
		{"another deadping", "deadping 9\nping 192.0.2.1\nping fe80::9%eth0\n", false},
		{"none", "", false},
	} {
		if got := digest(test.lines) == base; got != test.same {
			t.Errorf("%s: the same digest: %v, want %v", test.name, got, test.same)
		}
	}
	if digest("") != digest("deadping 9\n") {
		t.Error("deadping counts although there is no ping node")
	}
}
