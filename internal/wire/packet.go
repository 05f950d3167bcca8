package wire

import (
	"errors"
	"fmt"
	"strings"
)

// MaxDatagram is the longest packet that is opened or sealed: no UDP datagram is longer.
const MaxDatagram = 64 << 10

// Open checks a packet's signature over the raw bytes, with the key that the
// packet names, and then reads its message. Bytes behind the packet's end are
// ignored, as Heartbeat does. A message that was compressed as a whole comes
// out inflated. Every error is an *Error. The packet's memory is free for other
// use afterwards.
func (r *Keyring) Open(packet []byte) (Message, error) {
	if len(packet) > MaxDatagram {
		return nil, refuse(TooLong, "longer than any datagram")
	}
	var m Message
	var err error
	switch {
	case hasPrefix(packet, bodyStart):
		m, err = r.openNetstring(packet)
	case hasPrefix(packet, textStart):
		m, err = r.openText(packet)
	default:
		return nil, refuse(NotMessage, "begins with neither ### nor >>>")
	}
	if err != nil {
		return nil, err
	}
	return inflate(m)
}

func (r *Keyring) openNetstring(packet []byte) (Message, error) {
	body, rest, ok := cutBody(packet)
	if !ok {
		return nil, refuse(Malformed, "its lengths lead to no end")
	}
	trailer, _, ok := cutNetstring(rest)
	if !ok {
		return nil, refuse(NoSignature, "no trailer behind the message")
	}
	if err := r.verify(trailer, body, nil); err != nil {
		return nil, err
	}
	return parseBody(string(body))
}

func (r *Keyring) openText(packet []byte) (Message, error) {
	t, ok := cutText(packet)
	if !ok {
		return nil, refuse(Malformed, "no line <<< ends it")
	}
	if t.signatures == 0 {
		return nil, refuse(NoSignature, "no auth line")
	}
	if t.signatures > 1 {
		return nil, refuse(Malformed, "more than one auth line")
	}
	if err := r.verify(t.auth, t.before, t.after); err != nil {
		return nil, err
	}
	return decodeText(packet)
}

// Decode reads a message in either form and checks no signature: it is for
// tests and for showing what a packet says. A message that was compressed as a
// whole stays so. Every error is an *Error.
func Decode(packet []byte) (Message, error) {
	switch {
	case len(packet) > maxInflated:
		return nil, refuse(TooLong, "longer than any message")
	case hasPrefix(packet, bodyStart):
		body, _, ok := cutBody(packet)
		if !ok {
			return nil, refuse(Malformed, "its lengths lead to no end")
		}
		return parseBody(string(body))
	case hasPrefix(packet, textStart):
		return decodeText(packet)
	}
	return nil, refuse(NotMessage, "begins with neither ### nor >>>")
}

func decodeText(packet []byte) (Message, error) {
	s := string(packet)
	end := strings.Index(s, "\n"+textEnd)
	if end < 0 {
		return nil, refuse(Malformed, "no line <<< ends it")
	}
	m, problem := parseText(s[:end+len("\n"+textEnd)], 0)
	if problem != "" {
		return nil, refuse(BadField, problem)
	}
	return m, nil
}

// Seal appends the packet that carries m: netstring form and trailer. A message
// that cannot be sent is an error, and dst is then not to be used.
func (r *Keyring) Seal(dst []byte, m Message) ([]byte, error) {
	if err := r.ready(); err != nil {
		return nil, err
	}
	start := len(dst)
	dst, err := m.Append(dst)
	if err != nil {
		return nil, err
	}
	var buf [len("15 ") + maxDigest]byte
	signature := r.appendSignature(buf[:0], dst[start:])
	dst = appendNetstring(dst, string(signature))
	return within(dst, start)
}

// SealClassic is Seal for a peer that expects what a Heartbeat with "msgfmt
// classic" sends: the last field is auth, with the text form's signature. No
// receiver looks at it.
func (r *Keyring) SealClassic(dst []byte, m Message) ([]byte, error) {
	signed, _, err := r.signLines(m)
	if err != nil {
		return nil, err
	}
	return r.Seal(dst, signed)
}

// SealText appends the packet that carries m in text form, signed in an auth
// line of its own at the end.
func (r *Keyring) SealText(dst []byte, m Message) ([]byte, error) {
	signed, lines, err := r.signLines(m)
	if err != nil {
		return nil, err
	}
	start := len(dst)
	dst = append(dst, textStart...)
	dst = append(dst, lines...)
	dst = append(dst, authLine...)
	dst = append(dst, signed[len(signed)-1].Value...)
	dst = append(dst, '\n')
	dst = append(dst, textEnd...)
	return within(dst, start)
}

// signLines returns m with a fresh auth field at its end, and the lines that it signs.
func (r *Keyring) signLines(m Message) (signed Message, lines []byte, err error) {
	if err := r.ready(); err != nil {
		return nil, nil, err
	}
	signed = m.without(authName)
	if lines, err = signed.appendLines(nil, 0); err != nil {
		return nil, nil, err
	}
	signature := r.appendSignature(nil, lines)
	return append(signed, Field{Name: authName, Type: String, Value: string(signature)}), lines, nil
}

func (r *Keyring) ready() error {
	if r.signers[r.sign].method == "" {
		return errors.New("seal message: the keyring is empty: make it with NewKeyring")
	}
	return nil
}

func within(dst []byte, start int) ([]byte, error) {
	if n := len(dst) - start; n > MaxDatagram {
		return nil, fmt.Errorf("seal message: %d bytes do not fit into a datagram of %d", n, MaxDatagram)
	}
	return dst, nil
}
