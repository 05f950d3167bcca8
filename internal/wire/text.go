package wire

import (
	"encoding/base64"
	"fmt"
	"strings"
)

const (
	textStart = ">>>\n"
	textEnd   = "<<<\n"
	authName  = "auth"
	authLine  = authName + "="
	// newlineInString stands for a newline within a string.
	newlineInString = 0x13
	// newlineFirst to newlineLast are the bytes that stand for a newline
	// somewhere in the text form, and so cannot stand for themselves.
	newlineFirst = 0x0f
	newlineLast  = 0x1f
)

// newlineInMessage stands for a newline within a nested message.
func newlineInMessage(depth int) byte {
	if depth < 12 {
		return byte(20 + depth) // 20 to 31
	}
	return byte(15 + depth - 12) // 15 to 18
}

// AppendText appends the text form, fields as they are: nothing is signed. A
// message that the text form cannot carry is an error: it knows no empty
// values, and needs some control characters for itself.
func (m Message) AppendText(dst []byte) ([]byte, error) {
	return m.appendText(dst, 0)
}

func (m Message) appendText(dst []byte, depth int) ([]byte, error) {
	dst = append(dst, textStart...)
	dst, err := m.appendLines(dst, depth)
	if err != nil {
		return nil, err
	}
	return append(dst, textEnd...), nil
}

// appendLines appends one line a field, without the lines around them.
func (m Message) appendLines(dst []byte, depth int) ([]byte, error) {
	for _, f := range m {
		problem := f.check(depth)
		if problem == "" && f.Value == "" {
			problem = "the text form knows no empty values"
		}
		if problem != "" {
			return nil, fmt.Errorf("encode field %q: %s", f.Name, problem)
		}
		if f.Type != String {
			dst = append(dst, '(', '0'+byte(f.Type), ')')
		}
		dst = append(dst, f.Name...)
		dst = append(dst, '=')
		var err error
		if dst, err = f.appendTextValue(dst, depth); err != nil {
			return nil, fmt.Errorf("encode field %q: %w", f.Name, err)
		}
		dst = append(dst, '\n')
	}
	return dst, nil
}

func (f Field) appendTextValue(dst []byte, depth int) ([]byte, error) {
	start := len(dst)
	switch f.Type {
	case Binary, Compressed:
		return base64.StdEncoding.AppendEncode(dst, []byte(f.Value)), nil
	case Nested:
		dst, err := splitBody(f.Value).appendText(dst, depth+1)
		if err != nil {
			return nil, err
		}
		replace(dst[start:], '\n', newlineInMessage(depth))
		return dst, nil
	case Compressible:
		return nil, fmt.Errorf("the text form does not know type %d", f.Type)
	}
	if reserved(f.Value) || f.Type == List && strings.Contains(f.Value, "\n") {
		return nil, fmt.Errorf("the text form cannot carry the control characters in its value")
	}
	dst = append(dst, f.Value...)
	replace(dst[start:], '\n', newlineInString)
	return dst, nil
}

func reserved(s string) bool {
	for i := range len(s) {
		if newlineFirst <= s[i] && s[i] <= newlineLast {
			return true
		}
	}
	return false
}

func replace(b []byte, old, with byte) {
	for i := range b {
		if b[i] == old {
			b[i] = with
		}
	}
}

// textFrame is a message in text form, cut by lines and not looked into.
type textFrame struct {
	before, after []byte // the signed lines: those before and after the auth line
	auth          []byte // the auth line's value
	signatures    int    // how many auth lines there are
}

// cutText finds the lines of a message. What follows "<<<\n" is ignored, as
// Heartbeat does. Like cutBody it may be used on bytes that nobody vouches for.
func cutText(s []byte) (textFrame, bool) {
	var t textFrame
	lines := s[len(textStart):]
	start, pos := 0, 0
	for !hasPrefix(lines[pos:], textEnd) {
		end := pos
		for end < len(lines) && lines[end] != '\n' {
			end++
		}
		if end == len(lines) {
			return t, false
		}
		if hasPrefix(lines[pos:], authLine) {
			t.before, t.auth = lines[start:pos], lines[pos+len(authLine):end]
			t.signatures++
			start = end + 1
		}
		pos = end + 1
	}
	t.after = lines[start:pos]
	return t, true
}

// parseText reads a whole message in text form: all of s, from ">>>\n" to "<<<\n".
func parseText(s string, depth int) (Message, string) {
	if depth > maxDepth {
		return nil, "messages stand too deep inside one another"
	}
	if !strings.HasPrefix(s, textStart) {
		return nil, "a nested message does not begin like one"
	}
	m := make(Message, 0, typicalFields)
	for rest := s[len(textStart):]; rest != textEnd; {
		line, after, ok := strings.Cut(rest, "\n")
		if !ok {
			return nil, "a nested message is cut short"
		}
		f, problem := parseLine(line, depth)
		if problem != "" {
			return nil, problem
		}
		m, rest = append(m, f), after
	}
	return m, ""
}

// parseLine reads [(T)]name=value.
func parseLine(line string, depth int) (Field, string) {
	typed := "(0)" + line
	if strings.HasPrefix(line, "(") {
		if strings.HasPrefix(line, "(0)") {
			return Field{}, "a string's line says its type"
		}
		typed = line
	}
	f, problem := parseField(typed)
	if problem != "" {
		return f, problem
	}
	if f.Value, problem = parseTextValue(f, depth); problem != "" {
		return f, problem
	}
	return f, f.check(depth)
}

// parseTextValue turns a value of the text form into one of the netstring form.
func parseTextValue(f Field, depth int) (string, string) {
	if f.Value == "" {
		return "", "the text form knows no empty values"
	}
	switch f.Type {
	case Binary, Compressed:
		return parseBase64(f.Value)
	case Nested:
		inner := []byte(f.Value)
		replace(inner, newlineInMessage(depth), '\n')
		m, problem := parseText(string(inner), depth+1)
		if problem != "" {
			return "", problem
		}
		body, err := m.Append(nil)
		if err != nil {
			return "", "a nested message holds a bad field"
		}
		return string(body), ""
	case Compressible:
		return "", "the text form does not know type 5"
	}
	// Alone the substitute for a newline in a string may stand in one.
	value := f.Value
	if f.Type == String {
		value = strings.ReplaceAll(value, string(rune(newlineInString)), "\n")
	}
	if reserved(value) {
		return "", "a value holds a control character of the text form"
	}
	return value, ""
}

// parseBase64 takes only what an encoder writes: the library would pass over
// line ends and stray bits.
func parseBase64(s string) (string, string) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || base64.StdEncoding.EncodeToString(b) != s {
		return "", "a binary value is not base64"
	}
	return string(b), ""
}
