package lab

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestCutIsOneWay(t *testing.T) {
	l := newPair(t)
	one, two := l.Host("proxy01"), l.Host("proxy02")
	// Neighbours are fixed, so that nothing but the datagrams themselves crosses the cut.
	_, macOne := one.Interface("cable")
	_, macTwo := two.Interface("cable")
	run(t, one, "ip", "neigh", "replace", "10.0.0.2", "lladdr", macTwo, "dev", "eth1")
	run(t, two, "ip", "neigh", "replace", "10.0.0.1", "lladdr", macOne, "dev", "eth1")
	_, err := two.Serve("udp://10.0.0.2:7", 0)
	must(t, err)
	tests := []struct {
		name             string
		fault            Fault
		arrives, returns bool
	}{
		{"away", Fault{Network: "cable", From: "proxy01"}, false, false},
		{"back", Fault{Network: "cable", From: "proxy02"}, true, false},
		{"back by receiver", Fault{Network: "cable", To: "proxy01"}, true, false},
		{"the other network", Fault{Network: "front"}, true, true},
		{"datagrams only", Fault{Network: "cable", From: "proxy01", Only: "udp dport 7"}, false, false},
		{"another port", Fault{Network: "cable", Only: "udp dport 694"}, true, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := received(t, two)
			must(t, l.Cut(test.fault))
			wait := silence
			if test.returns {
				wait = patience
			}
			returns := answered(l, "proxy01", "udp://10.0.0.2:7", wait)
			must(t, l.Heal(test.fault))
			if arrives := received(t, two) > before; arrives != test.arrives {
				t.Errorf("datagrams arrive: got %v, want %v", arrives, test.arrives)
			}
			if returns != test.returns {
				t.Errorf("echoes return: got %v, want %v", returns, test.returns)
			}
			if !answered(l, "proxy01", "udp://10.0.0.2:7", patience) {
				t.Error("no answer after healing")
			}
		})
	}
}

// received returns how many datagrams the host's kernel has taken in.
func received(t *testing.T, h *Host) int {
	t.Helper()
	text := run(t, h, "cat", "/proc/net/snmp")
	for line := range strings.Lines(text) {
		var n int
		if _, err := fmt.Sscanf(line, "Udp: %d", &n); err == nil {
			return n
		}
	}
	t.Fatalf("no Udp line in:\n%s", text)
	return 0
}

func TestLossInPercent(t *testing.T) {
	l := newPair(t)
	_, err := l.Host("proxy02").Serve("udp://10.0.0.2:7", 0)
	must(t, err)
	must(t, l.Cut(Fault{Network: "cable", From: "proxy01", Percent: 30, Only: "udp dport 7"}))
	start := Now()
	before := received(t, l.Host("proxy02"))
	load, err := l.Host("proxy01").Load("udp://10.0.0.2:7", Pace{Every: time.Millisecond, Timeout: 50 * time.Millisecond})
	must(t, err)
	eventually(t, "there are enough requests", func() bool { return load.Summary(start, Now()).Requests >= 600 })
	load.Stop()
	// What came is counted by the kernel: on a busy machine the answers may be late.
	sent := load.Summary(start, Now()).Requests
	lost := sent - (received(t, l.Host("proxy02")) - before)
	t.Logf("lost %d of %d", lost, sent)
	// 600 draws with p = 0.3 have a deviation of 11; the bounds are eight of them apart from it.
	if lost*100 < sent*15 || lost*100 > sent*45 {
		t.Errorf("lost %d of %d, want about 30 in 100", lost, sent)
	}
}

func TestUnplugIsSeenAsNoCarrier(t *testing.T) {
	l := newPair(t)
	one, two, client := l.Host("proxy01"), l.Host("proxy02"), l.Host("client")
	must(t, l.Unplug("front", "proxy01"))
	eventually(t, "front carrier of proxy02 and the client, and not of proxy01", func() bool {
		return carrier(t, one, "eth0")+carrier(t, two, "eth0")+carrier(t, client, "eth0") == "011"
	})
	must(t, l.Plug("front", "proxy01"))
	eventually(t, "carrier is back", func() bool { return carrier(t, one, "eth0") == "1" })

	must(t, l.Unplug("cable", "proxy01"))
	eventually(t, "no cable carrier at both ends", func() bool { return carrier(t, one, "eth1")+carrier(t, two, "eth1") == "00" })
	must(t, two.PowerOff())
	must(t, l.Plug("cable", "proxy01"))
	if got := carrier(t, one, "eth1"); got != "0" {
		t.Errorf("cable carrier while the other is off: got %s, want 0", got)
	}
	must(t, two.PowerOn())
	eventually(t, "cable carrier", func() bool { return carrier(t, one, "eth1")+carrier(t, two, "eth1") == "11" })
}

func TestFaultsThatCannotBe(t *testing.T) {
	l := newPair(t)
	for _, f := range []Fault{
		{Network: "none"}, {Network: "front", From: "nobody"}, {Network: "cable", From: "client"},
		{Network: "front", Percent: 101}, {Network: "front", Only: "no such match"},
	} {
		if err := l.Cut(f); err == nil {
			t.Errorf("cut %+v: got no error", f)
		}
	}
	if err := l.Heal(Fault{Network: "front"}); err == nil || !strings.Contains(err.Error(), "no such fault") {
		t.Errorf("heal what is whole: got %v", err)
	}
	if err := l.Unplug("cable", "client"); err == nil {
		t.Error("unplugged a cable that is not there")
	}
}
