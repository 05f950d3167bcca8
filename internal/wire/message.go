package wire

import "strconv"

// Type is the type of a field, as the digit between parentheses says on the wire.
type Type byte

// The types of Heartbeat 3.0.6. It has no integers: they are strings.
const (
	String       Type = 0 // text without a NUL byte
	Binary       Type = 1 // any bytes
	Nested       Type = 2 // a message
	List         Type = 3 // a list of strings
	Compressed   Type = 4 // a message, compressed; kept as it is
	Compressible Type = 5 // a message that the sender would have liked to compress
)

// Field is one named value.
type Field struct {
	Name string
	Type Type
	// Value holds the bytes as the netstring form carries them: for String,
	// Binary and Compressed the value itself. For the rest see NestedField,
	// ListField, and the methods Message and Items.
	Value string
}

// Message is a list of fields in the order of the wire. The order means
// nothing to a reader. Of two fields with one name the first counts.
type Message []Field

// Field returns the first field with that name.
func (m Message) Field(name string) (Field, bool) {
	for i := range m {
		if m[i].Name == name {
			return m[i], true
		}
	}
	return Field{}, false
}

// Get returns a String field's value. A field of another type does not count.
func (m Message) Get(name string) (string, bool) {
	f, ok := m.Field(name)
	if !ok || f.Type != String {
		return "", false
	}
	return f.Value, true
}

// GetBinary returns a Binary field's value. A field of another type does not count.
func (m Message) GetBinary(name string) (string, bool) {
	f, ok := m.Field(name)
	if !ok || f.Type != Binary {
		return "", false
	}
	return f.Value, true
}

// GetUint returns a String field that is a number in the given base: digits
// alone, no sign, no prefix. The protocol says for each field which base it
// has; most have 16.
func (m Message) GetUint(name string, base int) (uint64, bool) {
	s, ok := m.Get(name)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(s, base, 64)
	return n, err == nil
}

// Set gives a String field its value.
func (m *Message) Set(name, value string) {
	m.SetField(Field{Name: name, Type: String, Value: value})
}

// SetBinary gives a Binary field its value.
func (m *Message) SetBinary(name, value string) {
	m.SetField(Field{Name: name, Type: Binary, Value: value})
}

// SetUint gives a String field a number in the given base, lower case.
func (m *Message) SetUint(name string, n uint64, base int) {
	m.SetField(Field{Name: name, Type: String, Value: strconv.FormatUint(n, base)})
}

// SetField puts f where the first field of its name stands, or at the end.
func (m *Message) SetField(f Field) {
	for i := range *m {
		if (*m)[i].Name == f.Name {
			(*m)[i] = f
			return
		}
	}
	*m = append(*m, f)
}

// without returns the message without the fields of that name.
func (m Message) without(name string) Message {
	out := make(Message, 0, len(m)+1)
	for _, f := range m {
		if f.Name != name {
			out = append(out, f)
		}
	}
	return out
}
