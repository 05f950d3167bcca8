package vip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestLeaseDrain is a planned move between two real kernels: what was open goes on at the old owner, what begins goes to
// the new one, and after the drain the new kernel answers all.
func TestLeaseDrain(t *testing.T) {
	t.Parallel()
	for _, a := range both {
		for _, v := range []drainVariant{{}, {bound: true}, {replaced: true}, {hub: true}} {
			t.Run(fmt.Sprintf("%v %+v", a, v), func(t *testing.T) {
				t.Parallel()
				testDrain(t, a, v)
			})
		}
	}
}

// drainVariant tells whether the listeners are bound to the address, whether the new owner's interface is another one than
// when the lease was opened, and whether every frame reaches a new owner that reads them all.
type drainVariant struct{ bound, replaced, hub bool }

func testDrain(t *testing.T, a netip.Addr, v drainVariant) {
	n := needDrainNet(t)
	options := drainOptions()
	options.Undrained = func(err error) { t.Errorf("undrained: %v", err) }
	was, now := n.old.open(options), n.new.open(options)
	defer was.close()
	defer now.close()
	for _, u := range []*leaseUser{was, now} {
		u.manage(both...)
	}
	if v.replaced {
		n.new.mac = n.plug(n.new.owner, "v0", 3)
	}
	if v.hub {
		n.old.in(n.sw, "ip", "link", "set", "br0", "type", "bridge", "ageing_time", "0")
		n.old.in(n.new.owner, "ip", "link", "set", "v0", "promisc", "on")
	}
	n.old.addShared()
	n.new.addShared()
	var at netip.Addr
	if v.bound {
		at = a
	}
	n.serve(n.old, "old", at)
	n.serve(n.new, "new", at)
	one := []netip.Addr{a}
	was.mustGrant(Grant{Addresses: one, Fresh: true}, time.Minute)
	n.announce(n.old, a)

	open, idle := n.dial(a), n.dial(a)
	mustSay(t, open, "before", "old")
	mustSay(t, idle, "before", "old")
	sent := n.capture("p3")
	stop, rounds, busy := make(chan struct{}), 0, make(chan error, 1)
	stream := n.dial(a)
	go func() {
		for {
			select {
			case <-stop:
				busy <- nil
				return
			default:
			}
			if who, err := stream.say("busy"); err != nil || who != "old" {
				busy <- fmt.Errorf("round %d: %q, %w", rounds, who, err)
				return
			}
			rounds++
		}
	}()

	const drainFor = 1500 * time.Millisecond
	was.mustGrant(Grant{Addresses: one, Quiet: true}, time.Minute)
	now.mustGrant(Grant{Addresses: one, Fresh: true, Drain: macOf(t, n.old.mac), DrainFor: drainFor}, time.Minute)
	moved := time.Now()
	mustSay(t, open, "not yet announced", "old")
	n.announce(n.new, a)
	long := n.dial(a)
	for i := range 10 {
		mustSay(t, open, fmt.Sprint("round ", i), "old")
		mustSay(t, long, fmt.Sprint("round ", i), "new")
		mustSay(t, n.dial(a), "hello", "new")
	}
	mustSay(t, open, strings.Repeat("x", 2<<20), "old")
	mustSay(t, idle, "push", "old")
	if took := time.Since(moved); took > drainFor-200*time.Millisecond {
		t.Fatalf("the machine is too slow for this test: %v", took)
	}
	close(stop)
	if err := <-busy; err != nil || rounds < 10 {
		t.Errorf("a connection that was busy while the address moved: %d rounds, %v", rounds, err)
	}
	pairs := sent()
	if pairs[n.new.mac+" > "+n.old.mac] < 10 || pairs[n.new.mac+" > "+n.clientMAC] < 10 {
		t.Errorf("the new owner's port saw %v; want frames to the old owner %s and to the client %s", pairs, n.old.mac, n.clientMAC)
	}
	for pair := range pairs {
		if !strings.HasPrefix(pair, n.new.mac) {
			t.Errorf("the new owner's port saw %s, want none but its own source", pair)
		}
	}
	time.Sleep(time.Until(moved.Add(drainFor + 100*time.Millisecond)))
	if _, err := open.say("after"); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("old connection after the drain: %v, want a reset from the new owner", err)
	}
	mustSay(t, long, "after", "new")
	t.Logf("%d rounds on the busy connection; frames %v", rounds, pairs)
}

func mustSay(t *testing.T, k *talk, line, want string) {
	t.Helper()
	if who, err := k.say(line); err != nil || who != want {
		t.Errorf("%.20q: answered by %q, %v; want %q", line, who, err, want)
	}
}

