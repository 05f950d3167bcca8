package main

import (
	"context"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// screen is a terminal that somebody leaves after some pages.
type screen struct {
	strings.Builder
	pages int
	leave context.CancelFunc
}

func (s *screen) Write(b []byte) (int, error) {
	if s.pages--; s.pages == 0 {
		s.leave()
	}
	return s.Builder.Write(b)
}

// --watch goes on when lubdub is not there, draws each second, and ends when it is left.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		out := &screen{pages: 3, leave: cancel}
		w := world{Stdout: out, TerminalOut: true, Getenv: func(string) string { return "" }, Patience: time.Second}
		began := time.Now()
		if err := w.watch(ctx, w.asker(t.TempDir()), shown{}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 2*redraw {
			t.Errorf("three pages took %v, want %v", took, 2*redraw)
		}
		if n := strings.Count(out.String(), clear+"lubdub does not run on this machine"); n != 3 {
			t.Errorf("%d pages:\n%s", n, out.String())
		}
	})
}

// SIGHUP reloads, the first SIGTERM or SIGINT leaves, a second SIGINT ends at once, a second SIGTERM nothing. SIGQUIT asks
// for another start, but not of a daemon that leaves.
func TestSignals(t *testing.T) {
	a := asking{make(chan os.Signal, signalQueue)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	to := newOrders()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.pass(ctx, cancel, to)
	}()
	a.signals <- syscall.SIGHUP
	<-to.reload
	a.signals <- syscall.SIGTERM
	<-to.leave
	a.signals <- syscall.SIGTERM
	a.signals <- syscall.SIGQUIT
	a.signals <- syscall.SIGHUP
	<-to.reload
	if ctx.Err() != nil {
		t.Fatal("a second SIGTERM ended it at once")
	}
	select {
	case <-to.again:
		t.Fatal("SIGQUIT stopped a leave")
	default:
	}
	a.signals <- syscall.SIGINT
	<-ended
}

func TestSignalAgain(t *testing.T) {
	a := asking{make(chan os.Signal, signalQueue)}
	ctx, cancel := context.WithCancel(t.Context())
	to := newOrders()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.pass(ctx, cancel, to)
	}()
	a.signals <- syscall.SIGQUIT
	<-to.again
	a.signals <- syscall.SIGQUIT
	a.signals <- syscall.SIGHUP
	<-to.reload
	cancel()
	<-ended
}
