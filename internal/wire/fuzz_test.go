package wire_test

import (
	"bytes"
	"testing"

	"lubdub/internal/wire"
)

// addSeeds gives a fuzz target some packets of each file of vectors.
func addSeeds(f *testing.F, add func(packet []byte)) {
	f.Helper()
	for _, s := range scenarios(f) {
		for i, c := range s.packets {
			if i < 2 || !c.OK || len(c.Raw) > 1000 {
				add(c.packet())
			}
		}
	}
	for _, body := range []string{
		"###\n18:(2)a=###\n6:(0)b=,%%%\n,%%%\n",
		"###\n12:(3)l=3:one,,14:(1)b=###\n%%%\n\x00,%%%\n",
		"###\n7:(0)a=\x00,%%%\n", "###\n5:abc=d,%%%\n", "###\n9:(7)abc=d,%%%\n",
		">>>\n(2)a=>>>\x14(2)b=>>>\x15c=d\x13e\x15<<<\x15\x14<<<\x14\n(3)l=3:one,\n<<<\n",
	} {
		add([]byte(body))
	}
}

// FuzzOpen opens bytes as they are, and again with a good signature put on.
// What opens can be sealed, and is then the same message.
func FuzzOpen(f *testing.F) {
	addSeeds(f, func(p []byte) { f.Add(p) })
	f.Fuzz(func(t *testing.T, data []byte) {
		ring := newRing(t, 1, wire.Key{Number: 1, Method: wire.SHA1, Secret: secret})
		byCRC := newRing(t, 1, wire.Key{Number: 1, Method: wire.CRC})
		tail := data
		if n := bytes.Index(data, []byte("%%%\n")); n >= 0 {
			tail = data[:n+len("%%%\n")]
		}
		lines := bytes.TrimSuffix(bytes.TrimPrefix(data, []byte(">>>\n")), []byte("<<<\n"))
		for _, packet := range [][]byte{data, signBody(string(data)), signBody(string(tail)), signLines(string(lines))} {
			if m, err := byCRC.Open(packet); err == nil {
				checkAgain(t, byCRC, m)
			}
			m, err := ring.Open(packet)
			if err != nil && reason(err) == "" {
				t.Fatalf("an error without a reason: %v", err)
			}
			if err == nil {
				checkAgain(t, ring, m)
			}
		}
	})
}

func checkAgain(t *testing.T, ring *wire.Keyring, m wire.Message) {
	t.Helper()
	body, err := m.Append(nil)
	if err != nil {
		t.Fatalf("opened, but does not encode: %q: %v", m, err)
	}
	packet, err := ring.Seal(nil, m)
	if err != nil {
		if len(body) < wire.MaxDatagram-100 {
			t.Fatalf("opened, but does not seal: %q: %v", m, err)
		}
		return // the text form and a compressed message may hold more
	}
	if _, wrapped := m.GetBinary("_compressed_payload"); wrapped {
		t.Fatalf("opened, and still compressed: %q", m)
	}
	again, err := ring.Open(packet)
	if err != nil || !equal(again, m) {
		t.Fatalf("sealed again: got %q, %v, want %q", again, err, m)
	}
}

// FuzzBitFlip seals what decodes, flips one bit, and must not be able to open it.
func FuzzBitFlip(f *testing.F) {
	addSeeds(f, func(p []byte) { f.Add(p, uint(len(p)), byte(1)); f.Add(p, uint(7*len(p)), byte(5)) })
	f.Fuzz(func(t *testing.T, data []byte, bit uint, kind byte) {
		m, err := wire.Decode(data)
		if err != nil {
			return
		}
		method := []wire.Method{wire.MD5, wire.SHA1, wire.SHA256}[kind%3]
		ring := newRing(t, 1, wire.Key{Number: 1, Method: method, Secret: secret}, wire.Key{Number: 3, Method: method, Secret: "other"})
		seal := []func([]byte, wire.Message) ([]byte, error){ring.Seal, ring.SealText, ring.SealClassic}[kind/3%3]
		packet, err := seal(nil, m)
		if err != nil {
			return
		}
		bit %= uint(8 * len(packet))
		packet[bit/8] ^= 1 << (bit % 8)
		if got, err := ring.Open(packet); err == nil {
			t.Fatalf("bit %d flipped, and it opens: %q", bit, got)
		}
	})
}

// FuzzText decodes the text form; what it takes it would have written itself.
func FuzzText(f *testing.F) {
	addSeeds(f, func(p []byte) {
		f.Add(p)
		if m, err := wire.Decode(p); err == nil {
			if text, err := m.AppendText(nil); err == nil {
				f.Add(text)
			}
		}
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		if !bytes.HasPrefix(data, []byte(">>>\n")) {
			data = append([]byte(">>>\n"), data...)
		}
		m, err := wire.Decode(data)
		if err != nil {
			return
		}
		text, err := m.AppendText(nil)
		if err != nil || !bytes.HasPrefix(data, text) {
			t.Fatalf("got %q, %v, want the beginning of %q", text, err, data)
		}
		body, err := m.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := wire.Decode(body); err == nil && !equal(got, m) {
			t.Fatalf("got %q, want %q", got, m)
		}
	})
}

// FuzzDecode decodes the netstring form; what it takes it would have written itself.
func FuzzDecode(f *testing.F) {
	addSeeds(f, func(p []byte) { f.Add(p) })
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.HasPrefix(data, []byte(">>>\n")) {
			data = data[len(">>>\n"):]
		}
		if !bytes.HasPrefix(data, []byte("###\n")) {
			data = append([]byte("###\n"), data...)
		}
		m, err := wire.Decode(data)
		if err != nil {
			return
		}
		body, err := m.Append(nil)
		if err != nil || !bytes.HasPrefix(data, body) {
			t.Fatalf("got %q, %v, want the beginning of %q", body, err, data)
		}
		for _, field := range m {
			checkField(t, field)
		}
	})
}

func checkField(t *testing.T, f wire.Field) {
	t.Helper()
	if inner, ok := f.Message(); ok {
		again, err := wire.NestedField(f.Name, inner)
		if err != nil || again.Value != f.Value {
			t.Fatalf("got %q, %v, want %q", again, err, f)
		}
	} else if f.Type == wire.Nested || f.Type == wire.Compressible {
		t.Fatalf("decoded, but holds no message: %q", f)
	}
	if items, ok := f.Items(); ok {
		if again := wire.ListField(f.Name, items...); again.Value != f.Value {
			t.Fatalf("got %q, want %q", again, f)
		}
	} else if f.Type == wire.List {
		t.Fatalf("decoded, but holds no list: %q", f)
	}
}
