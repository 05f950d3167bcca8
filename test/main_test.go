package test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lubdub/internal/lab"
)

// The world of a run. TestMain makes it before the first test, and nothing changes it after.
var (
	lubdub  string // the program under test
	outside error  // why there are no real hosts here
)

// programVariable names the program under test; without it the program is built from this source. It also hands what was built
// outside on into the namespaces, where the go command could download nothing.
const programVariable = "LUBDUB_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getpid() == 1 && os.Getenv(storyVariable) != "" {
		beInit()
	}
	lab.Child()
	os.Exit(tellAll(m))
}

// tellAll builds the program once, enters namespaces of its own, and runs the tests.
func tellAll(m *testing.M) int {
	lubdub = os.Getenv(programVariable)
	if lubdub == "" {
		dir, err := build()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir) // here if the namespaces are refused, else where the tests ran
		if err := buildPrevious(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if err := os.Setenv(programVariable, filepath.Join(dir, programName)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	} else if dir := filepath.Dir(lubdub); strings.HasPrefix(filepath.Base(dir), buildPrefix) {
		defer os.RemoveAll(dir)
	}
	outside = lab.Enter() // on success the test begins anew inside, and this process ends with it
	return m.Run()
}

const (
	programName = "lubdub"
	buildPrefix = "ldtest-"
)

// build builds the program into a directory of its own.
func build() (dir string, err error) {
	if dir, err = os.MkdirTemp("", buildPrefix); err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, programName), "lubdub/cmd/lubdub")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("build lubdub: %w\n%s", err, out), os.RemoveAll(dir))
	}
	return dir, os.Chmod(dir, 0o755)
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
