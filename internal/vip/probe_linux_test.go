package vip

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestProbeFindsHolder(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	f := w.front("ld0")
	for _, fam := range families {
		vip := netip.MustParsePrefix(fam.vip)
		w.there("ip addr add " + fam.vip + " dev ld1 nodad")
		w.hears(vip.Addr())
		begin := time.Now()
		r, err := f.Probe(t.Context(), Query{Address: vip.Addr(), Count: 3, Gap: patience})
		took := time.Since(begin)
		if err != nil || !slices.Equal(r.Holders, []MAC{w.mac1}) || !r.Carrier || r.Frames == 0 {
			t.Errorf("%s: got %+v, %v; want the holder %v", fam.name, r, err, w.mac1)
		}
		if took >= patience {
			t.Errorf("%s: the first answer did not end the probing, it took %v", fam.name, took)
		}
		t.Logf("%s: holder found in %v", fam.name, took)
	}
}

func TestProbeFindsNobody(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	f := w.front("ld0")
	for _, fam := range families {
		vip := netip.MustParsePrefix(fam.vip).Addr()
		w.there("ip addr add " + fam.ownThere + " dev ld1 nodad")
		q := Query{Address: vip, Count: 3, Gap: 20 * time.Millisecond}
		r, err := f.Probe(t.Context(), q)
		if err != nil || len(r.Holders)+len(r.Rivals) > 0 || r.Neighbour || !r.Carrier {
			t.Errorf("%s, nobody asked: got %+v, %v", fam.name, r, err)
		}
		if vip.Is4() && r.Frames > 0 { // IPv6 has reports of groups of its own
			t.Errorf("%s, nobody asked: %d frames", fam.name, r.Frames)
		}
		if took := time.Duration(r.Ended - r.Began); took < 60*time.Millisecond {
			t.Errorf("%s: gave up after %v", fam.name, took)
		} else {
			t.Logf("%s: nobody in %v", fam.name, took)
		}
		q.Neighbours = []netip.Addr{addr(fam.neighbour)}
		w.hears(addr(fam.neighbour))
		neighbour := func(what string) { // nobody holds the address in any probing; in one the neighbour answers in time
			w.eventually(fam.name+", "+what+": it answers", func() bool {
				r, err := f.Probe(t.Context(), q)
				if err != nil || len(r.Holders) > 0 || r.Neighbour && r.Frames == 0 {
					t.Errorf("%s, %s: got %+v, %v", fam.name, what, r, err)
				}
				return r.Neighbour
			})
		}
		neighbour("neighbour asked") // from no address of our own
		w.ip("addr add " + fam.own + " dev ld0 nodad")
		neighbour("neighbour asked from an own address")
	}
	w.there("ip link set ld1 down")
	w.eventually("carrier gone", func() bool {
		r, _ := f.Probe(t.Context(), Query{Address: addr("192.0.2.100"), Count: 1, Gap: time.Millisecond})
		return !r.Carrier
	})
}

// A second interface of this machine in the same network answers for the machine's addresses too. That is no stranger.
func TestProbePassesOverOwnInterfaces(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	w.ip("link add ld2 type veth peer name ld3 netns " + strconv.Itoa(w.other))
	w.ip("link set ld2 addrgenmode none up")
	w.there("ip link add ld4 type bridge")
	for _, port := range []string{"ld1", "ld3"} {
		w.there("ip link set " + port + " master ld4 up")
	}
	w.there("ip link set ld4 up")
	w.ip("addr add 192.0.2.100/24 dev ld2")
	w.eventually("the bridge forwards", func() bool { return strings.Count(w.there("bridge link"), "state forwarding") == 2 })
	w.eventually("ld2 is up", func() bool { return strings.Contains(w.ip("link show ld2"), "state UP") })
	f := w.front("ld0")
	answered := w.capture([]string{"arp.src.hw_mac"}, "arp.opcode==2", func() {
		r, err := f.Probe(t.Context(), Query{Address: addr("192.0.2.100"), Count: 3, Gap: 100 * time.Millisecond})
		if err != nil || len(r.Holders) > 0 {
			t.Errorf("got %+v, %v; want nobody", r, err)
		}
	})
	if !slices.Contains(answered, w.mac("ld2").String()) {
		t.Errorf("the second interface did not answer (%q), so this tested nothing", answered)
	}
}

