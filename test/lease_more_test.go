package test

import (
	"bytes"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"lubdub/internal/lab"
)

// refuseNetfilter makes the calling thread, and what it starts, find a kernel without nftables: a netlink socket of that family
// is refused as a kernel without it does.
func refuseNetfilter() error {
	const number, domain, protocol = 0, 16, 32 // offsets in seccomp_data
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	unless := func(value uint32, skip uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jf: skip}
	}
	end := func(what uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: what} }
	program := []unix.SockFilter{
		load(number), unless(unix.SYS_SOCKET, 5),
		load(domain), unless(unix.AF_NETLINK, 3),
		load(protocol), unless(unix.NETLINK_NETFILTER, 1),
		end(unix.SECCOMP_RET_ERRNO | uint32(unix.EPROTONOSUPPORT)),
		end(unix.SECCOMP_RET_ALLOW),
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&filter)), 0, 0)
}

// startWithout starts a daemon that finds no nftables.
func (p *pair) startWithout(node string) *exec.Cmd {
	p.t.Helper()
	cmd := exec.Command(lubdub, "run")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Dir = &out, &out, "/"
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
	must(p.t, p.Host(node).Do(func() error {
		if err := refuseNetfilter(); err != nil {
			return err
		}
		return cmd.Start()
	}))
	p.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if p.t.Failed() {
			p.t.Logf("%s without nftables:\n%s", node, tail(out.String(), 40))
		}
	})
	return cmd
}

// TestLeaseWithoutNftables: on a kernel without nftables the life-time of the address ends the service, in whole seconds.
func TestLeaseWithoutNftables(t *testing.T) {
	p := newLeasePair(t, setup{times: longTimes})
	owner := p.startWithout(one)
	p.startWithout(two)
	p.answered(one, p.began, 15*second+busy)
	p.settled()
	eventually(t, busy, "the IPv6 address answers", func() bool {
		_, ok := p.probers[shared6].First(p.mac(one), lab.Now()-100*time.Millisecond)
		return ok
	})
	if tables := p.run(one, "nft list ruleset"); strings.Contains(tables, "lubdub") {
		t.Fatalf("there are nftables, so this tests nothing:\n%s", tables)
	}
	calm := lab.Now()
	time.Sleep(2 * longDead)
	for _, a := range []string{shared, shared6} {
		if moves, silence := p.tale(a, calm, lab.Now()); moves > 0 || silence > 500*time.Millisecond {
			t.Errorf("%s in a calm: %d moves, silent for %v", a, moves, round(silence))
		}
	}
	must(t, owner.Process.Signal(syscall.SIGSTOP))
	at := lab.Now()
	for _, a := range []string{shared, shared6} {
		eventually(t, longDead+second+busy, two+" answers for "+a, func() bool { return p.answersNow(a, two) })
		first, _ := p.probers[a].First(p.mac(two), at)
		last := p.lastAnswer(a, one, lab.Now())
		t.Logf("without nftables, %s: the owner's last answer after %v, the other's first after %v", a, round(last-at), round(first.At-at))
		if limit := yieldOf(longDead).Truncate(second) + second + lateness; last-at > limit {
			t.Errorf("%s was answered for %v after the stop; its life ends within %v", a, round(last-at), limit)
		}
	}
	must(t, owner.Process.Signal(syscall.SIGCONT))
	time.Sleep(2 * longDead)
	p.alone(two, lab.Now()-longDead)
	p.neverTwo()
}

// answersNow says whether a node has answered just now.
func (p *leasePair) answersNow(address, node string) bool {
	_, ok := p.probers[address].First(p.mac(node), lab.Now()-100*time.Millisecond)
	return ok
}

// TestLeaseWithoutNftablesSays: with a dead time under three seconds the life-time of an address is too coarse, and that is said.
func TestLeaseWithoutNftablesSays(t *testing.T) {
	p := newPair(t, setup{})
	p.startWithout(one)
	eventually(t, busy, "the level is said", func() bool {
		s, err := p.ask(one)
		return err == nil && s.Level == "L0"
	})
}

// TestLeaseNeighbours: several groups with addresses in one subnet. That one group moves neither silences nor removes another's
// addresses, whichever address the kernel takes for the first of the subnet, with and without promote_secondaries.
func TestLeaseNeighbours(t *testing.T) {
	for name, promote := range map[string]string{"promoting": "1", "not promoting": "0"} {
		t.Run(name, func(t *testing.T) {
			const foreign, own = "198.51.100.1", "198.51.100.11" // the first of the subnet, and the machine's own that came later
			p := newPair(t, setup{resources: foreign + "/24/eth0 198.51.100.2/24/eth0\n" + one + " 198.51.100.3/24/eth0",
				conf: "name 198.51.100.3 other\n"})
			for _, node := range []string{one, two} {
				text := strings.ReplaceAll(setup{resources: ""}.files()["lubdub.conf"], "name "+shared+" web", "name "+foreign+" web")
				must(t, p.Host(node).WriteFile("/etc/ha.d/lubdub.conf", text+"name 198.51.100.3 other\n", 0o600))
				p.run(node, "sysctl -qw net.ipv4.conf.all.promote_secondaries="+promote+" net.ipv4.conf.eth0.promote_secondaries="+promote)
			}
			p.run(client, "ip addr add 198.51.100.50/24 dev eth0")
			probers := map[string]*lab.Prober{}
			for _, a := range []string{foreign, "198.51.100.2", "198.51.100.3", own} {
				prober, err := p.Host(client).Probe(front, a, probePace)
				must(t, err)
				probers[a] = prober
			}
			p.start(one, two)
			now := func(a, node string) bool {
				_, ok := probers[a].First(p.mac(node), lab.Now()-100*time.Millisecond)
				return ok
			}
			eventually(t, 15*second+busy, "all addresses answer", func() bool {
				return now(foreign, one) && now("198.51.100.2", one) && now("198.51.100.3", one)
			})
			p.settled()
			p.run(one, "ip addr add "+own+"/24 dev eth0")
			at := lab.Now()
			moved, stay := "web", []string{"198.51.100.3", own}
			if strings.Contains(p.run(one, "ip -4 -o addr show dev eth0 primary"), "198.51.100.3") {
				moved, stay = "other", []string{foreign, "198.51.100.2", own}
			}
			p.order(one, "move "+moved+" "+two)
			eventually(t, busy, "the group moved", func() bool { return now(foreign, two) || now("198.51.100.3", two) })
			time.Sleep(2 * deadTime)
			for _, a := range stay {
				for _, answer := range probers[a].Answers(at, lab.Now()) {
					if answer.MAC != p.mac(one) {
						t.Errorf("%s moved to %s", a, answer.MAC)
						break
					}
				}
				silence := longest(probers[a].Silences(at, lab.Now(), p.mac(one)))
				t.Logf("%s moves; %s, which stays: longest silence %v", moved, a, round(silence))
				if silence > 500*time.Millisecond {
					t.Errorf("%s, which should stay, was silent for %v:\n%s", a, round(silence), p.run(one, "ip -4 addr show dev eth0"))
				}
			}
		})
	}
}
