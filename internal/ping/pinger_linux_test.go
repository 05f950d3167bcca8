package ping

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"
)

// Every kind of address answers, and what is reported is when its question was sent.
func TestAnswer(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	before := boottime()
	l, _ := w.listen(20*time.Millisecond, "192.0.2.2", "2001:db8::2", "fe80::2%ldp0", "192.0.2.99 192.0.2.3", "192.0.2.99")
	for neighbour, name := range []string{"IPv4", "IPv6", "IPv6 link-local", "a set of which one answers"} {
		seen := map[int64]bool{} // they may come out of order: the first question may wait for the neighbour to be found
		for i, a := range l.wait(neighbour, 5, before) {
			if a.sent < before || seen[a.sent] || a.sent > a.at || a.at-a.sent > int64(answerLimit) {
				t.Errorf("%s: answer %d: asked at %d, heard at %d, again %v", name, i, a.sent, a.at, seen[a.sent])
			}
			seen[a.sent] = true
		}
	}
	if n := len(l.answers(4, 0)); n > 0 {
		t.Errorf("%d answers of an address that nobody has", n)
	}
	if told := l.told(); len(told) > 0 {
		t.Errorf("silence is no trouble: %q", told)
	}
}

// A sleeping machine's answer is late; what it proves is of then.
func TestSentNotHeard(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	w.muteThere()
	w.station("late 300ms")
	begin := boottime()
	l, _ := w.listen(20*time.Millisecond, "192.0.2.2")
	for _, a := range l.wait(0, 10, begin)[:10] {
		if a.at-a.sent < int64(290*time.Millisecond) {
			t.Errorf("an answer after %v is reported as of %v before", 300*time.Millisecond, time.Duration(a.at-a.sent))
		}
	}
}

// Lost questions are no event, and one answer in two still counts.
func TestLoss(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	w.there("nft add table inet ldp")
	w.there("nft add chain inet ldp in { type filter hook input priority 0 ; }")
	w.there("nft add rule inet ldp in icmp type echo-request numgen inc mod 2 == 0 drop")
	half, stop := w.listen(10*time.Millisecond, "192.0.2.2")
	half.wait(0, 40, 0)
	stop()
	// The kernel drops every other one; the last answers may have missed the end.
	got, asked := len(half.answers(0, 0)), int(half.targets[0].seq)
	if got > asked/2+1 || got < 40 {
		t.Errorf("%d answers to %d questions, want one in two", got, asked)
	}
	l, _ := w.listen(10*time.Millisecond, "192.0.2.2")
	l.wait(0, 1, 0)
	w.there("nft add rule inet ldp in icmp type echo-request drop")
	silent := boottime()
	time.Sleep(200 * time.Millisecond)
	if n := len(l.answers(0, silent)); n > 0 {
		t.Errorf("%d answers to questions that were dropped", n)
	}
	w.there("nft flush chain inet ldp in")
	l.wait(0, 1, boottime())
	if told := l.told(); len(told) > 0 {
		t.Errorf("loss is no trouble: %q", told)
	}
}

// A new interval begins with a question at once; the next follow at its pace.
func TestEvery(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	l, _ := w.listen(0, "192.0.2.2")
	time.Sleep(50 * time.Millisecond)
	if n := len(l.answers(0, 0)); n > 0 {
		t.Fatalf("%d answers before anybody was to be asked", n)
	}
	for _, every := range []time.Duration{time.Hour, 10 * time.Millisecond, time.Hour, 0} {
		begin := boottime()
		l.Every(every)
		l.wait(0, 1, begin) // not an interval later: no test waits for an hour
		if every == time.Hour {
			l.calm(every)
			continue
		}
		// A late question shortens the way to the next ones: of many spans one at least is as long as it should be.
		longest, end := time.Duration(0), time.Now().Add(patience)
		for after := begin; longest < 350*time.Millisecond && time.Now().Before(end); {
			all := l.wait(0, 40, after)
			slices.SortFunc(all, func(a, b answer) int { return cmp.Compare(a.sent, b.sent) })
			longest, after = max(longest, time.Duration(all[39].sent-all[0].sent)), all[39].sent
		}
		if longest < 350*time.Millisecond {
			t.Errorf("interval %v: 40 questions took %v, want 390ms: never faster than each 10ms", every, longest)
		}
	}
}

