package vip

import (
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// families are the addresses that the tests of a front share, and the other machine's own.
var families = []struct{ name, vip, own, neighbour, ownThere string }{
	{"IPv4", "192.0.2.100/24", "192.0.2.1/24", "192.0.2.2", "192.0.2.2/24"},
	{"IPv6", "2001:db8::64/64", "2001:db8::1/64", "2001:db8::2", "2001:db8::2/64"},
}

func TestAnnounceCorrectsNeighbours(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	f := w.front("ld0")
	for _, fam := range families {
		a := shared(fam.vip)
		vip := a.Prefix.Addr().String()
		if err := Add(a, 0); err != nil {
			t.Fatal(err)
		}
		w.there("ip addr add " + fam.ownThere + " dev ld1 nodad")
		w.there("ip neigh replace " + vip + " lladdr 02:00:5e:00:53:99 dev ld1 nud reachable")
		if err := f.Announce(a.Prefix.Addr()); err != nil {
			t.Fatal(err)
		}
		w.eventually(fam.name+": the neighbour has the new MAC", func() bool {
			return strings.Contains(w.there("ip neigh show "+vip+" dev ld1"), w.mac0.String())
		})
	}
}

func TestAnnouncementFrames(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	f := w.front("ld0")
	announce := func(a string) func() {
		return func() {
			if err := f.Announce(addr(a)); err != nil {
				t.Error(err)
			}
		}
	}
	mac := w.mac0.String()
	got := w.capture([]string{"eth.dst", "eth.src", "arp.opcode", "arp.isgratuitous", "arp.src.hw_mac", "arp.src.proto_ipv4",
		"arp.dst.hw_mac", "arp.dst.proto_ipv4"}, "arp", announce("192.0.2.100"))
	want := []string{
		"ff:ff:ff:ff:ff:ff " + mac + " 1 1 " + mac + " 192.0.2.100 00:00:00:00:00:00 192.0.2.100",
		"ff:ff:ff:ff:ff:ff " + mac + " 2 1 " + mac + " 192.0.2.100 " + mac + " 192.0.2.100",
	}
	if !slices.Equal(got, want) {
		t.Errorf("ARP:\ngot  %q\nwant %q", got, want)
	}
	got = w.capture([]string{"eth.dst", "eth.src", "ipv6.src", "ipv6.dst", "ipv6.hlim", "icmpv6.type", "icmpv6.checksum.status",
		"icmpv6.nd.na.flag.r", "icmpv6.nd.na.flag.s", "icmpv6.nd.na.flag.o", "icmpv6.nd.na.target_address",
		"icmpv6.opt.type", "icmpv6.opt.linkaddr"}, "icmpv6.type==136", announce("2001:db8::64"))
	want = []string{"33:33:00:00:00:01 " + mac + " 2001:db8::64 ff02::1 255 136 1 0 0 1 2001:db8::64 2 " + mac}
	if !slices.Equal(got, want) {
		t.Errorf("ND:\ngot  %q\nwant %q", got, want)
	}
}

func TestSightings(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	f := w.front("ld0")
	vip4, vip6 := addr("192.0.2.100"), addr("2001:db8::64")
	if err := f.Watch(vip4, vip6); err != nil {
		t.Fatal(err)
	}
	w.there("ip addr add 192.0.2.2/24 dev ld1")
	for _, c := range []struct {
		name    string
		command string // each is another program or the kernel, so the frames are not of our making
		want    Sighting
	}{
		{"probe", "arping -0 -c 1 -w 1 -i ld1 192.0.2.100", Sighting{Address: vip4, Kind: KindProbe}},
		{"announcement", "arping -U -c 1 -w 1 -i ld1 -S 192.0.2.100 192.0.2.100", Sighting{Address: vip4, Kind: KindAnnouncement}},
		{"request of a claimer", "arping -c 1 -w 1 -i ld1 -S 192.0.2.100 192.0.2.1", Sighting{Address: vip4, Kind: KindRequest}},
		{"IPv6 probe of the kernel", "ip addr add 2001:db8::64/64 dev ld1", Sighting{Address: vip6, Kind: KindProbe}},
	} {
		begin := Boottime()
		_ = exec.Command("nsenter", w.thereArgs(c.command)[1:]...).Run() // arping fails when nobody answers
		c.want.MAC = w.mac1
		select {
		case got := <-f.Sightings():
			if got.At < begin || got.At > Boottime() {
				t.Errorf("%s: seen at %d, not after %d", c.name, got.At, begin)
			}
			got.At = 0
			if got != c.want {
				t.Errorf("%s: got %v, want %v", c.name, got, c.want)
			}
		case <-time.After(patience):
			t.Errorf("%s: not seen", c.name)
		}
		for len(f.Sightings()) > 0 {
			<-f.Sightings()
		}
	}
	for _, s := range f.Stations() {
		if s.Address == vip4 || s.Address == vip6 {
			t.Errorf("the shared address %v counts as a neighbour", s)
		}
	}
}

func TestStationsSeen(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	f := w.front("ld0")
	w.ip("addr add 192.0.2.1/24 dev ld0")
	w.there("ip addr add 192.0.2.2/24 dev ld1")
	w.there("ping -c 1 192.0.2.1")
	w.eventually("the other station is known", func() bool {
		all := f.Stations()
		return len(all) == 1 && all[0].Address == addr("192.0.2.2") && all[0].MAC == w.mac1
	})
}

func TestLastFrameIsOfOthers(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	f := w.front("ld0")
	w.ip("addr add 192.0.2.1/24 dev ld0")
	w.there("ip addr add 192.0.2.2/24 dev ld1")
	for range 5 {
		if err := f.Announce(addr("192.0.2.100")); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(3 * sampleGap)
	if got := f.LastFrame(); got != 0 {
		t.Errorf("own frames counted: last frame at %d", got)
	}
	w.there("ip neigh replace 192.0.2.1 lladdr " + w.mac0.String() + " dev ld1")
	before := Boottime()
	w.there("ping -c 1 192.0.2.1") // no ARP here: frames of any kind count
	w.eventually("a frame of another station counts", func() bool { return f.LastFrame() > before-2*sampleGap.Nanoseconds() })
	if got := f.LastFrame(); got > Boottime() {
		t.Errorf("last frame at %d is in the future", got)
	}
}

// A program that was frozen must not take frames of before for new ones: it would take a dead network for a living one.
func TestLastFrameAfterFreeze(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	f := w.front("ld0")
	s := w.station("last")
	if got := s.line(t); got != "ready" {
		t.Fatal(got)
	}
	s.line(t)
	if err := s.cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	w.stopped(s.cmd.Process.Pid)
	if err := f.Announce(addr("192.0.2.100")); err != nil {
		t.Fatal(err)
	}
	sent := Boottime()
	const freeze = 400 * time.Millisecond
	time.Sleep(freeze)
	woken := Boottime()
	if err := s.cmd.Process.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for seen := false; ; {
		fields := strings.Fields(s.line(t))
		now, last := parseTime(t, fields[0]), parseTime(t, fields[1])
		seen = seen || last > 0
		if last > sent {
			t.Fatalf("a frame sent at %d counts as of %d, %v later", sent, last, time.Duration(last-sent))
		}
		if seen && now > woken+(4*sampleGap).Nanoseconds() {
			return
		}
		if now > woken+patience.Nanoseconds() {
			t.Fatal("the frame was never counted")
		}
	}
}

func parseTime(t *testing.T, text string) int64 {
	t.Helper()
	d, err := time.ParseDuration(text + "ns")
	if err != nil {
		t.Fatal(err)
	}
	return d.Nanoseconds()
}

func TestFrontComesBack(t *testing.T) {
	if !inside(t) {
		return
	}
	f := (&world{t: t}).front("ld0") // there is none yet
	vip := addr("192.0.2.100")
	if err := f.Announce(vip); !missing(err) {
		t.Fatalf("no interface: got %v", err)
	}
	if err := f.Watch(vip, addr("2001:db8::64")); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	for round := range 3 {
		if err := f.Announce(vip); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		w.ip("link set ld0 down")
		if err := f.Announce(vip); err == nil {
			t.Errorf("round %d: announced on an interface that is down", round)
		}
		w.ip("link del ld0")
		if err := f.Announce(vip); !missing(err) {
			t.Errorf("round %d: interface gone: got %v", round, err)
		}
		w.cable()
	}
	hearsProbe(t, w, f, vip)
	w.ip("link set ld0 down")
	w.ip("link set ld0 up")
	hearsProbe(t, w, f, vip)
	w.ip("link set ld0 down")
	w.ip("link set ld0 address 02:00:5e:00:53:07")
	w.ip("link set ld0 up")
	w.eventually("announces with the new MAC", func() bool {
		got := w.capture([]string{"arp.src.hw_mac"}, "arp.opcode==1", func() { _ = f.Announce(vip) })
		return len(got) == 1 && got[0] == "02:00:5e:00:53:07"
	})
}

// hearsProbe asks with another program until the front reports it.
func hearsProbe(t *testing.T, w *world, f *Front, vip netip.Addr) {
	t.Helper()
	w.eventually("a probe is heard", func() bool {
		_ = exec.Command("nsenter", w.thereArgs("arping -0 -c 1 -w 1 -i ld1 " + vip.String())[1:]...).Run()
		select {
		case s := <-f.Sightings():
			return s.Kind == KindProbe && s.Address == vip && s.MAC == w.macThere("ld1")
		case <-time.After(200 * time.Millisecond):
			return false
		}
	})
}

// The kernel tells only one change of carrier a second; a front does not wait for that.
func TestCarrierIsFresh(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	f := w.front("ld0")
	if !f.Carrier() {
		t.Error("no carrier at first")
	}
	// The first change of a second proves nothing. Of the others one at least is seen before the kernel would tell it, also on a
	// busy machine.
	var took []time.Duration
	for range 5 {
		w.there("ip link set ld1 down")
		gone := time.Now()
		w.eventually("carrier is gone", func() bool { return !f.Carrier() })
		took = append(took, time.Since(gone))
		w.there("ip link set ld1 up")
		w.eventually("carrier is back", f.Carrier)
	}
	t.Logf("seen after %v", took)
	if least := slices.Min(took[1:]); least > 4*sampleGap {
		t.Errorf("the carrier's end was seen after %v at best: that is the kernel's pace", least)
	}
	w.ip("link del ld0")
	w.eventually("no carrier without interface", func() bool { return !f.Carrier() })
}

func TestFrontRefuses(t *testing.T) {
	if !inside(t) {
		return
	}
	w := &world{t: t}
	w.ip("link set lo up")
	if f, err := OpenFront("lo"); err == nil {
		f.Close()
		t.Error("the loopback interface is taken for a network")
	}
	f := w.front("ld0")
	for _, bad := range []netip.Addr{{}, addr("0.0.0.0"), addr("224.0.0.1"), addr("ff02::1"), addr("127.0.0.1"), addr("fe80::1%ld0"), addr("::ffff:192.0.2.1")} {
		if err := f.Announce(bad); err == nil || missing(err) {
			t.Errorf("announce %v: got %v", bad, err)
		}
	}
	if err := f.Watch(make([]netip.Addr, maxWatched+1)...); err == nil {
		t.Error("watched more than the limit")
	}
}
