package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"lubdub/internal/lab"
)

// inMilli is a moment or a duration in milliseconds.
func inMilli(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// span is a stretch in milliseconds.
func span(from, to int) lab.Span { return lab.Span{From: inMilli(from), To: inMilli(to)} }

func TestFaultIsWrittenAsItIsRead(t *testing.T) {
	for seed := range uint64(200) {
		s, faults := draw(seed, true)
		if again, same := draw(seed, true); again != s || !slices.Equal(same, faults) {
			t.Fatalf("seed %d draws two different nights", seed)
		}
		if len(faults) == 0 {
			t.Errorf("seed %d: no fault at all", seed)
		}
		for _, f := range faults {
			got, err := parseFault(f.String())
			if err != nil || got != f {
				t.Errorf("seed %d: %q read as %+v (%v), want %+v", seed, f, got, err, f)
			}
			if k, _ := kindOf(f.kind); f.length < briefest || f.length > k.most || !s.single && f.at+f.length > storm {
				t.Errorf("seed %d: %q is out of bounds", seed, f)
			}
		}
	}
	for _, wrong := range []string{
		"", "kill serving", "1s for 2s: kill", "1s for 2s: murder serving", "1s for 2s: kill both", "1s for 2s: split serving", "x for 2s: kill serving",
		"1s for y: kill serving", "1s for 2s: kill nobody", "1s for 2s: loss-all serving 101%", "1s for 2s: loss-all serving a%", "1s in 2s: kill serving",
	} {
		if f, err := parseFault(wrong); err == nil {
			t.Errorf("%q was read as %+v, want an error", wrong, f)
		}
	}
	all, err := parseFaults("# a night\n\n1s for 2s: kill serving\n 3s for 1s: split both\n")
	if err != nil || len(all) != 2 || all[1].kind != "split" {
		t.Errorf("two faults: got %+v, %v", all, err)
	}
}

func TestEveryKindComesAlone(t *testing.T) {
	met := map[string]bool{}
	for night := range uint64(len(kinds())) {
		_, faults := draw(2*night+1, true)
		for _, f := range faults {
			met[f.kind] = true
		}
	}
	for _, k := range kinds() {
		if !met[k.name] {
			t.Errorf("%s never comes alone", k.name)
		}
		if k.begin == nil && k.drops == "" {
			t.Errorf("%s does nothing", k.name)
		}
	}
}

// ask, say and cry are frames at a millisecond.
func ask(at int) claim             { return claim{at: inMilli(at), question: true} }
func say(at int, mac string) claim { return claim{at: inMilli(at), mac: mac} }
func cry(at int, mac string) claim { return claim{at: inMilli(at), mac: mac, announced: true} }

func TestOverlaps(t *testing.T) {
	for _, test := range []struct {
		name   string
		claims []claim
		want   []lab.Span
	}{
		{"one", []claim{ask(0), say(1, "a"), ask(10), say(11, "a")}, nil},
		{"a take-over", []claim{ask(0), say(1, "a"), ask(10), cry(11, "b"), ask(20), say(21, "b")}, nil},
		{"both answer a question", []claim{ask(10), say(11, "a"), say(12, "b"), ask(20), say(21, "a")}, []lab.Span{span(10, 21)}},
		{"the same one twice", []claim{ask(10), say(11, "a"), say(12, "a")}, nil},
		{"in turn, each alone", []claim{ask(0), say(1, "a"), ask(10), say(11, "b"), ask(20), say(21, "a")}, []lab.Span{span(1, 21)}},
		{"in turn, but much later", []claim{ask(0), say(1, "a"), ask(10), say(11, "b"), ask(900), say(901, "a")}, nil},
		{"an announcement between answers", []claim{ask(0), say(1, "a"), cry(5, "b"), ask(10), say(11, "a")}, []lab.Span{span(1, 11)}},
		{"two overlaps", []claim{
			ask(0), say(1, "a"), say(2, "b"), ask(10), say(11, "a"), ask(1000), say(1001, "a"), ask(1010), say(1011, "a"), say(1012, "b"),
		}, []lab.Span{span(0, 11), span(1010, 1012)}},
		{"the other family", []claim{{at: 0, question: true}, {at: 1, mac: "a"}, {at: 2, mac: "b", six: true}}, nil},
	} {
		if got := overlaps(test.claims, false); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

func TestSilencesAndChanges(t *testing.T) {
	answers := []time.Duration{inMilli(0), inMilli(50), inMilli(400), inMilli(450)}
	if got, want := silences(answers, span(0, 600)), []lab.Span{span(50, 400), span(450, 600)}; !slices.Equal(got, want) {
		t.Errorf("silences: got %v, want %v", got, want)
	}
	claims := []claim{say(1, "a"), say(2, "a"), cry(3, "b"), say(10, "b"), say(12, "a"), say(14, "b"), say(30, "b"), say(40, "a")}
	want := []ownership{{inMilli(1), "a"}, {inMilli(30), "b"}, {inMilli(40), "a"}}
	if got := changes(claims, []lab.Span{span(9, 20)}); !slices.Equal(got, want) {
		t.Errorf("changes: got %v, want %v", got, want)
	}
}

// at is a fault in force between two seconds.
func at(name, node string, from, to int) happening {
	k, ok := kindOf(name)
	if !ok {
		panic(name)
	}
	return happening{kind: k, node: node, from: time.Duration(from) * time.Second, to: time.Duration(to) * time.Second}
}

func TestUndecidable(t *testing.T) {
	for _, test := range []struct {
		name string
		ping bool
		all  []happening
		want []lab.Span
	}{
		{"nothing", false, nil, nil},
		{"one network", false, []happening{at("cut-front", owner, 1, 5)}, nil},
		{"one after the other", false, []happening{at("cut-front", owner, 1, 5), at("cut-cable", owner, 6, 9)}, nil},
		{"both at once", false, []happening{at("cut-front", owner, 1, 5), at("cut-cable", other, 3, 9)}, []lab.Span{span(3000, 5000)}},
		{"both at once, a ping node", true, []happening{at("cut-front", owner, 1, 5), at("cut-cable", other, 3, 9)}, nil},
		{"all of one node", false, []happening{at("alone", other, 1, 2)}, []lab.Span{span(1000, 2000)}},
		{"a split, a ping node", true, []happening{at("split", both, 1, 2)}, []lab.Span{span(1000, 2000)}},
		{"one way of each network, the same way", false, []happening{at("cut-front-out", owner, 1, 5), at("cut-cable-out", owner, 1, 5)}, nil},
		{"one way of each network, but each another", false, []happening{at("cut-front-out", owner, 1, 5), at("cut-cable-out", other, 1, 5)}, nil},
		{"out of one, into the other", false, []happening{at("cut-front-out", owner, 1, 5), at("cut-front-in", owner, 1, 5), at("unplug-cable", owner, 1, 5)}, []lab.Span{span(1000, 5000)}},
		{"a loss of the front to all", true, []happening{at("loss-all", owner, 1, 5)}, []lab.Span{span(1000, 5000)}},
		{"daemons do not count", false, []happening{at("kill", owner, 1, 5), at("cut-cable", owner, 1, 5), at("hang", other, 1, 5)}, nil},
	} {
		if got := undecidable(test.all, test.ping); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

func TestExcused(t *testing.T) {
	splits := []lab.Span{span(1000, 5000), span(20_000, 21_000)}
	for _, test := range []struct {
		name string
		two  lab.Span
		want bool
	}{
		{"during a split", span(3000, 5500), true},
		{"soon after it", span(6000, 7000), true},
		{"for too long after it", span(4000, 5000+int(afterSplit.Milliseconds())+100), false},
		{"long after it", span(12_000, 12_010), false},
		{"before any", span(100, 110), false},
		{"the second", span(21_500, 22_000), true},
	} {
		if got := excused(test.two, splits); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

func TestStorage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	text := "1.00 proxy01 start 7\n2.00 proxy02 start 8\n2.50 proxy01 stop 7\n3.00 proxy02 off 0\n4.00 proxy01 start 8\n5.00 proxy01 start 9\n6.00 proxy02 start 3\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := readStorage(file)
	if err != nil || len(all) != 7 {
		t.Fatalf("got %v, %v", all, err)
	}
	if got, want := runsTwice(all, 7*time.Second), []lab.Span{span(2000, 2500), span(6000, 7000)}; !slices.Equal(got, want) {
		t.Errorf("runs twice: got %v, want %v", got, want)
	}
	var back []uint64
	for _, e := range goesBack(all) {
		back = append(back, e.epoch)
	}
	if !reflect.DeepEqual(back, []uint64{8, 3}) {
		t.Errorf("epochs that go back: got %v, want 8 (another node's) and 3", back)
	}
	killed := []happening{at("kill", owner, 1, 3)}
	if !mayRunTwice(span(2000, 2500), killed, nil) || mayRunTwice(span(9000, 9500), killed, nil) {
		t.Error("a killed daemon excuses what follows at once, and nothing later")
	}
}

// frame makes an Ethernet frame.
func frame(to, from byte, kind uint16, payload ...byte) []byte {
	f := []byte{to, to, to, to, to, to, 2, 0, 0, 0, 0, from}
	return append(binary.BigEndian.AppendUint16(f, kind), payload...)
}

// arp makes an ARP frame: who asks or answers, and for whom.
func arp(to, from, operation byte, sender, target [4]byte) []byte {
	p := append([]byte{0, 1, 8, 0, 6, 4, 0, operation, 2, 0, 0, 0, 0, from}, sender[:]...)
	p = append(append(p, 0, 0, 0, 0, 0, 0), target[:]...)
	return frame(to, from, typeARP, p...)
}

func TestReadClaims(t *testing.T) {
	ours, client := [4]byte{192, 0, 2, 100}, [4]byte{192, 0, 2, 50}
	frames := [][]byte{
		arp(0xff, 50, 1, client, ours),                           // the client asks
		arp(0x02, 11, 2, ours, client),                           // a node answers
		arp(0xff, 12, 1, ours, ours),                             // a node announces
		arp(0xff, 12, 1, [4]byte{}, ours),                        // a node probes: no claim
		arp(0x02, 11, 2, [4]byte{192, 0, 2, 11}, client),         // another address
		arp(0xff, 50, 1, client, [4]byte{192, 0, 2, 11}),         // a question for another
		frame(0x02, 11, 0x0800, make([]byte, 60)...),             // no ARP
		frame(0x02, 11, typeARP, 0, 1),                           // cut short
		arp(0xff, 11, 1, ours, client),                           // a node asks for the client and names the address as its own
		append(arp(0x02, 12, 2, ours, client), 0, 0, 0, 0, 0, 0), // padded
	}
	head := binary.NativeEndian.AppendUint32(nil, pcapMagic)
	raw := append(head, make([]byte, pcapHeader-4)...)
	for i, f := range frames {
		for _, n := range []int{1000, i * 1000, len(f), len(f)} {
			raw = binary.NativeEndian.AppendUint32(raw, uint32(n))
		}
		raw = append(raw, f...)
	}
	raw = append(raw, 1, 2, 3) // the capture was killed
	file := filepath.Join(t.TempDir(), "capture")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := readClaims(file, "02:00:00:00:00:32", time.Unix(999, 0))
	want := []claim{
		{at: inMilli(1000), mac: "02:00:00:00:00:32", question: true},
		{at: inMilli(1001), mac: "02:00:00:00:00:0b"},
		{at: inMilli(1002), mac: "02:00:00:00:00:0c", announced: true},
		{at: inMilli(1008), mac: "02:00:00:00:00:0b", announced: true},
		{at: inMilli(1009), mac: "02:00:00:00:00:0c"},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if _, err := readClaims(file+"2", "", time.Time{}); err == nil {
		t.Error("read a capture that is not there")
	}
}

func TestReadND(t *testing.T) {
	address := []byte{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x00}
	nd := func(kind, flags byte) []byte {
		p := append(make([]byte, ip6Len), kind, 0, 0, 0, flags, 0, 0, 0)
		p[6] = 58
		return frame(0x33, 11, typeIP6, append(p, address...)...)
	}
	for _, test := range []struct {
		name  string
		frame []byte
		want  claim
	}{
		{"solicitation", nd(solicit, 0), claim{mac: "02:00:00:00:00:0b", six: true, question: true}},
		{"answer", nd(advert, 0x60), claim{mac: "02:00:00:00:00:0b", six: true}},
		{"announcement", nd(advert, 0x20), claim{mac: "02:00:00:00:00:0b", six: true, announced: true}},
	} {
		got, ok := readClaim(test.frame, "02:00:00:00:00:0b")
		if !ok || got != test.want {
			t.Errorf("%s: got %+v, %v; want %+v", test.name, got, ok, test.want)
		}
	}
	if c, ok := readClaim(nd(133, 0), ""); ok {
		t.Errorf("a router solicitation was read as %+v", c)
	}
}

func TestRank(t *testing.T) {
	for _, test := range []struct{ n, percent, want int }{{1, 50, 1}, {2, 50, 1}, {2, 99, 2}, {3, 50, 2}, {100, 99, 99}, {100, 100, 100}, {200, 99, 198}} {
		var all []time.Duration
		for i := range test.n {
			all = append(all, inMilli(i+1))
		}
		if got := rank(all, test.percent); got != inMilli(test.want) {
			t.Errorf("p%d of %d: got %v, want %d ms", test.percent, test.n, got, test.want)
		}
	}
}
