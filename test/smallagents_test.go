package test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"lubdub/internal/lab"
)

// small is one of the agents that are no service, and how to see from outside what it does.
type small struct {
	name   string // of the agent
	args   string // by position, as haresources has them
	params string // the same by name
	here   string // ends well on the node where the resource runs; the agent has no say in it
	gone   string // ends well where it does not run; empty: here must fail
	undo   string // ends it behind lubdub's back; empty: nothing can
}

const (
	route   = "198.51.100.0/24"
	mails   = "/run/mails"
	shelf   = "/run/shelf"
	further = "192.0.2.101"

	// announced is an address that nobody has: the client learns it from SendArp alone.
	announced = "192.0.2.102"
)

// smalls are the agents on this page's block device, with their arguments in both forms.
func smalls(device string) []small {
	return []small{
		{name: "Delay", args: "::1::1", params: "startdelay=1 stopdelay=1 mondelay=0"},
		{name: "Filesystem", args: "::" + device + "::" + shelf + "::ext4::noatime",
			params: "device=" + device + " directory=" + shelf + " fstype=ext4 options=noatime",
			here:   "grep -q ' " + shelf + " ext4 .*noatime' /proc/mounts && touch " + shelf + "/$(uname -n)", undo: "umount " + shelf},
		{name: "IPsrcaddr", args: "::" + shared, params: "ipaddress=" + shared,
			here: "ip route show default | grep -q 'src " + shared + "'", undo: "ip route replace default via 192.0.2.1 dev eth0"},
		{name: "Route", args: "::" + route + "::eth0::192.0.2.1", params: "destination=" + route + " device=eth0 gateway=192.0.2.1",
			here: "ip route show " + route + " | grep -q 'via 192.0.2.1'", undo: "ip route del " + route},
		{name: "MailTo", args: "::root@example.org::web", params: "email=root@example.org subject=web",
			here: "tail -n 1 " + mails + " | grep -q 'web Takeover in progress.*root@example.org'",
			gone: "! test -e " + mails + " || tail -n 1 " + mails + " | grep -q 'web Migrating resource away.*root@example.org'"},
		{name: "portblock", args: "::tcp::8081::block", params: "protocol=tcp portno=8081 action=block",
			here: "iptables -nL INPUT | grep -q 'DROP.*8081'"}, // its monitor action does not look at the rule
		{name: "SendArp", args: "::" + announced + "/eth0", params: "ip=" + announced + " nic=eth0"}, // see learns
	}
}

// TestSmallAgents runs the agents that are no service: through Heartbeat's own wrappers, as OCF agents with arguments by
// position, and by name.
func TestSmallAgents(t *testing.T) {
	asRoot(t)
	programs(t, "/usr/sbin/iptables-nft", "/sbin/mkfs.ext4", "/sbin/modprobe")
	if err := exec.Command("losetup", "--find").Run(); err != nil {
		t.Skip("this machine has no loop device to give: ", err) // a container's may have none
	}
	for _, s := range smalls("") {
		programs(t, agents+s.name)
	}
	var told sync.WaitGroup
	for _, form := range []string{"wrapper", "position", "name"} {
		told.Go(func() {
			t.Run(form, func(t *testing.T) { tellSmall(t, form) })
		})
	}
	told.Wait()
}

// words are the words of haresources for the agents, and the lines of lubdub.conf.
func words(all []small, form string) (resources, conf string) {
	var line, more strings.Builder
	for _, s := range all {
		word := "ocf:heartbeat:" + s.name
		switch {
		case form == "name":
			fmt.Fprintf(&line, " %s", word)
			fmt.Fprintf(&more, "param %s %s\n", word, s.params)
			continue
		case form == "wrapper" && s.name != "Route": // Heartbeat has none for it
			word = s.name
		}
		line.WriteString(" " + word + s.args)
	}
	if form == "name" { // by position an address is always lubdub's own
		line.WriteString(" ocf:heartbeat:IPaddr2")
		fmt.Fprintf(&more, "param ocf:heartbeat:IPaddr2 ip=%s cidr_netmask=24 nic=eth0\n", further)
		more.WriteString("monitor ocf:heartbeat:Filesystem deeper=20:1m\n") // it writes a file, and reads it
	}
	return line.String(), more.String()
}

