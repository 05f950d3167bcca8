package config

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"lubdub/internal/cluster"

	"github.com/google/go-cmp/cmp"
)

var comparers = cmp.Options{
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
}

func prefixes(text string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(text)} }

// Every way to write a resource, and what it means.
func TestResources(t *testing.T) {
	address := func(name, prefix, device string) cluster.Resource {
		return cluster.Resource{Name: name, Class: "address", Type: "address", Addresses: prefixes(prefix), Interface: device}
	}
	labelled := address("IPaddr", "192.0.2.100/25", "eth0")
	labelled.Label, labelled.Broadcast = "eth0:0", netip.MustParseAddr("192.0.2.127")
	broadcast := address("192.0.2.100", "192.0.2.100/24", "eth0")
	broadcast.Broadcast = netip.MustParseAddr("192.0.2.255")
	tests := []struct {
		word string
		want cluster.Resource
	}{
		{"192.0.2.100", address("192.0.2.100", "192.0.2.100/24", "eth0")},
		{"192.0.2.100/32", address("192.0.2.100", "192.0.2.100/32", "eth0")},
		{"192.0.2.100/255.255.255.0", address("192.0.2.100", "192.0.2.100/24", "eth0")},
		{"192.0.2.100/24/192.0.2.255", broadcast},
		{"192.0.2.100/24/eth1", address("192.0.2.100", "192.0.2.100/24", "eth1")},
		{"2001:db8::64", address("2001:db8::64", "2001:db8::64/64", "eth0")},
		{"2001:db8::64/128/eth1", address("2001:db8::64", "2001:db8::64/128", "eth1")},
		{"IPaddr::192.0.2.100", address("IPaddr", "192.0.2.100/24", "eth0")},
		{"IPaddr::192.0.2.100/25/eth0:0/192.0.2.127", labelled},
		{"IPaddr2::192.0.2.100/24/eth0", address("IPaddr2", "192.0.2.100/24", "eth0")},
		{"IPaddr2::2001:db8::64", address("IPaddr2", "2001:db8::64/64", "eth0")},
		{"IPv6addr::2001:db8::64/64/eth0", address("IPv6addr", "2001:db8::64/64", "eth0")},
		{"apache::/etc/httpd.conf", cluster.Resource{Name: "apache", Type: "apache", Args: []string{"/etc/httpd.conf"}}},
		{"httpd", cluster.Resource{Name: "httpd", Type: "httpd"}},
		{"Filesystem::/dev/sda1::/mnt::ext4", cluster.Resource{Name: "Filesystem", Type: "Filesystem", Args: []string{"/dev/sda1", "/mnt", "ext4"}}},
		{"MailTo::a@b::", cluster.Resource{Name: "MailTo", Type: "MailTo", Args: []string{"a@b", ""}}},
		{"ocf:heartbeat:apache::/x", cluster.Resource{Name: "ocf:heartbeat:apache", Class: "ocf", Provider: "heartbeat", Type: "apache", Args: []string{"/x"}}},
		{"lsb:httpd", cluster.Resource{Name: "lsb:httpd", Class: "lsb", Type: "httpd"}},
		{"systemd:httpd", cluster.Resource{Name: "systemd:httpd", Class: "systemd", Type: "httpd"}},
		{"systemd:db@one.service", cluster.Resource{Name: "systemd:db@one.service", Class: "systemd", Type: "db@one.service"}},
		{"lubdub-proxy::web", cluster.Resource{Name: "lubdub-proxy", Class: "proxy", Type: "web", Args: []string{"web"}, Warm: true}},
	}
	for _, test := range tests {
		t.Run(test.word, func(t *testing.T) {
			files := goodFiles()
			files.Haresources = []byte("Alpha " + test.word + "\n")
			if test.want.Class == "proxy" {
				files.LubdubConf = []byte("proxy web listen=:80 backend=http://10.0.0.9\n")
			}
			l, problems := Parse(files, machine())
			if l == nil || len(problems) > 0 {
				t.Fatal(printed(problems))
			}
			test.want.Interval = 10 * time.Second
			test.want.Limit, test.want.Window = 3, 10*time.Minute
			test.want.Usual = []cluster.Action{cluster.Start, cluster.Stop, cluster.Monitor}
			test.want.Timeouts = cluster.Timeouts{Start: time.Minute, Stop: time.Minute, Monitor: 20 * time.Second}
			if diff := cmp.Diff(test.want, l.Config.Groups[0].Resources[0], comparers); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			name := test.want.Name
			if test.want.Class == "address" {
				name = test.want.Addresses[0].Addr().String()
			}
			if got := l.Config.Groups[0].Name; got != name {
				t.Errorf("the group is called %q, want %q", got, name)
			}
		})
	}
}

