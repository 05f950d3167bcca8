package vip

import (
	"net/netip"
	"os/exec"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/bpf"
)

func TestDrawUnused(t *testing.T) {
	next := int64(0)
	inOrder := func(n int64) int64 { next++; return (next - 1) % n }
	for _, c := range []struct {
		subnet string
		taken  []string
		want   []string
	}{
		{"192.0.2.0/24", nil, []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}},
		{"192.0.2.128/25", []string{"192.0.2.129", "192.0.2.131"}, []string{"192.0.2.130", "192.0.2.132", "192.0.2.133"}},
		{"192.0.2.77/24", []string{"192.0.2.2"}, []string{"192.0.2.1", "192.0.2.3", "192.0.2.4"}},
		{"192.0.2.0/29", []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}, []string{"192.0.2.4", "192.0.2.5", "192.0.2.6"}},
		{"192.0.2.0/29", []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"}, nil}, // broadcast is nobody's
		{"192.0.2.0/30", nil, nil},
		{"192.0.2.1/32", nil, nil},
		{"2001:db8::64/64", nil, []string{"2001:db8::1", "2001:db8::2", "2001:db8::3"}},
		{"2001:db8::64/128", nil, nil},
	} {
		next = 0
		taken := map[netip.Addr]bool{}
		for _, a := range c.taken {
			taken[addr(a)] = true
		}
		var want []netip.Addr
		for _, a := range c.want {
			want = append(want, addr(a))
		}
		if got := drawUnused(netip.MustParsePrefix(c.subnet), controls, taken, inOrder); !slices.Equal(got, want) {
			t.Errorf("%s without %v: got %v, want %v", c.subnet, c.taken, got, want)
		}
	}
	if got := drawUnused(netip.Prefix{}, controls, nil, inOrder); got != nil {
		t.Errorf("no subnet: got %v", got)
	}
}

