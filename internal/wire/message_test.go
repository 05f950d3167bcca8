package wire_test

import (
	"strings"
	"testing"

	"lubdub/internal/wire"
)

func TestMessageFields(t *testing.T) {
	var m wire.Message
	m.Set("a", "1")
	m.SetBinary("b", "\x00")
	m.SetUint("n", 0x1f, 16)
	m.Set("a", "2") // in place
	m = append(m, wire.Field{Name: "a", Value: "3"})
	want := wire.Message{
		{Name: "a", Value: "2"},
		{Name: "b", Type: wire.Binary, Value: "\x00"},
		{Name: "n", Value: "1f"},
		{Name: "a", Value: "3"},
	}
	if !equal(m, want) {
		t.Errorf("got %q, want %q", m, want)
	}
	if got, ok := m.Get("a"); got != "2" || !ok {
		t.Errorf("Get a: got %q, %v, want the first, 2", got, ok)
	}
	if got, ok := m.Get("b"); ok {
		t.Errorf("Get of a binary field: got %q", got)
	}
	if got, ok := m.GetBinary("b"); got != "\x00" || !ok {
		t.Errorf("GetBinary b: got %q, %v", got, ok)
	}
	if got, ok := m.GetBinary("a"); ok {
		t.Errorf("GetBinary of a string field: got %q", got)
	}
	if _, ok := m.Field("zzz"); ok {
		t.Error("found a field that is not there")
	}
}

func TestGetUint(t *testing.T) {
	tests := []struct {
		value string
		base  int
		want  uint64
		ok    bool
	}{
		{"6b02f691", 16, 0x6b02f691, true},
		{"198", 10, 198, true},
		{"ffffffffffffffff", 16, 1<<64 - 1, true},
		{"10000000000000000", 16, 0, false},
		{"", 16, 0, false},
		{"xyz", 16, 0, false},
		{"0x1f", 16, 0, false},
		{"-1", 16, 0, false},
		{"+1", 10, 0, false},
		{" 1", 10, 0, false},
		{"1_0", 10, 0, false},
		{"1f", 10, 0, false},
	}
	for _, tt := range tests {
		m := wire.Message{{Name: "n", Value: tt.value}}
		got, ok := m.GetUint("n", tt.base)
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("%q in base %d: got %d, %v, want %d, %v", tt.value, tt.base, got, ok, tt.want, tt.ok)
		}
	}
	if _, ok := (wire.Message{}).GetUint("n", 16); ok {
		t.Error("found a number that is not there")
	}
}

// nest returns a message with that many messages inside one another.
func nest(t *testing.T, depth int) wire.Message {
	t.Helper()
	m := wire.Message{{Name: "leaf", Value: "two\nlines"}, {Name: "bytes", Type: wire.Binary, Value: "\n\x13\x14\x00"}}
	for range depth {
		f, err := wire.NestedField("in", m)
		if err != nil {
			t.Fatal(err)
		}
		m = wire.Message{f, {Name: "after", Value: "x\ny"}}
	}
	return m
}

func TestNesting(t *testing.T) {
	for _, depth := range []int{0, 1, 2, 11, 12, 13, 16} {
		m := nest(t, depth)
		body, err := m.Append(nil)
		if err != nil {
			t.Fatalf("depth %d: %v", depth, err)
		}
		if got, err := wire.Decode(body); err != nil || !equal(got, m) {
			t.Errorf("depth %d, netstring form: got %q, %v", depth, got, err)
		}
		text, err := m.AppendText(nil)
		if err != nil {
			t.Fatalf("depth %d: %v", depth, err)
		}
		if got, err := wire.Decode(text); err != nil || !equal(got, m) {
			t.Errorf("depth %d, text form: got %q, %v", depth, got, err)
		}
		inner := m
		for range depth {
			f, _ := inner.Field("in")
			var ok bool
			if inner, ok = f.Message(); !ok {
				t.Fatalf("depth %d: no message in %q", depth, f)
			}
		}
		if got, _ := inner.Get("leaf"); got != "two\nlines" {
			t.Errorf("depth %d: got leaf %q", depth, got)
		}
	}
}

func TestNestingTooDeep(t *testing.T) {
	deepest := nest(t, 16)
	f, err := wire.NestedField("in", deepest)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (wire.Message{f}).Append(nil); err == nil {
		t.Error("17 messages inside one another were encoded")
	}
	// By hand, as only somebody else would send it.
	body := "###\n" + netstring("(2)in="+f.Value) + "%%%\n"
	if got := reason(decodeError([]byte(body))); got != wire.BadField {
		t.Errorf("netstring form: got %q, want %q", got, wire.BadField)
	}
	const far = 5000
	body = strings.Repeat("###\n", far)
	if got := reason(decodeError([]byte(body))); got != wire.Malformed {
		t.Errorf("openings alone: got %q, want %q", got, wire.Malformed)
	}
	body = "###\n%%%\n"
	for range far {
		body = "###\n" + netstring("(2)a="+body) + "%%%\n"
	}
	if got := reason(decodeError([]byte(body))); got != wire.BadField {
		t.Errorf("%d deep: got %q, want %q", far, got, wire.BadField)
	}
}

