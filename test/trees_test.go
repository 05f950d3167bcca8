package test

import (
	"strings"
	"testing"
)

// TestTreesDiffer changes a watched tree on one node and changes it back: both
// nodes say so with its name, when it begins and when it ends, and nothing moves.
func TestTreesDiffer(t *testing.T) {
	asRoot(t)
	p := newPair(t, setup{conf: "watchtree /etc/site exclude=*.log\nwatchfile /etc/site.conf\n"})
	both := func(command string) {
		for _, node := range []string{one, two} {
			p.run(node, command)
		}
	}
	both("mkdir -p /etc/site/deep && echo a >/etc/site/deep/page && echo b >/etc/site.conf")
	p.serve()
	differs := func(what, want string) {
		t.Helper()
		eventually(t, 30*second+busy, what, func() bool {
			for _, node := range []string{one, two} {
				s, err := p.ask(node)
				if err != nil || len(s.Watched) != 2 || s.Watched[0].Sum == "" || s.Watched[1].Sum == "" || strings.Join(s.Differs, " ") != want {
					return false
				}
			}
			return true
		})
	}
	differs("both know the digests, and they are equal", "")
	p.run(two, "echo z >/etc/site/deep/page && echo z >/etc/site/deep/access.log")
	differs("both say that the tree differs", "/etc/site")
	for _, node := range []string{one, two} {
		p.says(node, "/etc/site differs")
	}
	p.run(two, "echo z >/etc/site.conf")
	differs("both say that the file differs, too", "/etc/site /etc/site.conf")
	p.run(two, "echo a >/etc/site/deep/page && echo b >/etc/site.conf")
	differs("both say that it is over", "")
	for _, node := range []string{one, two} {
		events := p.run(node, lubdub+" events")
		if !containsAll(events, "/etc/site differs from the one on", "/etc/site.conf differs from the one on", "/etc/site is the same on both nodes again", "/etc/site.conf is the same on both nodes again") &&
			!containsAll(events, "/etc/site, /etc/site.conf are the same on both nodes again") {
			t.Errorf("the events of %s do not say that it began and ended:\n%s", node, events)
		}
	}
	if s := p.status(one); s.Groups[0].State != "running" {
		t.Errorf("the group is %s on %s", s.Groups[0].State, one)
	}
}
