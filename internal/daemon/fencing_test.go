package daemon

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"lubdub/internal/cluster"
)

// shooting is a fencing in a bubble whose devices take a while.
type shooting struct {
	*fencing
	l     *loop
	tests []time.Duration // when each began
	shots []time.Duration
	cut   int // tests that were ended early
	sick  int // how many tests find a device that does not answer
	began time.Time
}

// newShooting starts it; a test and a shot take so long, and so many tests fail at first.
func newShooting(ctx context.Context, test, shot time.Duration, sick int) *shooting {
	s := &shooting{l: newLoop(nil, bubbleTime, nil, nil), sick: sick, began: time.Now()}
	s.fencing = &fencing{
		orders: make(chan fenceOrder, 1),
		fence: func(ctx context.Context) cluster.Fenced {
			s.shots = append(s.shots, time.Since(s.began))
			select {
			case <-time.After(shot):
				return cluster.Fenced{OK: true}
			case <-ctx.Done():
				return cluster.Fenced{Words: "cancelled"}
			}
		},
		test: func(ctx context.Context) cluster.FenceTested {
			s.tests = append(s.tests, time.Since(s.began))
			select {
			case <-time.After(test):
			case <-ctx.Done():
				s.cut++
			}
			return cluster.FenceTested{OK: len(s.tests) > s.sick}
		},
	}
	go s.run(ctx, s.l)
	return s
}

// answer is the next input that the loop gets.
func (s *shooting) answer(t *testing.T) cluster.Input {
	t.Helper()
	select {
	case in := <-s.l.inputs:
		return in
	case <-time.After(2 * time.Hour):
		t.Fatal("no answer")
		return nil
	}
}

func TestFencingOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShooting(t.Context(), time.Second, 10*time.Second, 0)
		if !s.start(t.Context(), 1, bubbleTime()) {
			t.Fatal("the first attempt was refused")
		}
		time.Sleep(time.Second)
		if s.start(t.Context(), 2, bubbleTime()) {
			t.Error("a second attempt was begun beside the first")
		}
		if got := s.refused(2); got.Attempt != 2 || got.OK || got.Words != "attempt 1 is not over" {
			t.Errorf("got %+v", got)
		}
		s.ended(2) // the answer to the second does not end the first
		if s.start(t.Context(), 3, bubbleTime()) {
			t.Error("a third attempt was begun beside the first")
		}
		if got := s.answer(t); got.(cluster.Fenced).Attempt != 1 || !got.(cluster.Fenced).OK {
			t.Errorf("got %+v", got)
		}
		s.ended(1)
		if !s.start(t.Context(), 4, bubbleTime()) {
			t.Error("an attempt after the first was refused")
		}
		if got := s.answer(t); got.(cluster.Fenced).Attempt != 4 || len(s.shots) != 2 {
			t.Errorf("got %+v, shots at %v", got, s.shots)
		}
	})
}

// A test is made a minute after the start, then each hour, and each minute while a device fails.
func TestFencingTests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShooting(t.Context(), 0, 0, 1)
		s.answer(t)
		s.answer(t)
		s.answer(t)
		want := []time.Duration{time.Minute, 2 * time.Minute, 62 * time.Minute}
		for i, at := range want {
			if s.tests[i] != at {
				t.Errorf("test %d was made after %v, want %v", i+1, s.tests[i], at)
			}
		}
	})
}

// An attempt does not wait for a test that hangs.
func TestFencingEndsATest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShooting(t.Context(), time.Minute, time.Second, 0)
		time.Sleep(firstTest + time.Second)
		s.start(t.Context(), 1, bubbleTime())
		if got, ok := s.answer(t).(cluster.Fenced); !ok || !got.OK {
			t.Errorf("got %+v", got)
		}
		if s.cut != 1 || s.shots[0] != firstTest+time.Second {
			t.Errorf("%d tests were ended, shots at %v", s.cut, s.shots)
		}
	})
}

// An attempt that is not needed any more is called off, and answered.
func TestFencingIsCalledOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShooting(t.Context(), 0, time.Hour, 0)
		s.start(t.Context(), 7, bubbleTime())
		time.Sleep(time.Second)
		s.end(6) // an action's number
		time.Sleep(time.Second)
		if len(s.l.inputs) != 0 {
			t.Fatal("another number called it off")
		}
		s.end(7)
		if got := s.answer(t).(cluster.Fenced); got.Attempt != 7 || got.OK || got.Words != "cancelled" {
			t.Errorf("got %+v", got)
		}
		s.ended(7)
		s.end(7)
	})
}

// A daemon that was stopped does not shoot on what it knew before.
func TestFencingRefusesAnOldOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShooting(t.Context(), 0, 0, 0)
		s.start(t.Context(), 1, bubbleTime().Add(-staleFence-time.Second))
		got := s.answer(t).(cluster.Fenced)
		if want := "the order is 11s old, for the daemon was stopped: it is not carried out"; got.OK || got.Words != want || len(s.shots) != 0 {
			t.Errorf("got %+v, shots at %v", got, s.shots)
		}
	})
}

// The end of the daemon ends a device that acts.
func TestFencingEndsWithTheDaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := newShooting(ctx, 0, time.Hour, 0)
		s.start(ctx, 1, bubbleTime())
		time.Sleep(time.Second)
		cancel()
		synctest.Wait() // its goroutine has ended, or the bubble would say so
		if len(s.shots) != 1 {
			t.Errorf("shots at %v", s.shots)
		}
	})
}
