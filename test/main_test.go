package test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"lubdub/internal/lab"
)

// The world of a run. TestMain makes it before the first test, and nothing changes it after.
var (
	lubdub  string // the program under test
	outside error  // why there are no real hosts here
)

func TestMain(m *testing.M) { os.Exit(tellAll(m)) }

// tellAll enters namespaces of its own, builds the program once, and runs the tests.
func tellAll(m *testing.M) int {
	if outside = lab.Enter(); outside != nil {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "ldtest-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	lubdub = filepath.Join(dir, "lubdub")
	build := exec.Command("go", "build", "-o", lubdub, "lubdub/cmd/lubdub")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintf(os.Stderr, "build lubdub: %v\n", err)
		return 1
	}
	return m.Run()
}

// missing skips the test, or fails it where skipping is not allowed.
func missing(t *testing.T, why error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// asRoot skips where programs such as Apache, Heartbeat and tcpdump cannot change to a user of their own.
func asRoot(t *testing.T) {
	t.Helper()
	if outside != nil {
		missing(t, outside)
	}
	var id, begins, length int
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(text), &id, &begins, &length); err != nil {
		t.Fatal(err)
	}
	if length == 1 {
		missing(t, errors.New("this namespace knows one user only: run as root"))
	}
}

// programs skips where a program that a story needs is not installed.
func programs(t *testing.T, paths ...string) {
	t.Helper()
	for _, p := range paths {
		if _, err := os.Stat(p); err != nil {
			missing(t, err)
		}
	}
}

// slow skips a story that takes long.
func slow(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("slow: left out with -short")
	}
}

// eventually waits until a condition holds and says how long that took.
func eventually(t *testing.T, limit time.Duration, what string, holds func() bool) time.Duration {
	t.Helper()
	began := lab.Now()
	for !holds() {
		if lab.Now()-began > limit {
			t.Fatalf("after %v still not: %s", limit, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return lab.Now() - began
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
