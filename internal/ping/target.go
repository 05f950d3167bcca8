package ping

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// answerLimit is how long an answer may take. Who is a neighbour takes some milliseconds; what is longer under way
	// has waited in a queue, and newer answers say more.
	answerLimit = 2 * time.Second

	// remembered is how many questions to one address may wait for their answer: those of answerLimit at the shortest
	// interval, and some to spare.
	remembered = 256

	// nonceSize makes a question that nobody guesses.
	nonceSize = 16
)

// question is one that may still be answered.
type question struct {
	nonce [nonceSize]byte
	sent  int64 // boot clock
	open  bool  // not answered yet
}

// target is one address, and what it was asked.
type target struct {
	neighbour int
	addr      netip.Addr // without its zone
	zone      string     // the interface of a link-local address
	index     uint32     // of that interface, as it was last looked up
	to        unix.Sockaddr
	seq       uint16 // of the newest question
	asked     [remembered]question
	unsent    uint64 // questions that could not be sent
	said      error  // why, as it was told; nil: nothing was, or it has answered since
	saidAt    int64
}

func newTarget(neighbour int, a netip.Addr) target {
	a = a.Unmap()
	t := target{neighbour: neighbour, addr: a.WithZone("")}
	if a.IsLinkLocalUnicast() { // no other address depends on an interface
		t.zone = a.Zone()
	}
	if a.Is4() {
		t.to = &unix.SockaddrInet4{Addr: a.As4()}
	} else {
		t.to = &unix.SockaddrInet6{Addr: a.As16()}
	}
	return t
}

// locate looks up the interface of a link-local address. Its index changes when the interface goes and comes back.
func (t *target) locate(fd int) error {
	if t.zone == "" {
		return nil
	}
	index, err := interfaceIndex(fd, t.zone)
	if err != nil {
		return err
	}
	t.index = index
	t.to.(*unix.SockaddrInet6).ZoneId = index
	return nil
}

// ask remembers a new question. It takes the place of one that is too old to be answered.
func (t *target) ask(nonce []byte, now int64) {
	t.seq++
	q := &t.asked[t.seq%remembered]
	q.sent, q.open = now, true
	copy(q.nonce[:], nonce)
}

// answered says whether r is the first answer to a question that was asked here, and when that was sent.
func (t *target) answered(r reply, now int64) (sent int64, ok bool) {
	q := &t.asked[r.seq%remembered]
	if r.from != t.addr || r.index != t.index || !q.open || r.nonce != q.nonce || now-q.sent > int64(answerLimit) {
		return 0, false
	}
	q.open = false
	return q.sent, true
}
