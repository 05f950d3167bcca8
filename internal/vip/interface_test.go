package vip

import (
	"net/netip"
	"strings"
	"testing"
)

// bare is an address without mask and interface.
func bare(text string) Address { return Address{Prefix: netip.PrefixFrom(addr(text), -1)} }

func TestFit(t *testing.T) {
	prefix := netip.MustParsePrefix
	own := func(p string) Address { return Address{Prefix: prefix(p)} }
	interfaces := []Interface{
		{Link: Link{Name: "lo", Index: 1, Up: true, Carrier: true}, Addresses: []Address{own("127.0.0.1/8"), own("::1/128")}},
		{Link: Link{Name: "eth0", Index: 2, Up: true, Carrier: true}, Addresses: []Address{own("192.0.2.1/24"), own("2001:db8::1/64"), own("fe80::1/64")},
			Routes: []netip.Prefix{prefix("192.0.2.0/24"), prefix("198.51.100.0/24")}},
		{Link: Link{Name: "eth1", Index: 3, Up: true}, Addresses: []Address{own("10.0.0.1/8"), own("10.1.0.1/16")}},
		{Link: Link{Name: "eth2", Index: 4, Up: true, Carrier: true}, Addresses: []Address{
			{Prefix: prefix("10.1.0.2/16"), Broadcast: addr("10.1.99.255")}, own("203.0.113.5/32")}},
	}
	masked := func(p, iface string) Address { return Address{Prefix: prefix(p), Interface: iface} }
	named := func(a, iface string) Address { b := bare(a); b.Interface = iface; return b }
	for _, c := range []struct {
		name      string
		want      Address
		fit       string // address and interface; empty: refused
		broadcast string
		fault     string // words of the error
	}{
		{"own subnet", bare("192.0.2.100"), "192.0.2.100/24 on eth0", "192.0.2.255", ""},
		{"connected route", bare("198.51.100.7"), "198.51.100.7/24 on eth0", "198.51.100.255", ""},
		{"IPv6", bare("2001:db8::64"), "2001:db8::64/64 on eth0", "invalid IP", ""},
		{"most specific", bare("10.1.2.3"), "10.1.2.3/16 on eth2", "10.1.99.255", ""},
		{"less specific", bare("10.2.3.4"), "10.2.3.4/8 on eth1", "10.255.255.255", ""},
		{"interface written", named("10.1.2.3", "eth1"), "10.1.2.3/16 on eth1", "10.1.255.255", ""},
		{"mask written", masked("192.0.2.100/32", ""), "192.0.2.100/32 on eth0", "invalid IP", ""},
		{"mask written, own broadcast does not fit it", masked("10.1.2.3/24", ""), "10.1.2.3/24 on eth2", "10.1.2.255", ""},
		{"all written, no subnet", masked("172.16.0.1/30", "eth7"), "172.16.0.1/30 on eth7", "172.16.0.3", ""},
		{"no broadcast in a /31", masked("172.16.0.1/31", "eth7"), "172.16.0.1/31 on eth7", "invalid IP", ""},
		{"loopback", bare("127.0.0.9"), "127.0.0.9/8 on lo", "127.255.255.255", ""},
		{"link-local with interface", named("fe80::64", "eth0"), "fe80::64/64 on eth0", "invalid IP", ""},
		{"link-local alone", bare("fe80::64"), "", "", "write the interface"},
		{"a single host is no subnet", bare("203.0.113.5"), "", "", "192.0.2.0/24 on eth0"},
		{"nowhere", bare("172.16.0.1"), "", "", "no interface has a subnet that contains 172.16.0.1"},
		{"not on that interface", named("192.0.2.100", "eth1"), "", "", "eth1 has no subnet"},
		{"unknown interface without mask", named("192.0.2.100", "eth9"), "", "", "there is no interface eth9"},
		{"IPv6 nowhere", bare("2001:db8:1::1"), "", "", "2001:db8::/64 on eth0"},
		{"multicast", bare("224.0.0.1"), "", "", "cannot be a shared address"},
		{"nothing", Address{}, "", "", "cannot be a shared address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Fit(interfaces, c.want)
			if c.fit == "" {
				if err == nil || !strings.Contains(err.Error(), c.fault) {
					t.Errorf("got %v, %v; want an error with %q", got, err, c.fault)
				}
				return
			}
			if err != nil || got.String() != c.fit || got.Broadcast.String() != c.broadcast {
				t.Errorf("got %v, broadcast %v, %v; want %s, %s", got, got.Broadcast, err, c.fit, c.broadcast)
			}
		})
	}
}

func TestFitLabel(t *testing.T) {
	got, err := Fit(nil, Address{Prefix: netip.MustParsePrefix("192.0.2.100/24"), Interface: "eth0:3"})
	if err != nil || got.Interface != "eth0" || got.Label != "eth0:3" {
		t.Errorf("got %+v, %v", got, err)
	}
	got, err = Fit(nil, Address{Prefix: netip.MustParsePrefix("2001:db8::1/64"), Interface: "eth0:3"})
	if err != nil || got.Interface != "eth0" || got.Label != "" {
		t.Errorf("IPv6 has no labels: got %+v, %v", got, err)
	}
}

func TestStationsAreBounded(t *testing.T) {
	var table stations
	for i := range byte(40) {
		table.see(Station{Address: netip.AddrFrom4([4]byte{192, 0, 2, i + 1}), At: int64(i)})
	}
	table.see(Station{Address: addr("192.0.2.30"), At: 100})
	for _, bad := range []netip.Addr{{}, addr("0.0.0.0"), addr("255.255.255.255"), addr("224.0.0.1"), addr("ff02::1")} {
		table.see(Station{Address: bad, At: 200})
	}
	got := table.latest()
	if len(got) != maxStations || got[0].Address != addr("192.0.2.30") || got[1].Address != addr("192.0.2.40") || got[15].At != 24 {
		t.Errorf("got %v", got)
	}
	table.forget(addr("192.0.2.30"))
	if got := table.latest(); len(got) != maxStations-1 || got[0].Address != addr("192.0.2.40") {
		t.Errorf("after forget: %v", got)
	}
}
