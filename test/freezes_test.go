package test

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"lubdub/internal/lab"
)

// freezes is how often the owner's daemon is frozen.
const freezes = 10

// TestFreezes freezes the owner's daemon for lengths around those at which its lease ends and the other node takes over, at the
// smallest supported times. Nobody may answer or announce beside the owner, whenever it thaws.
func TestFreezes(t *testing.T) {
	slow(t)
	p := newPair(t, setup{times: quickTimes})
	p.serve()
	r := rand.New(rand.NewPCG(7, 7))
	owner, other := one, two
	moved, stayed := 0, 0
	for range freezes {
		length := 250*time.Millisecond + time.Duration(r.IntN(500))*time.Millisecond
		time.Sleep(time.Duration(r.IntN(100)) * time.Millisecond)
		at := lab.Now()
		must(t, p.daemon(owner).Signal(syscall.SIGSTOP))
		time.Sleep(length)
		thaw := lab.Now()
		must(t, p.daemon(owner).Signal(syscall.SIGCONT))
		time.Sleep(1200 * time.Millisecond)
		var began time.Duration
		took := false
		eventually(t, busy, "one of them answers", func() bool {
			if began, took = p.takeover(other, at); took {
				return true
			}
			_, stays := p.takeover(owner, max(thaw+second, lab.Now()-200*time.Millisecond))
			return stays
		})
		if took {
			p.silentSince(owner, began, thaw-at)
			owner, other = other, owner
			moved++
		} else {
			stayed++
		}
	}
	p.neverTwo()
	t.Logf("%d freezes of 250 to 750 ms: the owner kept it %d times, lost it %d times", freezes, stayed, moved)
	if moved == 0 {
		t.Error("no freeze was long enough to lose the address: the test tests nothing")
	}
}

// takeover says when a node first answered since a time, and whether it did.
func (p *pair) takeover(node string, since time.Duration) (time.Duration, bool) {
	for _, a := range p.prober.Answers(since, lab.Now()) {
		if a.MAC == p.mac(node) && !a.Announced {
			return a.At, true
		}
	}
	return 0, false
}

// silentSince demands that a node has neither answered nor announced since another took over.
func (p *pair) silentSince(node string, since, length time.Duration) {
	p.t.Helper()
	for _, a := range p.prober.Answers(since, lab.Now()) {
		if a.MAC == p.mac(node) {
			p.t.Errorf("frozen for %v, %s says that it has %s (unasked: %v) %v after the other took it", round(length), node, shared,
				a.Announced, round(a.At-since))
			return
		}
	}
}