func TestProbeFrames(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	f := w.front("ld0")
	w.ip("addr add 192.0.2.1/24 dev ld0")
	probe := func(a string, neighbours ...netip.Addr) func() {
		return func() {
			if _, err := f.Probe(t.Context(), Query{Address: addr(a), Count: 3, Gap: 20 * time.Millisecond, Neighbours: neighbours}); err != nil {
				t.Error(err)
			}
		}
	}
	mac := w.mac0.String()
	got := w.capture([]string{"eth.dst", "arp.opcode", "arp.isprobe", "arp.src.hw_mac", "arp.src.proto_ipv4",
		"arp.dst.hw_mac", "arp.dst.proto_ipv4"}, "arp.dst.proto_ipv4==192.0.2.100", probe("192.0.2.100"))
	want := "ff:ff:ff:ff:ff:ff 1 1 " + mac + " 0.0.0.0 00:00:00:00:00:00 192.0.2.100"
	if !slices.Equal(got, []string{want, want, want}) {
		t.Errorf("ARP probes:\ngot  %q\nwant %q thrice", got, want)
	}
	got = w.capture([]string{"arp.src.proto_ipv4", "arp.dst.proto_ipv4"}, "arp.dst.proto_ipv4==192.0.2.2",
		probe("192.0.2.100", addr("192.0.2.2")))
	if !slices.Contains(got, "192.0.2.1 192.0.2.2") {
		t.Errorf("the neighbour is asked by %q, not from the own address", got)
	}
	got = w.capture([]string{"eth.dst", "ipv6.src", "ipv6.dst", "ipv6.hlim", "icmpv6.checksum.status", "icmpv6.nd.ns.target_address",
		"icmpv6.opt.type"}, "icmpv6.type==135", probe("2001:db8::64"))
	want = "33:33:ff:00:00:64 :: ff02::1:ff00:64 255 1 2001:db8::64 "
	if !slices.Equal(got, []string{want, want, strings.TrimSpace(want)}) { // the output is trimmed at its end
		t.Errorf("ND probes:\ngot  %q\nwant %q thrice", got, want)
	}
	// With switches that filter groups, only a report lets the rival's probe through (RFC 4862 section 5.4.2).
	w.ip("addr add fe80::1/64 dev ld0 nodad")
	group := netip.MustParseAddr("ff02::1:ff00:65")
	got = w.captureUntil(group.AsSlice(), []string{"icmpv6.mldr.mar.multicast_address"}, "icmpv6.type==143", func() {
		if err := f.Watch(addr("2001:db8::65")); err != nil {
			t.Error(err)
		}
	})
	if !strings.Contains(strings.Join(got, " "), group.String()) {
		t.Errorf("no report of the group: %q", got)
	}
}

func TestProbersSeeEachOther(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	f := w.front("ld0")
	for _, fam := range families {
		vip := netip.MustParsePrefix(fam.vip).Addr()
		met := false
		for gap := 100 * time.Millisecond; !met && gap < patience; gap *= 3 { // on a busy machine one may be over when the other begins
			s := w.station("probe", vip.String(), "3", gap.String())
			if got := s.line(t); got != "ready" {
				t.Fatal(got)
			}
			r, err := f.Probe(t.Context(), Query{Address: vip, Count: 3, Gap: gap})
			there := s.probed(t)
			if err != nil || len(r.Holders) > 0 || there.text != "holders [] rivals ["+w.mac0.String()+"] error <nil>" && there.text != "holders [] rivals [] error <nil>" {
				t.Errorf("%s: here %+v, %v; there %q; want nobody but each other", fam.name, r, err, there.text)
			}
			met = slices.Equal(r.Rivals, []MAC{w.mac1}) && strings.Contains(there.text, w.mac0.String())
		}
		if !met {
			t.Errorf("%s: they have not seen each other", fam.name)
		}
	}
}

