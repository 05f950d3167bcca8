package wire_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lubdub/internal/wire"
)

// scenario is one file of captured packets.
type scenario struct {
	Name    string `json:"scenario"`
	Packets int    `json:"packets"`
	Keys    map[int]struct{ Method, Key string }
	packets []capture
}

type capture struct {
	T      float64
	Raw    []byte
	Text   string
	Key    int
	OK     bool
	Fields []wireField
}

// wireField reads [name, type, value].
type wireField wire.Field

func (f *wireField) UnmarshalJSON(b []byte) error {
	var value string
	if err := json.Unmarshal(b, &[]any{&f.Name, &f.Type, &value}); err != nil {
		return err
	}
	f.Value = value
	if f.Type == wire.Binary {
		raw, err := hex.DecodeString(value)
		f.Value = string(raw)
		return err
	}
	return nil
}

func (c capture) packet() []byte {
	if c.Text != "" {
		return []byte(c.Text)
	}
	return c.Raw
}

func (c capture) message() wire.Message {
	var m wire.Message
	for _, f := range c.Fields {
		m = append(m, wire.Field(f))
	}
	return m
}

// ring is the keyring of a node that signs with that key.
func (s scenario) ring(tb testing.TB, sign int) *wire.Keyring {
	tb.Helper()
	var keys []wire.Key
	for number, k := range s.Keys {
		keys = append(keys, wire.Key{Number: number, Method: wire.Method(k.Method), Secret: k.Key})
	}
	return newRing(tb, sign, keys...)
}

func newRing(tb testing.TB, sign int, keys ...wire.Key) *wire.Keyring {
	tb.Helper()
	r, err := wire.NewKeyring(sign, keys)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func scenarios(tb testing.TB) []scenario {
	tb.Helper()
	names, err := filepath.Glob("testdata/heartbeat/*.jsonl")
	if err != nil || len(names) == 0 {
		tb.Fatalf("no vectors: %v", err)
	}
	var all []scenario
	for _, name := range names {
		s, err := readScenario(name)
		if err != nil {
			tb.Fatalf("%s: %v", name, err)
		}
		all = append(all, s)
	}
	return all
}

func readScenario(name string) (scenario, error) {
	var s scenario
	file, err := os.Open(name)
	if err != nil {
		return s, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for first := true; lines.Scan(); first = false {
		if first {
			if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
				return s, err
			}
			continue
		}
		var c capture
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return s, err
		}
		s.packets = append(s.packets, c)
	}
	return s, lines.Err()
}

// odd lists what becomes of the packets of inject-variants that are not "ok":
// by their time, the reason of the refusal, or empty where the real daemon
// accepted them too.
var odd = map[string]wire.Reason{
	"1.77":   "", // text form
	"3.771":  "", // text form with a NUL behind it
	"7.772":  "", // NUL behind the trailer
	"19.787": wire.WrongSignature,
	"21.79":  wire.UnknownKey,
	"23.79":  wire.NoSignature,
	"25.791": wire.WrongSignature,
	"27.791": wire.NoSignature,
	"29.791": wire.NotMessage,
	"30.791": wire.NotMessage,
	"31.792": wire.Malformed,
	"32.792": wire.Malformed,
}

