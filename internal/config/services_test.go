package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lubdub/internal/cluster"
)

func TestServices(t *testing.T) {
	files := goodFiles()
	files.Haresources = []byte("alpha 192.0.2.100 exec:queue apache systemd:db\n")
	files.LubdubConf = []byte(`exec queue start="/sbin/queue -d x" stop=/sbin/stop monitor="/bin/pgrep -x queue"
user exec:queue www-data
monitor apache depth=10 timeout=20s deeper=20:1m deeper=30:1h
probe apache tcp 127.0.0.1:80
probe apache http://127.0.0.1/a?b=c status=204 body="all is well"
probe systemd:db https://[::1]:8443/
probe systemd:db https://db/ days=30
`)
	l, problems := Parse(files, machine())
	if l == nil || len(problems) > 0 {
		t.Fatal(printed(problems))
	}
	rs := l.Config.Groups[0].Resources
	want := cluster.Commands{Start: []string{"/sbin/queue", "-d", "x"}, Stop: []string{"/sbin/stop"}, Monitor: []string{"/bin/pgrep", "-x", "queue"}}
	if diff := cmp.Diff(want, rs[1].Commands); diff != "" || rs[1].User != "www-data" {
		t.Errorf("user %q, commands (-want +got):\n%s", rs[1].User, diff)
	}
	if diff := cmp.Diff([]cluster.Endpoint{{URL: "tcp://127.0.0.1:80"}, {URL: "http://127.0.0.1/a?b=c", Status: 204, Body: "all is well"}}, rs[2].Endpoints); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]cluster.Endpoint{{URL: "https://[::1]:8443/", Days: 14}, {URL: "https://db/", Days: 30}}, rs[3].Endpoints); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]cluster.Action{cluster.Start, cluster.Stop}, rs[2].Usual); diff != "" || rs[2].Depth != 10 {
		t.Errorf("depth %d, usual time-outs (-want +got):\n%s", rs[2].Depth, diff)
	}
	if diff := cmp.Diff([]cluster.Look{{Depth: 20, Every: time.Minute}, {Depth: 30, Every: time.Hour}}, rs[2].Deeper); diff != "" {
		t.Errorf("deeper looks (-want +got):\n%s", diff)
	}
}

func TestServicesRefused(t *testing.T) {
	const good = `exec queue start=/a stop=/b monitor=/c` + "\n"
	for conf, want := range map[string]string{
		"":                                      `lubdub.conf has no commands for "exec:queue"; add 'exec queue start=... stop=... monitor=...' there`,
		"exec quue start=/a stop=/b monitor=/c": `did you mean "quue"?`,
		"exec queue start=/a stop=/b":           "exec needs monitor=",
		`exec queue start=a stop=/b monitor=/c`: `does not begin with the full path of a program; write it as "/usr/bin/PROGRAM ARGUMENT"`,
		`exec queue start="/a | b" stop=/b monitor=/c`: "is for a shell, and no shell reads it",
		good + good:                                        `the commands of "queue" are already on line 1`,
		good + "user 192.0.2.100 www":                      `"192.0.2.100" has no agent that could run as a user`,
		good + "user apache a/b":                           "cannot be the name of a user or group",
		good + "probe apache tcp":                          "the probe has no HOST:PORT",
		good + "probe apache tcp h":                        "the probe has no HOST:PORT",
		good + "probe apache tcp h:80 status=200":          "a probe of tcp only connects",
		good + "probe apache ftp://h/":                     `"ftp://h/" cannot be probed`,
		good + "probe apache http://h/ days=3":             "there is no certificate without TLS",
		good + "probe apache http://h/ x":                  `"x" is too much here`,
		good + "probe apache http://h/ status=1000":        "is not a number that fits",
		good + strings.Repeat("probe apache tcp h:1\n", 5): `more than 4 probes of "apache"`,
		good + "param exec:queue a=b":                      "takes no parameters by name",
		good + "monitor apache depth=deep":                 "is not a number that fits",
		good + "monitor apache deeper=10":                  "is not a deeper look; write DEPTH:TIME, with a depth from 1 to 100, as 10:1m",
		good + "monitor apache deeper=0:1m":                "is not a deeper look",
		good + "monitor apache deeper=10:5":                "is not a deeper look",
	} {
		files := goodFiles()
		files.Haresources = []byte("alpha 192.0.2.100 exec:queue apache\n")
		files.LubdubConf = []byte(conf)
		if l, problems := Parse(files, machine()); !strings.Contains(printed(problems), want) || l != nil {
			t.Errorf("%q: want %q, got\n%s", conf, want, printed(problems))
		}
	}
}
