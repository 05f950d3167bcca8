package vip

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestLeaseBesideFirewalls: whatever other rules stand beside the gate, what is not granted does not pass, and what is does.
func TestLeaseBesideFirewalls(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, program, rules string }{
		{"a table ahead of ours that accepts", "nft", "table inet first { chain in { type filter hook prerouting priority -1000; accept; }; chain out { type filter hook output priority -1000; accept; }; }"},
		{"ARP accepted ahead of ours", "nft", "table arp first { chain out { type filter hook output priority -1000; accept; }; }"},
		{"no connection tracking", "nft", "table inet raw { chain in { type filter hook prerouting priority raw; notrack; }; chain out { type filter hook output priority raw; notrack; }; }"},
		{"like firewalld", "nft", "table inet firewalld { chain pre { type filter hook prerouting priority -140; ct state invalid drop; }; chain in { type filter hook input priority 10; ct state established,related accept; tcp dport 7777 accept; icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; reject; }; }"},
		{"address translation to it", "nft", "table ip nat { chain pre { type nat hook prerouting priority dstnat; tcp dport 7778 dnat to 192.0.2.100:7777; }; chain post { type nat hook postrouting priority srcnat; ip saddr 192.0.2.1 tcp dport 9 snat to 192.0.2.100; }; }"},
		{"iptables-nft", "iptables-nft", "-t raw -I PREROUTING -j ACCEPT"},
		{"iptables-legacy", "iptables-legacy", "-t filter -I INPUT -j ACCEPT"},
		{"ip6tables-legacy", "ip6tables-legacy", "-t filter -I INPUT -j ACCEPT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(c.program); err != nil {
				t.Skip(err)
			}
			n := needLeaseNet(t)
			args := strings.Fields(c.rules)
			if c.program == "nft" {
				args = []string{c.rules}
			}
			n.in(n.owner, c.program, args...)
			u := n.open(LeaseOptions{})
			defer u.close()
			u.manage(both...)
			n.addShared()
			check := func(when string, want bool) {
				t.Helper()
				for _, a := range both {
					if got := n.pings(a, true, want); got != want {
						t.Errorf("%s: %v passes: %v, want %v", when, a, got, want)
					}
					if !want && n.pings(a, false, false) {
						t.Errorf("%s: somebody is told where %v is", when, a)
					}
					if !n.reaches(n.owner, a, a, true) {
						t.Errorf("%s: the owner does not reach its own %v", when, a)
					}
				}
			}
			check("not granted", false)
			u.mustGrant(Grant{Addresses: both, Fresh: true}, time.Minute)
			check("granted", true)
			n.in(n.owner, c.program, args...) // loaded again
			u.revoke(both...)
			check("revoked", false)
		})
	}
}

// TestLeaseOutOfAFile: a rule set that was saved while a lease ran revives nothing when it is loaded later: not beside a daemon
// that is mute, nor before one that starts, as at the next boot.
func TestLeaseOutOfAFile(t *testing.T) {
	t.Parallel()
	n := needLeaseNet(t)
	u := n.open(LeaseOptions{})
	u.manage(both...)
	n.addShared()
	u.mustGrant(Grant{Addresses: both, Fresh: true}, time.Minute)
	saved := n.in(n.owner, "nft", "list", "ruleset")
	if !strings.Contains(saved, "expires") {
		t.Fatalf("no lease in what is saved:\n%s", saved)
	}
	u.revoke(both...)
	for _, how := range []string{"flush ruleset; ", ""} {
		u.forget()
		n.in(n.owner, "nft", how+saved)
		if r := u.result(OpRestore); !r.OK {
			t.Errorf("%q: %+v", how, r)
		}
		time.Sleep(50 * time.Millisecond)
		if n.pings(shared4, true, false) || n.pings(shared6, true, false) {
			t.Errorf("%qand what was saved: a lease that was revoked is back", how)
		}
	}
	u.forget()
	n.in(n.owner, "nft", "add table inet lubdub { flags dormant; }")
	u.result(OpRestore)
	time.Sleep(50 * time.Millisecond)
	if n.pings(shared4, true, false) {
		t.Error("a table made dormant lets the address pass")
	}
	u.close()
	n.in(n.owner, "nft", "flush ruleset; "+saved)
	next := n.open(LeaseOptions{})
	defer next.close()
	if h := next.remaining(); len(h) > 0 {
		t.Errorf("adopted out of a file: %v", h)
	}
	next.manage(both...)
	if n.pings(shared4, true, false) || n.pings(shared6, true, false) {
		t.Error("what was loaded before the start passes")
	}
}

