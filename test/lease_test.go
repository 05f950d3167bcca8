package test

import (
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lubdub/internal/lab"
)

// starvedFor is how long a daemon is held to 2 % of a core. A minute is the real thing.
var starvedFor = flag.Duration("starved", 15*time.Second, "how long TestLeaseStarved starves the owner's daemon")

const (
	shared6 = "2001:db8::64"
	// lateness is what the prober's pace, the kernel's tick and a busy machine add to the moment at which a lease ends.
	lateness = 60 * time.Millisecond
	// yieldShare is Y in dead times.
	yieldShare = 0.7
	// longTimes leave time to look about between the yield and the takeover.
	longTimes = "keepalive 250ms\ndeadtime 4\nwarntime 2\ninitdead 4\n"
	longDead  = 4 * second
)

func yieldOf(dead time.Duration) time.Duration { return time.Duration(yieldShare * float64(dead)) }

// leasePair is a pair that shares an IPv4 and an IPv6 address, with a prober for each.
type leasePair struct {
	*pair
	probers map[string]*lab.Prober // by address
}

func newLeasePair(t *testing.T, s setup) *leasePair {
	t.Helper()
	s.resources = shared + " " + shared6
	p := &leasePair{newPair(t, s), map[string]*lab.Prober{}}
	for node, address := range map[string]string{one: "2001:db8::11/64", two: "2001:db8::12/64", client: "2001:db8::50/64"} {
		p.run(node, "ip -6 addr add "+address+" dev eth0 nodad")
	}
	six, err := p.Host(client).Probe(front, shared6, probePace)
	must(t, err)
	p.probers = map[string]*lab.Prober{shared: p.prober, shared6: six}
	return p
}

// served starts both nodes and waits until the preferred one answers for both addresses.
func (p *leasePair) served() {
	p.t.Helper()
	p.serve()
	p.t.Cleanup(func() {
		if both := p.probers[shared6].Overlaps(p.began, lab.Now()); len(both) > 0 && !p.t.Failed() {
			p.t.Errorf("two answered for %s: %v", shared6, both)
		}
	})
	eventually(p.t, busy, "the IPv6 address answers", func() bool {
		_, ok := p.probers[shared6].First(p.mac(one), lab.Now()-100*time.Millisecond)
		return ok
	})
}

// lastAnswer is when a node last answered for an address, asked or not, before a time.
func (p *leasePair) lastAnswer(address, node string, before time.Duration) time.Duration {
	last, ok := p.probers[address].Last(p.mac(node), before)
	if !ok {
		return 0
	}
	return last.At
}

// handsOver demands that the owner is silent at the yield time after a fault, and before the other node answers.
func (p *leasePair) handsOver(what string, at, dead time.Duration) {
	p.t.Helper()
	for _, a := range []string{shared, shared6} {
		var first lab.Answer
		eventually(p.t, dead+second+busy, two+" answers for "+a, func() (ok bool) {
			first, ok = p.probers[a].First(p.mac(two), at)
			return ok
		})
		last := p.lastAnswer(a, one, lab.Now())
		p.t.Logf("%s, %s: the owner's last answer after %v, the other's first after %v", what, a, round(last-at), round(first.At-at))
		if last-at > yieldOf(dead)+lateness {
			p.t.Errorf("%s: %s was answered by the old owner for %v; it should yield after %v", what, a, round(last-at), yieldOf(dead))
		}
		if last >= first.At {
			p.t.Errorf("%s: %s was answered by the old owner %v after the new one began", what, a, round(last-first.At))
		}
	}
}

// TestLeaseFrozen stops and kills the owner's daemon: both addresses fall silent at the yield time, on every way into and out
// of the machine but its own.
func TestLeaseFrozen(t *testing.T) {
	for name, fault := range map[string]syscall.Signal{"SIGSTOP": syscall.SIGSTOP, "SIGKILL": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			p := newLeasePair(t, setup{times: longTimes})
			for _, node := range []string{one, client} {
				_, err := p.Host(node).Serve(fmt.Sprintf("http://:%d", lookAt), 0)
				must(t, err)
			}
			p.served()
			all := []string{shared, shared6}
			for _, a := range all {
				p.pinned(a)
				p.reach(a, true, true)
			}
			must(t, p.daemon(one).Signal(fault))
			at := lab.Now()
			eventually(t, yieldOf(longDead)+busy, "the owner is silent", func() bool {
				now := lab.Now()
				return now-max(p.lastAnswer(shared, one, now), p.lastAnswer(shared6, one, now)) > 100*time.Millisecond
			})
			for _, a := range all {
				p.reach(a, false, true)
			}
			p.handsOver(name, at, longDead)
			if fault == syscall.SIGSTOP {
				thaw := lab.Now()
				must(t, p.daemon(one).Signal(syscall.SIGCONT))
				time.Sleep(2 * longDead)
				p.alone(two, thaw)
			}
			p.neverTwo()
		})
	}
}

