package config

import (
	"bytes"
	"testing"
	"time"
)

func answers() Answers {
	return Answers{
		Nodes: [2]string{"alpha", "beta"},
		Links: []Link{{Kind: "bcast", Interface: "eth1"}, {Kind: "ucast", Interface: "eth0", Address: "192.0.2.11"},
			{Kind: "ucast", Interface: "eth0", Address: "192.0.2.12"}},
		Address: "192.0.2.100",
		Service: []string{"apache::/etc/httpd/conf/httpd.conf"},
		Random:  bytes.Repeat([]byte{0x5a}, 20),
	}
}

// What init writes leaves nothing to be said, on both nodes.
func TestRender(t *testing.T) {
	for _, node := range []string{"alpha", "beta"} {
		for _, heartbeat := range []bool{false, true} {
			a := answers()
			a.HeartbeatPeer, a.AutoFailback = heartbeat, heartbeat
			if heartbeat {
				a.Pings = []string{"192.0.2.1"}
			}
			a.Links = append(a.Links, Link{Kind: "mcast", Interface: "eth0", Address: "239.0.0.43", Port: 694, TTL: 1})
			files, err := Render(a)
			if err != nil {
				t.Fatal(err)
			}
			opts := machine()
			opts.Hostname = node
			l, problems := Parse(files, opts)
			if l == nil || len(problems) > 0 {
				t.Fatalf("%s\n%s", files.HaCF, printed(problems))
			}
			method := "sha256"
			if heartbeat {
				method = "sha1"
			}
			if l.Keys[0].Method != method || len(l.Keys[0].Secret) != 40 || l.Config.AutoFailback != heartbeat || len(l.Pings) != len(a.Pings) {
				t.Errorf("keys %+v, failback %v", l.Keys, l.Config.AutoFailback)
			}
			if l.Config.Keepalive != 250*time.Millisecond || l.Config.DeadTime != 2*time.Second || l.Config.Groups[0].Preferred != "alpha" || len(l.Links) != 3 {
				t.Errorf("config %+v", l.Config)
			}
		}
	}
}

func TestRenderRefusesWhatIsNotAWord(t *testing.T) {
	for name, change := range map[string]func(*Answers){
		"a second line":     func(a *Answers) { a.Nodes[0] = "alpha\nnode evil" },
		"nothing":           func(a *Answers) { a.Address = "" },
		"a blank in a ping": func(a *Answers) { a.Pings = []string{"192.0.2.1 192.0.2.2"} },
		"a comment":         func(a *Answers) { a.Service = []string{"apache", "#x"} },
		"a blank":           func(a *Answers) { a.Links[0].Interface = "eth0 eth1" },
		"little chance":     func(a *Answers) { a.Random = a.Random[:8] },
		"no link at all":    func(a *Answers) { a.Links = nil },
	} {
		a := answers()
		change(&a)
		if _, err := Render(a); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
