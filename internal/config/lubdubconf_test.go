package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSettings(t *testing.T) {
	files := goodFiles()
	files.Haresources = []byte("alpha 192.0.2.100 apache lubdub-proxy::web\nbeta db apache\n")
	files.LubdubConf = []byte(`# a comment
monitor web/apache interval=3s        # counts more than what the group's line says
monitor web interval=off timeout=1m30s
timeout "db" start=2m \
	stop=500ms
name 192.0.2.100 web
warm db
param db/apache options="-D SSL \"x\" \\" ab=b#c
coldstart strict
partition take
watchfile /etc/a "/etc/b c" /etc/a
watchtree /srv/www/ /opt/x exclude=*.log exclude=/cache/*.tmp
peer-command ssh -p 22 NODE
api-group ops
proxy web listen=:80 listen=[2001:db8::1]:443 backend=http://10.0.0.1:8080/x backend=https://b cert=/c key=/k log=/l user=www health=/up
`)
	l, problems := Parse(files, machine())
	if l == nil || len(problems) > 0 {
		t.Fatal(printed(problems))
	}
	web, db := l.Config.Groups[0], l.Config.Groups[1]
	if web.Name != "web" || db.Name != "db" {
		t.Fatalf("groups %q and %q", web.Name, db.Name)
	}
	for i, want := range []time.Duration{0, 3 * time.Second, 0} {
		r := web.Resources[i]
		if r.Interval != want || r.Timeouts.Monitor != 90*time.Second {
			t.Errorf("%s is monitored each %v within %v, want %v and 1m30s", r.Name, r.Interval, r.Timeouts.Monitor, want)
		}
	}
	first := db.Resources[0]
	if first.Timeouts.Start != 2*time.Minute || first.Timeouts.Stop != 500*time.Millisecond || !first.Warm || first.Interval != 10*time.Second {
		t.Errorf("db is %+v", first)
	}
	if diff := cmp.Diff([]string{`options=-D SSL "x" \`, "ab=b#c"}, db.Resources[1].Params); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
	if !l.Config.StrictStart || !l.Config.TakeAnyway || l.APIGroup != "ops" {
		t.Errorf("policies %v %v, group %q", l.Config.StrictStart, l.Config.TakeAnyway, l.APIGroup)
	}
	exclude := []string{"*.log", "/cache/*.tmp"}
	watches := []Watch{{Path: "/etc/a"}, {Path: "/etc/b c"}, {Path: "/srv/www", Tree: true, Exclude: exclude}, {Path: "/opt/x", Tree: true, Exclude: exclude}}
	if diff := cmp.Diff(watches, l.Watched); diff != "" {
		t.Errorf("watched (-want +got):\n%s", diff)
	}
	if got := strings.Join(l.PeerCommand, " "); got != "ssh -p 22 beta" {
		t.Errorf("peer command %q", got)
	}
	want := []Proxy{{Name: "web", Listen: []string{":80", "[2001:db8::1]:443"}, Backends: []string{"http://10.0.0.1:8080/x", "https://b"},
		Health: "/up", Cert: "/c", Key: "/k", Log: "/l", User: "www"}}
	if diff := cmp.Diff(want, l.Proxies); diff != "" {
		t.Errorf("proxies (-want +got):\n%s", diff)
	}
}

// The examples of the reference are one configuration, and parse.
func TestReferenceExamples(t *testing.T) {
	var conf strings.Builder
	seen, example := 0, false
	for line := range strings.Lines(Reference()) {
		switch {
		case line == "    Example:\n":
			example = true
			seen++
		case example && strings.HasPrefix(line, "        "):
			conf.WriteString(strings.TrimPrefix(line, "        "))
		default:
			example = false
		}
	}
	if seen != len(entries()) {
		t.Fatalf("%d examples for %d words", seen, len(entries()))
	}
	files := goodFiles()
	files.Haresources = []byte("alpha 192.0.2.100 lubdub-proxy::web apache exec:queue\n")
	files.LubdubConf = []byte(conf.String())
	files.HaCF = []byte(strings.Replace(string(files.HaCF), "auto_failback off", "auto_failback on", 1))
	l, problems := Parse(files, machine())
	if l == nil || len(problems) != 1 || problems[0].Severity != Notice {
		t.Fatalf("want one notice, about isolated:\n%s\n%s", conf.String(), printed(problems))
	}
	if p := l.Proxies[0]; len(p.Backends) != 2 || p.Health != "/healthz" {
		t.Errorf("the continued example gave %+v", p)
	}
}

func TestReferenceFitsATerminal(t *testing.T) {
	for line := range strings.Lines(Reference()) {
		if len(line) > 120 || strings.Contains(line, "\t") {
			t.Errorf("a line of %d: %q", len(line), line)
		}
	}
}
