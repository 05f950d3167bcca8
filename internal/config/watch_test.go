package config

import (
	"fmt"
	"strings"
	"testing"

	"lubdub/internal/cluster"
)

func TestWatchLines(t *testing.T) {
	var many strings.Builder
	for i := range maxWatched + 1 {
		fmt.Fprintf(&many, "watchfile /etc/%d\n", i)
	}
	long := "/srv/" + strings.Repeat("a-long-name/", 20)
	for text, want := range map[string]string{
		"watchfile /etc/a /etc//a/\nwatchfile /etc/a\n": "",
		"watchtree /srv/a exclude=*.log\n":              "",
		"watchtree\n":                                   "watchtree needs more words; write 'watchtree PATH... exclude=GLOB...'",
		"watchtree srv\n":                               `"srv" is not a full path; begin it with /`,
		"watchfile \"/srv/a\x01\"\n":                    "has a character that cannot be printed",
		"watchtree /proc/\n":                            `"/proc/" is not a tree that two machines have in common`,
		"watchtree /srv/a exclude=a/../b\n":             `exclude: "a/../b" is no pattern for names`,
		"watchtree /srv/a without=x\n":                  `watchtree has no option "without"`,
		"watchfile /srv/a\nwatchtree /srv/a\n":          `"/srv/a" is watched in another way on line 1; keep one of them`,
		many.String():                                   "more than 8 files and trees to watch",
		"watchtree " + long + "1 " + long + "2 " + long + "3 " + long + "4\n": "these paths do not fit into a heartbeat: it would have 1",
	} {
		files := goodFiles()
		files.LubdubConf = []byte(text)
		l, problems := Parse(files, machine())
		if got := printed(problems); !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("%.60q: got %swant %s", text, got, want)
		}
		if l != nil && l.Config.BeatSize() > cluster.MaxBeat {
			t.Errorf("%.60q: a heartbeat of %d bytes is accepted", text, l.Config.BeatSize())
		}
	}
}
