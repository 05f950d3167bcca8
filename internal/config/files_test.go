package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Odd bytes and sizes are one clear error, or nothing at all.
func TestOddFiles(t *testing.T) {
	good := string(goodFiles().HaCF)
	tests := []struct{ name, haCF, want string }{
		{"CR LF", strings.ReplaceAll(good, "\n", "\r\n"), ""},
		{"no end of the last line", strings.TrimSuffix(good, "\n"), ""},
		{"NUL", good + "node ga\x00mma\n", "/etc/ha.d/ha.cf:8:8: error: a NUL byte; this is not a plain text file; save it as UTF-8\n    node ga?mma\n           ^\n"},
		{"byte order mark", "\xef\xbb\xbf" + good, "/etc/ha.d/ha.cf:1:1: error: the file begins with a byte order mark; save it as plain text in UTF-8 without one\n"},
		{"long line", good + "# " + strings.Repeat("x", maxLine) + "\n", "/etc/ha.d/ha.cf:8:1: error: the line has more than 5119 bytes; split it\n"},
		{"longest line", good + "#" + strings.Repeat("x", maxLine-1) + "\n", ""},
		{"huge", strings.Repeat("#\n", maxFile), "/etc/ha.d/ha.cf:1:1: error: the file has more than 1048576 bytes; is it the right file?\n"},
		{"terminal tricks", good + "\x1b[2Jx\xff \x07\n", "/etc/ha.d/ha.cf:8:1: error: unknown directive \"\\x1b[2Jx\\xff\"; remove the line; 'man ha.cf' has the directives\n    ?[2Jx? ?\n    ^\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files := goodFiles()
			files.HaCF = []byte(test.haCF)
			_, problems := Parse(files, machine())
			if got := printed(problems); got != test.want {
				t.Errorf("got\n%swant\n%s", got, test.want)
			}
		})
	}
}

func TestLongSourceLineKeepsItsCaret(t *testing.T) {
	files := goodFiles()
	files.HaCF = append(files.HaCF, "node "+strings.Repeat("alpha ", 100)+"del/ta "+strings.Repeat("beta ", 100)+"\n"...)
	_, problems := Parse(files, machine())
	for i, p := range problems {
		if p.Severity != Error {
			continue
		}
		lines := strings.Split(printed(problems[i:i+1]), "\n")
		at := strings.IndexByte(lines[2], '^')
		if len(lines[1]) > maxWidth+10 || !strings.HasPrefix(lines[1][at:], "del/ta") {
			t.Errorf("the caret does not stand under the word:\n%s\n%s", lines[1], lines[2])
		}
		return
	}
	t.Error("no error")
}

// A file of garbage costs bounded time and memory.
func TestGarbageIsBounded(t *testing.T) {
	fill := func(text string) []byte { return []byte(strings.Repeat(text, maxFile/len(text))) }
	numbers := func(before string) []byte {
		var b bytes.Buffer
		for i := 0; b.Len() < maxFile-100; i++ {
			fmt.Fprintf(&b, "%s%d\n", before, i)
		}
		return b.Bytes()
	}
	for name, change := range map[string]func(*Files){
		"unknown directives": func(f *Files) { f.HaCF = fill("abcdefgh\n") },
		"nodes":              func(f *Files) { f.HaCF = numbers("node n") },
		"links":              func(f *Files) { f.HaCF = numbers("bcast e") },
		"one link":           func(f *Files) { f.HaCF = fill("bcast e\n") },
		"duplicates":         func(f *Files) { f.HaCF = fill("debug 1\n") },
		"groups":             func(f *Files) { f.Haresources = fill("alhpa a\n") },
		"one long group":     func(f *Files) { f.Haresources = fill("alpha a \\\n") },
		"keys":               func(f *Files) { f.Authkeys = fill("1 shq a\n") },
		"unknown words":      func(f *Files) { f.LubdubConf = numbers("monitorx") },
		"one long line":      func(f *Files) { f.LubdubConf = append([]byte("warm \\\n"), fill("apachx \\\n")[:maxFile-100]...) },
		"proxies":            func(f *Files) { f.LubdubConf = numbers("proxy listen=:80 backend=http://a p") },
		"cables":             func(f *Files) { f.LubdubConf = fill("point-to-point x y z\n") },
	} {
		files := goodFiles()
		change(&files)
		before := worked(t)
		_, problems := Parse(files, machine())
		took := worked(t) - before
		t.Logf("%s: %v", name, took)
		if took > 10*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
		if len(problems) == 0 || len(problems) > 2*maxKept {
			t.Errorf("%s: %d problems are kept", name, len(problems))
		}
	}
}

