package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestServiceLog(t *testing.T) {
	files := goodFiles()
	files.Haresources = []byte("alpha 192.0.2.100 apache systemd:db\n")
	read := func(conf string) (*Loaded, string) {
		files.LubdubConf = []byte(conf)
		l, problems := Parse(files, machine())
		return l, printed(problems)
	}
	l, wrong := read("log apache /var/log/a.log /var/log/b.log\nlog systemd:db /c\nlog apache /c /c\n")
	if l == nil || wrong != "" {
		t.Fatal(wrong)
	}
	rs := l.Config.Groups[0].Resources
	if diff := cmp.Diff([][]string{{"/var/log/a.log", "/var/log/b.log", "/c"}, {"/c"}}, [][]string{rs[1].Logs, rs[2].Logs}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for conf, want := range map[string]string{
		"log apache":             "log needs",
		"log apache a.log":       `"a.log" is not a full path; begin it with /`,
		"log 192.0.2.100 /a":     `"192.0.2.100" has no log of its own`,
		"log apache /a /b /c /d": `more than 3 logs of "apache"`,
		"log nobody /a":          `haresources has no "nobody"`,
	} {
		if _, got := read(conf + "\n"); !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", conf, got, want)
		}
	}
}
