package vip

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

var both = []netip.Addr{shared4, shared6}

// TestLeaseGates walks through what an address may do at each level. Judges are TCP connections and the kernels'
// own neighbour discovery.
func TestLeaseGates(t *testing.T) {
	t.Parallel()
	n := needLeaseNet(t)
	u := n.open(LeaseOptions{})
	defer u.close()
	u.manage(both...)
	n.addShared()
	type level struct{ asked, known bool }
	check := func(state string, want level) {
		t.Helper()
		for _, a := range both {
			if got := (level{n.pings(a, false, want.asked), n.pings(a, true, want.known)}); got != want {
				t.Errorf("%s: %v answers {solicited, with static neighbour} = %v, want %v\n%s", state, a, got, want, n.in(n.owner, "nft", "list", "ruleset"))
			}
		}
		for _, a := range both {
			if !n.reaches(n.owner, a, a, true) {
				t.Errorf("%s: %v does not pass on loopback", state, a)
			}
		}
		for _, a := range []string{"192.0.2.1", "2001:db8::1"} {
			if !n.reaches(n.client, netip.Addr{}, netip.MustParseAddr(a), true) {
				t.Errorf("%s: the unmanaged address %s does not pass", state, a)
			}
		}
	}
	check("gated", level{false, false})
	u.mustGrant(Grant{Addresses: both, Fresh: true}, time.Minute)
	check("answering", level{true, true})
	u.mustGrant(Grant{Addresses: both, Quiet: true}, time.Minute)
	check("quiet", level{false, true})
	u.mustGrant(Grant{Addresses: both}, time.Minute)
	check("answering again", level{true, true})
	u.revoke(both...)
	check("revoked", level{false, false})
	u.manage()
	check("unmanaged", level{true, true})
}

// TestLeaseOutbound: what is sent from a gated address is held back too, and a forwarded packet of the other node's
// address is not.
func TestLeaseOutbound(t *testing.T) {
	t.Parallel()
	n := needLeaseNet(t)
	u := n.open(LeaseOptions{})
	defer u.close()
	u.manage(both...)
	// The other node owns the address; a container behind this one is its client.
	n.in(n.client, "ip", "addr", "add", shared4.String()+"/24", "dev", "v1")
	n.in(n.owner, "sysctl", "-qw", "net.ipv4.ip_forward=1")
	n.in(n.owner, "ip", "link", "add", "c0", "type", "veth", "peer", "name", "c1")
	n.in(n.owner, "ip", "addr", "add", "198.51.100.1/24", "dev", "c0")
	n.in(n.owner, "ip", "link", "set", "c0", "up")
	box := n.owner + "b"
	n.run("ip", "netns", "add", box)
	defer n.run("ip", "netns", "del", box)
	n.in(n.owner, "ip", "link", "set", "c1", "netns", box)
	n.in(box, "ip", "addr", "add", "198.51.100.2/24", "dev", "c1")
	n.in(box, "ip", "link", "set", "c1", "up")
	n.in(box, "ip", "route", "add", "default", "via", "198.51.100.1")
	n.in(n.client, "ip", "route", "add", "198.51.100.0/24", "via", "192.0.2.1")
	if !n.reaches(n.owner, netip.Addr{}, shared4, true) {
		t.Error("the gated node cannot reach the other node's shared address")
	}
	if !n.reaches(box, netip.Addr{}, shared4, true) {
		t.Error("a packet forwarded to the other node's shared address does not pass")
	}
	n.in(n.client, "ip", "addr", "del", shared4.String()+"/24", "dev", "v1")
	n.addShared()
	if n.reaches(n.owner, shared4, netip.MustParseAddr("192.0.2.2"), false) {
		t.Error("a gated address can be used as source")
	}
}