func tellSmall(t *testing.T, form string) {
	all := smalls(disk(t))
	if form == "wrapper" {
		for _, s := range all {
			if s.name != "Route" {
				programs(t, "/etc/ha.d/resource.d/"+s.name)
			}
		}
	}
	resources, conf := words(all, form)
	if form == "name" {
		all = append(all, small{name: "Filesystem", here: "ls " + shelf + "/.Filesystem_status/*$(uname -n)* >/dev/null 2>&1"}, small{name: "IPaddr2", here: "ip -o addr show eth0 | grep -q " + further + "/24", undo: "ip addr del " + further + "/24 dev eth0"})
	}
	p := newPair(t, setup{lane: "-" + form[:1], resources: shared + resources, conf: conf})
	for _, node := range []string{one, two} {
		p.run(node, "ip route add default via 192.0.2.1 dev eth0; mkdir "+shelf)
		must(t, p.Host(node).WriteFile("/run/stub/mail", "#!/bin/sh\necho \"$*\" >>"+mails+"\n", 0o755))
		must(t, p.Host(node).Bind("/run/stub", mailPlace))
		// iptables 1.8.9 prints 6 for tcp, and the agent never finds its own rule: see docs/agents.md.
		must(t, p.Host(node).WriteFile("/run/iptables", "#!/bin/sh\niptables-nft \"$@\" | sed 's/^\\(DROP  *\\)6 /\\1tcp /'\n", 0o755))
		p.run(node, "ln -sf /run/iptables /etc/alternatives/iptables")
	}
	p.run(client, "echo 1 > /proc/sys/net/ipv4/conf/eth0/arp_accept")
	p.start(one, two)
	p.atHome()
	p.see(all, one, two)
	p.learns(one)

	some := map[string]string{"wrapper": "Filesystem", "position": "Route"}[form] // by name all are tried
	for _, s := range all {
		if s.undo == "" || some != "" && s.name != some {
			continue
		}
		p.run(one, s.undo)
		eventually(t, patience, s.name+" is there again", func() bool { return p.holds(one, s.here) })
		p.settledWithin(patience) // what stands behind it was stopped, and is started again
	}
	p.order(one, "standby")
	p.answered(two, lab.Now(), patience)
	p.settledWithin(patience)
	p.rests(one)
	p.see(all, two, one)
	p.learns(two)
	if left := p.run(two, "ls "+shelf); !strings.Contains(left, one) {
		t.Errorf("what %s wrote on the disk is not there on %s: %s", one, two, left)
	}
	p.neverTwo()
}

// mailPlace is on the path of agents, and nothing that they need is in it.
const mailPlace = "/usr/share/heartbeat"

// see demands that all is as it should be on the node that runs the group, and on the other.
func (p *pair) see(all []small, runs, rests string) {
	p.t.Helper()
	for _, s := range all {
		if s.here == "" {
			continue
		}
		eventually(p.t, patience, s.name+" runs on "+runs+": "+s.here, func() bool { return p.holds(runs, s.here) })
		gone := s.gone
		if gone == "" {
			gone = "! ( " + s.here + " )"
		}
		if !p.holds(rests, gone) {
			p.t.Errorf("%s does not run on %s, and yet not: %s", s.name, rests, gone)
		}
	}
}

// learns waits until the client was told that a node has the announced address.
func (p *pair) learns(node string) {
	p.t.Helper()
	eventually(p.t, patience, "SendArp on "+node+" tells the client", func() bool {
		return strings.Contains(p.run(client, "ip neigh show to "+announced), p.mac(node))
	})
}

// holds says whether a command ends well on a node.
func (p *pair) holds(node, command string) bool {
	p.t.Helper()
	return strings.TrimSpace(p.run(node, "if "+command+"; then echo yes; fi")) == "yes"
}

// disk is a block device with a file system that both nodes reach, as over a storage network.
func disk(t *testing.T) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "disk")
	shell(t, "truncate -s 8M "+image+" && mkfs.ext4 -q -O ^has_journal "+image)
	device := strings.TrimSpace(shell(t, "losetup --find --show "+image))
	t.Cleanup(func() { shell(t, "losetup -d "+device) })
	return device
}

// shell runs a command outside all hosts.
func shell(t *testing.T, command string) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", command).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}