// TestLeaseDrainEnds: a drain ends with its time, with a revocation, when its node gives the address away; it begins anew
// when named again, and a renewal leaves it alone.
func TestLeaseDrainEnds(t *testing.T) {
	t.Parallel()
	n := needLeaseNet(t)
	u := n.open(drainOptions())
	u.manage(both...)
	macs := []MAC{{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}}
	begin := Grant{Addresses: both, Fresh: true, Drain: macs[0], DrainFor: 10 * time.Second}
	check := func(when string, want ...MAC) {
		t.Helper()
		rules := n.in(n.owner, "nft", "list", "table", "netdev", "lubdub")
		for _, mac := range macs {
			// Each of two addresses has an element in map and set.
			if got := strings.Count(rules, mac.String()); got != 4 && slices.Contains(want, mac) || got != 0 && !slices.Contains(want, mac) {
				t.Errorf("%s: %v stands %d times\n%s", when, mac, got, rules)
			}
		}
	}
	u.mustGrant(begin, time.Minute)
	check("granted", macs[0])
	u.mustGrant(Grant{Addresses: both}, time.Minute)
	check("renewed", macs[0])
	u.mustGrant(Grant{Addresses: both, Drain: macs[1], DrainFor: 10 * time.Second}, time.Minute)
	check("begun anew", macs[1])
	u.close()
	u = n.open(drainOptions()) // what an earlier daemon left is known
	defer u.close()
	u.manage(both...)
	u.mustGrant(Grant{Addresses: both, Quiet: true}, time.Minute)
	check("given away")
	u.revoke(both...)
	u.mustGrant(begin, time.Minute)
	check("granted again", macs[0])
	u.revoke(both...)
	check("revoked")
	begin.DrainFor = 50 * time.Millisecond
	u.mustGrant(begin, time.Minute)
	time.Sleep(80 * time.Millisecond)
	check("over")
	u.mustGrant(Grant{Addresses: both, Quiet: true}, time.Minute)
}

// TestLeaseDrainForeignRules: a firewall's reload removes the drain's table too; it comes back, what nft prints of it can be
// loaded, and a grant that comes first does not miss its drain.
func TestLeaseDrainForeignRules(t *testing.T) {
	t.Parallel()
	n := needLeaseNet(t)
	options := drainOptions()
	options.Undrained = func(err error) { t.Errorf("undrained: %v", err) }
	var wiping atomic.Pointer[string]
	options.Ticket = time.Second // nft takes its time
	options.pause = func(s stage) {
		if wipe := wiping.Swap(nil); s == ticketPut && wipe != nil {
			_ = n.ok(n.owner, "nft", *wipe)
		}
	}
	u := n.open(options)
	u.manage(both...)
	g := Grant{Addresses: both, Fresh: true, Drain: MAC{2, 0, 0, 0, 0, 1}, DrainFor: time.Minute}
	for _, wipe := range []string{"flush ruleset", "delete table netdev lubdub", "flush table netdev lubdub"} {
		wiping.Store(&wipe) // right before the write, so that the writer itself meets it
		u.mustGrant(g, time.Minute)
		rules := n.in(n.owner, "nft", "list", "table", "netdev", "lubdub")
		if strings.Count(rules, "fwd to") != 2 || strings.Count(rules, g.Drain.String()) != 4 {
			t.Errorf("after %q and a grant:\n%s", wipe, rules)
		}
		n.in(n.owner, "nft", wipe)
		u.result(OpRestore)
		for began := time.Now(); strings.Count(n.in(n.owner, "nft", "list", "ruleset"), "fwd to") != 2; {
			if time.Since(began) > 5*time.Second {
				t.Fatalf("%q: the rules do not come back", wipe)
			}
		}
		u.revoke(both...)
	}
	u.mustGrant(g, time.Minute)
	saved := n.in(n.owner, "nft", "list", "ruleset")
	n.in(n.owner, "nft", "flush ruleset; "+saved)
	u.result(OpRestore)
	if err := u.Remove(); err != nil {
		t.Fatal(err)
	}
	if rules := n.in(n.owner, "nft", "list", "ruleset"); strings.TrimSpace(rules) != "" {
		t.Errorf("Remove leaves\n%s", rules)
	}
}

// TestLeaseDrainInterface: an interface that is missing costs the drain, not the grant, and is told once; when it is back,
// the next move drains again. Kernels from 6.16 on take a rule for an interface that may come later; then nothing is told.
func TestLeaseDrainInterface(t *testing.T) {
	t.Parallel()
	n := needLeaseNet(t)
	n.in(n.owner, "ip", "link", "del", "v0")
	told := make(chan error, 10)
	options := drainOptions()
	options.Undrained = func(err error) { told <- err }
	u := n.open(options)
	defer u.close()
	g := Grant{Addresses: both, Fresh: true, Drain: MAC{2, 0, 0, 0, 0, 1}, DrainFor: time.Minute}
	fwds := func() int { return strings.Count(n.in(n.owner, "nft", "list", "ruleset"), "fwd to") }
	for round := range 2 {
		u.manage(both...)
		u.mustGrant(g, time.Minute)
		u.revoke(both...)
		if len(told) != round+1 && len(told) != 0 {
			t.Fatalf("round %d: told %d times, want once a loss", round, len(told))
		}
		n.in(n.owner, "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v9")
		u.mustGrant(g, time.Minute)
		if got := fwds(); got != 2 {
			t.Errorf("round %d: %d forwarding rules with the interface back, want 2", round, got)
		}
		u.revoke(both...)
		n.in(n.owner, "ip", "link", "del", "v0")
	}
	if len(told) > 0 {
		if err := <-told; !strings.Contains(err.Error(), "v0") {
			t.Errorf("told %v, want the interface named", err)
		}
	}
}

