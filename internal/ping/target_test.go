package ping

import (
	"net/netip"
	"testing"
	"time"
)

// Whose answer counts, and for how long.
func TestAnswered(t *testing.T) {
	nonce := [nonceSize]byte{1, 2, 3}
	good := reply{from: netip.MustParseAddr("fe80::2"), index: 4, nonce: nonce}
	for name, test := range map[string]struct {
		change func(*reply)
		after  time.Duration
		want   bool
	}{
		"right":             {func(*reply) {}, time.Millisecond, true},
		"just in time":      {func(*reply) {}, answerLimit, true},
		"too late":          {func(*reply) {}, answerLimit + 1, false},
		"another address":   {func(r *reply) { r.from = netip.MustParseAddr("fe80::3") }, 0, false},
		"another interface": {func(r *reply) { r.index = 5 }, 0, false},
		"another sequence":  {func(r *reply) { r.seq++ }, 0, false},
		"another nonce":     {func(r *reply) { r.nonce[nonceSize-1] = 1 }, 0, false},
		"no nonce":          {func(r *reply) { r.seq++; r.nonce = [nonceSize]byte{} }, 0, false}, // as in a question that was never asked
	} {
		target := newTarget(0, netip.MustParseAddr("fe80::2%eth0"))
		target.index = 4
		target.ask(nonce[:], 1000)
		r := good
		r.seq = target.seq
		test.change(&r)
		sent, ok := target.answered(r, 1000+int64(test.after))
		if ok != test.want || ok && sent != 1000 {
			t.Errorf("%s: counts %v as of %d, want %v of 1000", name, ok, sent, test.want)
		}
		if _, again := target.answered(r, 1000); again && ok {
			t.Errorf("%s: counts twice", name)
		}
	}
}

// What is remembered is bounded, and holds all that may be answered at the shortest interval.
func TestRemembered(t *testing.T) {
	if limit := int(answerLimit / shortestInterval); limit > remembered || 1<<16%remembered != 0 {
		t.Errorf("%d questions may be answered, %d are remembered", limit, remembered)
	}
	target := newTarget(0, netip.MustParseAddr("192.0.2.1"))
	for i := range int64(1<<16 + 100) { // the sequence wraps
		nonce := [nonceSize]byte{byte(i), byte(i >> 8), byte(i >> 16)}
		target.ask(nonce[:], i+1)
		if sent, ok := target.answered(reply{from: target.addr, seq: target.seq, nonce: nonce}, i+1); !ok || sent != i+1 {
			t.Fatalf("question %d: answered %v, sent at %d", i, ok, sent)
		}
	}
}

// Questions and answers cost no memory.
func TestNoAllocation(t *testing.T) {
	heard := 0
	p := New([][]netip.Addr{{netip.MustParseAddr("192.0.2.1")}}, func(int, int64) { heard++ }, nil)
	target := &p.targets[0]
	allocations := testing.AllocsPerRun(1000, func() {
		nonce := p.packet[echoHeader+targetSize:]
		target.ask(nonce, boottime())
		writeEcho(p.packet[:], false, p.four.id, target.seq, 0)
		answer := [leastHeader4 + echoSize]byte{0: 4<<4 | leastHeader4/4}
		copy(answer[leastHeader4:], p.packet[:])
		answer[leastHeader4] = echoReply4
		r, _ := readEcho(answer[:], false, p.four.id)
		r.from = target.addr
		p.hear(r)
	})
	if allocations > 0 || heard < 1000 {
		t.Errorf("%v allocations for each question, %d answers", allocations, heard)
	}
}