// calm waits until nothing is asked any more: questions at the old pace may be on their way.
func (l *listener) calm(every time.Duration) {
	l.t.Helper()
	for end := time.Now().Add(patience); ; {
		since := boottime()
		time.Sleep(100 * time.Millisecond)
		n := len(l.answers(0, since))
		if n == 0 {
			return
		}
		if time.Now().After(end) {
			l.t.Fatalf("interval %v: %d questions more in 100ms", every, n)
		}
	}
}

// The interface goes down, comes up, vanishes, and is there again with another index.
func TestInterfaceComesAndGoes(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	w.ip("link del ldp0") // the network is down at start
	l, _ := w.listen(20*time.Millisecond, "192.0.2.2", "2001:db8::2", "fe80::2%ldp0")
	waitTold := func(count int) {
		t.Helper()
		for end := time.Now().Add(patience); len(l.told()) < count; time.Sleep(2 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("told %q, want %d", l.told(), count)
			}
		}
	}
	waitTold(3)
	for i, want := range []string{"ask 192.0.2.2: network is unreachable", "ask 2001:db8::2: network is unreachable", "ask fe80::2%ldp0: no such device"} {
		if told := l.told()[i]; !strings.HasPrefix(told, want) || !strings.HasSuffix(told, "it is tried again") {
			t.Errorf("told %q, want %q", told, want)
		}
	}
	all := func(after int64) {
		t.Helper()
		for neighbour := range 3 {
			l.wait(neighbour, 3, after)
		}
	}
	w.cable()
	all(boottime())
	w.ip("link set ldp0 down")
	silent := boottime()
	time.Sleep(100 * time.Millisecond)
	for neighbour := range 3 {
		if n := len(l.answers(neighbour, silent)); n > 0 {
			t.Errorf("%d answers over an interface that is down", n)
		}
	}
	w.ip("link set ldp0 up")
	w.number()
	all(boottime())
	w.ip("link del ldp0")
	w.ip("link add ldpx type veth peer name ldpy") // takes the next indexes
	w.cable()
	all(boottime())
	if told := l.told(); len(told) != 3 {
		t.Errorf("told %q: more than once a minute about one address", told)
	}
}

// A firewall of our own that forbids the question is named as the reason.
func TestForbidden(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	w.run("nft", "add", "table", "inet", "ldp")
	w.run("nft", "add", "chain", "inet", "ldp", "out", "{ type filter hook output priority 0 ; }")
	w.run("nft", "add", "rule", "inet", "ldp", "out", "icmp", "type", "echo-request", "drop")
	l, _ := w.listen(20*time.Millisecond, "192.0.2.2", "2001:db8::2")
	l.wait(1, 3, 0)
	if told := l.told(); len(told) != 1 || !strings.Contains(told[0], "a firewall of this machine forbids it") {
		t.Errorf("told %q, want the firewall, once", told)
	}
}

// When Run ends nothing is left: no goroutine (goleak looks), no question.
func TestStop(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	l, stop := w.listen(10*time.Millisecond, "192.0.2.2", "2001:db8::2")
	l.wait(0, 3, 0)
	l.wait(1, 3, 0)
	stop()
	end := boottime()
	l.Every(10 * time.Millisecond) // must not wait
	l.Every(20 * time.Millisecond)
	time.Sleep(50 * time.Millisecond)
	if n := len(l.answers(0, end)); n > 0 {
		t.Errorf("%d answers after the end", n)
	}
}
