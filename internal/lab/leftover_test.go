package lab

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// world is what a lab must leave as it was, seen from outside of it.
type world struct {
	namespaces, links, mounts, commands []string
}

// look takes stock of the world that this process sees.
func look(t *testing.T) world {
	t.Helper()
	var w world
	links, err := filepath.Glob("/proc/[0-9]*/ns/*")
	must(t, err)
	for _, link := range links {
		// A process that ends meanwhile has none any more.
		if ns, err := os.Readlink(link); err == nil && !slices.Contains(w.namespaces, ns) {
			w.namespaces = append(w.namespaces, ns)
		}
	}
	interfaces, err := net.Interfaces()
	must(t, err)
	for _, i := range interfaces {
		w.links = append(w.links, i.Name)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	must(t, err)
	w.mounts = strings.Split(string(mounts), "\n")
	named, err := os.ReadDir(namedDir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, n := range named {
		w.mounts = append(w.mounts, n.Name())
	}
	w.commands = commandLines(t)
	slices.Sort(w.namespaces)
	slices.Sort(w.commands)
	return w
}

// same reports whether nothing was added to the world.
func (w world) same(before world) bool {
	return slices.Equal(w.namespaces, before.namespaces) && slices.Equal(w.links, before.links) &&
		slices.Equal(w.mounts, before.mounts) && slices.Equal(w.commands, before.commands)
}

// commandLines lists what runs.
func commandLines(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	must(t, err)
	var lines []string
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil {
			lines = append(lines, strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
	return lines
}

func TestCloseLeavesNothing(t *testing.T) {
	if !inside() {
		t.Skip(ErrOutside)
	}
	before := look(t)
	l, err := New(t.TempDir(), pair()...)
	must(t, err)
	defer l.Close()
	must(t, exchange(l))
	if look(t).same(before) {
		t.Error("a lab that runs can not be seen: this test can not fail")
	}
	must(t, l.Close())
	eventually(t, "the world is as before", func() bool { return look(t).same(before) })
}

// holder starts this binary outside of any lab, as a program that holds one, and returns when it does.
func holder(t *testing.T, wrap ...string) (*exec.Cmd, io.WriteCloser) {
	t.Helper()
	binary, dir := copyBinary(t)
	args := append(slices.Clone(wrap), binary)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(environment(), holdVariable+"="+dir)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	cmd.Stderr = cmd.Stdout
	must(t, cmd.Start())
	t.Cleanup(func() { _ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL); _ = cmd.Wait() })
	var said []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if lines.Text() == "holding" {
			return cmd, in
		}
		said = append(said, lines.Text())
	}
	text := strings.Join(said, "\n")
	if strings.Contains(text, ErrOutside.Error()) && strings.Contains(text, unix.EPERM.Error()) {
		t.Skip(text)
	}
	t.Fatalf("the holder does not hold:\n%s", text)
	return nil, nil
}

// copyBinary puts this test binary where every user can run it, with a directory that every user can write.
func copyBinary(t *testing.T) (binary, dir string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "ldlab-")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o777))
	text, err := os.ReadFile(self)
	must(t, err)
	binary = filepath.Join(dir, "lab.test")
	must(t, os.WriteFile(binary, text, 0o755))
	return binary, dir
}

func TestNothingIsLeftHoweverTheCallerEnds(t *testing.T) {
	if !inside() {
		t.Skip(ErrOutside)
	}
	nobody := []string{"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"}
	if mappedUser() {
		nobody = nil // already without root
	}
	kill := func(s syscall.Signal) func(*exec.Cmd, io.Closer) {
		return func(c *exec.Cmd, _ io.Closer) { _ = c.Process.Signal(s) }
	}
	tests := []struct {
		name string
		wrap []string
		end  func(*exec.Cmd, io.Closer)
	}{
		{"end", nil, func(_ *exec.Cmd, in io.Closer) { _ = in.Close() }},
		{"SIGINT", nil, kill(syscall.SIGINT)},
		{"SIGTERM", nil, kill(syscall.SIGTERM)},
		{"SIGKILL", nil, kill(syscall.SIGKILL)},
		{"end without root", nobody, func(_ *exec.Cmd, in io.Closer) { _ = in.Close() }},
		{"SIGKILL without root", nobody, kill(syscall.SIGKILL)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := look(t)
			cmd, in := holder(t, test.wrap...)
			during := look(t)
			if during.same(before) || !slices.ContainsFunc(during.commands, func(c string) bool { return strings.Contains(c, "4711") }) {
				t.Error("the held lab can not be seen: this test can not fail")
			}
			test.end(cmd, in)
			err := cmd.Wait()
			if strings.HasPrefix(test.name, "end") && err != nil {
				t.Errorf("the holder's end: %v", err)
			}
			eventually(t, "the world is as before", func() bool { return look(t).same(before) })
		})
	}
}
