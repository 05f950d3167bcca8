package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lubdub/internal/cluster"
)

// failing is a configuration with two groups in which much can fail.
func failing(conf string) Files {
	files := goodFiles()
	files.HaCF = []byte(strings.Replace(string(files.HaCF), "auto_failback off", "auto_failback on", 1))
	files.Haresources = []byte("alpha 192.0.2.100 Filesystem::/dev/sdb1::/srv::ext4 apache MailTo::root\nbeta db\n")
	files.LubdubConf = []byte(conf)
	return files
}

func TestFailures(t *testing.T) {
	l, problems := Parse(failing(`name 192.0.2.100 web
failures apache within=90s      # of a resource: counts more than the group's
failures web limit=5 within=1h
failures db limit=never
on-failure web start=stay
on-failure MailTo start=ignore stop=ignore
on-failure db start=move stop=block
failback web delay=5m window=22:30-5:00
failback db window=20:00-24:00
`), machine())
	if l == nil || len(problems) > 0 {
		t.Fatal(printed(problems))
	}
	type rules struct {
		Limit  int
		Window time.Duration
		Start  cluster.StartPolicy
		Stop   bool
	}
	got := map[string]rules{}
	for _, g := range l.Config.Groups {
		for _, r := range g.Resources {
			got[r.Name] = rules{r.Limit, r.Window, r.OnStart, r.LetGo}
		}
	}
	want := map[string]rules{
		"192.0.2.100": {5, time.Hour, cluster.StartStay, false},
		"Filesystem":  {5, time.Hour, cluster.StartStay, false},
		"apache":      {5, 90 * time.Second, cluster.StartStay, false},
		"MailTo":      {5, time.Hour, cluster.StartIgnore, true},
		"db":          {0, 10 * time.Minute, cluster.StartMove, false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	home := []cluster.Failback{{Delay: 5 * time.Minute, From: 22*60 + 30, To: 5 * 60}, {From: 20 * 60, To: 0}}
	if diff := cmp.Diff(home, []cluster.Failback{l.Config.Groups[0].Failback, l.Config.Groups[1].Failback}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// An address is never passed over, not even when its whole group is.
func TestIgnoreLeavesTheAddress(t *testing.T) {
	l, problems := Parse(failing("on-failure 192.0.2.100 start=ignore stop=ignore\n"), machine())
	if l == nil {
		t.Fatal(printed(problems))
	}
	for _, r := range l.Config.Groups[0].Resources {
		address := r.Class == "address"
		if (r.OnStart == cluster.StartIgnore) == address || (r.LetGo) == address {
			t.Errorf("%s: start %v, stop %v", r.Name, r.OnStart, r.LetGo)
		}
	}
}

func TestFailuresSaid(t *testing.T) {
	for conf, want := range map[string]string{
		"failures web":                                         "failures needs key=value options",
		"failures nobody limit=1":                              `haresources has no "nobody"`,
		"failures apache limit=0":                              "write limit=never, so that failures never move the group, or 1",
		"failures apache limit=101":                            "write never, or a whole number from 1 to 100",
		"failures apache limit=many":                           "write never, or a whole number from 1 to 100",
		"failures apache within=9s":                            `within: "9s" is too short; write at least 10s`,
		"failures apache within=25h":                           "at most 24h",
		"failures apache within=10":                            `has no unit; write "10s" for seconds`,
		"failures apache max=3":                                "here it is limit=",
		"failures apache migration-threshold=3":                "here it is limit=",
		"failures apache failure-timeout=1h":                   "here it is within=",
		"failures apache limit=3 within=10s":                   `3 failures of "apache" take 20s or more, for it is asked each 10s; only those within 10s count, so they never move the group`,
		"monitor apache interval=6m":                           "3 failures of \"apache\" take 12m or more, for it is asked each 6m; only those within 10m count, so they never move the group; ask more often, or write 'failures apache within=24m'",
		"monitor apache interval=off\nfailures apache limit=2": `nobody sees "apache" fail, for it is not monitored`,
		"failures apache limit=2\nfailures apache limit=4":     "failures is written again for \"apache\"",
		"on-failure apache start=restart":                      "write one of: move, stay, ignore",
		"on-failure apache stop=fence":                         "write one of: block, ignore",
		"on-failure apache stop=ignore":                        "when apache does not stop, it may run on both nodes at once",
		"on-failure Filesystem stop=ignore":                    "two nodes write the same data, and destroy it",
		"on-failure IPaddr stop=ignore":                        `haresources has no "IPaddr"`,
		"failback apache delay=1m":                             `apache is a resource; its group is called "192.0.2.100"`,
		"failback webb delay=1m":                               "there is no group \"webb\"",
		"failback 192.0.2.100 delay=5s":                        "twice the deadtime is always waited, 20 s",
		"failback 192.0.2.100 window=2-5":                      "write HH:MM-HH:MM in local time",
		"failback 192.0.2.100 window=02:60-05:00":              "write HH:MM-HH:MM in local time",
		"failback 192.0.2.100 window=24:00-05:00":              "write HH:MM-HH:MM in local time",
		"failback 192.0.2.100 window=02:00-24:01":              "write HH:MM-HH:MM in local time",
		"failback 192.0.2.100 window=02:00-02:00":              "has no length",
		"failback 192.0.2.100 preempt_delay=1m":                "here it is delay=",
		"migration-threshold web 3":                            "here it is 'failures GROUP|RESOURCE limit=N within=TIME'",
		"preempt_delay 300":                                    "here it is 'failback GROUP",
		"on-fail apache block":                                 "here it is 'on-failure GROUP",
		"on_failure apache start=stay":                         `write "on-failure"`,
	} {
		_, problems := Parse(failing(conf), machine())
		if got := printed(problems); !strings.Contains(got, want) {
			t.Errorf("%q: want %q, got\n%s", conf, want, got)
		}
	}
}

// A resource that is an address cannot be passed over, and where nothing returns failback says so.
func TestFailuresOfAnAddress(t *testing.T) {
	files := failing("name 192.0.2.100 web\non-failure IPaddr2 stop=ignore\n")
	files.Haresources = []byte("alpha 192.0.2.100 IPaddr2::192.0.2.101\n")
	if l, problems := Parse(files, machine()); l != nil || !strings.Contains(printed(problems), "an address cannot be passed over") {
		t.Error(printed(problems))
	}
	files = failing("failback 192.0.2.100 delay=1m\n")
	files.HaCF = goodFiles().HaCF
	if l, problems := Parse(files, machine()); l == nil || !strings.Contains(printed(problems), "warning: failback has no effect: auto_failback is off in ha.cf") {
		t.Error(printed(problems))
	}
}
