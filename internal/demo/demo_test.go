package demo

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lubdub/internal/lab"
)

// TestMain gives the tests a world of their own: what the demo leaves in it is the demo's.
func TestMain(m *testing.M) {
	if err := lab.Enter(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(m.Run())
}

// needWorld skips where namespaces are not allowed.
func needWorld(t *testing.T) {
	t.Helper()
	l, err := lab.New(t.TempDir())
	if errors.Is(err, lab.ErrOutside) {
		t.Skipf("needs root, or a kernel that allows user namespaces: %v", err)
	}
	if l != nil {
		must(t, l.Close())
	}
}

// binary builds lubdub where every user can run it.
func binary(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lddemo-")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	path := filepath.Join(dir, "lubdub")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", path, "lubdub/cmd/lubdub").CombinedOutput(); err != nil {
		t.Fatalf("build lubdub: %v\n%s", err, out)
	}
	return path
}

// withoutRoot runs a command as nobody; nil when this is already a world without root.
func withoutRoot() []string {
	text, err := os.ReadFile("/proc/self/uid_map")
	if fields := strings.Fields(string(text)); err != nil || len(fields) == 3 && fields[2] == "1" {
		return nil
	}
	return []string{"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"}
}

// command is the demo, as someone outside of any lab gives it.
func command(words ...string) *exec.Cmd {
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/", "TERM=dumb"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

func TestDemoLeavesNothingHoweverItEnds(t *testing.T) {
	needWorld(t)
	lubdub := binary(t)
	alone := func(s syscall.Signal) func(pid int) error { return func(pid int) error { return unix.Kill(pid, s) } }
	tests := []struct {
		name string
		wrap []string
		end  func(pid int) error
		said string // what it must say; empty: it cannot
	}{
		{"SIGINT", nil, alone(unix.SIGINT), "interrupted; nothing is left behind"},
		{"Ctrl-C, which all of the group get", nil, func(pid int) error { return unix.Kill(-pid, unix.SIGINT) }, "interrupted; nothing is left behind"},
		{"SIGTERM without root", withoutRoot(), alone(unix.SIGTERM), "interrupted; nothing is left behind"},
		{"SIGKILL", nil, alone(unix.SIGKILL), ""},
		{"SIGKILL without root", withoutRoot(), alone(unix.SIGKILL), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := see(t)
			cmd := command(append(slices.Clone(test.wrap), lubdub, "demo")...)
			out, err := cmd.StdoutPipe()
			must(t, err)
			cmd.Stderr = cmd.Stdout
			must(t, cmd.Start())
			defer func() { _ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }()
			text := readTo(out, "steady state")
			if !strings.Contains(text, "steady state") || see(t).same(before) {
				t.Fatalf("the demo does not run, or can not be seen: this test can not fail:\n%s", text)
			}
			must(t, test.end(cmd.Process.Pid))
			rest, _ := io.ReadAll(out)
			if err := cmd.Wait(); err == nil {
				t.Error("it ends with 0, as if all had been shown")
			}
			if !strings.Contains(string(rest), test.said) {
				t.Errorf("got\n%s\nwant %q", rest, test.said)
			}
			backAsBefore(t, before)
		})
	}
}

// readTo reads lines up to the one that holds the words.
func readTo(r io.Reader, words string) string {
	var said strings.Builder
	one := make([]byte, 1)
	for !strings.Contains(said.String(), words) {
		if _, err := r.Read(one); err != nil {
			break
		}
		said.Write(one)
	}
	return said.String()
}

// TestDemo gives the whole demo: as root with a person at the prompt, and without root.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	needWorld(t)
	lubdub := binary(t)
	before := see(t)
	t.Run("with a prompt", func(t *testing.T) {
		cmd := command(lubdub, "demo", "--interactive")
		orders := []string{"power off proxy01", "wait", "", "power off proxy09", "fly", "power on proxy01", "kill proxy02", "status", "cut front", "wait", "heal", "quit"}
		cmd.Stdin = strings.NewReader(strings.Join(orders, "\n") + "\n")
		_, after, _ := strings.Cut(whole(t, cmd), "Your turn.")
		for _, want := range []string{"now answered by proxy02", `there is no node "proxy09"`, "there is no order fly", "web runs on proxy02.example.org"} {
			if !strings.Contains(after, want) {
				t.Errorf("the prompt said\n%s\nwant %q", after, want)
			}
		}
		if strings.Contains(after, "lab: ") {
			t.Errorf("an order went wrong in the lab:\n%s", after)
		}
	})
	t.Run("without root", func(t *testing.T) {
		whole(t, command(append(withoutRoot(), lubdub, "demo")...))
	})
	backAsBefore(t, before)
}

// backAsBefore waits until the world is as before: the kernel takes namespaces down in its own time.
func backAsBefore(t *testing.T, before sight) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		after := see(t)
		if after.same(before) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("left behind:\n%v\nbefore:\n%v", after, before)
		}
	}
}

// A newcomer is promised a minute; on a machine that tests beside it the demo may take limit.
const limit = 3 * time.Minute

// whole runs the demo to its end.
func whole(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	began := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	if took := time.Since(began); took > limit {
		t.Errorf("took %v, want at most %v", took, limit)
	}
	if !strings.Contains(string(out), "steps went as they must") || strings.Contains(string(out), "\x1b") {
		t.Errorf("got\n%s\nwant a good end, without colour", out)
	}
	for lines := bufio.NewScanner(strings.NewReader(string(out))); lines.Scan(); {
		if n := len([]rune(lines.Text())); n > pageWidth {
			t.Errorf("a line of %d characters, the page has %d: %s", n, pageWidth, lines.Text())
		}
	}
	t.Logf("%s", out)
	return string(out)
}

// sight is what a demo must leave as it was, seen from outside of it.
type sight struct{ namespaces, links, mounts, commands []string }

func see(t *testing.T) (s sight) {
	t.Helper()
	spaces, err := filepath.Glob("/proc/[0-9]*/ns/*")
	must(t, err)
	for _, link := range spaces {
		if ns, err := os.Readlink(link); err == nil { // a process that has ended has none
			s.namespaces = append(s.namespaces, ns)
		}
	}
	slices.Sort(s.namespaces)
	s.namespaces = slices.Compact(s.namespaces)
	interfaces, err := net.Interfaces()
	must(t, err)
	for _, i := range interfaces {
		s.links = append(s.links, i.Name)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	must(t, err)
	s.mounts = strings.Split(string(mounts), "\n")
	for _, dir := range []string{"/run/*", "/run/netns/*"} {
		found, err := filepath.Glob(dir)
		must(t, err)
		s.mounts = append(s.mounts, found...)
	}
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	must(t, err)
	for _, l := range lines {
		text, err := os.ReadFile(l)
		if err == nil {
			s.commands = append(s.commands, strings.ReplaceAll(string(text), "\x00", " "))
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ESRCH) {
			t.Fatal(err)
		}
	}
	slices.Sort(s.commands)
	return s
}

func (s sight) same(before sight) bool {
	return slices.Equal(s.namespaces, before.namespaces) && slices.Equal(s.links, before.links) &&
		slices.Equal(s.mounts, before.mounts) && slices.Equal(s.commands, before.commands)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
