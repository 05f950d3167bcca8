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

// testDrain moves an address, with a longer drain where the machine is too busy to look about during a short one.
func testDrain(t *testing.T, a netip.Addr, v drainVariant) {
	for drainFor := 1500 * time.Millisecond; ; drainFor *= 3 {
		m := newMove(t, a, v, drainFor)
		m.begin()
		inTime := m.during()
		if inTime {
			m.after()
		}
		m.end()
		if inTime || drainFor > patience {
			for _, wrong := range m.wrong {
				t.Error(wrong)
			}
			return
		}
		t.Logf("the machine is too busy for a drain of %v", drainFor)
	}
}

// move is a planned move of an address, and what was wrong with it.
type move struct {
	*drainNet
	a        netip.Addr
	drainFor time.Duration
	was, now *leaseUser
	moved    time.Time

	open, idle, stream, long *talk
	stop                     chan struct{}
	busy                     chan error
	rounds                   int
	wrong                    []string
}

func newMove(t *testing.T, a netip.Addr, v drainVariant, drainFor time.Duration) *move {
	m := &move{drainNet: needDrainNet(t), a: a, drainFor: drainFor, stop: make(chan struct{}), busy: make(chan error, 1)}
	options := drainOptions()
	options.Undrained = func(err error) { t.Errorf("undrained: %v", err) }
	m.was, m.now = m.old.open(options), m.new.open(options)
	m.was.manage(both...)
	m.now.manage(both...)
	if v.replaced {
		m.new.mac = m.plug(m.new.owner, "v0", 3)
	}
	if v.hub {
		m.old.in(m.sw, "ip", "link", "set", "br0", "type", "bridge", "ageing_time", "0")
		m.old.in(m.new.owner, "ip", "link", "set", "v0", "promisc", "on")
	}
	m.old.addShared()
	m.new.addShared()
	var at netip.Addr
	if v.bound {
		at = a
	}
	m.serve(m.old, "old", at)
	m.serve(m.new, "new", at)
	return m
}

// end closes what the move has opened; it may have been told early that it was too slow.
func (m *move) end() {
	m.was.close()
	m.now.close()
}

// says notes who does not answer.
func (m *move) says(k *talk, line, want string) {
	if who, err := k.say(line); err != nil || who != want {
		m.wrong = append(m.wrong, fmt.Sprintf("%.20q: answered by %q, %v; want %q", line, who, err, want))
	}
}

// begin opens connections to the old owner.
func (m *move) begin() {
	m.was.mustGrant(Grant{Addresses: []netip.Addr{m.a}, Fresh: true}, time.Minute)
	m.announce(m.old, m.a)
	m.open, m.idle = m.dial(m.a), m.dial(m.a)
	m.says(m.open, "before", "old")
	m.says(m.idle, "before", "old")
	m.stream = m.dial(m.a)
	go func() {
		for {
			select {
			case <-m.stop:
				m.busy <- nil
				return
			default:
			}
			if who, err := m.stream.say("busy"); err != nil || who != "old" {
				m.busy <- fmt.Errorf("round %d: %q, %w", m.rounds, who, err)
				return
			}
			m.rounds++
		}
	}()
}

// during moves the address and tells whether all was seen while the drain lasted.
func (m *move) during() bool {
	one := []netip.Addr{m.a}
	sent := m.capture("p3")
	m.was.mustGrant(Grant{Addresses: one, Quiet: true}, time.Minute)
	began := time.Now()
	m.now.mustGrant(Grant{Addresses: one, Fresh: true, Drain: macOf(m.t, m.old.mac), DrainFor: m.drainFor}, time.Minute)
	m.moved = time.Now()
	m.says(m.open, "not yet announced", "old")
	m.announce(m.new, m.a)
	var err error
	if m.long, err = m.tryDial(m.a); err != nil {
		m.wrong = append(m.wrong, err.Error())
	}
	for i := 0; i < 10 && err == nil; i++ {
		var k *talk
		m.says(m.open, fmt.Sprint("round ", i), "old")
		m.says(m.long, fmt.Sprint("round ", i), "new")
		if k, err = m.tryDial(m.a); err == nil {
			m.says(k, "hello", "new")
		}
	}
	m.says(m.open, strings.Repeat("x", 2<<20), "old")
	m.says(m.idle, "push", "old")
	close(m.stop)
	streamed := <-m.busy
	inTime := time.Since(began) < m.drainFor-200*time.Millisecond
	if err != nil || streamed != nil || m.rounds < 1 {
		m.wrong = append(m.wrong, fmt.Sprintf("%v; a connection that was busy while the address moved: %d rounds, %v", err, m.rounds, streamed))
	}
	enough := func(pairs map[string]int) bool {
		return pairs[m.new.mac+" > "+m.old.mac] >= 10 && pairs[m.new.mac+" > "+m.clientMAC] >= 10
	}
	if !inTime {
		enough = func(map[string]int) bool { return true }
	}
	pairs := sent(enough)
	m.t.Logf("%d rounds on the busy connection; frames %v", m.rounds, pairs)
	if !enough(pairs) {
		m.wrong = append(m.wrong, fmt.Sprintf("the new owner's port saw %v; want frames to the old owner %s and to the client %s", pairs, m.old.mac, m.clientMAC))
	}
	for pair := range pairs {
		if !strings.HasPrefix(pair, m.new.mac) {
			m.wrong = append(m.wrong, fmt.Sprintf("the new owner's port saw %s, want none but its own source", pair))
		}
	}
	return inTime
}

// after waits for the drain's end: from then on the new kernel answers all.
func (m *move) after() {
	time.Sleep(time.Until(m.moved.Add(m.drainFor + 100*time.Millisecond)))
	if _, err := m.open.say("after"); !errors.Is(err, syscall.ECONNRESET) {
		m.wrong = append(m.wrong, fmt.Sprintf("old connection after the drain: %v, want a reset from the new owner", err))
	}
	m.says(m.long, "after", "new")
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
	begin := Grant{Addresses: both, Fresh: true, Drain: macs[0], DrainFor: time.Minute}
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
	u.mustGrant(Grant{Addresses: both, Drain: macs[1], DrainFor: time.Minute}, time.Minute)
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
	patient(true, func() bool {
		return !strings.Contains(n.in(n.owner, "nft", "list", "table", "netdev", "lubdub"), macs[0].String())
	})
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
			if time.Since(began) > patience {
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
	users[0].mustGrant(Grant{Addresses: both, Drain: macOf(t, n.new.mac), DrainFor: time.Minute}, time.Minute)
	users[1].mustGrant(Grant{Addresses: both, Drain: macOf(t, n.old.mac), DrainFor: time.Minute}, time.Minute)
	for i, a := range both {
		k := talks[i]
		toward(n.old, a) // from here on neither node has seen the connection begin
		way, homeward := n.old.mac+" > "+n.new.mac, n.new.mac+" > "+n.old.mac
		sent := []func(func(map[string]int) bool) map[string]int{n.capture("p1"), n.capture("p3")}
		for range 5 {
			mustSay(t, k, "hello", "new")
		}
		there := sent[0](func(pairs map[string]int) bool { return pairs[way] >= 5 })[way]
		back := sent[1](func(map[string]int) bool { return true })[homeward]
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
