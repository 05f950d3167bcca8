package vip

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// shownAddress is an address as ip(8) shows it.
type shownAddress struct {
	Local      string `json:"local"`
	Prefixlen  int    `json:"prefixlen"`
	Broadcast  string `json:"broadcast"`
	Label      string `json:"label"`
	Tentative  bool   `json:"tentative"`
	Nodad      bool   `json:"nodad"`
	Deprecated bool   `json:"deprecated"`
	Valid      uint32 `json:"valid_life_time"`
	Preferred  uint32 `json:"preferred_life_time"`
}

func (w *world) shown() []shownAddress {
	w.t.Helper()
	var links []struct {
		Addresses []shownAddress `json:"addr_info"`
	}
	if err := json.Unmarshal([]byte(w.ip("-j -d addr show dev ld0")), &links); err != nil {
		w.t.Fatal(err)
	}
	var all []shownAddress
	for _, l := range links {
		all = append(all, slices.DeleteFunc(l.Addresses, func(a shownAddress) bool { return a.Local == "" })...)
	}
	return all
}

// marks reads IFA_PROTO with another library, by address.
func marks(t *testing.T) map[string]byte {
	t.Helper()
	c, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	messages, err := c.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETADDR, Flags: netlink.Request | netlink.Dump},
		Data:   make([]byte, unix.SizeofIfAddrmsg),
	})
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]byte)
	for _, m := range messages {
		ad, err := netlink.NewAttributeDecoder(m.Data[unix.SizeofIfAddrmsg:])
		if err != nil {
			t.Fatal(err)
		}
		var address string
		var proto byte
		for ad.Next() {
			switch ad.Type() {
			case unix.IFA_ADDRESS:
				address = string(ad.Bytes())
			case 11:
				proto = ad.Uint8()
			}
		}
		found[address] = proto
	}
	return found
}

func TestAddAndRemove(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	w.ip("addr add 192.0.2.1/24 dev ld0")
	for _, c := range []struct {
		name string
		a    Address
		life time.Duration
		want shownAddress
	}{
		{"IPv4 for ever", shared("192.0.2.100/24"), 0,
			shownAddress{Local: "192.0.2.100", Prefixlen: 24, Broadcast: "192.0.2.255", Label: "ld0", Valid: forever, Preferred: forever}},
		{"IPv4 with label and broadcast", Address{shared("192.0.2.101/24").Prefix, "ld0", "ld0:7", addr("192.0.2.127")}, 0,
			shownAddress{Local: "192.0.2.101", Prefixlen: 24, Broadcast: "192.0.2.127", Label: "ld0:7", Valid: forever, Preferred: forever}},
		{"life rounded up", shared("192.0.2.102/32"), 59*time.Second + 1,
			shownAddress{Local: "192.0.2.102", Prefixlen: 32, Label: "ld0", Valid: 60, Preferred: 60}},
		{"IPv6", shared("2001:db8::64/64"), 0,
			shownAddress{Local: "2001:db8::64", Prefixlen: 64, Nodad: true, Deprecated: true, Valid: forever, Preferred: 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 2 {
				if err := Add(c.a, c.life); err != nil {
					t.Fatal(err)
				}
				got := slices.DeleteFunc(w.shown(), func(s shownAddress) bool { return s.Local != c.want.Local })
				if len(got) != 1 || got[0] != c.want {
					t.Errorf("got %+v, want one %+v", got, c.want)
				}
				if got := marks(t)[string(c.a.Prefix.Addr().AsSlice())]; got != 'L' {
					t.Errorf("mark is %#x", got)
				}
				if has, err := Has(c.a); err != nil || !has {
					t.Errorf("Has: got %v, %v", has, err)
				}
			}
			marked, err := Marked()
			c.want.Broadcast = ""
			if err != nil || len(marked) != 1 || marked[0].Prefix != c.a.Prefix || marked[0].Interface != "ld0" {
				t.Errorf("Marked: got %v, %v", marked, err)
			}
			for range 2 {
				if err := Remove(c.a); err != nil {
					t.Fatal(err)
				}
				if has, err := Has(c.a); err != nil || has {
					t.Errorf("Has after Remove: got %v, %v", has, err)
				}
			}
		})
	}
	if got := w.shown(); len(got) != 1 || got[0].Local != "192.0.2.1" {
		t.Errorf("left: %+v, want the machine's own address alone", got)
	}
}

