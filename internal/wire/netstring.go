package wire

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	bodyStart = "###\n"
	bodyEnd   = "%%%\n"
	// maxDigits bounds a length: six digits count further than any message reaches.
	maxDigits = 6
	// minField is the length of the shortest field, "5:(0)a=,": it turns a
	// body's size into a bound on the number of its fields.
	minField = len("5:(0)a=,")
)

// Append appends the netstring form without a trailer. A message that a peer
// could not read, or that would end a real Heartbeat, is an error.
func (m Message) Append(dst []byte) ([]byte, error) {
	dst = append(dst, bodyStart...)
	for _, f := range m {
		if problem := f.check(0); problem != "" {
			return nil, fmt.Errorf("encode field %q: %s", f.Name, problem)
		}
		dst = strconv.AppendUint(dst, uint64(len("(0)=")+len(f.Name)+len(f.Value)), 10)
		dst = append(dst, ':', '(', '0'+byte(f.Type), ')')
		dst = append(dst, f.Name...)
		dst = append(dst, '=')
		dst = append(dst, f.Value...)
		dst = append(dst, ',')
	}
	return append(dst, bodyEnd...), nil
}

func appendNetstring(dst []byte, s string) []byte {
	dst = strconv.AppendUint(dst, uint64(len(s)), 10)
	dst = append(dst, ':')
	dst = append(dst, s...)
	return append(dst, ',')
}

// cutNetstring splits LEN:payload, from the front of s.
func cutNetstring[T string | []byte](s T) (payload, rest T, ok bool) {
	n, i := 0, 0
	for ; i < len(s) && i < maxDigits && '0' <= s[i] && s[i] <= '9'; i++ {
		n = 10*n + int(s[i]-'0')
	}
	if i == 0 || s[0] == '0' && i > 1 {
		return payload, rest, false
	}
	// s[i] is the colon, s[i+1+n] the comma.
	if i+1+n >= len(s) || s[i] != ':' || s[i+1+n] != ',' {
		return payload, rest, false
	}
	return s[i+1 : i+1+n], s[i+2+n:], true
}

// cutBody splits a body from the front of s. It goes by lengths and looks at
// nothing between them, so it may be used on bytes that nobody vouches for.
func cutBody[T string | []byte](s T) (body, rest T, ok bool) {
	if !hasPrefix(s, bodyStart) {
		return body, rest, false
	}
	rest = s[len(bodyStart):]
	for !hasPrefix(rest, bodyEnd) {
		if _, rest, ok = cutNetstring(rest); !ok {
			return body, rest, false
		}
	}
	n := len(s) - len(rest) + len(bodyEnd)
	return s[:n], s[n:], true
}

func hasPrefix[T string | []byte](s T, prefix string) bool {
	return len(s) >= len(prefix) && string(s[:len(prefix)]) == prefix
}

// parseBody reads the fields of a body that cutBody has found.
func parseBody(body string) (Message, error) {
	if problem := checkBody(body, 0); problem != "" {
		return nil, refuse(BadField, problem)
	}
	return splitBody(body), nil
}

// checkBody says what is wrong with a body; empty: nothing. It allocates
// nothing, so neither size nor nesting can make it expensive.
func checkBody(body string, depth int) string {
	if depth > maxDepth {
		return "messages stand too deep inside one another"
	}
	whole, rest, ok := cutBody(body)
	if !ok || rest != "" {
		return "a nested message is cut short"
	}
	rest = whole[len(bodyStart) : len(whole)-len(bodyEnd)]
	for rest != "" {
		var payload string
		payload, rest, _ = cutNetstring(rest)
		f, problem := parseField(payload)
		if problem == "" {
			problem = f.check(depth)
		}
		if problem != "" {
			return problem
		}
	}
	return ""
}

// splitBody returns the fields of a body that checkBody has passed.
func splitBody(body string) Message {
	rest := body[len(bodyStart) : len(body)-len(bodyEnd)]
	m := make(Message, 0, min(len(rest)/minField, typicalFields))
	for rest != "" {
		var payload string
		payload, rest, _ = cutNetstring(rest)
		f, _ := parseField(payload)
		m = append(m, f)
	}
	return m
}

// typicalFields is room for a heartbeat's fields without growing.
const typicalFields = 24

// parseField reads (T)name=value.
func parseField(s string) (Field, string) {
	if len(s) < len("(0)") || s[0] != '(' || s[2] != ')' || s[1] < '0' || s[1] > '5' {
		return Field{}, "a field has no known type"
	}
	name, value, ok := strings.Cut(s[len("(0)"):], "=")
	if !ok {
		return Field{}, "a field has no ="
	}
	return Field{Name: name, Type: Type(s[1] - '0'), Value: value}, ""
}
