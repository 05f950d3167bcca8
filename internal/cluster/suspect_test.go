package cluster

import (
	"strings"
	"testing"
	"time"
)

// alone is a machine whose peer has left and which runs one group without an address.
func alone(t *testing.T) (m *Machine, step func(Input) []Output, pass func(time.Duration)) {
	t.Helper()
	now := Time(1000 * time.Second)
	m = New(Config{Self: "alpha", Peer: "beta", Links: []string{"l"}, Keepalive: time.Second, DeadTime: 10 * time.Second, InitDead: 20 * time.Second,
		WarnTime: 5 * time.Second, Groups: []Group{{Name: "web", Preferred: "alpha", Resources: []Resource{
			{Name: "db", Interval: 10 * time.Second, Timeouts: Timeouts{Start: time.Minute, Stop: time.Minute, Monitor: time.Minute}}}}}},
		Saved{Incarnation: 1}, now)
	pass = func(d time.Duration) { now = now.Add(d) }
	step = func(in Input) []Output { return m.Step(now, in) }
	for end := now.Add(2 * time.Minute); now < end && m.groups[0].state != Running; now = max(now.Add(1), min(m.Deadline(), now.Add(time.Second))) {
		for _, o := range step(nil) {
			if run, ok := o.(Run); ok {
				result := OK
				if run.Action == Monitor && m.groups[0].resources[0].state == unknown {
					result = NotRunning
				}
				now++
				step(Outcome{ID: run.ID, Result: result})
			}
		}
	}
	if m.groups[0].state != Running {
		t.Fatalf("the group is %v", m.groups[0].state)
	}
	return m, step, pass
}

// runs returns the actions among outputs.
func runsOf(out []Output) (runs []Run) {
	for _, o := range out {
		if r, ok := o.(Run); ok {
			runs = append(runs, r)
		}
	}
	return runs
}

// saidIn returns the words of the events that hold text.
func saidIn(out []Output, text string) (words []string) {
	for _, o := range out {
		if e, ok := o.(Emit); ok && strings.Contains(e.Event.Words, text) {
			words = append(words, e.Event.Words)
		}
	}
	return words
}

// What is suspected is monitored at once, and once more when the monitor action that runs may have looked too early.
func TestSuspected(t *testing.T) {
	_, step, pass := alone(t)
	pass(time.Millisecond)
	got := runsOf(step(Suspected{"web", "db"}))
	if len(got) != 1 || got[0].Action != Monitor {
		t.Fatalf("got %v, want a monitor action at once", got)
	}
	pass(time.Millisecond)
	if again := runsOf(step(Suspected{"web", "db"})); len(again) != 0 {
		t.Fatalf("two actions of one resource at once: %v", again)
	}
	pass(time.Millisecond)
	got = runsOf(step(Outcome{ID: got[0].ID, Result: OK}))
	if len(got) != 1 || got[0].Action != Monitor {
		t.Fatalf("got %v, want a second look", got)
	}
	pass(time.Millisecond)
	if got = runsOf(step(Outcome{ID: got[0].ID, Result: OK})); len(got) != 0 {
		t.Errorf("a third look: %v", got)
	}
	for _, in := range []Suspected{{"web", "other"}, {"other", "db"}} {
		if got := runsOf(step(in)); len(got) != 0 {
			t.Errorf("%v made %v", in, got)
		}
	}
}

// What is degraded runs; both changes are events, and status shows why.
func TestDegraded(t *testing.T) {
	m, step, pass := alone(t)
	look := func(degraded bool) []Output {
		t.Helper()
		pass(time.Millisecond)
		runs := runsOf(step(Suspected{"web", "db"}))
		if len(runs) != 1 {
			t.Fatalf("got %v", runs)
		}
		return step(Outcome{ID: runs[0].ID, Result: OK, Degraded: degraded, Words: "one disk is dead"})
	}
	if got := saidIn(look(true), "degraded"); len(got) != 1 || got[0] != "db of web is degraded on alpha: one disk is dead" {
		t.Errorf("got %q", got)
	}
	if r := m.Status().Groups[0].Resources[0]; r.Degraded != "one disk is dead" || r.State != "running" || r.Failures != 0 {
		t.Errorf("status %+v", r)
	}
	if got := saidIn(look(true), "degraded"); len(got) != 0 {
		t.Errorf("said again: %q", got)
	}
	if got := saidIn(look(false), "degraded"); len(got) != 1 || m.Status().Groups[0].Resources[0].Degraded != "" {
		t.Errorf("the end: %q", got)
	}
}