// lookAt is the port of what is asked on the nodes.
const lookAt = 8088

// pinned makes the client know the owner's hardware address for good: what is dead then is the way itself.
func (p *leasePair) pinned(address string) {
	p.t.Helper()
	p.run(client, "ip neigh replace "+address+" lladdr "+p.mac(one)+" dev eth0 nud permanent")
}

// reach demands that connections to and from the owner's shared address work or not; its own always do, while the address is
// on its interface.
func (p *leasePair) reach(address string, works, local bool) {
	p.t.Helper()
	outward := map[string]string{shared: "192.0.2.50", shared6: "2001:db8::50"}[address]
	dials := func(want bool, node, from, to string) bool { // what should work may need a second try on a busy machine
		for began := lab.Now(); ; {
			if got := p.dials(node, from, to); got || !want || lab.Now()-began > busy {
				return got
			}
		}
	}
	there := func() bool { return strings.Contains(p.run(one, "ip -o addr show dev eth0"), " "+address+"/") }
	if local && !p.dials(one, "", address) && there() && !p.dials(one, "", address) && there() {
		p.t.Errorf("the owner cannot reach its own %s", address)
	}
	if got := dials(works, client, "", address); got != works {
		p.t.Errorf("a connection to %s: works %v, want %v", address, got, works)
	}
	if got := dials(works, one, address, outward); got != works {
		p.t.Errorf("a connection from %s: works %v, want %v", address, got, works)
	}
}

// dials says whether a TCP connection of a node comes about, from an address if one is named.
func (p *leasePair) dials(node, from, to string) (ok bool) {
	d := net.Dialer{Timeout: 150 * time.Millisecond}
	if from != "" {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))
	}
	_ = p.Host(node).Do(func() error {
		c, err := d.Dial("tcp", net.JoinHostPort(to, fmt.Sprint(lookAt)))
		if ok = err == nil; ok {
			c.Close()
		}
		return nil
	})
	return ok
}

// TestLeaseStarved holds the owner's daemon to 2 % of a core. Whatever becomes of it, nobody answers beside it.
func TestLeaseStarved(t *testing.T) {
	slow(t)
	for name, times := range map[string]string{"usual times": usualTimes, "smallest times": quickTimes} {
		t.Run(name, func(t *testing.T) { starve(t, times) })
	}
}

func starve(t *testing.T, times string) {
	p := newLeasePair(t, setup{times: times})
	group := filepath.Join("/sys/fs/cgroup/cpu", fmt.Sprintf("ldlease%d", os.Getpid()))
	if err := os.Mkdir(group, 0o755); err != nil {
		missing(t, err)
	}
	set := func(dir, file, text string) { must(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0)) }
	t.Cleanup(func() { _ = os.Remove(group) }) // after the hosts have ended, or the next line
	p.served()
	set(group, "cpu.cfs_period_us", "100000")
	set(group, "cpu.cfs_quota_us", "2000")
	at := lab.Now()
	set(group, "cgroup.procs", fmt.Sprint(p.daemon(one).Pid()))
	time.Sleep(*starvedFor)
	throttled, err := os.ReadFile(filepath.Join(group, "cpu.stat"))
	must(t, err)
	set(filepath.Dir(group), "cgroup.procs", fmt.Sprint(p.daemon(one).Pid()))
	end := lab.Now()
	time.Sleep(2 * deadTime)
	for _, a := range []string{shared, shared6} {
		if both := p.probers[a].Overlaps(at, lab.Now()); len(both) > 0 {
			t.Errorf("two answered for %s: %v", a, both)
		}
		moves, silence := p.tale(a, at, end)
		t.Logf("2 %% of a core for %v, %s: %d moves, longest silence %v", *starvedFor, a, moves, round(silence))
	}
	t.Logf("cpu.stat: %s", strings.ReplaceAll(strings.TrimSpace(string(throttled)), "\n", ", "))
	p.neverTwo()
}

