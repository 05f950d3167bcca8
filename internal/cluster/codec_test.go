package cluster

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lubdub/internal/wire"
)

func fullBeat() Beat {
	return Beat{
		Protocol: 1, Cluster: "tutorial", Node: "proxy01.example.org", Incarnation: 0x6b02f6e9, Seq: 41, Sent: 123456789012,
		DeadTime: 2 * time.Second, Standby: true, Left: true, MACs: []string{"02:00:5e:00:53:01", "02:00:5e:00:53:02"},
		Echo: Echo{Incarnation: 0x6b02f6e8, Seq: 7, Sent: 99, Links: 3, Silence: 250 * time.Millisecond},
		Groups: []GroupBeat{
			{Name: "192.0.2.100", State: Running, Epoch: 1700000001, Able: true, Want: true},
			{Name: "2001:db8::64", State: Quiet, Epoch: 3, Offer: true, Keep: true},
			{Name: "mail", Claim: true, Intent: true},
		},
		Digests: []Digest{{"ha.cf", "0011223344556677"}, {"haresources", "8899aabbccddeeff"}},
	}
}

func TestBeatSurvivesTheWire(t *testing.T) {
	for name, want := range map[string]Beat{
		"full":  fullBeat(),
		"first": {Protocol: 1, Node: "a", Incarnation: 1, Seq: 1, DeadTime: 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			got := overTheWire(t, want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("heartbeat changed on the wire (-want +got):\n%s", diff)
			}
		})
	}
}

// overTheWire signs, sends, verifies and reads a heartbeat.
func overTheWire(t *testing.T, b Beat) Beat {
	t.Helper()
	keys, err := wire.NewKeyring(1, []wire.Key{{Number: 1, Method: wire.SHA256, Secret: "secret"}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := b.Message([16]byte{1, 2, 3}, 1700000000, "n/a")
	if err != nil {
		t.Fatal(err)
	}
	packet, err := keys.Seal(nil, m)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := keys.Open(packet)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseBeat(opened)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// A real Heartbeat must take our heartbeat for one of its own: the fields that
// it needs, with its names and bases.
func TestBeatIsHeartbeatsStatus(t *testing.T) {
	m, err := fullBeat().Message([16]byte{}, 0x6b02f6e8, "n/a")
	if err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]string{
		"t": "status", "st": "active", "dt": "7d0", "protocol": "1", "src": "proxy01.example.org",
		"seq": "29", "hg": "6b02f6e9", "ts": "6b02f6e8", "ld": "n/a", "ttl": "3",
	} {
		if got, _ := m.Get(field); got != want {
			t.Errorf("field %s is %q, want %q", field, got, want)
		}
	}
}

func TestPlainHeartbeatIsRecognised(t *testing.T) {
	var m wire.Message
	m.Set("t", "resource")
	m.Set("src", "beta")
	b, err := ParseBeat(m)
	if err != nil || !b.Plain || b.Node != "beta" {
		t.Errorf("got %+v, %v; want a plain heartbeat of beta", b, err)
	}
}

func TestBadBeatsAreRefused(t *testing.T) {
	good, err := fullBeat().Message([16]byte{}, 1, "n/a")
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*wire.Message){
		"no src":         func(m *wire.Message) { m.Set("src", "") },
		"seq 0":          func(m *wire.Message) { m.SetUint("seq", 0, 16) },
		"hg no number":   func(m *wire.Message) { m.Set("hg", "x") },
		"dt 0":           func(m *wire.Message) { m.SetUint("dt", 0, 16) },
		"sent too large": func(m *wire.Message) { m.SetUint(fieldSent, 1<<63, 16) },
		"short echo":     func(m *wire.Message) { m.Set(fieldEcho, "1:2") },
		"unknown state":  func(m *wire.Message) { m.SetField(wire.ListField(fieldGroups, "web=99:1:a")) },
		"group no list":  func(m *wire.Message) { m.Set(fieldGroups, "web") },
	} {
		t.Run(name, func(t *testing.T) {
			m := append(wire.Message(nil), good...)
			change(&m)
			if b, err := ParseBeat(m); err == nil {
				t.Errorf("accepted: %+v", b)
			}
		})
	}
}

func TestTooLargeBeatIsRefused(t *testing.T) {
	b := fullBeat()
	for range 30 {
		b.Groups = append(b.Groups, GroupBeat{Name: strings.Repeat("x", 40)})
	}
	if _, err := b.Message([16]byte{}, 1, "n/a"); err == nil {
		t.Error("a heartbeat above MaxBeat was accepted")
	}
}

func FuzzParseBeat(f *testing.F) {
	m, err := fullBeat().Message([16]byte{}, 1, "n/a")
	if err != nil {
		f.Fatal(err)
	}
	packet, err := m.Append(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packet)
	f.Fuzz(func(t *testing.T, packet []byte) {
		m, err := wire.Decode(packet)
		if err != nil {
			return
		}
		b, err := ParseBeat(m)
		if err != nil || b.Plain {
			return
		}
		again, err := b.Message([16]byte{}, 1, "n/a")
		if err != nil {
			return // names that need no escape on the way in may be too long on the way out
		}
		c, err := ParseBeat(again)
		if err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		if diff := cmp.Diff(b, c); diff != "" {
			t.Errorf("heartbeat changed (-first +second):\n%s", diff)
		}
	})
}