// netdevless is a kernel that does not know the family netdev, or takes it no more once broken is set.
type netdevless struct {
	netfilter
	broken *atomic.Bool
}

func (k netdevless) exchange(request []byte) ([]reply, error) {
	var refused []reply
	for b := request; len(b) >= unix.SizeofNlMsghdr && k.broken.Load(); b = b[binary.NativeEndian.Uint32(b):] {
		if b[unix.SizeofNlMsghdr] == unix.NFPROTO_NETDEV {
			refused = append(refused, reply{kind: unix.NLMSG_ERROR, seq: binary.NativeEndian.Uint32(b[8:]), errno: unix.EOPNOTSUPP})
		}
	}
	if len(refused) > 0 {
		return refused, nil
	}
	return k.netfilter.exchange(request)
}

// TestLeaseDrainUnsupported: a kernel without the family, from the start or all at once, holds the lease as any other.
func TestLeaseDrainUnsupported(t *testing.T) {
	t.Parallel()
	n := needLeaseNet(t)
	var broken atomic.Bool
	told := make(chan error, 10)
	options := drainOptions()
	options.Undrained = func(err error) { told <- err }
	options.dial = func() (netfilter, error) {
		nf, err := dialNetfilter()
		return netdevless{nf, &broken}, err
	}
	g := Grant{Addresses: both, Fresh: true, Drain: MAC{2, 0, 0, 0, 0, 1}, DrainFor: time.Minute}
	for i, early := range []bool{true, false} {
		broken.Store(early)
		u := n.open(options)
		u.manage(both...)
		broken.Store(true)
		for range 3 {
			u.mustGrant(g, time.Minute)
			u.mustGrant(Grant{Addresses: both, Quiet: true}, time.Minute)
			u.revoke(both...)
		}
		if len(told) != i+1 {
			t.Errorf("broken from the start %v: told %d times, want once", early, len(told)-i)
		}
		if err := u.Remove(); err != nil {
			t.Error(err)
		}
	}
}

// TestLeaseDrainNoCircle: two nodes that each take the other for the old owner do not play ball with a packet.
func TestLeaseDrainNoCircle(t *testing.T) {
	t.Parallel()
	n := needDrainNet(t)
	// Both answer for the addresses, so the client is told whom to take.
	toward := func(node *leaseNet, a netip.Addr) {
		n.old.run("ip", "-n", n.client, "neigh", "replace", a.String(), "lladdr", node.mac, "dev", "v1", "nud", "permanent")
	}
	var users []*leaseUser
	var talks []*talk
	for _, node := range []*leaseNet{n.old, n.new} {
		u := node.open(drainOptions())
		defer u.close()
		u.manage(both...)
		node.addShared()
		u.mustGrant(Grant{Addresses: both, Fresh: true}, time.Minute)
		users = append(users, u)
	}
	for _, a := range both {
		n.serve(n.new, "new", a)
		toward(n.new, a)
		k := n.dial(a)
		mustSay(t, k, "hello", "new")
		talks = append(talks, k)
	}
	users[0].mustGrant(Grant{Addresses: both, Drain: macOf(t, n.new.mac), DrainFor: 10 * time.Second}, time.Minute)
	users[1].mustGrant(Grant{Addresses: both, Drain: macOf(t, n.old.mac), DrainFor: 10 * time.Second}, time.Minute)
	for i, a := range both {
		k := talks[i]
		toward(n.old, a) // from here on neither node has seen the connection begin
		sent := []func() map[string]int{n.capture("p1"), n.capture("p3")}
		for range 5 {
			mustSay(t, k, "hello", "new")
		}
		there, back := sent[0]()[n.old.mac+" > "+n.new.mac], sent[1]()[n.new.mac+" > "+n.old.mac]
		if there < 5 || back != 0 {
			t.Errorf("family %d: %d frames there, %d back; want 5 or more, and none", i, there, back)
		}
	}
}

// BenchmarkLeaseDrain is the cost of a new owner's grant of one IPv4 address, asked for and acknowledged, without and with
// a drain.
func BenchmarkLeaseDrain(b *testing.B) {
	for _, drain := range []MAC{{}, {2, 0, 0, 0, 0, 1}} {
		b.Run(fmt.Sprintf("drain=%v", drain != MAC{}), func(b *testing.B) {
			n := needLeaseNet(b)
			u := n.open(drainOptions())
			defer u.close()
			u.manage(shared4)
			g := Grant{Addresses: []netip.Addr{shared4}, Fresh: true, Drain: drain, DrainFor: 2 * time.Second}
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				u.mustGrant(g, time.Minute)
				took = append(took, time.Since(began))
				b.StopTimer()
				u.revoke(shared4)
				b.StartTimer()
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
			b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
		})
	}
}