func TestVectors(t *testing.T) {
	total, odds := 0, 0
	for _, s := range scenarios(t) {
		if len(s.packets) != s.Packets {
			t.Errorf("%s: %d packets, its first line says %d", s.Name, len(s.packets), s.Packets)
		}
		for i, c := range s.packets {
			total++
			name := fmt.Sprintf("%s packet %d at %gs", s.Name, i, c.T)
			if c.OK {
				if err := checkCapture(s.ring(t, c.Key), c); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			odds++
			want, known := odd[fmt.Sprint(c.T)]
			if !known {
				t.Errorf("%s: not ok, and the test does not know what to expect", name)
			}
			_, err := s.ring(t, 1).Open(c.packet())
			if got := reason(err); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
	}
	if odds != len(odd) {
		t.Errorf("got %d odd packets, want %d", odds, len(odd))
	}
	t.Logf("%d packets, %d of them odd", total, odds)
}

// checkCapture opens a captured packet, compares its fields, and seals it again.
func checkCapture(r *wire.Keyring, c capture) error {
	packet, want := c.packet(), c.message()
	m, err := wire.Decode(packet)
	if err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	if !equal(m, want) {
		return fmt.Errorf("decode: got %q, want %q", m, want)
	}
	opened, err := r.Open(packet)
	if err != nil {
		return err
	}
	if _, compressed := m.GetBinary("_compressed_payload"); !compressed && !equal(opened, want) {
		return fmt.Errorf("open: got %q, want %q", opened, want)
	}
	if c.Text != "" {
		return same(r.SealText(nil, m))(packet)
	}
	if err := same(r.Seal(nil, m))(packet); err != nil {
		return err
	}
	if _, classic := m.Get("auth"); classic {
		return same(r.SealClassic(nil, m))(packet)
	}
	return nil
}

func same(got []byte, err error) func(want []byte) error {
	return func(want []byte) error {
		if err == nil && !bytes.Equal(got, want) {
			err = fmt.Errorf("sealed again: got %q, want %q", got, want)
		}
		return err
	}
}

func equal(a, b wire.Message) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// reason returns the reason of a refusal; empty: there was none.
func reason(err error) wire.Reason {
	if err == nil {
		return ""
	}
	var refused *wire.Error
	if !errors.As(err, &refused) {
		return wire.Reason("no *wire.Error: " + err.Error())
	}
	return refused.Reason
}

func TestCompressedVectors(t *testing.T) {
	found := 0
	for _, s := range scenarios(t) {
		for _, c := range s.packets {
			if len(c.Fields) == 0 || c.Fields[0].Name != "_compressed_payload" {
				continue
			}
			found++
			m, err := s.ring(t, c.Key).Open(c.packet())
			if err != nil {
				t.Errorf("%s: %v", s.Name, err)
				continue
			}
			if got, _ := m.Get("t"); got != "bigmsg" {
				t.Errorf("%s: got t=%q, want bigmsg", s.Name, got)
			}
			if got, _ := m.Get("f1"); got != strings.Repeat("0", 99)+"1" {
				t.Errorf("%s: got f1=%q, want 99 zeros and a 1", s.Name, got)
			}
			if got, _ := m.Get("ttl"); got != "3" {
				t.Errorf("%s: got ttl=%q, want 3", s.Name, got)
			}
		}
	}
	if found != 2 {
		t.Errorf("got %d compressed packets, want 2", found)
	}
}

// TestWorkedBytes builds two messages by hand and compares them with what
// Heartbeat made of the same fields.
func TestWorkedBytes(t *testing.T) {
	uuid := "\xb6i^\x95\x0c\x93F\xba\x8d*ei@\xe2*\xbf"
	var ack wire.Message
	ack.Set("t", "NS_ackmsg")
	ack.Set("dest", "nodea")
	ack.SetUint("ackseq", 6, 16)
	ack.SetBinary("destuuid", uuid)
	ack.Set("src", "nodea")
	ack.SetBinary("srcuuid", uuid)
	ack.SetUint("hg", 0x6b02f691, 16)
	ack.SetUint("ts", 0x6b02f692, 16)
	ack.SetUint("ttl", 3, 10)
	const datagram = "2323230a31343a283029743d4e535f61636b6d73672c31333a283029646573743d6e6f6465612c" +
		"31313a28302961636b7365713d362c32383a28312964657374757569643db6695e950c9346ba8d" +
		"2a656940e22abf2c31323a2830297372633d6e6f6465612c32373a283129737263757569643db6" +
		"695e950c9346ba8d2a656940e22abf2c31343a28302968673d36623032663639312c31343a2830" +
		"2974733d36623032663639322c383a28302974746c3d332c31383a283029617574683d31203232" +
		"3436663630612c2525250a31303a312063386435383138312c"
	got, err := newRing(t, 1, wire.Key{Number: 1, Method: wire.CRC}).SealClassic(nil, ack)
	if err != nil || hex.EncodeToString(got) != datagram {
		t.Errorf("ackmsg: got %x, %v, want %s", got, err, datagram)
	}

	serialUUID, err := base64.StdEncoding.DecodeString("lq7qsdDxT/yWBe3rfy/tQQ==")
	if err != nil {
		t.Fatal(err)
	}
	status := wire.Message{
		{Name: "t", Value: "status"},
		{Name: "st", Value: "init"},
		{Name: "dt", Value: "1388"},
		{Name: "protocol", Value: "1"},
		{Name: "src", Value: "nodea"},
		{Name: "srcuuid", Type: wire.Binary, Value: string(serialUUID)},
		{Name: "seq", Value: "1"},
		{Name: "hg", Value: "6b02f8b5"},
		{Name: "ts", Value: "6b02f8b4"},
		{Name: "ld", Value: "9.70 9.74 5.64 17/507 18"},
		{Name: "ttl", Value: "3"},
	}
	const text = ">>>\nt=status\nst=init\ndt=1388\nprotocol=1\nsrc=nodea\n(1)srcuuid=lq7qsdDxT/yWBe3rfy/tQQ==\n" +
		"seq=1\nhg=6b02f8b5\nts=6b02f8b4\nld=9.70 9.74 5.64 17/507 18\nttl=3\n" +
		"auth=1 ab5a68396211918f2eea72d0e1883e6b4679bb6d\n<<<\n"
	got, err = newRing(t, 1, wire.Key{Number: 1, Method: wire.SHA1, Secret: "secret"}).SealText(nil, status)
	if err != nil || string(got) != text {
		t.Errorf("serial: got %q, %v, want %q", got, err, text)
	}
}
