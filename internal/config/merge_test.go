package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMerge(t *testing.T) {
	for _, c := range []struct {
		name, file, from, there, want string
		kept, left                    string
		forced                        bool
	}{
		{"equal links", "ha.cf", "keepalive 1\nbcast eth1\nnode a b\n", "bcast eth1\nnode a b\n", "keepalive 1\nbcast eth1\nnode a b\n", "", "", false},
		{"each its interface", "ha.cf", "# cross\nbcast eth1 # x\nucast eth0 10.0.0.2\ndeadtime 3\n", "bcast ens4\ndeadtime 2\nucast ens3 10.0.0.1\n",
			"# cross\nbcast ens4\nucast ens3 10.0.0.1\ndeadtime 3\n", "bcast ens4|ucast ens3 10.0.0.1", "bcast eth1|ucast eth0 10.0.0.2", false},
		{"two in a line", "ha.cf", "udpport 7\nbcast eth1 eth0\nnode a\n", "bcast ens4\nbcast ens3", "udpport 7\nbcast ens4\nbcast ens3\nnode a\n", "bcast ens4|bcast ens3", "bcast eth1 eth0", false},
		{"multicast", "ha.cf", "mcast eth0 239.0.0.1 694 1 0\n", "mcast ens3 239.0.0.1 694 1 0\n", "mcast ens3 239.0.0.1 694 1 0\n", "mcast ens3 239.0.0.1 694 1 0", "mcast eth0 239.0.0.1 694 1 0", false},
		{"another group", "ha.cf", "mcast eth0 239.0.0.1 694 1 0\n", "mcast ens3 239.0.0.2 694 1 0\n", "mcast eth0 239.0.0.1 694 1 0\n", "", "", true},
		{"one more link", "ha.cf", "bcast eth1\nbcast eth2\n", "bcast ens4\n", "bcast eth1\nbcast eth2\n", "", "", true},
		{"no file there", "ha.cf", "bcast eth1\n", "-", "bcast eth1\n", "", "", false},
		{"own words of both", "lubdub.conf", "# here\npeer-command ssh \\\n  NODE\ncoldstart strict\npoint-to-point eth1\n", "point-to-point ens4\napi-group ops",
			"# here\npoint-to-point ens4\napi-group ops\ncoldstart strict\n", "point-to-point ens4|api-group ops", "peer-command ssh NODE|point-to-point eth1", false},
		{"only there", "lubdub.conf", "coldstart strict", "api-group \"ops\"\n", "coldstart strict\napi-group \"ops\"\n", "api-group ops", "", false},
		{"haresources", "haresources", "a x\n", "a y\n", "a x\n", "", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			there := []byte(c.there)
			if c.there == "-" {
				there = nil
			}
			m := Merge(c.file, []byte(c.from), there)
			if diff := cmp.Diff(c.want, string(m.Text)); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
			if kept, left := strings.Join(m.Kept, "|"), strings.Join(m.Left, "|"); kept != c.kept || left != c.left || m.Forced != c.forced {
				t.Errorf("kept %q, left %q, forced %v", kept, left, m.Forced)
			}
			if again := Merge(c.file, m.Text, there); !m.Forced && string(again.Text) != string(m.Text) {
				t.Errorf("again it is another:\n%s", again.Text)
			}
		})
	}
}

