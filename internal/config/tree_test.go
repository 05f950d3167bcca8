package config

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func sumOf(t *testing.T, s Scan, w Watch) Scanned {
	t.Helper()
	out, err := s.Run(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// described is a second, dumber account of a tree: what must be equal, as text.
func described(t *testing.T, root string) string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(root, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st syscall.Stat_t
		if err := syscall.Lstat(name, &st); err != nil {
			return err
		}
		text := ""
		switch st.Mode & syscall.S_IFMT {
		case syscall.S_IFREG:
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			text = fmt.Sprintf("%x", sha256.Sum256(data))
		case syscall.S_IFLNK:
			if text, err = os.Readlink(name); err != nil {
				return err
			}
		}
		lines = append(lines, fmt.Sprintf("%q %o %d %d %q", strings.TrimPrefix(name, root), st.Mode, st.Uid, st.Gid, text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// oddNames are names that scripts stumble over.
func oddNames() []string {
	return []string{"a", "b", "new\nline", "-rf", "#c", ";d", " blank ", `back\slash`, "quote'\"", "*?[x]", "\xff\xfe", "z.log"}
}

// put writes a file, and does not wait for a reader where that is a pipe.
func put(name string, fill byte, length int) {
	if f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NONBLOCK, 0o644); err == nil {
		_, _ = f.Write(bytes.Repeat([]byte{fill}, length))
		_ = f.Close()
	}
}

// change does one of the things that happen to trees. What cannot be done is not done.
func change(root string, op, x, y byte) {
	names := oddNames()
	at := func(n byte) string {
		p := root
		if n&0x80 != 0 {
			p = filepath.Join(p, names[int(n>>4)%len(names)])
		}
		return filepath.Join(p, names[int(n&0x0f)%len(names)])
	}
	a, b := at(x), at(y)
	switch op % 14 {
	case 0, 1:
		put(a, y, int(y%7))
	case 2:
		_ = os.Mkdir(a, 0o755)
	case 3:
		_ = os.RemoveAll(a)
	case 4:
		_ = os.Rename(a, b)
	case 5:
		_ = os.Chmod(a, fs.FileMode(0o600|int(y)&0o177))
	case 6:
		_ = os.Symlink(filepath.Base(b), a) // a loop, sometimes
	case 7:
		_ = syscall.Mkfifo(a, 0o600)
	case 8: // two contents change places
		if c := a + ".tmp"; os.Rename(a, c) == nil {
			_ = os.Rename(b, a)
			_ = os.Rename(c, b)
		}
	case 9:
		_ = os.Link(a, b)
	case 10: // another content of the same length, and the old times
		if info, err := os.Lstat(a); err == nil && info.Mode().IsRegular() {
			put(a, y, int(info.Size()))
			_ = os.Chtimes(a, info.ModTime(), info.ModTime())
		}
	case 11:
		_ = os.Lchown(a, int(y%3), int(y%2))
	case 12:
		_ = os.Symlink(".", a)
	case 13:
		_ = os.Chmod(a, fs.FileMode(0o755)|fs.ModeSticky)
	}
}

// FuzzTree changes a tree, and holds its digest to a dumber account: it changes
// when and only when that does, and what the cache knows makes no difference.
func FuzzTree(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 1, 2, 8, 0, 1, 10, 0, 5, 5, 0, 1, 4, 0, 2})
	f.Add([]byte{2, 0, 0, 0, 0x80, 3, 7, 0x81, 0, 6, 2, 2, 12, 0x82, 0, 3, 0, 0})
	f.Add([]byte{0, 2, 4, 0, 10, 4, 11, 2, 2, 9, 2, 3, 13, 2, 0, 3, 2, 0})
	f.Fuzz(func(t *testing.T, ops []byte) {
		root := t.TempDir()
		w, cache := Watch{Path: root, Tree: true}, &Cache{}
		sums := map[string]string{}     // by account
		accounts := map[string]string{} // by sum
		for len(ops) >= 3 && len(accounts) < 20 {
			change(root, ops[0], ops[1], ops[2])
			ops = ops[3:]
			account := described(t, root)
			fresh := sumOf(t, Scan{}, w)
			cached := sumOf(t, Scan{Cache: cache}, w)
			if fresh.Sum != cached.Sum || fresh.Unsettled {
				t.Fatalf("the cache makes a difference: %+v and %+v of\n%s", fresh, cached, account)
			}
			if before, ok := sums[account]; ok && before != fresh.Sum {
				t.Fatalf("two digests of one tree:\n%s", account)
			}
			if before, ok := accounts[fresh.Sum]; ok && before != account {
				t.Fatalf("one digest of two trees:\n%s\nand\n%s", before, account)
			}
			sums[account], accounts[fresh.Sum] = fresh.Sum, account
		}
	})
}

func TestWatchedFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	w := Watch{Path: file}
	if out := sumOf(t, Scan{}, w); out.Sum != missing || out.Trouble == "" {
		t.Errorf("a file that is not there: %+v", out)
	}
	write := func(text string, mode fs.FileMode) string {
		if err := errors.Join(os.WriteFile(file, []byte(text), mode), os.Chmod(file, mode)); err != nil {
			t.Fatal(err)
		}
		return sumOf(t, Scan{}, w).Sum
	}
	first := write("x", 0o644)
	if write("y", 0o644) == first || write("x", 0o600) == first || write("x", 0o644) != first {
		t.Error("content or mode does not count, or something else does")
	}
	if err := os.Rename(file, filepath.Join(dir, "g")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("g", file); err != nil {
		t.Fatal(err)
	}
	if got := sumOf(t, Scan{}, w).Sum; got != first {
		t.Errorf("a symlink to the same file has digest %s, want %s", got, first)
	}
	for _, wrong := range []Watch{{Path: dir}, {Path: file, Tree: true}, {Path: "/dev/null"}} {
		if out, err := (Scan{}).Run(t.Context(), wrong); err == nil {
			t.Errorf("%+v: %+v", wrong, out)
		}
	}
}

func TestExclude(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"a.log", "cache/a.tmp", "cache/keep", "x/cache/a.tmp", "x/b.log/c", "x/y"} {
		at := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	var seen []string
	w := Watch{Path: root, Tree: true, Exclude: []string{"*.log", "/cache/*.tmp"}}
	sumOf(t, Scan{Each: func(e Entry) { seen = append(seen, e.Path) }}, w)
	if got, want := strings.Join(seen, " "), ". cache cache/keep x x/cache x/cache/a.tmp x/y"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestGlobs(t *testing.T) {
	for text, good := range map[string]bool{"*.log": true, "/cache/*": true, "a/b": true, "[a-z]?": true, "": false, "/": false, "a//b": false,
		"../x": false, "a/../b": false, "**": false, `\*`: false, "[": false, "x/": false} {
		if wrong, _ := isGlob(text); (wrong == "") != good {
			t.Errorf("%q: %q", text, wrong)
		}
	}
}

// What changes while it is looked at is neither an error nor remembered.
func TestTreeChangesMeanwhile(t *testing.T) {
	make4 := func(t *testing.T) string {
		root := t.TempDir()
		for _, name := range []string{"a", "b", "c", "d"} {
			if err := os.WriteFile(filepath.Join(root, name), []byte(name), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return root
	}
	for name, meanwhile := range map[string]func(root string) error{
		"vanishes":        func(root string) error { return os.Remove(filepath.Join(root, "c")) },
		"becomes longer":  func(root string) error { return os.WriteFile(filepath.Join(root, "b"), []byte("longer"), 0o644) },
		"becomes shorter": func(root string) error { return os.Truncate(filepath.Join(root, "b"), 0) },
		"becomes a pipe": func(root string) error {
			p := filepath.Join(root, "b")
			return errors.Join(os.Remove(p), syscall.Mkfifo(p, 0o600))
		},
		"becomes a symlink": func(root string) error {
			p := filepath.Join(root, "b")
			return errors.Join(os.Remove(p), os.Symlink("/etc/passwd", p))
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := make4(t)
			w, cache, reads := Watch{Path: root, Tree: true}, &Cache{}, 0
			pace := func(context.Context, int) error {
				if reads++; reads == 2 { // b was read and is still open
					return meanwhile(root)
				}
				return nil
			}
			out := sumOf(t, Scan{Cache: cache, Pace: pace}, w)
			if !out.Unsettled && name != "becomes a pipe" && name != "becomes a symlink" {
				t.Errorf("%+v is said to be settled", out)
			}
			if again, fresh := sumOf(t, Scan{Cache: cache}, w), sumOf(t, Scan{}, w); again.Sum != fresh.Sum || again.Unsettled {
				t.Errorf("afterwards: %+v with the cache, %+v without", again, fresh)
			}
		})
	}
}

// Pipes, sockets and devices are named and never opened: a pipe without a writer would hang.
func TestSpecialFiles(t *testing.T) {
	root := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(root, "p"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(root, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	want := "d p s"
	if os.Geteuid() == 0 {
		if err := syscall.Mknod(filepath.Join(root, "zero"), syscall.S_IFCHR|0o600, 1<<8|5); err == nil {
			want += " c"
		}
	}
	kinds := ""
	sumOf(t, Scan{Each: func(e Entry) { kinds += " " + string(e.Kind) }}, Watch{Path: root, Tree: true})
	if kinds != " "+want {
		t.Errorf("got%s, want %s", kinds, want)
	}
}

// Content that did not change is read once; a change within the file system's grain is never missed.
func TestCache(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "f")
	if err := os.WriteFile(file, bytes.Repeat([]byte("x"), 3*chunk), 0o644); err != nil {
		t.Fatal(err)
	}
	w, cache := Watch{Path: root, Tree: true}, &Cache{}
	later := Scan{Cache: cache, Now: func() time.Time { return time.Now().Add(time.Minute) }}
	if out := sumOf(t, Scan{Cache: cache}, w); out.Read != 3*chunk {
		t.Errorf("first %+v", out)
	}
	if out := sumOf(t, later, w); out.Read != 3*chunk {
		t.Errorf("what changed just now was remembered: %+v", out)
	}
	if out := sumOf(t, later, w); out.Read != 0 || out.Bytes != 3*chunk {
		t.Errorf("what did not change was read again: %+v", out)
	}
}

func TestTreeLimits(t *testing.T) {
	root := t.TempDir()
	deep := root
	for range maxLevels + 2 {
		deep = filepath.Join(deep, "d")
	}
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := (Scan{}).Run(t.Context(), Watch{Path: root, Tree: true}); err == nil || !strings.Contains(err.Error(), "64 directories deep") {
		t.Errorf("depth: %v", err)
	}
	if _, err := (Scan{most: 10}).Run(t.Context(), Watch{Path: root, Tree: true}); err == nil || !strings.Contains(err.Error(), "more than 10 names") {
		t.Errorf("names: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Scan{}).Run(ended, Watch{Path: root, Tree: true}); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
}

// A symlink is named, not followed, and a loop of them ends.
func TestSymlinksAreNotFollowed(t *testing.T) {
	outside, root := t.TempDir(), t.TempDir()
	for _, l := range [][2]string{{outside, "out"}, {".", "loop"}, {"nowhere", "dangling"}, {"other", "other"}} {
		if err := os.Symlink(l[0], filepath.Join(root, l[1])); err != nil {
			t.Fatal(err)
		}
	}
	w := Watch{Path: root, Tree: true}
	before := sumOf(t, Scan{}, w)
	if err := os.WriteFile(filepath.Join(outside, "x"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if after := sumOf(t, Scan{}, w); after != before || after.Entries != 5 {
		t.Errorf("%+v and %+v", before, after)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(root, link); err != nil {
		t.Fatal(err)
	}
	if through := sumOf(t, Scan{}, Watch{Path: link, Tree: true}); through.Sum != before.Sum {
		t.Error("the root itself may be a symlink")
	}
}