func TestAddAgainDoesNotFlap(t *testing.T) {
	if !inside(t) {
		return
	}
	newWorld(t)
	for _, fam := range families {
		a := shared(fam.vip)
		if err := Add(a, time.Minute); err != nil {
			t.Fatal(err)
		}
		changes := make(chan bool, 100)
		stop := startWatch(t, Observer{Address: func(got Address, present bool) {
			if got.Prefix == a.Prefix {
				changes <- present
			}
		}})
		<-changes // it is there
		for life := range time.Duration(20) {
			if err := Add(a, (life+1)*time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		if err := Remove(a); err != nil {
			t.Fatal(err)
		}
		if present := <-changes; present {
			t.Errorf("%s: told as new again", fam.name)
		}
		stop()
		if len(changes) > 0 {
			t.Errorf("%s: it went before it was removed", fam.name)
		}
	}
}

func TestRemoveWithOtherMask(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	w.ip("addr add 192.0.2.100/32 dev ld0")
	w.ip("addr add 192.0.2.100/25 dev ld0")
	w.ip("addr add 192.0.2.100 peer 198.51.100.1/32 dev ld0")
	if err := Remove(shared("192.0.2.100/24")); err != nil {
		t.Fatal(err)
	}
	if got := w.shown(); len(got) > 0 {
		t.Errorf("left: %+v", got)
	}
}

func TestMarkedIsOnlyOurs(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	w.ip("addr add 192.0.2.1/24 dev ld0")
	w.ip("addr add 2001:db8::1/64 dev ld0 nodad")
	w.ip("link add ld2 type bridge")
	for _, a := range []Address{shared("192.0.2.100/24"), {Prefix: shared("2001:db8::64/64").Prefix, Interface: "ld2"}} {
		if err := Add(a, 0); err != nil {
			t.Fatal(err)
		}
	}
	marked, err := Marked()
	var got []string
	for _, a := range marked {
		got = append(got, a.String())
	}
	slices.Sort(got)
	if want := []string{"192.0.2.100/24 on ld0", "2001:db8::64/64 on ld2"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	for _, a := range marked { // a sweep
		if err := Remove(a); err != nil {
			t.Fatal(err)
		}
	}
	if marked, err := Marked(); err != nil || len(marked) > 0 {
		t.Errorf("after the sweep: got %v, %v", marked, err)
	}
}

func TestAddErrors(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	gone := Address{Prefix: shared("192.0.2.100/24").Prefix, Interface: "ld9"}
	if err := Add(gone, 0); err == nil || err.Error() != "add 192.0.2.100/24 on ld9: no such device" {
		t.Errorf("no interface: got %v", err)
	}
	if has, err := Has(gone); has || err != nil {
		t.Errorf("Has without interface: got %v, %v", has, err)
	}
	if err := Remove(gone); err != nil {
		t.Errorf("Remove without interface: got %v", err)
	}
	if err := Add(shared("192.0.2.100/24"), -1); err == nil {
		t.Error("a negative life is accepted")
	}
	if err := Add(Address{Interface: "ld0"}, 0); err == nil {
		t.Error("no address is accepted")
	}
	w.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/ld0/disable_ipv6")
	if err := Add(shared("2001:db8::64/64"), 0); err == nil || !strings.Contains(err.Error(), "disable_ipv6") {
		t.Errorf("IPv6 switched off: got %v", err)
	}
}

// TestSecondariesStay: the machine's own address of a subnet outlives a shared address that was there first, when that is
// removed and when its life ends, whatever the interface was set to.
func TestSecondariesStay(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	set := func(scope, value string) {
		w.run("sh", "-c", "echo "+value+" > /proc/sys/net/ipv4/conf/"+scope+"/promote_secondaries")
	}
	for _, c := range []struct{ all, own string }{{"0", "0"}, {"1", "0"}, {"0", "1"}} {
		for name, end := range map[string]func(){
			"removed": func() {
				if err := Remove(shared("192.0.2.100/24")); err != nil {
					t.Fatal(err)
				}
			},
			"at its end": func() {
				w.eventually("it goes", func() bool { return !strings.Contains(w.ip("addr show dev ld0"), "192.0.2.100") })
			},
		} {
			w.ip("addr flush dev ld0")
			set("all", c.all)
			set("ld0", c.own)
			if err := Add(shared("192.0.2.100/24"), time.Second); err != nil {
				t.Fatal(err)
			}
			w.ip("addr add 192.0.2.1/24 dev ld0")
			w.ip("route add 203.0.113.0/24 via 192.0.2.2 dev ld0")
			end()
			if left := w.shown(); len(left) != 1 {
				t.Errorf("all %s, ld0 %s, %s: left are %v, want the machine's own address", c.all, c.own, name, left)
			}
			if routes := w.ip("route"); !strings.Contains(routes, "203.0.113.0/24") {
				t.Errorf("all %s, ld0 %s, %s: the route went along:\n%s", c.all, c.own, name, routes)
			}
		}
	}
}

func TestInterfaces(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	w.ip("addr add 192.0.2.1/24 broadcast 192.0.2.127 dev ld0")
	w.ip("addr add 2001:db8::1/64 dev ld0 nodad")
	w.ip("route add 198.51.100.0/25 dev ld0")
	w.ip("route add 203.0.113.0/24 via 192.0.2.9")
	w.ip("route add default via 192.0.2.9")
	for _, vip := range []string{"192.0.2.100/24", "10.0.0.100/8"} { // the second one makes a route of its own
		if err := Add(shared(vip), 0); err != nil {
			t.Fatal(err)
		}
	}
	all, err := Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(i Interface) bool { return i.Name == "ld0" })
	if i < 0 {
		t.Fatalf("no ld0 in %+v", all)
	}
	got := all[i]
	if got.MAC != w.mac0 || !got.Up || !got.Carrier || len(got.Addresses) != 2 {
		t.Errorf("got %+v", got)
	}
	var subnets []string
	for _, s := range got.Subnets() {
		subnets = append(subnets, s.String())
	}
	if want := []string{"2001:db8::/64", "198.51.100.0/25", "192.0.2.0/24"}; !slices.Equal(subnets, want) {
		t.Errorf("subnets: got %q, want %q", subnets, want)
	}
	fit, err := Fit(all, bare("192.0.2.100"))
	if want := (Address{shared("192.0.2.100/24").Prefix, "ld0", "", addr("192.0.2.127")}); err != nil || fit != want {
		t.Errorf("Fit: got %v, %v; want %v", fit, err, want)
	}
}