// An answer that came while the program was frozen is older than the end of the probing, so it must be heard, though the
// timer has run out as well.
func TestProbeHearsWhatCameDuringFreeze(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	f := w.front("ld0")
	vip := addr("192.0.2.100")
	if err := f.Watch(vip); err != nil {
		t.Fatal(err)
	}
	const rounds = 15
	frozen := 0
	for range rounds {
		s := w.station("probe", vip.String(), "1", "100ms")
		select {
		case <-f.Sightings():
		case <-time.After(patience):
			t.Fatal("no probe")
		}
		if err := s.cmd.Process.Signal(unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		w.stopped(s.cmd.Process.Pid)
		announced := Boottime()
		if err := f.Announce(vip); err != nil {
			t.Fatal(err)
		}
		time.Sleep(120 * time.Millisecond)
		if err := s.cmd.Process.Signal(unix.SIGCONT); err != nil {
			t.Fatal(err)
		}
		s.line(t)
		got := s.probed(t)
		if got.ended < announced {
			continue // the machine was too busy: its probing was over before the freeze
		}
		frozen++
		if want := "holders [" + w.mac0.String() + "] rivals [] error <nil>"; got.text != want {
			t.Fatalf("got %q, want %q", got.text, want)
		}
	}
	t.Logf("%d of %d were frozen in time", frozen, rounds)
	if frozen == 0 {
		t.Error("none was frozen in time, so this tested nothing")
	}
}

// probed is what a Probe has come to.
type probed struct {
	r   ProbeResult
	err error
}

// probeBeside probes while the test goes on.
func (f *Front) probeBeside(t *testing.T, q Query) <-chan probed {
	t.Helper()
	done := make(chan probed, 1)
	go func() {
		r, err := f.Probe(t.Context(), q)
		done <- probed{r, err}
	}()
	return done
}

// A flood during a freeze can push the answer out of the kernel's queue. Then silence is an error.
func TestProbeDoesNotTrustAFlood(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	f := w.front("ld0")
	done := f.probeBeside(t, Query{Address: addr("192.0.2.100"), Count: 1, Gap: time.Second})
	w.eventually("the probing is under way", func() bool {
		f.mu.Lock() // nobody can read now, as if frozen
		if len(f.probings) > 0 {
			return true
		}
		f.mu.Unlock()
		return false
	})
	s := w.station("announce", "192.0.2.77", "5000")
	s.line(t)
	s.line(t)
	f.mu.Unlock()
	got := <-done
	if got.err == nil || !strings.Contains(got.err.Error(), "silence proves nothing") {
		t.Errorf("got %+v, %v; want an error about dropped frames", got.r, got.err)
	}
}

func TestProbeEnds(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	f := w.front("ld0")
	q := Query{Address: addr("192.0.2.100"), Count: 3, Gap: time.Minute}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := f.Probe(ctx, q); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ctx ended: got %v", err)
	}
	for _, bad := range []Query{
		{Address: q.Address, Count: 0, Gap: time.Second},
		{Address: q.Address, Count: maxProbes + 1, Gap: time.Second},
		{Address: q.Address, Count: 3},
		{Count: 3, Gap: time.Second},
	} {
		if _, err := f.Probe(t.Context(), bad); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
	for q.Gap = 300 * time.Millisecond; ; q.Gap *= 2 {
		probed := f.probeBeside(t, q)
		w.eventually("the probing is under way", func() bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			return len(f.probings) > 0 || len(probed) > 0
		})
		w.ip("link del ld0")
		w.cable()
		back := Boottime()
		got := <-probed
		if got.err != nil {
			break
		}
		if late := time.Duration(got.r.Ended - back); late > 2*sampleGap || q.Gap > patience {
			t.Fatalf("interface replaced %v before the end: got %+v and no error", late, got.r)
		}
	}
	if len(f.probings) > 0 || len(f.groups) > 0 {
		t.Errorf("left behind: %v %v", f.probings, f.groups)
	}
}
