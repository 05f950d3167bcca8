package ping

import (
	"bytes"
	"testing"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
)

// What is written is what another library writes.
func TestWriteEcho(t *testing.T) {
	for _, seq := range []uint16{0, 1, 0x00ff, 0xffff} {
		b := make([]byte, echoSize)
		for i := range b[echoHeader+targetSize:] {
			b[echoHeader+targetSize+i] = byte(0xf0 + 7*i)
		}
		writeEcho(b, false, 0xbeef, seq, 3)
		want, err := (&icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: 0xbeef, Seq: int(seq), Data: b[echoHeader:]}}).Marshal(nil)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b, want) {
			t.Errorf("sequence %d:\n% x, want\n% x", seq, b, want)
		}
	}
}

// replyTo is an answer to a question as it comes out of a raw socket.
func replyTo(question []byte, six bool, options int) []byte {
	b := bytes.Clone(question)
	if six {
		b[0] = echoReply6
		return b
	}
	b[0] = echoReply4
	header := make([]byte, leastHeader4+options)
	header[0] = 4<<4 | byte(len(header)/4)
	return append(header, b...)
}

func TestReadEcho(t *testing.T) {
	for _, six := range []bool{false, true} {
		q := make([]byte, echoSize)
		copy(q[echoHeader+targetSize:], "0123456789abcdef")
		writeEcho(q, six, 7, 513, 2)
		good := replyTo(q, six, 0)
		r, ok := readEcho(good, six, 7)
		if !ok || r.seq != 513 || r.target != 2 || string(r.nonce[:]) != "0123456789abcdef" {
			t.Errorf("IPv6 %v: read as %+v, %v", six, r, ok)
		}
		if _, ok := readEcho(good, six, 8); ok {
			t.Errorf("IPv6 %v: another program's answer is taken", six)
		}
		for n := range good {
			if _, ok := readEcho(good[:n], six, 7); ok {
				t.Errorf("IPv6 %v: %d of %d bytes are taken", six, n, len(good))
			}
		}
		if _, ok := readEcho(append(bytes.Clone(good), 0), six, 7); ok {
			t.Errorf("IPv6 %v: a longer one is taken", six)
		}
	}
	q := make([]byte, echoSize)
	writeEcho(q, false, 7, 1, 0)
	if _, ok := readEcho(replyTo(q, false, 40), false, 7); !ok {
		t.Error("an answer with IP options is not taken")
	}
}

func FuzzReadEcho(f *testing.F) {
	q := make([]byte, echoSize)
	writeEcho(q, false, 7, 1, 0)
	f.Add(replyTo(q, false, 0), false)
	f.Add(replyTo(q, false, 40), false)
	f.Add(replyTo(q, true, 0), true)
	f.Fuzz(func(t *testing.T, b []byte, six bool) {
		r, ok := readEcho(b, six, 7)
		if !ok {
			return
		}
		// What is taken is an answer to the question that it names.
		q := make([]byte, echoSize)
		copy(q[echoHeader+targetSize:], r.nonce[:])
		writeEcho(q, six, 7, r.seq, r.target)
		if tail := b[len(b)-echoSize:]; !bytes.Equal(tail[4:], q[4:]) {
			t.Errorf("% x is taken as an answer to % x", tail, q)
		}
	})
}