// TestLeaseFlushLoop measures for how long each flush opens the gate of an address that is not granted, while this program lives.
func TestLeaseFlushLoop(t *testing.T) {
	n := needLeaseNet(t)
	u := n.open(LeaseOptions{})
	defer u.close()
	u.manage(both...)
	n.addShared()
	const every = time.Millisecond
	const flushes = 30
	p := n.probe(shared4, every)
	var shut [][2]int // questions that were asked behind a gate that was said to be back
	for range flushes {
		n.in(n.owner, "nft", "flush ruleset")
		for !u.result(OpRestore).OK || !n.ok(n.owner, "nft", "list", "table", "inet", "lubdub") { // or it is of the flush before
		}
		begin := len(p.now())
		all := p.await(t, "the prober asks", func(all []asked) bool { return len(all) > begin+20 })
		shut = append(shut, [2]int{begin, len(all)})
	}
	all := p.end()
	longest, open := time.Duration(0), 0
	for i, from := 0, -1; i < len(all); i++ {
		switch {
		case !all[i].answered:
			from = -1
			continue
		case from < 0:
			from = i
			open++
		}
		longest = max(longest, time.Duration(all[i].sent-all[from].sent)+every)
	}
	t.Logf("%d flushes: asked each %v, %d questions, %d openings, the longest %v", flushes, every, len(all), open, longest.Round(time.Millisecond))
	for round, s := range shut {
		if i := lastAnswered(all[s[0]:s[1]]); i >= 0 {
			t.Errorf("flush %d: the address answers %d questions after the gate was said to be back", round+1, i+1)
		}
	}
	if open == 0 {
		t.Error("no flush opened the gate, so this tested nothing")
	}
	if n.pings(shared4, true, false) {
		t.Error("after the flushes the address passes")
	}
}

// TestLeaseOnEveryInterface: the kernel answers on any interface for the addresses of all (arp_ignore 0). Two interfaces of the
// owner in one network: what is not granted is answered on neither.
func TestLeaseOnEveryInterface(t *testing.T) {
	t.Parallel()
	for _, strict := range []string{"0", "1"} {
		t.Run("arp_filter "+strict, func(t *testing.T) {
			t.Parallel()
			testEveryInterface(t, strict)
		})
	}
}

func testEveryInterface(t *testing.T, strict string) {
	n := needLeaseNet(t)
	n.in(n.owner, "ip", "link", "add", "w0", "type", "veth", "peer", "name", "w1", "netns", n.client)
	n.in(n.client, "ip", "link", "add", "ldbr", "type", "bridge")
	n.in(n.client, "ip", "addr", "flush", "dev", "v1")
	for _, port := range []string{"v1", "w1"} {
		n.in(n.client, "ip", "link", "set", port, "master", "ldbr", "up")
	}
	n.in(n.client, "ip", "link", "set", "ldbr", "up")
	n.in(n.client, "ip", "addr", "add", "192.0.2.2/24", "dev", "ldbr")
	n.in(n.owner, "ip", "link", "set", "w0", "up")
	n.in(n.owner, "ip", "addr", "add", "192.0.2.3/24", "dev", "w0")
	n.in(n.owner, "sysctl", "-qw", "net.ipv4.conf.all.arp_filter="+strict, "net.ipv4.conf.all.arp_announce="+strict)
	u := n.open(LeaseOptions{})
	defer u.close()
	u.manage(both...)
	n.addShared()
	asks := func(address string) int { // how many hardware addresses answer
		out, _ := exec.Command("ip", "netns", "exec", n.client, "arping", "-c", "3", "-w", "1", "-i", "ldbr", address).CombinedOutput()
		macs := map[string]bool{}
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, "bytes from") {
				macs[strings.Fields(line)[3]] = true
			}
		}
		return len(macs)
	}
	want := map[string]int{"0": 2, "1": 1}[strict]
	answer := func(address string) bool {
		got := 0
		if patient(true, func() bool { got = asks(address); return got == want }) {
			return true
		}
		t.Errorf("%s is answered by %d interfaces, want %d", address, got, want)
		return false
	}
	if !answer("192.0.2.1") { // an address that is not shared: the bridge carries by now
		return
	}
	if got := asks(shared4.String()); got > 0 {
		t.Errorf("%d interfaces answer without a lease", got)
	}
	u.mustGrant(Grant{Addresses: both, Fresh: true}, time.Minute)
	answer(shared4.String())
	u.revoke(both...)
	if got := asks(shared4.String()); got > 0 {
		t.Errorf("%d interfaces answer after the revocation", got)
	}
}