func TestNamesAreUnique(t *testing.T) {
	files := goodFiles()
	files.Haresources = []byte("alpha web apache::a apache::b apache::c # joined \\\nbeta \\\n  db\n")
	l, problems := Parse(files, machine())
	if l == nil {
		t.Fatal(printed(problems))
	}
	var names []string
	for _, r := range l.Config.Groups[0].Resources {
		names = append(names, r.Name)
	}
	if got, want := strings.Join(names, " "), "web apache apache#2 apache#3"; got != want {
		t.Errorf("resources %q, want %q", got, want)
	}
	if len(l.Config.Groups) != 2 || l.Config.Groups[1].Name != "db" || l.Config.Groups[1].Preferred != "beta" {
		t.Errorf("groups %+v, want a second one called db of beta", l.Config.Groups)
	}
}

func TestFit(t *testing.T) {
	near := []Interface{
		{Name: "lo", Prefixes: prefixes("10.0.0.0/8")},
		{Name: "eth0", Prefixes: append(prefixes("10.1.0.1/16"), prefixes("10.1.2.50/32")...)},
		{Name: "eth1", Prefixes: prefixes("10.1.2.1/24")},
	}
	shared := map[netip.Addr]bool{netip.MustParseAddr("10.1.2.50"): true}
	tests := []struct {
		name, text, device, prefix string
		ok                         bool
	}{
		{"longest subnet", "10.1.2.9", "eth1", "10.1.2.9/24", true},
		{"only one subnet", "10.1.3.9", "eth0", "10.1.3.9/16", true},
		{"left over from before", "10.1.2.50", "eth1", "10.1.2.50/24", true},
		{"loopback does not count", "10.9.9.9", "", "10.9.9.9/32", false},
		{"mask written", "10.1.2.9/30", "eth1", "10.1.2.9/30", true},
		{"interface written", "10.1.2.9/24/eth0", "eth0", "10.1.2.9/24", true},
		{"interface of another subnet", "192.0.2.9/24/eth0", "eth0", "192.0.2.9/24", true},
		{"interface that is not there", "192.0.2.9/24/eth5", "eth5", "192.0.2.9/24", false},
		{"other family", "2001:db8::1", "", "2001:db8::1/128", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, wrong, _ := parseAddress(test.text)
			if wrong != "" {
				t.Fatal(wrong)
			}
			device, prefix, ok := fit(a, near, shared)
			if device != test.device || prefix.String() != test.prefix || ok != test.ok {
				t.Errorf("got %q %s %v, want %q %s %v", device, prefix, ok, test.device, test.prefix, test.ok)
			}
		})
	}
}

// A heartbeat says something of each group and must fit one frame.
func TestGroupsThatDoNotFitAHeartbeat(t *testing.T) {
	var text strings.Builder
	for i := range maxGroups {
		fmt.Fprintf(&text, "alpha %s%02d\n", strings.Repeat("x", 90), i)
	}
	_, problems := Parse(Files{HaCF: []byte("node alpha beta\nbcast eth1 eth0\n"), Haresources: []byte(text.String()),
		Authkeys: []byte("auth 1\n1 sha256 secretsecret\n")}, Options{Node: "alpha"})
	found := false
	for _, p := range problems {
		found = found || p.Severity == Error && strings.Contains(p.Words, "do not fit into a heartbeat")
	}
	if !found {
		t.Errorf("accepted; problems: %v", problems)
	}
}
