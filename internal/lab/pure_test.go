package lab

import (
	"bytes"
	"encoding/hex"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParsePlan(t *testing.T) {
	p, err := parsePlan(pair())
	must(t, err)
	if diff := cmp.Diff([]string{"proxy01", "proxy02", "client"}, p.hosts); diff != "" {
		t.Error(diff)
	}
	var got []string
	for _, one := range p.ports {
		got = append(got, one.name+" "+one.eth+" "+one.mac.String())
	}
	want := []string{
		"n0.proxy01 eth0 02:00:5e:00:00:01", "n0.proxy02 eth0 02:00:5e:00:00:02", "n0.client eth0 02:00:5e:00:00:03",
		"n1.proxy01 eth1 02:00:5e:00:01:01", "n1.proxy02 eth1 02:00:5e:00:01:02",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if h := p.hostsFile(); !strings.Contains(h, "\n10.0.0.2 proxy02\n") {
		t.Errorf("/etc/hosts lacks proxy02 on the cable:\n%s", h)
	}
}

func TestParsePlanRefuses(t *testing.T) {
	tests := map[string][]Network{
		"no network":       nil,
		"name twice":       {{Name: "a"}, {Name: "a"}},
		"long name":        {{Name: "a-much-too-long-name"}},
		"slash in name":    {{Name: "a/b"}},
		"bad host":         {{Name: "a", Ports: []string{"b/c"}}},
		"empty port":       {{Name: "a", Ports: []string{" "}}},
		"address no mask":  {{Name: "a", Ports: []string{"b 192.0.2.1"}}},
		"host twice":       {{Name: "a", Ports: []string{"b", "b"}}},
		"three-ended wire": {{Name: "a", Ports: []string{"b", "c", "d"}, CrossOver: true}},
	}
	for name, networks := range tests {
		if _, err := parsePlan(networks); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestOverlaps(t *testing.T) {
	const ms = time.Millisecond
	q := func(at time.Duration) sighting { return sighting{At: at} }
	a := func(at time.Duration, mac string) sighting { return sighting{At: at, MAC: mac} }
	tests := []struct {
		name string
		seen []sighting
		want []Span
	}{
		{"nothing", nil, nil},
		{"one", []sighting{q(10 * ms), a(11*ms, "x"), q(20 * ms), a(21*ms, "x")}, nil},
		{"handed over", []sighting{q(10 * ms), a(11*ms, "x"), q(20 * ms), a(21*ms, "y")}, nil},
		{"twice the same", []sighting{q(10 * ms), a(11*ms, "x"), a(12*ms, "x")}, nil},
		{"announced", []sighting{q(10 * ms), a(11*ms, "x"), {At: 12 * ms, MAC: "y", Announced: true}}, nil},
		{"both once", []sighting{q(10 * ms), a(11*ms, "x"), a(12*ms, "y"), q(20 * ms), a(21*ms, "y")}, []Span{{10 * ms, 12 * ms}}},
		{"both for two", []sighting{q(10 * ms), a(11*ms, "x"), a(12*ms, "y"), q(20 * ms), a(21*ms, "y"), a(22*ms, "x")},
			[]Span{{10 * ms, 22 * ms}}},
		{"twice", []sighting{q(10 * ms), a(11*ms, "x"), a(12*ms, "y"), q(20 * ms), q(30 * ms), a(31*ms, "y"), a(32*ms, "x")},
			[]Span{{10 * ms, 12 * ms}, {30 * ms, 32 * ms}}},
		{"cut question", []sighting{a(11*ms, "x"), a(12*ms, "y")}, []Span{{11 * ms, 12 * ms}}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, overlaps(test.seen)); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

func TestSilences(t *testing.T) {
	const ms = time.Millisecond
	q := func(at time.Duration) sighting { return sighting{At: at} }
	a := func(at time.Duration, mac string) sighting { return sighting{At: at, MAC: mac} }
	tests := []struct {
		name string
		seen []sighting
		want []Span
	}{
		{"nothing", nil, nil},
		{"answered", []sighting{q(10 * ms), a(11*ms, "x"), q(20 * ms), a(21*ms, "y")}, []Span{{10 * ms, 11 * ms}, {20 * ms, 21 * ms}}},
		{"two questions in vain", []sighting{q(10 * ms), q(20 * ms), a(21*ms, "x")}, []Span{{10 * ms, 21 * ms}}},
		{"a stranger, and unasked", []sighting{q(10 * ms), a(11*ms, "z"), {At: 12 * ms, MAC: "x", Announced: true}, q(20 * ms), a(21*ms, "x")}, []Span{{10 * ms, 21 * ms}}},
		{"not asked for long", []sighting{q(10 * ms), a(11*ms, "x"), q(900 * ms), a(901*ms, "x")}, []Span{{10 * ms, 11 * ms}, {900 * ms, 901 * ms}}},
		{"to the end", []sighting{a(9*ms, "x"), q(10 * ms), q(20 * ms)}, []Span{{10 * ms, 20 * ms}}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, silences(test.seen, []string{"x", "y"})); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

func TestSummarize(t *testing.T) {
	const ms = time.Millisecond
	ok := func(at time.Duration) Request { return Request{At: at, Latency: ms, Server: "one"} }
	bad := func(at time.Duration) Request { return Request{At: at, Latency: 50 * ms, Err: "no answer in time"} }
	tests := []struct {
		name     string
		requests []Request
		want     Summary
	}{
		{"nobody asked", nil, Summary{Gap: Span{100 * ms, 200 * ms}, Servers: map[string]int{}}},
		{"a hole", []Request{ok(95 * ms), ok(105 * ms), bad(110 * ms), bad(115 * ms), ok(150 * ms), ok(199 * ms)},
			Summary{Requests: 5, Failed: 2, Gap: Span{151 * ms, 200 * ms}, Servers: map[string]int{"one": 3}, Slowest: ms}},
		{"out of order", []Request{ok(180 * ms), bad(110 * ms), ok(105 * ms), ok(140 * ms)},
			Summary{Requests: 4, Failed: 1, Gap: Span{141 * ms, 181 * ms}, Servers: map[string]int{"one": 3}, Slowest: ms}},
		{"began before the span", []Request{ok(60 * ms), ok(150 * ms), ok(160 * ms), ok(250 * ms)},
			Summary{Requests: 2, Gap: Span{61 * ms, 151 * ms}, Servers: map[string]int{"one": 2}, Slowest: ms}},
	}
	for _, test := range tests {
		got := summarize(test.requests, Span{100 * ms, 200 * ms})
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

// TestFrames checks the questions against frames that tcpdump decoded without complaint, and that no answer is read from noise.
func TestFrames(t *testing.T) {
	mac := net.HardwareAddr{2, 0, 0x5e, 0, 0, 3}
	own, wanted := netip.MustParseAddr("192.0.2.50"), netip.MustParseAddr("192.0.2.100")
	want := "ffffffffffff" + "02005e000003" + "0806" + "0001080006040001" + "02005e000003" + "c0000232" + "000000000000" + "c0000264"
	if got := hex.EncodeToString(arpQuestion(mac, own, wanted)); got != want {
		t.Errorf("ARP question:\n got %s\nwant %s", got, want)
	}
	own6, wanted6 := netip.MustParseAddr("2001:db8::50"), netip.MustParseAddr("2001:db8::100")
	f := ndQuestion(mac, own6, wanted6)
	if got := hex.EncodeToString(f[:6]); got != "3333ff000100" {
		t.Errorf("solicitation goes to %s, want the group 3333ff000100", got)
	}
	if got := icmp6Sum(f[etherLen:]); got != 0 {
		t.Errorf("sum over a message with its checksum: got %#x, want 0", got)
	}
	if _, ok := arpAnswer(arpQuestion(mac, own, wanted), wanted); ok {
		t.Error("a question was read as an answer")
	}
	if s, ok := arpAnswer(arpQuestion(mac, wanted, wanted), wanted); !ok || !s.Announced {
		t.Errorf("a gratuitous request: got %+v, %v, want an announcement", s, ok)
	}
}

func FuzzAnswers(f *testing.F) {
	four, six := netip.MustParseAddr("192.0.2.100"), netip.MustParseAddr("2001:db8::100")
	mac := net.HardwareAddr{2, 0, 0x5e, 0, 0, 3}
	f.Add(arpQuestion(mac, four, four))
	f.Add(ndQuestion(mac, six, six))
	f.Fuzz(func(t *testing.T, frame []byte) {
		if _, ok := arpAnswer(frame, four); ok && !bytes.Contains(frame, four.AsSlice()) {
			t.Error("an ARP answer without the address")
		}
		if _, ok := ndAnswer(frame, six); ok && !bytes.Contains(frame, six.AsSlice()) {
			t.Error("an advertisement without the address")
		}
	})
}

// matches reports whether a line matches a pattern.
func matches(t *testing.T, pattern, line string) bool {
	t.Helper()
	found, err := regexp.MatchString(pattern, line)
	must(t, err)
	return found
}
