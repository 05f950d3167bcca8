package wire_test

import (
	"bytes"
	"compress/zlib"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"lubdub/internal/wire"
)

const secret = "s3cret"

func netstring(s string) string { return strconv.Itoa(len(s)) + ":" + s + "," }

// digest is HMAC-SHA1 by the library's own hand.
func digest(signed string) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(signed))
	return hex.EncodeToString(mac.Sum(nil))
}

// signBody signs any bytes as if they were a body.
func signBody(body string) []byte { return []byte(body + netstring("1 "+digest(body))) }

// signLines signs any bytes as if they were the lines of the text form.
func signLines(lines string) []byte {
	return []byte(">>>\n" + lines + "auth=1 " + digest(lines) + "\n<<<\n")
}

func decodeError(packet []byte) error {
	_, err := wire.Decode(packet)
	return err
}

func sha1Ring(tb testing.TB) *wire.Keyring {
	return newRing(tb, 1,
		wire.Key{Number: 1, Method: wire.SHA1, Secret: secret},
		wire.Key{Number: 2, Method: wire.CRC},
		wire.Key{Number: 12, Method: wire.SHA256, Secret: "another"})
}

var typical = wire.Message{
	{Name: "t", Value: "status"}, {Name: "st", Value: "active"}, {Name: "dt", Value: "7530"}, {Name: "protocol", Value: "1"},
	{Name: "src", Value: "proxy01.example.org"}, {Name: "srcuuid", Type: wire.Binary, Value: "\xb6i^\x95\x0c\x93F\xba\x8d*ei@\xe2*\xbf"},
	{Name: "seq", Value: "2a5f"}, {Name: "hg", Value: "6b02f691"}, {Name: "ts", Value: "6b02f692"},
	{Name: "ld", Value: "0.33 0.24 0.09 2/108 18"}, {Name: "ttl", Value: "3"},
	{Name: "x-group", Value: "w 17"},
}