// TestLeaseEnds measures when a kernel stops to answer after the last renewal. A raw prober is the judge.
func TestLeaseEnds(t *testing.T) {
	t.Parallel()
	const (
		ticket = 100 * time.Millisecond
		life   = 400 * time.Millisecond
		every  = 2 * time.Millisecond
		jiffy  = 10 * time.Millisecond // the kernel's clock ticks 100 times a second at least
		early  = life / 2              // sooner than so it need not end
	)
	n := needLeaseNet(t)
	u := n.open(LeaseOptions{Ticket: ticket})
	defer u.close()
	u.manage(shared4)
	n.addShared()
	one := []netip.Addr{shared4}
	for range 5 {
		p := n.probe(shared4, every)
		until := u.renewed(Grant{Addresses: one}, life)
		p.await(t, "the lease's end is probed", func(all []asked) bool {
			return len(all) > 0 && all[len(all)-1].sent > until+int64(ticket+early)
		})
		time.Sleep(50 * time.Millisecond) // the last answers are read
		all := p.end()
		last := lastAnswered(all)
		if last < 0 {
			t.Fatal("no answer at all")
		}
		t.Logf("the last question that was answered was sent %v after Until", time.Duration(all[last].sent-until))
		if late := time.Duration(all[last].sent - until); late > ticket+jiffy {
			t.Errorf("a question sent %v after the entitlement's end was answered", late)
		}
		if last+1 < len(all) && all[last+1].sent < until-int64(early) {
			t.Errorf("fell silent %v before the entitlement's end", time.Duration(until-all[last+1].sent))
		}
	}
}

// renewed grants and renews some times, begins anew where the machine was too busy for the life-time, and returns the last end.
func (u *leaseUser) renewed(g Grant, life time.Duration) int64 {
	u.t.Helper()
	const renewals = 8
	g.Fresh = true
	u.granted(g, life)
	for done, end := 0, time.Now().Add(patience); done < renewals; {
		g.Fresh, done = false, done+1
		r := u.grant(g, life)
		switch {
		case r.OK:
			time.Sleep(50 * time.Millisecond)
		case !r.Lapsed || time.Now().After(end):
			u.t.Fatalf("renewal %d: %+v", done, r)
		default:
			g.Fresh, done = true, 0
			u.granted(g, life)
		}
	}
	return u.until
}

// TestLeaseRefusals: what a write may not do, it does not, and says which it was.
func TestLeaseRefusals(t *testing.T) {
	t.Parallel()
	n := needLeaseNet(t)
	u := n.open(LeaseOptions{})
	defer u.close()
	u.manage(both...)
	if r := u.grant(Grant{Addresses: both}, time.Minute); !r.Lapsed {
		t.Errorf("renewal of nothing: %+v, want lapsed", r)
	}
	if r := u.grant(Grant{Addresses: both, Fresh: true, NotAfter: Boottime() - 1}, time.Minute); !r.Void {
		t.Errorf("grant after NotAfter: %+v, want void", r)
	}
	if r := u.grant(Grant{Addresses: both, Fresh: true}, -time.Second); !r.Void {
		t.Errorf("fresh grant after Until: %+v, want void", r)
	}
	if h := u.remaining(); len(h) != 0 {
		t.Errorf("kernel holds %v, want nothing", h)
	}
	u.mustGrant(Grant{Addresses: both, Fresh: true, NotAfter: Boottime() + int64(time.Minute)}, time.Minute)
	if r := u.grant(Grant{Addresses: both, Fresh: true}, time.Minute); r.Err == nil {
		t.Errorf("second fresh grant: %+v, want an error", r)
	}
	u.revoke(both...)
	u.granted(Grant{Addresses: both, Fresh: true}, 100*time.Millisecond)
	for _, a := range both {
		u.awaitNothing(a)
	}
	if r := u.grant(Grant{Addresses: both}, time.Minute); !r.Lapsed {
		t.Errorf("renewal after the end: %+v, want lapsed", r)
	}
	u.mustGrant(Grant{Addresses: both, Fresh: true}, time.Minute)
	if r := u.grant(Grant{Addresses: both}, -time.Second); !r.Lapsed {
		t.Errorf("renewal that has ended: %+v, want lapsed", r)
	}
	if h := u.remaining(); len(h) != 0 {
		t.Errorf("after a lapse the kernel holds %v, want nothing", h)
	}
	// One address of two is gone: neither may go on.
	u.mustGrant(Grant{Key: "a", Addresses: both[:1], Fresh: true}, time.Minute)
	if r := u.grant(Grant{Addresses: both}, time.Minute); !r.Lapsed {
		t.Errorf("renewal of a half: %+v, want lapsed", r)
	}
	if h := u.remaining(); len(h) != 0 {
		t.Errorf("after a half lapse the kernel holds %v, want nothing", h)
	}
	u.revoke(both...)
	if r := u.grant(Grant{Addresses: []netip.Addr{{}}}, time.Minute); r.Err == nil {
		t.Errorf("empty address: %+v, want an error", r)
	}
}