// worked is the processor time of this process: on a busy machine the clock on the wall says nothing.
func worked(t *testing.T) time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		t.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

func writeDir(t *testing.T, files Files) string {
	dir := t.TempDir()
	for name, data := range map[string][]byte{"ha.cf": files.HaCF, "haresources": files.Haresources, "authkeys": files.Authkeys,
		"lubdub.conf": files.LubdubConf, "nodeinfo": files.Nodeinfo} {
		if data == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoad(t *testing.T) {
	tests := []struct {
		name   string
		change func(t *testing.T, dir string)
		want   string // in what is printed; empty: nothing is
	}{
		{"all there", func(*testing.T, string) {}, ""},
		{"watched file that is not there", func(t *testing.T, dir string) { write(t, dir, "lubdub.conf", "watchfile /nowhere/x\n") }, ""},
		{"nodeinfo", func(t *testing.T, dir string) { write(t, dir, "nodeinfo", "gamma\n") }, `this node is called "gamma"`},
		{"no ha.cf", func(t *testing.T, dir string) { remove(t, dir, "ha.cf") }, "ha.cf:1:1: error: there is no such file; it holds the nodes, links and times; 'lubdub init -d /"},
		{"no haresources", func(t *testing.T, dir string) { remove(t, dir, "haresources") }, "haresources:1:1: error: there is no such file"},
		{"no authkeys", func(t *testing.T, dir string) { remove(t, dir, "authkeys") }, "authkeys:1:1: error: there is no such file"},
		{"keys that others read", func(t *testing.T, dir string) { chmod(t, dir, 0o640) }, "authkeys:1:1: error: the mode is 0640: others may read or change the keys; chmod 600 "},
		{"keys that others write", func(t *testing.T, dir string) { chmod(t, dir, 0o602) }, "the mode is 0602"},
		{"keys that others execute", func(t *testing.T, dir string) { chmod(t, dir, 0o611) }, "the mode is 0611"},
		{"pipe", func(t *testing.T, dir string) {
			remove(t, dir, "ha.cf")
			if err := syscall.Mkfifo(filepath.Join(dir, "ha.cf"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "not a plain file"},
		{"directory", func(t *testing.T, dir string) {
			remove(t, dir, "haresources")
			if err := os.Mkdir(filepath.Join(dir, "haresources"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, "not a plain file"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := writeDir(t, goodFiles())
			test.change(t, dir)
			l, problems := Load(dir, machine())
			got := printed(problems)
			if !strings.Contains(got, test.want) || (test.want == "") != (got == "") {
				t.Errorf("got\n%swant %q", got, test.want)
			}
			if (l == nil) != problems.HasErrors() {
				t.Error("a configuration with errors, or none without")
			}
			if n := len(problems); n > 1 {
				t.Errorf("%d problems for one fault:\n%s", n, got)
			}
		})
	}
}

func TestLoadRefusesAnothersKeys(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to give a file away")
	}
	dir := writeDir(t, goodFiles())
	if err := os.Chown(filepath.Join(dir, "authkeys"), 12345, 0); err != nil {
		t.Fatal(err)
	}
	_, problems := Load(dir, machine())
	if got := printed(problems); !strings.Contains(got, "belongs to user 12345") || !problems.HasErrors() {
		t.Errorf("got %s", got)
	}
}

func write(t *testing.T, dir, name, text string) {
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, dir, name string) {
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, dir string, mode os.FileMode) {
	if err := os.Chmod(filepath.Join(dir, "authkeys"), mode); err != nil {
		t.Fatal(err)
	}
}
