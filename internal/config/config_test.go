package config

import (
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"lubdub/internal/cluster"

	"github.com/google/go-cmp/cmp"
)

// tutorial reads the tutorial's three files, word for word.
func tutorial(t testing.TB) Files {
	read := func(name string) []byte {
		data, err := os.ReadFile("testdata/tutorial/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	return Files{HaCF: read("ha.cf"), Haresources: read("haresources"), Authkeys: read("authkeys")}
}

// proxy01 is the machine of the tutorial.
func proxy01() Options {
	return Options{Hostname: "Proxy01.example.org", Interfaces: []Interface{
		{Name: "eth0", Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.11/24")}},
		{Name: "eth1", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/30")}},
	}}
}

func TestTutorial(t *testing.T) {
	l, problems := Parse(tutorial(t), proxy01())
	want := `ha.cf:1:7: warning: a single link: one pulled cable is then the whole safety; add a link on another interface, such as the front network
    bcast eth1
          ^
ha.cf:1:7: warning: crc does not authenticate: whoever is on the network of eth1 can forge heartbeats; use sha256 in authkeys, or write 'point-to-point eth1' into lubdub.conf if it is one cable between the two nodes
    bcast eth1
          ^
`
	if diff := cmp.Diff(want, printed(problems)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if l == nil {
		t.Fatal("no configuration")
	}
	digests := l.Config.Digests
	l.Config.Digests = nil
	usual := []cluster.Action{cluster.Start, cluster.Stop, cluster.Monitor}
	timeouts := cluster.Timeouts{Start: time.Minute, Stop: time.Minute, Monitor: 20 * time.Second}
	wantConfig := cluster.Config{
		Cluster: "linux-ha", Self: "proxy01.example.org", Peer: "proxy02.example.org", Links: []string{"eth1"},
		Keepalive: 2 * time.Second, WarnTime: 10 * time.Second, DeadTime: 30 * time.Second, InitDead: 2 * time.Minute, DeadPing: 30 * time.Second,
		Groups: []cluster.Group{{Name: "192.0.2.100", Preferred: "proxy01.example.org", Resources: []cluster.Resource{
			{Name: "192.0.2.100", Class: "address", Type: "address", Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.100/24")},
				Interface: "eth0", Interval: 10 * time.Second, Timeouts: timeouts, Usual: usual, Limit: 3, Window: 10 * time.Minute},
			{Name: "apache", Type: "apache", Args: []string{"/etc/httpd/conf/httpd.conf"}, Interval: 10 * time.Second, Timeouts: timeouts, Usual: usual, Limit: 3, Window: 10 * time.Minute},
		}}},
	}
	if diff := cmp.Diff(wantConfig, l.Config, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if len(digests) != 3 {
		t.Errorf("digests %v, want one for each file but authkeys", digests)
	}
	if diff := cmp.Diff([]Link{{Name: "eth1", Kind: "bcast", Interface: "eth1", Port: 694}}, l.Links); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Key{{Number: 1, Method: "crc"}}, l.Keys); diff != "" || l.Sign != 1 {
		t.Errorf("keys (-want +got):\n%s sign %d", diff, l.Sign)
	}
	for name, want := range map[string]string{"keepalive": "2", "deadtime": "30", "auto_failback": "no", "udpport": "694", "crm": "no", "hopfudge": "1", "realtime": "true"} {
		if got := l.Directives[name]; got != want {
			t.Errorf("scripts get HA_%s=%q, want %q", name, got, want)
		}
	}
	if diff := cmp.Diff([]string{"ssh", "proxy02.example.org"}, l.PeerCommand); diff != "" {
		t.Errorf("peer command (-want +got):\n%s", diff)
	}
}

// The order of lines never matters, and neither do comments and blanks; the
// digests say so too.
func TestOrderIsFree(t *testing.T) {
	files := tutorial(t)
	files.HaCF = append(files.HaCF, "ucast eth0 192.0.2.12\nudpport 7000\nlogfacility local0\nenv A=b C=d\n"...)
	files.HaCF = []byte(strings.Replace(string(files.HaCF), "udpport 694\n", "", 1))
	want, problems := Parse(files, proxy01())
	if want == nil {
		t.Fatal(printed(problems))
	}
	lines := strings.Split(strings.TrimSpace(string(files.HaCF)), "\n")
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		random.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		files.HaCF = []byte("\t# shuffled\r\n\r\n" + strings.Join(lines, "  # why\r\n") + "\r\n")
		got, problems := Parse(files, proxy01())
		if got == nil {
			t.Fatalf("%s\n%s", files.HaCF, printed(problems))
		}
		// The order of nodes and of links is the one thing that lines mean.
		for _, l := range []*Loaded{want, got} {
			slices.Sort(l.Nodes)
			slices.Sort(l.Config.Links)
			slices.SortFunc(l.Links, func(a, b Link) int { return strings.Compare(a.Name, b.Name) })
			l.Config.Digests = nil
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Fatalf("%s\n(-want +got):\n%s", files.HaCF, diff)
		}
	}
}

func TestDigests(t *testing.T) {
	base := goodFiles()
	base.LubdubConf = []byte("monitor apache interval=60s\nwatchfile /etc/a\npoint-to-point eth1\n")
	edit := func(file *[]byte, old, new string) {
		if !strings.Contains(string(*file), old) {
			t.Fatalf("%q is not in the file", old)
		}
		*file = []byte(strings.Replace(string(*file), old, new, 1))
	}
	tests := []struct {
		name   string
		change func(*Files)
		differ []string
	}{
		{"comment and order", func(f *Files) {
			edit(&f.HaCF, "keepalive 1\ndeadtime 10", "deadtime 10000ms # slow\nkeepalive 1")
		}, nil},
		{"interface of a link", func(f *Files) { edit(&f.HaCF, "bcast eth1", "bcast eth7") }, nil},
		{"kind of a link", func(f *Files) { edit(&f.HaCF, "bcast eth1", "ucast eth1 10.0.0.2") }, []string{"ha.cf"}},
		{"time", func(f *Files) { edit(&f.HaCF, "deadtime 10", "deadtime 11") }, []string{"ha.cf"}},
		{"failback", func(f *Files) { edit(&f.HaCF, "auto_failback off", "auto_failback on") }, []string{"ha.cf"}},
		{"port", func(f *Files) { edit(&f.HaCF, "node", "udpport 695\nnode") }, []string{"ha.cf"}},
		{"resource", func(f *Files) { edit(&f.Haresources, "apache::", "httpd apache::") }, []string{"haresources"}},
		{"blanks", func(f *Files) { edit(&f.Haresources, " apache", " \\\n\t apache") }, nil},
		{"key", func(f *Files) { edit(&f.Authkeys, "0123", "4567") }, nil},
		{"same time otherwise", func(f *Files) { edit(&f.LubdubConf, "60s", "1m") }, nil},
		{"the usual value written", func(f *Files) { edit(&f.LubdubConf, "watchfile", "coldstart compat\nwatchfile") }, nil},
		{"policy", func(f *Files) { edit(&f.LubdubConf, "watchfile", "coldstart strict\nwatchfile") }, []string{"lubdub.conf"}},
		{"usual limits", func(f *Files) {
			edit(&f.LubdubConf, "watchfile", "failures apache limit=3 within=600s\non-failure apache start=move stop=block\nwatchfile")
		}, nil},
		{"limit", func(f *Files) { edit(&f.LubdubConf, "watchfile", "failures apache limit=4\nwatchfile") }, []string{"lubdub.conf"}},
		{"a usual value beside another", func(f *Files) {
			edit(&f.LubdubConf, "watchfile", "monitor 192.0.2.100 interval=10s\nwatchfile")
		}, []string{"lubdub.conf"}},
		{"a parameter like a usual value", func(f *Files) { edit(&f.LubdubConf, "watchfile", "param apache interval=10s\nwatchfile") }, []string{"lubdub.conf"}},
		{"a line of one node", func(f *Files) {
			edit(&f.LubdubConf, "watchfile", "on beta monitor apache interval=60s\nwatchfile")
		}, []string{"lubdub.conf"}},
		{"per node", func(f *Files) { edit(&f.LubdubConf, "point-to-point eth1", "point-to-point eth0") }, nil},
		{"watched tree", func(f *Files) { edit(&f.LubdubConf, "watchfile", "watchtree /srv exclude=*.log\nwatchfile") }, []string{"lubdub.conf"}},
	}
	want, problems := Parse(base, machine())
	if want == nil {
		t.Fatal(printed(problems))
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files := base
			test.change(&files)
			got, problems := Parse(files, machine())
			if got == nil {
				t.Fatal(printed(problems))
			}
			var differ []string
			for _, d := range got.Config.Digests {
				if !slices.Contains(want.Config.Digests, d) && d.Sum != "" {
					differ = append(differ, d.File)
				}
			}
			if diff := cmp.Diff(test.differ, differ); diff != "" {
				t.Errorf("files that differ (-want +got):\n%s", diff)
			}
		})
	}
}

// Nodes with the same file have the same digest, whichever line is their own,
// and also while an address is not there yet.
func TestDigestOfBothNodes(t *testing.T) {
	files := goodFiles()
	files.HaCF = append(files.HaCF, "ucast eth0 192.0.2.11\nucast eth0 192.0.2.12\n"...)
	alpha, beta, early := machine(), machine(), machine()
	beta.Hostname = "beta"
	beta.Interfaces[1].Prefixes[0] = netip.MustParsePrefix("192.0.2.12/24")
	early.Interfaces[1].Prefixes = nil
	var sums []string
	for _, opts := range []Options{alpha, beta, early} {
		l, problems := Parse(files, opts)
		if l == nil {
			t.Fatal(printed(problems))
		}
		sums = append(sums, l.Config.Digests[0].Sum)
	}
	if sums[0] != sums[1] || sums[0] != sums[2] {
		t.Errorf("digests of ha.cf differ: %v", sums)
	}
}

func TestOwnName(t *testing.T) {
	tests := []struct {
		name, option, nodeinfo, host, want string
	}{
		{"host name in lower case", "", "", "BETA", "beta"},
		{"nodeinfo wins over it", "", "Beta\nmore\n", "gamma", "beta"},
		{"nodeinfo without an end of line", "", "beta", "alpha", "alpha"},
		{"option wins over both", "alpha", "beta\n", "beta", "alpha"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files, opts := goodFiles(), machine()
			if test.nodeinfo != "" {
				files.Nodeinfo = []byte(test.nodeinfo)
			}
			opts.Node, opts.Hostname = test.option, test.host
			l, problems := Parse(files, opts)
			if l == nil {
				t.Fatal(printed(problems))
			}
			if l.Config.Self != test.want || l.Config.Peer == test.want {
				t.Errorf("self %q, peer %q, want self %q", l.Config.Self, l.Config.Peer, test.want)
			}
		})
	}
}

func TestGoodFilesAreSilent(t *testing.T) {
	if _, problems := Parse(goodFiles(), machine()); len(problems) > 0 {
		t.Error(printed(problems))
	}
}