// TestLeaseTicket: a write that is late by more than a ticket finds the ticket gone, and begins anew with the clock
// of then (rule K2).
func TestLeaseTicket(t *testing.T) {
	t.Parallel()
	const stall = 60 * time.Millisecond
	for _, at := range []stage{ticketPut, clockRead} {
		n := needLeaseNet(t)
		var stalls atomic.Int32
		u := n.open(LeaseOptions{Ticket: 20 * time.Millisecond, pause: func(s stage) {
			if s == at && stalls.Add(-1) >= 0 {
				time.Sleep(stall)
			}
		}})
		u.manage(shared4)
		one := Grant{Addresses: []netip.Addr{shared4}}
		fresh := one
		fresh.Fresh = true
		for r := (Result{Err: errBusy}); !r.OK; r = u.grant(fresh, patience) { // on a busy machine any ticket may be too old
			if !errors.Is(r.Err, errBusy) {
				t.Fatalf("stage %d: %+v", at, r)
			}
			stalls.Store(1)
		}
		if left := u.remaining()[shared4].Left; left > patience-stall {
			t.Errorf("stage %d: %v left after a stall of %v, the entitlement was %v", at, left, stall, patience)
		}
		until := u.remaining()[shared4].Left + time.Duration(Boottime())
		stalls.Store(1)
		n.in(n.owner, "nft", "flush ruleset")
		for !u.result(OpRestore).OK { // it is tried again
		}
		now := time.Duration(Boottime())
		if left := u.remaining()[shared4].Left; left == 0 || now+left > until+20*time.Millisecond {
			t.Errorf("stage %d: restored after a stall with %v left, had %v", at, left, until-now)
		}
		stalls.Store(3)
		if r := u.grant(one, 100*time.Millisecond); !r.Lapsed {
			t.Errorf("stage %d: renewal stalled beyond its end: %+v, want lapsed", at, r)
		}
		stalls.Store(1)
		if r := u.grant(fresh, 40*time.Millisecond); !r.Void {
			t.Errorf("stage %d: grant stalled beyond its end: %+v, want void", at, r)
		}
		stalls.Store(1)
		fresh.NotAfter = Boottime() + int64(30*time.Millisecond)
		if r := u.grant(fresh, time.Minute); !r.Void {
			t.Errorf("stage %d: grant stalled beyond NotAfter: %+v, want void", at, r)
		}
		stalls.Store(writeTries)
		fresh.NotAfter = 0
		if r := u.grant(fresh, time.Minute); !errors.Is(r.Err, errBusy) {
			t.Errorf("stage %d: grant stalled always: %+v, want errBusy", at, r)
		}
		if h := u.remaining(); len(h) != 0 {
			t.Errorf("stage %d: kernel holds %v, want nothing", at, h)
		}
		u.close()
	}
}

