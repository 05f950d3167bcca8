package config

import (
	"io"
	"slices"
	"strings"
	"testing"

	"lubdub/internal/cluster"
)

func FuzzHaCF(f *testing.F) {
	for _, text := range []string{string(goodFiles().HaCF), "keepalive 1,2\nmcast eth0 239.0.0.1 694 1 0\nudpport 7\nucast eth0 a\n", "respawn\napiauth\nenv =\n", "node A b C\nkeepalive 99999999999\n",
		"ping 192.0.2.1 2001:db8::1\nping6 fe80::1%eth0\nping_group g 192.0.2.4,192.0.2.5\ndeadping 3\n"} {
		f.Add([]byte(text))
	}
	fuzz(f, func(files *Files, data []byte) { files.HaCF = data })
}

func FuzzHaresources(f *testing.F) {
	for _, text := range []string{"alpha 192.0.2.1/24/eth0:0/192.0.2.255 a::b::c \\\n", "beta ::1 1.2.3.4::5 ocf:a:b lsb: systemd:x", "alpha a\nbeta a\nalpha IPv6addr::fe80::1%x/1/2/3/4\n"} {
		f.Add([]byte(text))
	}
	fuzz(f, func(files *Files, data []byte) { files.Haresources = data })
}

func FuzzAuthkeys(f *testing.F) {
	for _, text := range []string{"auth 1\n1 sha1 topsecret x", "auth 0\n0 crc # x\n1 crc x\n", "auth\n1\n99999999999999999999 a\n auth auth 1 sha1"} {
		f.Add([]byte(text))
	}
	fuzz(f, func(files *Files, data []byte) { files.Authkeys = data })
}

func FuzzLubdubConf(f *testing.F) {
	for _, e := range entries() {
		f.Add([]byte(e.example))
	}
	f.Add([]byte("on beta monitor apache interval=5s\non alpha on beta x\nfailback 192.0.2.100 window=22:00-24:00\non-failure 192.0.2.100 start=ignore stop=ignore\non beta param apache a=b\n"))
	f.Add([]byte("name apache \"a b\nparam apache a=\"\\\"\\\\\" \\\n b=c # d\nmonitor \"\" interval=off\n"))
	fuzz(f, func(files *Files, data []byte) { files.LubdubConf = data })
}

// FuzzBothNodes holds that one lubdub.conf is good on both nodes or on none, and means the same: lines of the other
// node are read, too.
func FuzzBothNodes(f *testing.F) {
	f.Add([]byte("on beta exec queue start=/a stop=/b monitor=/c\non alpha watchdog required\non alpha probe apache tcp a:1\n"))
	f.Add([]byte("on beta param apache a=1\non beta proxy web listen=:80 backend=http://a\ntimeout apache start=1s\n"))
	f.Fuzz(func(t *testing.T, data []byte) { bothNodes(t, goodFiles(), data) })
}

// bothNodes reads a lubdub.conf on both nodes, and wants the same from both.
func bothNodes(t *testing.T, files Files, conf []byte) (good bool) {
	t.Helper()
	files.LubdubConf = conf
	alpha, here := Parse(files, asNode("alpha"))
	beta, there := Parse(files, asNode("beta"))
	if (alpha == nil) != (beta == nil) {
		t.Fatalf("good on one node alone:\n%s\nalpha\n%s\nbeta\n%s", conf, printed(here), printed(there))
	}
	if alpha != nil && !slices.Equal(alpha.Config.Digests, beta.Config.Digests) {
		t.Fatalf("%s\ndigests %v and %v", conf, alpha.Config.Digests, beta.Config.Digests)
	}
	return alpha != nil
}

