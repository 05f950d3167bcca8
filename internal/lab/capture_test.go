package lab

import (
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestCapture has the prober's questions read by tcpdump and tshark, which know the formats better than we do.
func TestCapture(t *testing.T) {
	l := newPair(t)
	for _, program := range []string{"tcpdump", "tshark"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	c, err := l.Host("proxy01").Capture("front", "arp or icmp6")
	if mappedUser() {
		if err == nil {
			t.Error("a capture without root: want an error that says so")
		}
		return
	}
	must(t, err)
	for _, address := range []string{"192.0.2.11", "2001:db8::11"} {
		p, err := l.Host("client").Probe("front", address, 10*time.Millisecond)
		must(t, err)
		_, mac := l.Host("proxy01").Interface("front")
		eventually(t, "an answer for "+address, func() bool { _, ok := p.First(mac, 0); return ok })
		p.Stop()
	}
	eventually(t, "the last answer is in the file", func() bool { // tcpdump reads it later than the prober
		rows, err := c.Fields(t.Context(), "icmpv6.type==136 && icmpv6.nd.na.target_address==2001:db8::11", "eth.src")
		return err == nil && len(rows) > 0
	})
	c.Stop()
	tests := []struct {
		filter string
		fields []string
		want   []string
	}{
		{"arp.opcode==1 && eth.src==02:00:5e:00:00:03", []string{"arp.src.proto_ipv4", "arp.dst.proto_ipv4"}, []string{"192.0.2.50", "192.0.2.11"}},
		{"arp.opcode==2", []string{"arp.src.hw_mac", "arp.src.proto_ipv4"}, []string{"02:00:5e:00:00:01", "192.0.2.11"}},
		{"icmpv6.type==135 && ipv6.src==2001:db8::50 && ipv6.dst==ff02::1:ff00:11", []string{"icmpv6.nd.ns.target_address", "icmpv6.checksum.status"},
			[]string{"2001:db8::11", "1"}},
		{"icmpv6.type==136 && icmpv6.nd.na.target_address==2001:db8::11", []string{"eth.src"}, []string{"02:00:5e:00:00:01"}},
	}
	for _, test := range tests {
		rows, err := c.Fields(t.Context(), test.filter, test.fields...)
		must(t, err)
		if len(rows) == 0 {
			t.Errorf("%s: no frame", test.filter)
			continue
		}
		if diff := cmp.Diff(test.want, rows[0]); diff != "" {
			t.Errorf("%s: %s", test.filter, diff)
		}
	}
	if _, err := c.Fields(t.Context(), "no such field"); err == nil {
		t.Error("a filter that means nothing: got no error")
	}
}