// TestLeaseForeignRules: another firewall stands beside the gate, and its reload, which wipes our tables, neither opens
// the gate nor ends a lease.
func TestLeaseForeignRules(t *testing.T) {
	t.Parallel()
	n := needLeaseNet(t)
	u := n.open(LeaseOptions{})
	defer u.close()
	u.manage(both...)
	n.addShared()
	n.in(n.owner, "nft", "add table inet other; add chain inet other in { type filter hook input priority 0; policy accept; }; add rule inet other in tcp dport 9 drop")
	u.mustGrant(Grant{Key: "6", Addresses: both[1:], Fresh: true}, time.Minute)
	u.mustGrant(Grant{Key: "6", Addresses: both[1:], Quiet: true}, time.Minute)
	before := u.remaining()
	for _, wipe := range []string{
		"flush ruleset",
		"flush ruleset; table inet other { chain in { type filter hook input priority 0; policy accept; }; }",
		"flush table inet lubdub",
		"delete table arp lubdub",
		"flush set inet lubdub gated4",
	} {
		u.forget()
		n.in(n.owner, "nft", wipe)
		if r := u.result(OpRestore); !r.OK {
			t.Errorf("%s: %+v, want the gate restored", wipe, r)
		}
		if n.pings(shared4, true, false) {
			t.Errorf("after %q: the gated address passes\n%s", wipe, n.in(n.owner, "nft", "list", "ruleset"))
		}
		if n.pings(shared6, false, false) || !n.pings(shared6, true, true) {
			t.Errorf("after %q: the quiet address is not quiet", wipe)
		}
	}
	after := u.remaining()
	if !slices.Equal(slices.Collect(maps.Keys(after)), both[1:]) || !after[shared6].Quiet || after[shared6].Left > before[shared6].Left {
		t.Errorf("restored %v, want quiet %v with no more than %v", after, shared6, before[shared6])
	}
	u.mustGrant(Grant{Key: "6", Addresses: both[1:]}, time.Minute)

	// The wipe comes right before a write: the writer itself must find it.
	n.in(n.owner, "nft", "flush ruleset")
	u.mustGrant(Grant{Key: "6", Addresses: both[1:]}, time.Minute)
	n.in(n.owner, "nft", "flush ruleset")
	u.revoke(both[1:]...)
	if rules := n.in(n.owner, "nft", "list", "ruleset"); !strings.Contains(rules, "table arp lubdub") || strings.Contains(rules, "expires") {
		t.Errorf("after a wipe and a revocation:\n%s", rules)
	}
	n.in(n.owner, "nft", "flush ruleset")
	u.manage(both[:1]...)
	if n.pings(shared4, true, false) || !n.pings(shared6, true, true) {
		t.Error("after a wipe and a change of the managed addresses: not exactly the managed one is gated")
	}
}

// TestLeaseSavedRules: what nft prints of our tables, nft can load; a saved rule set is no trap.
func TestLeaseSavedRules(t *testing.T) {
	t.Parallel()
	n := needLeaseNet(t)
	u := n.open(LeaseOptions{})
	defer u.close()
	u.manage(both...)
	n.addShared()
	u.mustGrant(Grant{Addresses: both, Fresh: true}, time.Minute)
	saved := n.in(n.owner, "nft", "list", "ruleset")
	n.in(n.owner, "nft", "flush ruleset; "+saved)
	u.result(OpRestore)
	u.mustGrant(Grant{Addresses: both}, time.Minute)
	u.revoke(both...)
	if got := n.in(n.owner, "nft", "list", "ruleset"); strings.Count(got, "@carry4") != strings.Count(saved, "@carry4") {
		t.Errorf("rules after loading a saved set:\n%s\nbefore:\n%s", got, saved)
	}
	if n.pings(shared4, true, false) || n.pings(shared6, true, false) {
		t.Error("a revoked address passes after a saved rule set was loaded")
	}
}

// TestLeaseAdoption: what a Lease leaves behind, another finds and renews (rule B2).
func TestLeaseAdoption(t *testing.T) {
	t.Parallel()
	n := needLeaseNet(t)
	first := n.open(LeaseOptions{})
	first.manage(both...)
	n.addShared()
	const short = 2 * time.Second
	first.mustGrant(Grant{Key: "4", Addresses: both[:1], Fresh: true}, time.Minute)
	first.granted(Grant{Key: "6", Addresses: both[1:], Fresh: true, Quiet: true}, short)
	ends := Boottime() + int64(short)
	first.close()
	second := n.open(LeaseOptions{})
	h := second.remaining()
	if h[shared4].Quiet || !h[shared6].Quiet && Boottime() < ends-int64(short/2) || h[shared4].Left < time.Second || h[shared4].Left > time.Minute || h[shared6].Left > short {
		t.Errorf("adopted %v", h)
	}
	second.manage(both...)
	second.mustGrant(Grant{Key: "4", Addresses: both[:1]}, time.Minute)
	second.awaitNothing(shared6)
	if r := second.grant(Grant{Key: "6", Addresses: both[1:], Quiet: true}, time.Minute); !r.Lapsed {
		t.Errorf("renewal of what ended meanwhile: %+v, want lapsed", r)
	}
	if !n.pings(shared4, false, true) || n.pings(shared6, true, false) {
		t.Error("not exactly the renewed address answers")
	}
	if err := second.Remove(); err != nil {
		t.Fatal(err)
	}
	if rules := n.in(n.owner, "nft", "list", "ruleset"); strings.TrimSpace(rules) != "" {
		t.Errorf("Remove leaves\n%s", rules)
	}
}

