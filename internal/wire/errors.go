package wire

import "strconv"

// Reason says why a packet was refused. The set is closed.
type Reason string

// The reasons, in the order in which Open looks for them.
const (
	TooLong        Reason = "too long"        // longer than MaxDatagram
	NotMessage     Reason = "not a message"   // begins like neither form
	Malformed      Reason = "malformed"       // no end to be found; nothing else was looked at
	NoSignature    Reason = "no signature"    // no trailer, or no auth line
	UnknownKey     Reason = "unknown key"     // names a key that is not in the keyring
	CRCRefused     Reason = "crc refused"     // names a crc key that is not the signing key
	WrongSignature Reason = "wrong signature" // not signed with our key, or changed on the way
	BadField       Reason = "bad field"       // signed well, but a field is not as the protocol has it
)

// Error is a refused packet. It is cheap to make: the sentence is put together
// only when somebody asks for it.
type Error struct {
	Reason Reason
	Key    int    // the key's number that the packet names, if the reason is about a key
	Detail string // what exactly; constant words, never bytes of the packet
}

// Error tells what was wrong with the packet, and what to do if something can be done.
func (e *Error) Error() string {
	s := "open packet: " + string(e.Reason)
	switch e.Reason {
	case UnknownKey:
		return s + ": it names key " + strconv.Itoa(e.Key) + ", which is not in authkeys: give both nodes the same keys"
	case CRCRefused:
		return s + ": it names key " + strconv.Itoa(e.Key) + ", but crc counts only where the auth line names it: sign with the same key on both nodes"
	case WrongSignature:
		return s + ": key " + strconv.Itoa(e.Key) + " gives another digest: give key " + strconv.Itoa(e.Key) + " the same method and secret on both nodes"
	}
	if e.Detail == "" {
		return s
	}
	return s + ": " + e.Detail
}

func refuse(reason Reason, detail string) error {
	return &Error{Reason: reason, Detail: detail}
}

func refuseKey(reason Reason, number int) error {
	return &Error{Reason: reason, Key: number}
}