// TestRefusals lists packets that Open must refuse, and why.
func TestRefusals(t *testing.T) {
	body := func(fields ...string) string {
		var b strings.Builder
		for _, f := range fields {
			b.WriteString(netstring(f))
		}
		return "###\n" + b.String() + "%%%\n"
	}
	good := body("(0)t=status")
	trailer := func(s string) []byte { return []byte(good + s) }
	tests := []struct {
		name   string
		packet []byte
		want   wire.Reason
	}{
		{"too long", make([]byte, wire.MaxDatagram+1), wire.TooLong},
		{"empty", nil, wire.NotMessage},
		{"half a beginning", []byte("###"), wire.NotMessage},
		{"no end", []byte("###\n11:(0)t=status,"), wire.Malformed},
		{"half an end", []byte("###\n11:(0)t=status,%%%"), wire.Malformed},
		{"length with a leading zero", signBody("###\n011:(0)t=status,%%%\n"), wire.Malformed},
		{"length with a sign", signBody("###\n+11:(0)t=status,%%%\n"), wire.Malformed},
		{"length with seven digits", signBody("###\n0000011:(0)t=status,%%%\n"), wire.Malformed},
		{"length behind the packet", []byte("###\n999999:(0)t=status,%%%\n"), wire.Malformed},
		{"length beyond any integer", []byte("###\n99999999999999999999:x,%%%\n"), wire.Malformed},
		{"length too short", signBody("###\n10:(0)t=status,%%%\n"), wire.Malformed},
		{"length that swallows the end", signBody("###\n18:(0)t=status,%%%\n,"), wire.Malformed},
		{"no trailer", trailer(""), wire.NoSignature},
		{"NUL for a trailer", trailer("\x00"), wire.NoSignature},
		{"trailer cut short", trailer("42:1 " + digest(good)), wire.NoSignature},
		{"trailer without a number", trailer(netstring(digest(good))), wire.NoSignature},
		{"trailer without a digest", trailer(netstring("1")), wire.NoSignature},
		{"number with a leading zero", trailer(netstring("01 " + digest(good))), wire.NoSignature},
		{"number of three digits", trailer(netstring("100 " + digest(good))), wire.NoSignature},
		{"empty digest", trailer(netstring("1 ")), wire.WrongSignature},
		{"digest cut short", trailer(netstring("1 " + digest(good)[:39])), wire.WrongSignature},
		{"digest and more", trailer(netstring("1 " + digest(good) + " ")), wire.WrongSignature},
		{"upper case digest", trailer(netstring("1 " + strings.ToUpper(digest(good)))), wire.WrongSignature},
		{"unknown key", trailer(netstring("3 " + digest(good))), wire.UnknownKey},
		{"key beyond all", trailer(netstring("16 " + digest(good))), wire.UnknownKey},
		{"another key's digest", trailer(netstring("12 " + digest(good))), wire.WrongSignature},
		{"crc that does not sign", trailer(netstring("2 0")), wire.CRCRefused},

		// Signed well, and still refused. The first two end a real Heartbeat even unsigned.
		{"field without type", signBody(body("abc=d")), wire.BadField},
		{"type 7", signBody(body("(7)abc=d")), wire.BadField},
		{"type x", signBody(body("(x)abc=d")), wire.BadField},
		{"NUL in a string", signBody(body("(0)abc=d\x00")), wire.BadField},
		{"empty field", signBody(body("")), wire.BadField},
		{"field without =", signBody(body("(0)abc")), wire.BadField},
		{"field without name", signBody(body("(0)=abc")), wire.BadField},
		{"nested field without type", signBody(body("(2)n=" + body("abc=d"))), wire.BadField},
		{"nested text", signBody(body("(2)n=>>>\na=b\n<<<\n")), wire.BadField},

		{"text without end", []byte(">>>\nt=status\n"), wire.Malformed},
		{"text with half an end", []byte(">>>\nt=status\n<<<"), wire.Malformed},
		{"text without auth", []byte(">>>\nt=status\n<<<\n"), wire.NoSignature},
		{"text with two auth lines", []byte(">>>\nt=status\nauth=1 " + digest("t=status\n") + "\nauth=x\n<<<\n"), wire.Malformed},
		{"text with an empty auth", []byte(">>>\nt=status\nauth=\n<<<\n"), wire.NoSignature},
		{"text, crc that does not sign", []byte(">>>\nt=status\nauth=2 0\n<<<\n"), wire.CRCRefused},
		{"text, wrong digest", []byte(">>>\nt=status\nauth=1 " + digest("t=state\n") + "\n<<<\n"), wire.WrongSignature},
		{"text, signed netstring body", signLines(good), wire.BadField},
		{"text, string with its type", signLines("(0)t=status\n"), wire.BadField},
		{"text, type 5", signLines("(5)t=x\n"), wire.BadField},
		{"text, type 8", signLines("(8)t=x\n"), wire.BadField},
		{"text, empty value", signLines("t=\n"), wire.BadField},
		{"text, no =", signLines("t\n"), wire.BadField},
		{"text, NUL", signLines("t=a\x00\n"), wire.BadField},
		{"text, not base64", signLines("(1)t=!!!!\n"), wire.BadField},
		{"text, base64 with stray bits", signLines("(1)t=YR==\n"), wire.BadField},
		{"text, base64 with a line end", signLines("(1)t=YWFh\r\n"), wire.BadField},
		{"text, base64 without padding", signLines("(1)t=YQ\n"), wire.BadField},
		{"text, control character", signLines("t=a\x14b\n"), wire.BadField},
		{"text, nested without end", signLines("(2)t=>>>\x14a=b\x14\n"), wire.BadField},
		{"text, nested with a rest", signLines("(2)t=>>>\x14a=b\x14<<<\x14c\n"), wire.BadField},
	}
	ring := sha1Ring(t)
	for _, tt := range tests {
		m, err := ring.Open(tt.packet)
		if got := reason(err); got != tt.want || m != nil {
			t.Errorf("%s: got %q, %v, want %q", tt.name, m, err, tt.want)
		}
		if err != nil && (!strings.HasPrefix(err.Error(), "open packet: "+string(tt.want)+": ")) {
			t.Errorf("%s: the error reads %q", tt.name, err)
		}
	}
}