// TestLeasePacketSockets: the gate does not hold up our own probes and announcements, which leave by packet sockets.
func TestLeasePacketSockets(t *testing.T) {
	t.Parallel()
	n := needLeaseNet(t)
	u := n.open(LeaseOptions{})
	defer u.close()
	u.manage(both...)
	n.addShared()
	n.in(n.client, "ip", "addr", "add", shared4.String()+"/24", "dev", "v1")
	// Duplicate address detection as arping does it, with sender 0.0.0.0: exit 1 says that somebody answered.
	if !patient(true, func() bool { return n.ok(n.owner, "arping", "-0", "-c", "3", "-w", "1", "-i", "v0", shared4.String()) }) {
		t.Error("a probe from a gated node is not answered")
	}
}

// TestLeaseNeverWaits: while the kernel is slow a caller goes on, the newest grant wins, and Close ends all goroutines.
func TestLeaseNeverWaits(t *testing.T) {
	n := needLeaseNet(t)
	before := goleak.IgnoreCurrent()
	entered, gate := make(chan struct{}, 10), make(chan struct{})
	u := n.open(LeaseOptions{pause: func(s stage) {
		if s == ticketPut {
			entered <- struct{}{}
			<-gate
		}
	}})
	u.manage(both...)
	set := func(seq int64, fresh bool) {
		u.Set(Grant{Key: "web", Seq: seq, Addresses: both, Until: Boottime() + int64(time.Minute), Fresh: fresh})
	}
	set(1, true)
	<-entered // the writer stands in the midst of the first grant
	for i := range int64(1000) {
		set(2+i, false)
	}
	close(gate)
	if r := u.result(OpGrant); !r.OK || r.Seq != 1 {
		t.Errorf("grant that was under way: %+v", r)
	}
	if r := u.result(OpGrant); !r.OK || r.Seq != 1001 {
		t.Errorf("after a thousand grants: %+v, want the newest", r)
	}
	u.close()
	goleak.VerifyNone(t, before)
}

// TestLeaseWithoutNftables: a kernel that refuses the gate is told from a caller without rights.
func TestLeaseWithoutNftables(t *testing.T) {
	tests := []struct {
		name  string
		errno unix.Errno
		none  bool
	}{
		{"no nftables", unix.EOPNOTSUPP, true},
		{"no arp family", unix.EAFNOSUPPORT, true},
		{"no fib expression", unix.ENOENT, true},
		{"no rights", unix.EPERM, false},
		{"no memory", unix.ENOMEM, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := OpenLease(LeaseOptions{Ticket: time.Second, dial: func() (netfilter, error) { return deafKernel{tt.errno}, nil }})
			if err == nil || errors.Is(err, ErrNoNftables) != tt.none {
				t.Errorf("error %v, want ErrNoNftables: %v", err, tt.none)
			}
		})
	}
	_, err := OpenLease(LeaseOptions{Ticket: time.Second, dial: func() (netfilter, error) { return deafKernel{}, nil }})
	if !errors.Is(err, errUnanswered) {
		t.Errorf("silent kernel: %v, want errUnanswered", err)
	}
	if _, err := OpenLease(LeaseOptions{Ticket: time.Millisecond}); err == nil {
		t.Error("a ticket shorter than a jiffy is accepted")
	}
}

// BenchmarkLeaseRenewal is the cost of one renewal, asked for and acknowledged, of one IPv4 address.
func BenchmarkLeaseRenewal(b *testing.B) {
	n := needLeaseNet(b)
	u := n.open(LeaseOptions{})
	defer u.close()
	u.manage(shared4)
	g := Grant{Addresses: []netip.Addr{shared4}, Fresh: true}
	u.mustGrant(g, time.Minute)
	g.Fresh = false
	var took []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		u.mustGrant(g, time.Minute)
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
}
