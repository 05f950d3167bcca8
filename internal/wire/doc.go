// Package wire is the message that two nodes exchange: Heartbeat 3.0.6's, its
// two encodings, and the signature that makes it worth reading.
//
// A [Message] is a list of named fields in order. It travels in one of two
// forms. The netstring form is what goes over UDP; its signature stands behind
// the body, in a trailer:
//
//	###\n 11:(0)t=status, 12:(0)src=nodea, ... %%%\n 42:1 f6beb78c...,
//	|<------------------- body ------------------>| |<-- trailer -->|
//
// (without the blanks). The text form is what goes over a serial line, and
// what some old peers send over UDP; its signature is one of its lines:
//
//	>>>
//	t=status
//	src=nodea
//	auth=1 f6beb78c...
//	<<<
//
// A [Keyring] is made once from the authentication keys and never changes, so
// any number of goroutines may use one. Its Open method turns a datagram into
// a Message, its Seal methods turn a Message into a datagram.
//
// # Signature first
//
// A real Heartbeat parses a packet and then looks at its signature, so one
// stranger's datagram can end it. Open does it the other way round. It must
// know where the body ends before it can check anything, and it learns this
// from lengths alone: "###\n", then any number of LEN:...,  each skipped whole,
// then "%%%\n", then one more LEN:..., with the key's number and the digest. A
// length has at most six digits, no sign, no leading zero, and never points
// behind the datagram; what stands between the colon and the comma is not
// looked at. Searching backwards from the end would not do: bytes after the
// trailer are allowed and ignored, and a binary value may contain what looks
// like a trailer. Searching forwards for "%%%\n" would not do either, for the
// same reason. The walk has one answer for each datagram, and that answer is
// what the digest is computed over. In text form the walk goes by lines: all
// lines up to "<<<", without the one that begins with "auth=".
//
// Then the digest is computed with the key that the packet names, and compared
// in constant time. Only a body that passes is parsed. Until then nothing is
// allocated but the few hundred bytes of a hash state.
//
// What Open refuses it refuses with an [Error], whose [Reason] comes from a
// closed set, so that a caller can count refusals by reason and log one line
// for many.
//
// # One form for each message
//
// The parser is as strict as the encoder: what opens is what Append would
// have written, byte for byte. Fields that would end a real Heartbeat (no
// type, an unknown type, a NUL byte in a string) are refused in both
// directions, at any depth. Unknown names are kept and left to the reader.
//
// The strings of an opened Message share one copy of the datagram. To keep one
// of them for long without the rest, clone it.
package wire
