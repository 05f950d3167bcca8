package lab

import (
	"slices"
	"testing"
	"time"
)

func TestProberSeesAddressMove(t *testing.T) {
	tests := []struct {
		name, address, prefix string
		add                   []string
	}{
		{"IPv4", "192.0.2.100", "192.0.2.100/32", nil},
		{"IPv6", "2001:db8::100", "2001:db8::100/128", []string{"nodad"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newPair(t)
			one, two := l.Host("proxy01"), l.Host("proxy02")
			_, macOne := one.Interface("front")
			_, macTwo := two.Interface("front")
			set := func(h *Host, verb string, extra ...string) {
				run(t, h, "ip", append([]string{"addr", verb, test.prefix, "dev", "eth0"}, extra...)...)
			}
			p, err := l.Host("client").Probe("front", test.address, 10*time.Millisecond)
			must(t, err)
			begin := Now()
			time.Sleep(50 * time.Millisecond)
			if a := p.Answers(begin, Now()); len(a) != 0 {
				t.Errorf("answers while nobody has the address: %v", a)
			}
			set(one, "add", test.add...)
			eventually(t, "proxy01 answers", func() bool { _, ok := p.First(macOne, begin); return ok })
			time.Sleep(100 * time.Millisecond)
			set(one, "del")
			moved := Now()
			set(two, "add", test.add...)
			eventually(t, "proxy02 answers", func() bool { _, ok := p.First(macTwo, begin); return ok })
			last, ok := p.Last(macOne, Now())
			if first, _ := p.First(macTwo, begin); !ok || first.At < last.At || last.At > moved {
				t.Errorf("last of proxy01 %v, moved %v, first of proxy02 %v: wrong order", last, moved, first)
			}
			if o := p.Overlaps(begin, Now()); len(o) != 0 {
				t.Errorf("overlaps in a clean move: %v", o)
			}
			both := Now()
			set(one, "add", test.add...)
			eventually(t, "both are seen to answer for 50 ms", func() bool {
				return slices.ContainsFunc(p.Overlaps(both, Now()), func(s Span) bool { return s.Duration() >= 50*time.Millisecond })
			})
			set(one, "del")
			single := Now()
			time.Sleep(50 * time.Millisecond)
			p.Stop()
			for _, o := range p.Overlaps(begin, Now()) {
				if o.To < both || o.From > single {
					t.Errorf("overlap %v, though both had the address only from %v to %v", o, both, single)
				}
			}
		})
	}
}

func TestClientMeasuresKnownOutage(t *testing.T) {
	const outage = 200 * time.Millisecond
	for _, test := range []struct {
		target string
		pace   Pace
	}{
		{"http://192.0.2.11:80", Pace{Every: 5 * time.Millisecond, Timeout: 100 * time.Millisecond}},
		{"http://192.0.2.11:80", Pace{Every: 5 * time.Millisecond, Timeout: 100 * time.Millisecond, KeepAlive: true}},
		{"udp://192.0.2.11:7", Pace{Every: 2 * time.Millisecond, Timeout: 100 * time.Millisecond}},
	} {
		t.Run(test.target, func(t *testing.T) {
			l := newPair(t)
			_, err := l.Host("proxy01").Serve(test.target, 0)
			must(t, err)
			load, err := l.Host("client").Load(test.target, test.pace)
			must(t, err)
			eventually(t, "the client is served", func() bool { return load.Summary(0, Now()).Servers["proxy01"] > 10 })
			var calm, cut time.Duration
			var control Summary
			eventually(t, "a calm in which no request fails", func() bool { // on a busy machine some take longer than the pace allows
				calm = Now()
				time.Sleep(200 * time.Millisecond)
				cut = Now()
				control = load.Summary(calm, cut)
				return control.Failed == 0 && control.Servers["proxy01"] > 0
			})
			fault := Fault{Network: "front", To: "proxy01"}
			must(t, l.Cut(fault))
			silent := Now()
			time.Sleep(outage)
			begun := Now()
			must(t, l.Heal(fault))
			healed := Now()
			eventually(t, "answers again", func() bool {
				r := load.Requests(healed, Now())
				return len(r) > 0 && r[len(r)-1].Err == ""
			})
			time.Sleep(100 * time.Millisecond)
			load.Stop()
			s := load.Summary(calm, Now())
			t.Logf("control gap %v; cut %v to %v; client's gap %v, %d of %d failed, servers %v",
				control.Gap.Duration(), begun-silent, healed-cut, s.Gap.Duration(), s.Failed, s.Requests, s.Servers)
			if s.Gap.Duration() < begun-silent || s.Gap.Duration() > healed-cut+patience {
				t.Errorf("gap: got %v, want at least %v", s.Gap.Duration(), begun-silent)
			}
			if s.Failed == 0 {
				t.Error("no request failed")
			}
		})
	}
}

func TestServerDelay(t *testing.T) {
	l := newPair(t)
	_, err := l.Host("proxy01").Serve("http://192.0.2.11:80", 40*time.Millisecond)
	must(t, err)
	load, err := l.Host("client").Load("http://192.0.2.11:80", Pace{Every: 20 * time.Millisecond, Timeout: patience})
	must(t, err)
	eventually(t, "there are answers", func() bool { return load.Summary(0, Now()).Servers["proxy01"] >= 5 })
	load.Stop()
	for _, r := range load.Requests(0, Now()) {
		if r.Err != "" || r.Latency < 40*time.Millisecond {
			t.Errorf("got %+v, want no answer before 40 ms", r)
		}
	}
}

func TestServerAndClientSayWhatIsWrong(t *testing.T) {
	l := newPair(t)
	h := l.Host("proxy01")
	_, err := h.Serve("http://192.0.2.11:80", 0)
	must(t, err)
	if _, err := h.Serve("http://192.0.2.11:80", 0); err == nil {
		t.Error("two servers on one port")
	}
	if _, err := h.Serve("gopher://192.0.2.11:70", 0); err == nil {
		t.Error("a server of an unknown kind")
	}
	if _, err := h.Load("gopher://192.0.2.11:70", Pace{Every: time.Second}); err == nil {
		t.Error("a client of an unknown kind")
	}
	if _, err := h.Probe("cable", "nobody", time.Second); err == nil {
		t.Error("a prober for what is no address")
	}
}
