package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"
)

// holdVariable makes the test binary a program that builds a lab and holds it, for the tests of what is left behind.
const holdVariable = "LUBDUB_LAB_TEST_HOLD"

func TestMain(m *testing.M) {
	err := Enter()
	if os.Getenv(holdVariable) != "" {
		os.Exit(hold(err))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(m.Run())
}

// hold builds a lab, runs something in it, says so, and keeps it until its standard input ends.
func hold(err error) int {
	var l *Lab
	if err == nil {
		l, err = New(os.Getenv(holdVariable), pair()...)
	}
	if err == nil {
		_, err = l.Host("proxy01").Start("sleep", "4711")
	}
	if err == nil {
		err = exchange(l)
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("holding")
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := l.Close(); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// exchange sends datagrams over both networks, silences one direction for a moment, and cuts the power once.
func exchange(l *Lab) error {
	if _, err := l.Host("proxy02").Serve("udp://10.0.0.2:7", 0); err != nil {
		return err
	}
	if !answered(l, "proxy01", "udp://10.0.0.2:7", patience) {
		return errors.New("no answer over the cable")
	}
	f := Fault{Network: "cable", From: "proxy01"}
	if err := l.Cut(f); err != nil {
		return err
	}
	if answered(l, "proxy01", "udp://10.0.0.2:7", silence) {
		return errors.New("an answer over a cut cable")
	}
	if err := l.Heal(f); err != nil {
		return err
	}
	if err := l.Host("proxy01").WriteFile("/etc/ha.d/ha.cf", "node proxy01\n", 0o644); err != nil {
		return err
	}
	if err := l.Host("proxy02").PowerOff(); err != nil {
		return err
	}
	return l.Host("proxy02").PowerOn()
}

// pair is the tutorial's world: two nodes, a front network, a cross-over cable, a client.
func pair() []Network {
	return []Network{
		{Name: "front", Ports: []string{
			"proxy01 192.0.2.11/24 2001:db8::11/64", "proxy02 192.0.2.12/24 2001:db8::12/64", "client 192.0.2.50/24 2001:db8::50/64",
		}},
		{Name: "cable", Ports: []string{"proxy01 10.0.0.1/24", "proxy02 10.0.0.2/24"}, CrossOver: true},
	}
}

// newPair builds that world for one test.
func newPair(t *testing.T) *Lab {
	t.Helper()
	l, err := New(t.TempDir(), pair()...)
	if errors.Is(err, ErrOutside) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// patience is how long an answer that must come may take on a busy machine; silence is how long one that must not is waited for.
const patience, silence = 10 * time.Second, 300 * time.Millisecond

// answered reports whether a target answers a host within a time.
func answered(l *Lab, from, target string, within time.Duration) bool {
	load, err := l.Host(from).Load(target, Pace{Every: 5 * time.Millisecond, Timeout: 100 * time.Millisecond})
	if err != nil {
		return false
	}
	start := Now()
	for deadline := start + within; Now() < deadline; time.Sleep(5 * time.Millisecond) {
		if s := load.Summary(start, Now()); len(s.Servers) > 0 {
			load.Stop()
			return true
		}
	}
	load.Stop()
	return false
}

// must ends the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run runs a program on a host and returns its output.
func run(t *testing.T, h *Host, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	out, err := h.Run(ctx, program, args...)
	must(t, err)
	return out
}

// eventually waits until a condition holds, for at most our patience.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := Now() + patience; !holds(); time.Sleep(2 * time.Millisecond) {
		if Now() > deadline {
			t.Fatalf("after %v still not: %s", patience, what)
		}
	}
}