// TestTextTooDeep holds that the parser turns back at the limit, before it
// looks at what stands deeper: else each level would cost a copy of the rest.
func TestTextTooDeep(t *testing.T) {
	newline := func(depth int) string { // within a message with that many around it
		if depth == 0 {
			return "\n"
		}
		return string("\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x0f\x10\x11\x12\x13"[depth-1])
	}
	text := ">>>" + newline(17) + "nonsense" + newline(17) + "<<<" + newline(17)
	for depth := 16; depth >= 0; depth-- {
		text = ">>>" + newline(depth) + "(2)in=" + text + newline(depth) + "<<<" + newline(depth)
	}
	if err := decodeError([]byte(text)); reason(err) != wire.BadField || !strings.Contains(err.Error(), "too deep") {
		t.Errorf("got %v, want that it is too deep", err)
	}
}

func TestNestedTextBytes(t *testing.T) {
	// Newlines: 0x14 in the first message inside, 0x15 in the second, 0x13 in strings.
	text, err := nest(t, 2).AppendText(nil)
	const want = ">>>\n(2)in=>>>\x14(2)in=>>>\x15leaf=two\x13lines\x15(1)bytes=ChMUAA==\x15<<<\x15\x14after=x\x13y\x14<<<\x14\nafter=x\x13y\n<<<\n"
	if err != nil || string(text) != want {
		t.Errorf("got %q, %v, want %q", text, err, want)
	}
}

func TestLists(t *testing.T) {
	f := wire.ListField("l", "one", "", "a,b:c\xff")
	if want := "3:one,0:,6:a,b:c\xff,"; f.Value != want {
		t.Errorf("got %q, want %q", f.Value, want)
	}
	m := wire.Message{f}
	for _, encode := range []func([]byte) ([]byte, error){m.Append, m.AppendText} {
		packet, err := encode(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := wire.Decode(packet)
		if err != nil || !equal(got, m) {
			t.Fatalf("got %q, %v, want %q", got, err, m)
		}
		items, ok := got[0].Items()
		if !ok || strings.Join(items, "|") != "one||a,b:c\xff" {
			t.Errorf("got %q, %v", items, ok)
		}
	}
	for _, bad := range []string{"3:one", "4:one,", "x", "03:one,", "1:\x00,", strings.Repeat("0:,", 400)} {
		f := wire.Field{Name: "l", Type: wire.List, Value: bad}
		if items, ok := f.Items(); ok {
			t.Errorf("%q: got items %q", bad, items)
		}
		if _, err := (wire.Message{f}).Append(nil); err == nil {
			t.Errorf("%q was encoded", bad)
		}
	}
	if _, ok := (wire.Field{Name: "s", Value: "3:one,"}).Items(); ok {
		t.Error("a string has items")
	}
	if _, ok := (wire.Field{Name: "s", Value: "###\n%%%\n"}).Message(); ok {
		t.Error("a string holds a message")
	}
}

// TestNeverEmitted holds the fields that would end a real Heartbeat, or that
// it would read as something else.
func TestNeverEmitted(t *testing.T) {
	tests := []struct {
		name     string
		field    wire.Field
		textOnly bool
	}{
		{"NUL in a string", wire.Field{Name: "a", Value: "x\x00y"}, false},
		{"unknown type", wire.Field{Name: "a", Type: 6, Value: "x"}, false},
		{"far type", wire.Field{Name: "a", Type: 255, Value: "x"}, false},
		{"no name", wire.Field{Value: "x"}, false},
		{"= in a name", wire.Field{Name: "a=b", Value: "x"}, false},
		{"newline in a name", wire.Field{Name: ">>>\n", Value: "x"}, false},
		{"NUL in a name", wire.Field{Name: "a\x00", Value: "x"}, false},
		{"parenthesis before a name", wire.Field{Name: "(1)a", Value: "x"}, false},
		{"nested nonsense", wire.Field{Name: "a", Type: wire.Nested, Value: "x"}, false},
		{"nested with a rest", wire.Field{Name: "a", Type: wire.Nested, Value: "###\n%%%\nx"}, false},
		{"nested without type", wire.Field{Name: "a", Type: wire.Nested, Value: "###\n5:abc=d,%%%\n"}, false},
		{"nested NUL", wire.Field{Name: "a", Type: wire.Compressible, Value: "###\n6:(0)a=\x00,%%%\n"}, false},
		{"empty value", wire.Field{Name: "a"}, true},
		{"empty binary value", wire.Field{Name: "a", Type: wire.Binary}, true},
		{"type 5", wire.Field{Name: "a", Type: wire.Compressible, Value: "###\n%%%\n"}, true},
		{"substitute in a string", wire.Field{Name: "a", Value: "x\x13y"}, true},
		{"nested substitute", wire.Field{Name: "a", Type: wire.Nested, Value: "###\n6:(0)a=\x14,%%%\n"}, true},
		{"newline in a list", wire.ListField("a", "x\ny"), true},
	}
	ring := newRing(t, 1, wire.Key{Number: 1, Method: wire.SHA1, Secret: "s"})
	for _, tt := range tests {
		m := wire.Message{{Name: "t", Value: "status"}, tt.field}
		if out, err := ring.Seal(nil, m); (err == nil) != tt.textOnly {
			t.Errorf("%s: Seal: got %q, %v", tt.name, out, err)
		}
		if out, err := ring.SealText(nil, m); err == nil {
			t.Errorf("%s: SealText: got %q", tt.name, out)
		}
		if out, err := ring.SealClassic(nil, m); err == nil {
			t.Errorf("%s: SealClassic: got %q", tt.name, out)
		}
	}
}