// TestProbeDoubtsProxies: the answer of a station that answers for anything proves nothing, and that is found out within the
// usual time; one that has an address or a few is believed, and the peer is, whatever else it answers for.
func TestProbeDoubtsProxies(t *testing.T) {
	if !inside(t) {
		return
	}
	const network = "192.0.2.0/24"
	usual := Query{Address: addr("192.0.2.100"), Count: 3, Gap: 20 * time.Millisecond, Subnet: netip.MustParsePrefix("192.0.2.100/24")}
	w := newWorld(t)
	f := w.front("ld0")
	for _, c := range []struct {
		name, answers string
		believe       bool
		anything      bool
	}{
		{"answers for anything", network, false, true},
		{"has the address alone", "192.0.2.100/32", false, false},
		{"has eight addresses", "192.0.2.96/29", false, false},
		{"is the peer", network, true, false},
	} {
		s := w.station("anything", c.answers)
		s.line(t)
		s.line(t)
		q := usual
		if c.believe {
			q.Believed = []MAC{w.mac1}
		}
		// On a busy machine an answer may come too late; then the station is believed, which is safe. One probing of some
		// takes no longer than is promised: the answer, a gap more, and what a machine adds at its best.
		var r ProbeResult
		least := patience
		for end := time.Now().Add(patience); time.Now().Before(end) && (r.Anything != c.anything || least > 5*usual.Gap); {
			began := time.Now()
			var err error
			r, err = f.Probe(t.Context(), q)
			least = min(least, time.Since(began))
			if err != nil || !slices.Equal(r.Holders, []MAC{w.mac1}) {
				t.Fatalf("%s: got %+v, %v; want the holder %v", c.name, r, err, w.mac1)
			}
			if r.Anything && !c.anything {
				break
			}
		}
		t.Logf("%s: %v", c.name, least.Round(time.Millisecond))
		if r.Anything != c.anything || least > 5*usual.Gap {
			t.Errorf("%s: got %+v after %v at best; want anything %v within %v", c.name, r, least, c.anything, 5*usual.Gap)
		}
		for _, seen := range f.Stations() {
			t.Errorf("%s: %v was asked for as an address that nobody has, and counts as a station now", c.name, seen.Address)
		}
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
}

// TestProbeAndLinuxProxy: a Linux router with proxy_arp does not answer probes (sender 0.0.0.0), so it disturbs none.
func TestProbeAndLinuxProxy(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	f := w.front("ld0")
	w.ip("addr add 192.0.2.1/24 dev ld0")
	w.there("ip addr add 192.0.2.254/24 dev ld1")
	w.there("ip link add ld5 type veth peer name ld6")
	w.there("ip link set ld5 up")
	w.there("ip link set ld6 up")
	w.there("sysctl -qw net.ipv4.ip_forward=1 net.ipv4.neigh.ld1.proxy_delay=0")
	for _, setting := range []string{"proxy_arp_pvlan", "proxy_arp"} {
		w.there("sysctl -qw net.ipv4.conf.ld1." + setting + "=1")
		if setting == "proxy_arp" {
			w.there("ip route add 192.0.2.100/32 dev ld5") // else the way to it is back where the question came from
		}
		answers := w.capture([]string{"arp.src.hw_mac"}, "arp.opcode==2 && arp.src.proto_ipv4==192.0.2.100", func() {
			w.eventually(setting+": an ordinary question is answered", func() bool {
				return exec.Command("arping", "-c", "1", "-w", "1", "-i", "ld0", "192.0.2.100").Run() == nil
			})
		})
		if !slices.Contains(answers, w.mac1.String()) {
			t.Errorf("%s: an ordinary question is not answered by the proxy (%q), so this tests nothing", setting, answers)
		}
		r, err := f.Probe(t.Context(), Query{Address: addr("192.0.2.100"), Count: 3, Gap: 20 * time.Millisecond, Subnet: netip.MustParsePrefix("192.0.2.100/24")})
		if err != nil || len(r.Holders) > 0 {
			t.Errorf("%s: got %+v, %v; want nobody", setting, r, err)
		}
	}
}

// TestForeignFilter: only what proves that the port forwards counts as another station's frame.
func TestForeignFilter(t *testing.T) {
	own := []MAC{{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}}
	other := MAC{2, 0, 0, 0, 0, 9}
	var program []bpf.Instruction
	for _, in := range foreignFilter(own) {
		switch in.(type) {
		case bpf.LoadExtension: // the machine in Go knows none: neither sent here, nor tagged
			program = append(program, bpf.LoadConstant{Dst: bpf.RegA, Val: 0})
		default:
			program = append(program, in)
		}
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	frame := func(to, from MAC, etherType uint16) []byte {
		return append(appendEthernet(nil, to, from, etherType), make([]byte, 46)...)
	}
	for _, c := range []struct {
		name  string
		frame []byte
		want  bool
	}{
		{"ARP of another", frame(broadcastMAC, other, etherTypeARP), true},
		{"IPv4 of another", frame(own[0], other, etherTypeIPv4), true},
		{"IPv6 of another", frame(MAC{0x33, 0x33, 0, 0, 0, 1}, other, etherTypeIPv6), true},
		{"ours come back", frame(broadcastMAC, own[0], etherTypeARP), false},
		{"of another port of ours", frame(broadcastMAC, own[1], etherTypeIPv4), false},
		{"spanning tree", frame(MAC{0x01, 0x80, 0xc2, 0, 0, 0}, other, 38), false},
		{"Cisco's per-VLAN spanning tree", frame(MAC{0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcd}, other, 50), false},
		{"LLDP", frame(MAC{0x01, 0x80, 0xc2, 0, 0, 0x0e}, other, 0x88cc), false},
		{"LACP", frame(MAC{0x01, 0x80, 0xc2, 0, 0, 2}, other, 0x8809), false},
		{"loop detection", frame(broadcastMAC, other, 0x9000), false},
		{"a VLAN inside", frame(broadcastMAC, other, 0x8100), false},
	} {
		n, err := vm.Run(c.frame)
		if err != nil || n > 0 != c.want {
			t.Errorf("%s: counts %v, %v; want %v", c.name, n > 0, err, c.want)
		}
	}
}

// TestCarrierLossForgets: frames from before a loss of the carrier, however short, prove nothing after it.
func TestCarrierLossForgets(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	f := w.front("ld0")
	w.there("ip addr add 192.0.2.2/24 dev ld1")
	heard := func() bool { return f.LastFrame() != 0 }
	speak := func() { w.run(append(w.thereArgs("sh -c"), "arping -c 1 -w 1 -i ld1 192.0.2.9 || true")...) }
	w.eventually("a frame is noted", func() bool {
		speak()
		return heard()
	})
	q := Query{Address: addr("192.0.2.100"), Count: 1, Gap: time.Millisecond}
	if r, err := f.Probe(t.Context(), q); err != nil || r.Young || !r.Carrier {
		t.Errorf("before the loss: %+v, %v", r, err)
	}
	w.there("ip link set ld1 down")
	w.there("ip link set ld1 up")
	w.eventually("the carrier is back", func() bool { l, err := readLink(f.session.index); return err == nil && l.Carrier })
	if heard() {
		t.Error("a frame from before the loss counts")
	}
	if r, err := f.Probe(t.Context(), q); err != nil || !r.Young {
		t.Errorf("after the loss: %+v, %v; want young", r, err)
	}
	w.eventually("a frame is noted again", func() bool {
		speak()
		return heard()
	})
	if r, err := f.Probe(t.Context(), q); err != nil || r.Young {
		t.Errorf("after a frame: %+v, %v; want not young", r, err)
	}
}
