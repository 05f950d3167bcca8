package wire_test

import (
	"fmt"
	"testing"

	"lubdub/internal/wire"
)

// sealedTypical is a signed heartbeat of about 300 bytes.
func sealedTypical(tb testing.TB, ring *wire.Keyring) []byte {
	tb.Helper()
	packet, err := ring.Seal(nil, typical)
	if err != nil {
		tb.Fatal(err)
	}
	if len(packet) < 280 || len(packet) > 320 {
		tb.Fatalf("the packet has %d bytes, want about 300", len(packet))
	}
	return packet
}

func BenchmarkOpen(b *testing.B) {
	ring := sha1Ring(b)
	packet := sealedTypical(b, ring)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ring.Open(packet); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	ring := sha1Ring(b)
	buf := sealedTypical(b, ring)
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = ring.Seal(buf[:0], typical); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRefuse(b *testing.B) {
	ring := sha1Ring(b)
	wrong := sealedTypical(b, ring)
	wrong[len(wrong)-2] ^= 1
	for name, packet := range map[string][]byte{"garbage": []byte("hello world"), "wrong": wrong} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ring.Open(packet); err == nil {
					b.Fatal("opened")
				}
			}
		})
	}
}

// TestAllocations holds what each path may allocate: the aims of the
// benchmarks, and less for what is refused, because it comes unasked.
func TestAllocations(t *testing.T) {
	ring := sha1Ring(t)
	good := sealedTypical(t, ring)
	wrong := append([]byte(nil), good...)
	wrong[len(wrong)-2] ^= 1
	endless := make([]byte, wire.MaxDatagram)
	copy(endless, "###\n")
	for i := 4; i+3 <= len(endless); i += 3 {
		copy(endless[i:], "0:,")
	}
	lines := make([]byte, wire.MaxDatagram)
	for i := range lines {
		lines[i] = '\n'
	}
	copy(lines, ">>>\n")
	buf := make([]byte, 0, 1000)
	open := func(packet []byte) func() {
		return func() { _, _ = ring.Open(packet) }
	}
	for _, tt := range []struct {
		name string
		run  func()
		most float64
	}{
		{"open", open(good), 10},
		{"seal", func() { _, _ = ring.Seal(buf, typical) }, 10},
		{"refuse garbage", open([]byte("hello world")), 1},
		{"refuse a wrong signature", open(wrong), 6},
		{"refuse many lengths", open(endless), 1},
		{"refuse many lines", open(lines), 1},
	} {
		if got := testing.AllocsPerRun(100, tt.run); got > tt.most {
			t.Errorf("%s: %v allocations, want at most %v", tt.name, got, tt.most)
		}
	}
}

func ExampleKeyring_Open() {
	ring, err := wire.NewKeyring(1, []wire.Key{{Number: 1, Method: wire.SHA256, Secret: "a long random word"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	var m wire.Message
	m.Set("t", "status")
	m.SetUint("seq", 26, 16)
	packet, err := ring.Seal(nil, m)
	if err != nil {
		fmt.Println(err)
		return
	}
	opened, err := ring.Open(packet)
	seq, ok := opened.GetUint("seq", 16)
	fmt.Println(seq, ok, err)
	packet[10]++
	_, err = ring.Open(packet)
	fmt.Println(err)
	// Output:
	// 26 true <nil>
	// open packet: wrong signature: key 1 gives another digest: give key 1 the same method and secret on both nodes
}
