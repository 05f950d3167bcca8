package wire

import "strings"

// Limits of what a message may hold.
const (
	// maxDepth is how many messages may stand inside one another, the
	// outermost not counted: the text form has no more substitutes for a newline.
	maxDepth = 16
	// maxList bounds a packed list: Heartbeat packs into 1024 bytes, NUL included.
	maxList = 1023
)

// NestedField returns a field that holds the message m.
func NestedField(name string, m Message) (Field, error) {
	body, err := m.Append(nil)
	if err != nil {
		return Field{}, err
	}
	return Field{Name: name, Type: Nested, Value: string(body)}, nil
}

// Message returns the message inside a Nested or Compressible field.
func (f Field) Message() (Message, bool) {
	if f.Type != Nested && f.Type != Compressible {
		return nil, false
	}
	if checkBody(f.Value, 1) != "" {
		return nil, false
	}
	return splitBody(f.Value), true
}

// ListField returns a field that holds a list of strings.
func ListField(name string, items ...string) Field {
	var value []byte
	for _, item := range items {
		value = appendNetstring(value, item)
	}
	return Field{Name: name, Type: List, Value: string(value)}
}

// Items returns the strings of a List field.
func (f Field) Items() ([]string, bool) {
	if f.Type != List || checkList(f.Value) != "" {
		return nil, false
	}
	var items []string
	for rest := f.Value; rest != ""; {
		var item string
		item, rest, _ = cutNetstring(rest)
		items = append(items, item)
	}
	return items, true
}

// check says what is wrong with the field; empty: nothing. Depth is the number
// of messages around the one that holds the field.
func (f Field) check(depth int) string {
	if problem := checkName(f.Name); problem != "" {
		return problem
	}
	switch f.Type {
	case String:
		if strings.IndexByte(f.Value, 0) >= 0 {
			return "a string holds a NUL byte" // ends a real Heartbeat
		}
	case Binary, Compressed:
	case List:
		return checkList(f.Value)
	case Nested, Compressible:
		return checkBody(f.Value, depth+1)
	default:
		return "a field has an unknown type" // ends a real Heartbeat
	}
	return ""
}

// checkName refuses names that one of the two forms cannot carry.
func checkName(name string) string {
	if name == "" {
		return "a field has no name"
	}
	if name[0] == '(' {
		return "a field's name begins with a parenthesis"
	}
	for i := range len(name) {
		if c := name[i]; c < ' ' || c == '=' || c == 0x7f {
			return "a field's name holds a control character or ="
		}
	}
	return ""
}

func checkList(value string) string {
	if len(value) > maxList {
		return "a list is longer than 1023 bytes"
	}
	if strings.IndexByte(value, 0) >= 0 {
		return "a list holds a NUL byte"
	}
	for value != "" {
		var ok bool
		if _, value, ok = cutNetstring(value); !ok {
			return "a list is cut short"
		}
	}
	return ""
}