// fuzz puts outside bytes in the place of one file. Whatever they are, nothing
// panics, each problem has a place, and a configuration without an error holds
// what the core trusts.
func fuzz(f *testing.F, put func(*Files, []byte)) {
	f.Fuzz(func(t *testing.T, data []byte) {
		files := goodFiles()
		put(&files, data)
		l, problems := Parse(files, machine())
		if (l == nil) != problems.HasErrors() {
			t.Fatalf("a configuration with errors, or none without: %v", problems)
		}
		for i, p := range problems {
			checkProblem(t, p)
			if i > 0 && problems[i-1].file == p.file && (problems[i-1].Line > p.Line || problems[i-1].Line == p.Line && problems[i-1].Column > p.Column) {
				t.Errorf("not sorted: %v before %v", problems[i-1], p)
			}
		}
		if err := problems.Print(io.Discard); err != nil {
			t.Error(err)
		}
		if l != nil {
			checkTrusted(t, l)
		}
	})
}

func checkProblem(t *testing.T, p Problem) {
	if p.Words == "" || p.File == "" || p.Line < 1 || p.Column < 1 {
		t.Errorf("a problem without a place or words: %+v", p)
	}
	if p.Source != "" && p.Column > len([]rune(p.Source))+1 {
		t.Errorf("the column is behind the line: %+v", p)
	}
	if strings.ContainsFunc(p.Words+p.Remedy+p.Source, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		t.Errorf("a control character would be printed: %+v", p)
	}
	if strings.HasSuffix(p.File, "authkeys") && strings.Contains(p.Words+p.Remedy+p.Source, "topsecret") {
		t.Errorf("a secret would be printed: %+v", p)
	}
}

func checkTrusted(t *testing.T, l *Loaded) {
	cfg := l.Config
	if cfg.Self == "" || cfg.Peer == "" || cfg.Self == cfg.Peer || len(l.Nodes) != 2 {
		t.Errorf("nodes %v, self %q, peer %q", l.Nodes, cfg.Self, cfg.Peer)
	}
	if cfg.Keepalive <= 0 || cfg.DeadTime <= 2*cfg.Keepalive || cfg.WarnTime <= 0 || cfg.InitDead < cfg.DeadTime {
		t.Errorf("times %+v", cfg)
	}
	if len(cfg.Links) == 0 || len(cfg.Links) != len(l.Links) || len(cfg.Links) > maxLinks || len(unique(cfg.Links)) != len(cfg.Links) {
		t.Errorf("links %v", cfg.Links)
	}
	if len(cfg.Pings) != len(l.Pings) || len(cfg.Pings) > maxPings || len(unique(cfg.Pings)) != len(cfg.Pings) || cfg.DeadPing <= 2*cfg.Keepalive && len(cfg.Pings) > 0 {
		t.Errorf("ping nodes %q, deadping %v", cfg.Pings, cfg.DeadPing)
	}
	signs := false
	for _, k := range l.Keys {
		signs = signs || k.Number == l.Sign
		if (k.Secret == "") != (k.Method == "crc") {
			t.Errorf("key %+v", k)
		}
	}
	if !signs {
		t.Error("no key signs")
	}
	var names []string
	for _, g := range cfg.Groups {
		names = append(names, g.Name)
		if g.Preferred != cfg.Self && g.Preferred != cfg.Peer {
			t.Errorf("group of %q", g.Preferred)
		}
		checkGroup(t, g)
	}
	if len(unique(names)) != len(names) {
		t.Errorf("groups %q", names)
	}
}

func checkGroup(t *testing.T, g cluster.Group) {
	var names []string
	for _, r := range g.Resources {
		names = append(names, r.Name)
		if r.Name == "" || r.Type == "" || strings.Contains(r.Type, "/") || r.Timeouts.Start <= 0 || r.Timeouts.Stop <= 0 || r.Timeouts.Monitor <= 0 || r.Interval < 0 ||
			r.Limit < 0 || r.Limit > maxFailures || r.Window < minWindow || r.Window > maxSetting {
			t.Errorf("resource %+v", r)
		}
		if (r.Class == "address") != (len(r.Addresses) == 1 && r.Addresses[0].IsValid()) {
			t.Errorf("address %+v", r)
		}
	}
	if f := g.Failback; f.Delay < 0 || f.From < 0 || f.From >= dayMinutes || f.To < 0 || f.To >= dayMinutes {
		t.Errorf("failback %+v", f)
	}
	if len(names) == 0 || len(unique(names)) != len(names) {
		t.Errorf("resources %q", names)
	}
}