// FuzzMerge: whatever the files, the meaning that must be equal comes over whole,
// and what is of one node stays.
func FuzzMerge(f *testing.F) {
	f.Add("bcast eth1\nkeepalive 2\n", "bcast ens4\n", "coldstart strict\napi-group a\n", "peer-command x NODE\\\n\n")
	f.Add("mcast eth1 239.0.0.1 7 1 0\n", "mcast eth7 239.0.0.1 7 1 0", "watchfile /a \\\n /b\n#c", "point-to-point eth1 \\\n")
	f.Fuzz(func(t *testing.T, haFrom, haThere, confFrom, confThere string) {
		here, there := goodFiles(), goodFiles()
		here.HaCF, there.HaCF = append(here.HaCF, haFrom...), append(there.HaCF, haThere...)
		here.LubdubConf, there.LubdubConf = []byte(confFrom), []byte(confThere)
		from, _ := Parse(here, machine())
		onto, _ := Parse(there, machine())
		if from == nil || onto == nil {
			return // files with errors are not sent
		}
		ha, conf := Merge("ha.cf", here.HaCF, there.HaCF), Merge("lubdub.conf", here.LubdubConf, there.LubdubConf)
		after := there
		after.HaCF, after.LubdubConf = ha.Text, conf.Text
		got, problems := Parse(after, machine())
		if got == nil {
			t.Fatalf("two good files make a bad one: %s\n%s\n%s", printed(problems), ha.Text, conf.Text)
		}
		for i, d := range from.Config.Digests {
			if d != got.Config.Digests[i] {
				t.Errorf("%s does not mean the same:\n%s\n%s", d.File, ha.Text, conf.Text)
			}
		}
		if diff := cmp.Diff(onto.PeerCommand, got.PeerCommand); diff != "" || got.APIGroup != onto.APIGroup {
			t.Errorf("what is of that node did not stay: %s %s", diff, got.APIGroup)
		}
		if !ha.Forced && len(got.Links) == len(onto.Links) {
			if diff := cmp.Diff(names(onto.Links), names(got.Links)); diff != "" {
				t.Errorf("the links did not stay: %s", diff)
			}
		}
	})
}

func names(links []Link) (out []string) {
	for _, l := range links {
		out = append(out, l.Kind+" "+l.Interface+" "+l.Address)
	}
	return out
}

func TestDiff(t *testing.T) {
	before := "a\nb\nc\nd\ne\nf\ng\nh\ni\n"
	after := "a\nb\nC\nd\ne\nf\ng\nh\ni\nj\n"
	want := []string{"@@ line 1 @@", " a", " b", "-c", "+C", " d", " e", "@@ line 8 @@", " h", " i", "+j"}
	if diff := cmp.Diff(want, Diff("haresources", []byte(before), []byte(after))); diff != "" {
		t.Error(diff)
	}
	if got := Diff("ha.cf", []byte(before), []byte(before)); got != nil {
		t.Errorf("no difference: %q", got)
	}
	got := strings.Join(Diff("lubdub.conf", []byte("fence a agent=x password=old\n"), []byte("fence a agent=x password=new\n")), "\n")
	if strings.Contains(got, "old") || strings.Contains(got, "new") {
		t.Errorf("a secret is shown: %s", got)
	}
	if got := Diff("haresources", nil, []byte(strings.Repeat("x\n", 5000))); len(got) != 5001 {
		t.Errorf("%d lines", len(got))
	}
	large := []byte(strings.Repeat("x\ny\n", 5000))
	if got := Diff("haresources", append([]byte("a\n"), large...), append(large, "b\n"...)); len(got) < 2 {
		t.Errorf("large: %d lines", len(got))
	}
}

func TestCompare(t *testing.T) {
	file := func(p, sum string, mode uint32) Entry {
		return Entry{Path: p, Kind: 'f', Mode: mode, Owner: "root", Group: "root", Sum: sum}
	}
	from := []Entry{file(".", "", 0o755), file("a", "1", 0o644), file("a/b", "1", 0o644), file("a.b", "1", 0o644), {Path: "k", Kind: 'l', Sum: "x"}, {Path: "t", Kind: 'd'}}
	onto := []Entry{file(".", "", 0o755), file("a", "1", 0o600), file("a.b", "2", 0o644), {Path: "k", Kind: 'l', Sum: "y"}, file("old", "", 0), file("t", "", 0)}
	onto[1].Owner = "www-data"
	var got []string
	for _, d := range Compare(from, onto) {
		got = append(got, d.Path+": "+d.Words("alpha", "beta"))
	}
	want := []string{"a: mode 0644 on alpha, 0600 on beta; owner root on alpha, www-data on beta", "a.b: content", "a/b: only on alpha", "k: where it points to",
		"old: only on beta", "t: directory on alpha, file on beta"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
