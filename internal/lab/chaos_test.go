package lab

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestFreezeStopsProcessesAndNotTheKernel(t *testing.T) {
	l := newPair(t)
	one := l.Host("proxy01")
	_, err := one.Serve("udp://192.0.2.11:7", 0)
	must(t, err)
	if !answered(l, "client", "udp://192.0.2.11:7", patience) {
		t.Fatal("no answer before the freeze")
	}
	must(t, one.Freeze())
	must(t, one.Freeze()) // it is frozen already
	if groups := frozenGroups(t); len(groups) != 1 {
		t.Errorf("groups of frozen hosts: %v, want one", groups)
	}
	if answered(l, "client", "udp://192.0.2.11:7", silence) {
		t.Error("a frozen process answers")
	}
	prober, err := l.Host("client").Probe("front", "192.0.2.11", 10*time.Millisecond)
	must(t, err)
	_, mac := one.Interface("front")
	began := Now()
	eventually(t, "the kernel of a frozen host answers ARP", func() bool { _, ok := prober.First(mac, began); return ok })
	prober.Stop()
	must(t, one.Thaw())
	if !answered(l, "client", "udp://192.0.2.11:7", patience) {
		t.Error("no answer after the thaw")
	}
	must(t, one.Freeze())
	must(t, one.PowerOff())
	must(t, one.PowerOn())
	run(t, one, "true")
	if groups := frozenGroups(t); len(groups) > 0 {
		t.Errorf("left behind: %v", groups)
	}
}

// frozenGroups lists the control groups of frozen hosts of this program.
func frozenGroups(t *testing.T) []string {
	t.Helper()
	mount, err := mountGroups()
	must(t, err)
	defer unix.Close(mount)
	own, err := ownGroup()
	must(t, err)
	groups, err := filepath.Glob(filepath.Join(fmt.Sprintf("/proc/self/fd/%d", mount), own, groupName("*")))
	must(t, err)
	return groups
}

func TestIsolatedHostsSeeTheOthersOnly(t *testing.T) {
	l := newPair(t)
	for _, address := range []string{"192.0.2.11", "192.0.2.12"} {
		for _, name := range []string{"proxy01", "proxy02"} {
			if _, err := l.Host(name).Serve("udp://"+address+":7", 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	must(t, l.Isolate("front", "proxy01"))
	must(t, l.Isolate("front", "proxy02"))
	must(t, l.Host("proxy02").PowerOff())
	must(t, l.Host("proxy02").PowerOn())
	_, err := l.Host("proxy02").Serve("udp://192.0.2.12:7", 0)
	must(t, err)
	if !answered(l, "client", "udp://192.0.2.12:7", patience) {
		t.Error("the client does not reach an isolated host")
	}
	if answered(l, "proxy01", "udp://192.0.2.12:7", silence) {
		t.Error("an isolated host reaches another")
	}
	must(t, l.Rejoin("front", "proxy01"))
	if !answered(l, "proxy01", "udp://192.0.2.12:7", patience) {
		t.Error("no answer after one was taken back")
	}
	if err := l.Isolate("cable", "client"); err == nil {
		t.Error("isolated a port that is not there")
	}
}

func TestDelayHoldsFramesBackAndLosesNone(t *testing.T) {
	l := newPair(t)
	_, err := l.Host("proxy02").Serve("udp://10.0.0.2:7", 0)
	must(t, err)
	_, err = l.Host("proxy02").Serve("http://10.0.0.2:80", 0)
	must(t, err)
	const least = 40 * time.Millisecond
	end, err := l.Delay(Delay{Network: "cable", Least: least, Most: 3 * least, Seed: 1})
	must(t, err)
	for _, target := range []string{"udp://10.0.0.2:7", "http://10.0.0.2:80"} { // sums and segments are the kernel's to finish
		load, err := l.Host("proxy01").Load(target, Pace{Every: 5 * time.Millisecond, Timeout: patience})
		must(t, err)
		start := Now()
		eventually(t, target+": there are many requests, and some overtake another", func() bool {
			requests := load.Requests(start, Now())
			overtaken := 0
			for i, r := range requests {
				if r.Err != "" || r.Latency < 2*least {
					t.Fatalf("%s: request %d: %+v, want an answer after at least %v", target, i, r, 2*least)
				}
				if i > 0 && r.At+r.Latency < requests[i-1].At+requests[i-1].Latency {
					overtaken++
				}
			}
			return len(requests) >= 40 && overtaken > 0
		})
		load.Stop()
	}
	must(t, end())
	load, err := l.Host("proxy01").Load("udp://10.0.0.2:7", Pace{Every: 5 * time.Millisecond, Timeout: patience})
	must(t, err)
	start := Now()
	eventually(t, "after the end an answer is faster than the delay lets any", func() bool {
		return slices.ContainsFunc(load.Requests(start, Now()), func(r Request) bool { return r.Err == "" && r.Latency < 2*least })
	})
	load.Stop()
	if _, err := l.Delay(Delay{Network: "front"}); err == nil {
		t.Error("delayed a network that is no cable")
	}
}

func TestFreezeNeedsPower(t *testing.T) {
	l := newPair(t)
	one := l.Host("proxy01")
	must(t, one.PowerOff())
	if err := one.Freeze(); err == nil {
		t.Error("froze a host without power")
	}
	if err := one.Thaw(); err != nil {
		t.Errorf("thaw of what is not frozen: %v", err)
	}
}