// tale counts the moves of an address and finds its longest silence.
func (p *leasePair) tale(address string, from, to time.Duration) (moves int, silence time.Duration) {
	owner := p.mac(one)
	for _, a := range p.probers[address].Answers(from, to) {
		if !a.Announced && a.MAC != owner {
			moves++
			owner = a.MAC
		}
	}
	return moves, longest(p.probers[address].Silences(from, to, p.mac(one), p.mac(two)))
}

// TestLeaseFlushed takes the gate away from a frozen and from a dead owner, after its lease has ended: nobody puts it back. Its
// address must go by itself, about when the other node takes it: the kernel counts the life of an address in seconds.
func TestLeaseFlushed(t *testing.T) {
	for name, fault := range map[string]syscall.Signal{"frozen": syscall.SIGSTOP, "dead": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			for try := 1; !flushed(t, name, fault); try++ {
				if try == tries {
					t.Fatal("the address of a dead owner is never there when its gate is taken away: this tests nothing")
				}
			}
		})
	}
}

// flushed tells whether the gate was taken away while the address was still there, which a busy machine can be too slow for.
func flushed(t *testing.T, name string, fault syscall.Signal) bool {
	p := newPair(t, setup{times: longTimes})
	defer p.closeNow() // its hosts' names are free for the next try
	p.serve()
	must(t, p.daemon(one).Signal(fault))
	at := lab.Now()
	time.Sleep(yieldOf(longDead) + 200*time.Millisecond)
	p.run(one, "nft flush ruleset")
	first := p.answered(two, at, longDead+second+busy)
	time.Sleep(2 * second)
	last := p.quietAt(one, lab.Now())
	opened, ok := p.prober.First(p.mac(one), at+yieldOf(longDead)+lateness)
	if !ok {
		return false
	}
	t.Logf("%s and flushed: silent at %v, answers again %v to %v, the other node from %v", name, yieldOf(longDead), round(opened.At-at), round(last-at), round(first-at))
	if last-first > second {
		t.Errorf("the old owner answered for %v beside the new one", round(last-first))
	}
	return true
}

// TestLeaseReloads reloads the owner's firewall ten times a second: nothing is noticed, and nobody else answers.
func TestLeaseReloads(t *testing.T) {
	p := newLeasePair(t, setup{})
	p.served()
	must(t, p.Host(one).WriteFile("/etc/reload.nft", "flush ruleset\ntable inet filter {\n chain input { type filter hook input priority 0; policy accept; }\n}\n", 0o600))
	at := lab.Now()
	p.run(one, "for i in $(seq 100); do nft -f /etc/reload.nft; sleep 0.1; done")
	for _, a := range []string{shared, shared6} {
		moves, silence := p.tale(a, at, lab.Now())
		t.Logf("100 reloads in %v, %s: longest silence %v", round(lab.Now()-at), a, round(silence))
		if moves > 0 || silence > 500*time.Millisecond {
			t.Errorf("%s: %d moves, silent for %v", a, moves, round(silence))
		}
	}
	// And the lease still binds.
	p.daemon(one).Kill()
	killed := lab.Now()
	p.handsOver("killed after the reloads", killed, deadTime)
	p.neverTwo()
}

// TestLeaseRestart kills the owner's daemon and starts it again, within the yield time and after it (rules B1 and B2).
func TestLeaseRestart(t *testing.T) {
	p := newLeasePair(t, setup{times: longTimes})
	p.served()
	for _, away := range []time.Duration{longDead / 4, (yieldOf(longDead) + longDead) / 2} {
		at := lab.Now()
		p.daemon(one).Kill()
		time.Sleep(away)
		p.start(one)
		p.settled()
		time.Sleep(2 * longDead)
		for _, a := range []string{shared, shared6} {
			moves, silence := p.tale(a, at, lab.Now())
			t.Logf("away for %v, %s: %d moves, longest silence %v", away, a, moves, round(silence))
			if moves > 0 {
				t.Errorf("away for %v: %s moved %d times", away, a, moves)
			}
			if away < yieldOf(longDead) && silence > 500*time.Millisecond {
				t.Errorf("away for %v: %s was silent for %v; want nothing noticed", away, a, round(silence))
			}
			if away > yieldOf(longDead) && silence > longDead {
				t.Errorf("away for %v: %s was silent for %v", away, a, round(silence))
			}
		}
	}
	p.neverTwo()
}