func TestOpens(t *testing.T) {
	body := "###\n11:(0)t=status,6:(0)bc=,9:(0)auth=x,%%%\n"
	want := wire.Message{{Name: "t", Value: "status"}, {Name: "bc"}, {Name: "auth", Value: "x"}}
	tests := []struct {
		name   string
		packet []byte
		want   wire.Message
	}{
		{"empty value, wrong inner auth", signBody(body), want},
		{"rest behind the trailer", append(signBody(body), "\x00rest of a buffer"...), want},
		{"no fields", signBody("###\n%%%\n"), wire.Message{}},
		{"a trailer's look inside", signBody("###\n25:(1)x=%%%\n42:1 0123456789,,%%%\n"),
			wire.Message{{Name: "x", Type: wire.Binary, Value: "%%%\n42:1 0123456789,"}}},
		{"text with auth in front", []byte(">>>\nauth=1 " + digest("t=status\n") + "\nt=status\n<<<\n\x00"),
			wire.Message{{Name: "auth", Value: "1 " + digest("t=status\n")}, {Name: "t", Value: "status"}}},
		{"text with a newline", signLines("t=a\x13b\n"),
			wire.Message{{Name: "t", Value: "a\nb"}, {Name: "auth", Value: "1 " + digest("t=a\x13b\n")}}},
	}
	ring := sha1Ring(t)
	for _, tt := range tests {
		got, err := ring.Open(tt.packet)
		if err != nil || !equal(got, tt.want) {
			t.Errorf("%s: got %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
}

// TestKeysRoll holds that a packet is checked with the key it names: two nodes
// with both keys understand each other whichever of them signs.
func TestKeysRoll(t *testing.T) {
	keys := []wire.Key{{Number: 0, Method: wire.MD5, Secret: "old"}, {Number: 15, Method: wire.SHA256, Secret: strings.Repeat("n", 100)}}
	before, after := newRing(t, 0, keys...), newRing(t, 15, keys...)
	for _, pair := range [][2]*wire.Keyring{{before, after}, {after, before}} {
		for name, seal := range map[string]func([]byte, wire.Message) ([]byte, error){
			"netstring": pair[0].Seal, "classic": pair[0].SealClassic, "text": pair[0].SealText} {
			packet, err := seal([]byte("kept"), typical)
			if err != nil {
				t.Fatal(err)
			}
			packet, kept := bytes.CutPrefix(packet, []byte("kept"))
			if !kept {
				t.Errorf("%s: what stood before was overwritten", name)
			}
			got, err := pair[1].Open(packet)
			if err != nil || !equal(got[:len(typical)], typical) {
				t.Errorf("%s: got %q, %v", name, got, err)
			}
		}
	}
}

func TestCRCOnlyWhereItSigns(t *testing.T) {
	keys := []wire.Key{{Number: 1, Method: wire.CRC}, {Number: 2, Method: wire.SHA1, Secret: secret}, {Number: 3, Method: wire.CRC}}
	byCRC, bySHA1, byOther := newRing(t, 1, keys...), newRing(t, 2, keys...), newRing(t, 3, keys...)
	packet, err := byCRC.Seal(nil, typical)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		ring *wire.Keyring
		want wire.Reason
	}{
		"crc signs here":           {byCRC, ""},
		"sha1 signs here":          {bySHA1, wire.CRCRefused},
		"another crc key signs":    {byOther, wire.CRCRefused},
		"a node without the key":   {newRing(t, 2, keys[1]), wire.UnknownKey},
		"its number means another": {newRing(t, 1, wire.Key{Number: 1, Method: wire.SHA1, Secret: secret}), wire.WrongSignature},
	} {
		_, err := tt.ring.Open(packet)
		if got := reason(err); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func TestNewKeyring(t *testing.T) {
	good := wire.Key{Number: 1, Method: wire.SHA1, Secret: secret}
	tests := []struct {
		name string
		sign int
		keys []wire.Key
		want string
	}{
		{"none", 1, nil, "there is no such key"},
		{"other number signs", 2, []wire.Key{good}, "sign with key 2"},
		{"negative number signs", -1, []wire.Key{good}, "sign with key -1"},
		{"number too high", 1, []wire.Key{good, {Number: 16, Method: wire.CRC}}, "0 to 15"},
		{"number below zero", 1, []wire.Key{good, {Number: -1, Method: wire.CRC}}, "0 to 15"},
		{"twice", 1, []wire.Key{good, good}, "twice"},
		{"unknown method", 1, []wire.Key{{Number: 1, Method: "sha512", Secret: "x"}}, `unknown method "sha512"`},
		{"no secret", 1, []wire.Key{{Number: 1, Method: wire.SHA256}}, "sha256 needs a secret"},
		{"crc with a secret", 1, []wire.Key{{Number: 1, Method: wire.CRC, Secret: "x"}}, "crc takes no secret"},
	}
	for _, tt := range tests {
		r, err := wire.NewKeyring(tt.sign, tt.keys)
		if r != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want an error with %q", tt.name, err, tt.want)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if s := fmt.Sprintf(verb, good); s != "key 1 (sha1)" {
			t.Errorf("%s prints %q", verb, s)
		}
	}
	if _, err := new(wire.Keyring).Seal(nil, typical); err == nil {
		t.Error("an empty keyring seals")
	}
}

func TestSealSize(t *testing.T) {
	ring := sha1Ring(t)
	overhead := func(seal func([]byte, wire.Message) ([]byte, error)) int {
		packet, err := seal(nil, wire.Message{{Name: "a", Value: strings.Repeat("x", 20000)}})
		if err != nil {
			t.Fatal(err)
		}
		return len(packet) - 20000
	}
	for name, seal := range map[string]func([]byte, wire.Message) ([]byte, error){"netstring": ring.Seal, "text": ring.SealText} {
		room := wire.MaxDatagram - overhead(seal)
		packet, err := seal(make([]byte, 7), wire.Message{{Name: "a", Value: strings.Repeat("x", room)}})
		if err != nil || len(packet) != 7+wire.MaxDatagram {
			t.Fatalf("%s: the longest packet: %d bytes, %v", name, len(packet), err)
		}
		if _, err := ring.Open(packet[7:]); err != nil {
			t.Errorf("%s: the longest packet: %v", name, err)
		}
		if _, err := seal(nil, wire.Message{{Name: "a", Value: strings.Repeat("x", room+1)}}); err == nil {
			t.Errorf("%s: one byte more was sealed", name)
		}
	}
}

// deflate returns a zlib stream.
func deflate(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	if _, err := w.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestInflate(t *testing.T) {
	const inner = "###\n11:(0)t=status,%%%\n"
	// A million zeros, as bzip2 writes them.
	bomb, err := hex.DecodeString(bzip2Bomb)
	if err != nil {
		t.Fatal(err)
	}
	wrap := func(algorithm, payload string) wire.Message {
		return wire.Message{
			{Name: "_compressed_payload", Type: wire.Binary, Value: payload},
			{Name: "_compression_algorithm", Value: algorithm},
		}
	}
	again, err := wrap("zlib", deflate(t, inner)).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		m    wire.Message
		want wire.Reason
	}{
		{"netstring form", wrap("zlib", deflate(t, inner)), ""},
		{"text form with NUL", wrap("zlib", deflate(t, ">>>\nt=status\n<<<\n\x00")), ""},
		{"unknown algorithm", wrap("lzma", "x"), wire.BadField},
		{"no algorithm", wrap("zlib", deflate(t, inner))[:1], wire.BadField},
		{"no stream", wrap("zlib", "x"), wire.BadField},
		{"no bzip2 stream", wrap("bz2", "x"), wire.BadField},
		{"cut short", wrap("zlib", deflate(t, inner)[:20]), wire.BadField},
		{"not a message", wrap("zlib", deflate(t, "hello")), wire.BadField},
		{"twice", wrap("zlib", deflate(t, string(again))), wire.BadField},
		{"zlib bomb", wrap("zlib", deflate(t, strings.Repeat("\x00", 10<<20))), wire.BadField},
		{"bzip2 bomb", wrap("bz2", string(bomb)), wire.BadField},
	}
	ring := sha1Ring(t)
	for _, tt := range tests {
		packet, err := ring.Seal(nil, tt.m)
		if err != nil {
			t.Fatal(err)
		}
		m, err := ring.Open(packet)
		if got := reason(err); got != tt.want {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
		if strings.HasSuffix(tt.name, "bomb") && !strings.Contains(fmt.Sprint(err), "inflates beyond") {
			t.Errorf("%s: got %v", tt.name, err)
		}
		if got, _ := m.Get("t"); err == nil && got != "status" {
			t.Errorf("%s: got %q", tt.name, m)
		}
	}
}

// TestEveryBit flips each bit of one packet per keyed method and form.
func TestEveryBit(t *testing.T) {
	for _, method := range []wire.Method{wire.MD5, wire.SHA1, wire.SHA256} {
		ring := newRing(t, 1, wire.Key{Number: 1, Method: method, Secret: secret}, wire.Key{Number: 3, Method: method, Secret: "other"})
		for name, seal := range map[string]func([]byte, wire.Message) ([]byte, error){
			"netstring": ring.Seal, "classic": ring.SealClassic, "text": ring.SealText} {
			packet, err := seal(nil, typical)
			if err != nil {
				t.Fatal(err)
			}
			for bit := range 8 * len(packet) {
				packet[bit/8] ^= 1 << (bit % 8)
				if m, err := ring.Open(packet); err == nil {
					t.Errorf("%s, %s: bit %d flipped, and it opens: %q", method, name, bit, m)
				}
				packet[bit/8] ^= 1 << (bit % 8)
			}
		}
	}
}

// TestCutShort opens each beginning of a packet, none of which is one.
func TestCutShort(t *testing.T) {
	ring := sha1Ring(t)
	for name, seal := range map[string]func([]byte, wire.Message) ([]byte, error){"netstring": ring.Seal, "text": ring.SealText} {
		packet, err := seal(nil, typical)
		if err != nil {
			t.Fatal(err)
		}
		for n := range packet {
			if m, err := ring.Open(packet[:n]); err == nil {
				t.Errorf("%s: %d of %d bytes open: %q", name, n, len(packet), m)
			}
		}
	}
}

// TestShared uses one keyring from many goroutines, for the race detector.
func TestShared(t *testing.T) {
	ring := sha1Ring(t)
	for i := range 8 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			for range 100 {
				packet, err := ring.Seal(nil, typical)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := ring.Open(packet); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestOpenKeepsNothing holds that a reader may use its buffer again.
func TestOpenKeepsNothing(t *testing.T) {
	ring := sha1Ring(t)
	packet, err := ring.Seal(nil, typical)
	if err != nil {
		t.Fatal(err)
	}
	m, err := ring.Open(packet)
	clear(packet)
	if err != nil || !equal(m, typical) {
		t.Errorf("got %q, %v", m, err)
	}
}

const bzip2Bomb = "425a683931415926535938571ce50008084000c0040008200030cc0529a60806c4201e2ee48a70a12070ae39ca"
