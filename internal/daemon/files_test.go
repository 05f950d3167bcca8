package daemon

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lubdub/internal/cluster"
	"lubdub/internal/config"
)

// watchPatience is far above what a look of these trees takes on a busy machine, and below lookInterval.
const watchPatience = 30 * time.Second

// watching is a scanner that runs, and what it tells.
type watching struct {
	*scanner
	told chan cluster.Input
}

func startWatching(t *testing.T, w config.Watch) watching {
	t.Helper()
	told := make(chan cluster.Input, 100)
	one := watching{newScanners([]config.Watch{w}, func(in cluster.Input) { told <- in })[0], told}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		one.run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return one
}

// sum waits for the next digest.
func (w watching) sum(t *testing.T) string {
	t.Helper()
	timeout := time.After(watchPatience)
	for {
		select {
		case in := <-w.told:
			if d, ok := in.(cluster.Digested); ok {
				if len(d.Digests) != 1 || d.Digests[0].File != w.watch.Path {
					t.Fatalf("told %+v", d)
				}
				return d.Digests[0].Sum
			}
		case <-timeout:
			t.Fatalf("no digest within %v; state %+v", watchPatience, w.state.Load())
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A change in a tree is told long before the next look is due, also deep in a
// directory that is new, and a tree that comes back has the digest that it had.
func TestChangesAreToldSoon(t *testing.T) {
	root := filepath.Join(t.TempDir(), "www")
	must(t, os.MkdirAll(filepath.Join(root, "old"), 0o755))
	w := startWatching(t, config.Watch{Path: root, Tree: true, Exclude: []string{"*.log"}})
	first := w.sum(t)
	must(t, os.MkdirAll(filepath.Join(root, "new/deep"), 0o755))
	second := w.sum(t)
	must(t, os.WriteFile(filepath.Join(root, "new/deep/x"), []byte("x"), 0o644))
	third := w.sum(t)
	must(t, os.WriteFile(filepath.Join(root, "old/a.log"), []byte("x"), 0o644))
	must(t, os.Chmod(filepath.Join(root, "old"), 0o700))
	fourth := w.sum(t)
	must(t, os.RemoveAll(filepath.Join(root, "new")))
	must(t, os.Chmod(filepath.Join(root, "old"), 0o755))
	fifth := w.sum(t)
	for fifth != first { // it was looked at between the two
		fifth = w.sum(t)
	}
	if first == second || second == third || third == fourth || first == "" {
		t.Errorf("digests %s %s %s %s %s", first, second, third, fourth, fifth)
	}
}

// A file is usually replaced, and may be a symlink.
func TestReplacedFileIsTold(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "real"), 0o755))
	file, real := filepath.Join(dir, "f"), filepath.Join(dir, "real/f")
	must(t, os.Symlink("real/f", file))
	w := startWatching(t, config.Watch{Path: file})
	if got := w.sum(t); got != "missing" {
		t.Fatalf("a file that is not there: %s", got)
	}
	if note := <-w.told; !strings.Contains(note.(cluster.Noted).Words, file+": there is no such file") {
		t.Errorf("told %+v", note)
	}
	must(t, os.Remove(file))
	must(t, os.WriteFile(real, []byte("x"), 0o644))
	must(t, os.Symlink("real/f", file))
	first := w.sum(t)
	must(t, os.WriteFile(real+".new", []byte("y"), 0o644))
	must(t, os.Rename(real+".new", real))
	if second := w.sum(t); second == first {
		t.Error("another content has the same digest")
	}
}

// What cannot be compared is said, and has no digest: on both nodes it would look equal.
func TestUncomparableIsSaid(t *testing.T) {
	dir := t.TempDir()
	w := startWatching(t, config.Watch{Path: dir})
	select {
	case in := <-w.told:
		if n, ok := in.(cluster.Noted); !ok || !strings.Contains(n.Words, "write watchtree for a directory: it is not compared") {
			t.Errorf("told %+v", in)
		}
	case <-time.After(watchPatience):
		t.Fatal("nothing was said")
	}
	d := &daemon{scanners: []*scanner{w.scanner}}
	all, warnings := d.watched()
	if len(all) != 1 || len(warnings) != 1 || all[0].Sum != "" {
		t.Errorf("%+v %q", all, warnings)
	}
}

// A look that is stuck does not keep the daemon from ending. A FIFO whose opening
// waits plays the disk that does not answer.
func TestStuckLookDoesNotHoldUpTheEnd(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "f")
	must(t, syscall.Mkfifo(fifo, 0o600))
	one := newScanners([]config.Watch{{Path: fifo}}, func(cluster.Input) {
		_, _ = os.OpenFile(fifo, os.O_WRONLY, 0) // until somebody reads
	})[0]
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		one.run(ctx)
	}()
	for one.state.Load().Looked.IsZero() {
		time.Sleep(time.Millisecond)
	}
	cancel()
	select {
	case <-ended:
	case <-time.After(watchPatience):
		t.Error("the end waits for it")
	}
	r, err := os.OpenFile(fifo, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	must(t, err)
	must(t, r.Close())
}

// A tree that changes for ever is looked at with long rests, and its digest is told at last.
func TestRestlessTree(t *testing.T) {
	if restShare < 10 || settleTime < time.Second {
		t.Errorf("a look costs up to 1/%d of the time, each %v", restShare, settleTime)
	}
	w := &scanner{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.pace(ctx, readRate); err == nil {
		t.Error("the end does not end the waiting")
	}
	if err := w.pace(ctx, readRate/1000); err != nil {
		t.Error("a little is not worth a wait")
	}
}

func TestNewsOfEndedWatchesAreNone(t *testing.T) {
	event := func(mask uint32, name string) []byte {
		b := make([]byte, unix.SizeofInotifyEvent+len(name))
		b[4], b[5], b[6], b[7] = byte(mask), byte(mask>>8), byte(mask>>16), byte(mask>>24)
		b[12] = byte(len(name))
		copy(b[unix.SizeofInotifyEvent:], name)
		return b
	}
	ignored, created := event(unix.IN_IGNORED, ""), event(unix.IN_CREATE, "abcdefgh")
	for name, c := range map[string]struct {
		b    []byte
		want bool
	}{"none": {nil, false}, "ended": {ignored, false}, "both": {append(ignored, created...), true}, "ended last": {append(created, ignored...), true}, "cut": {created[:5], false}} {
		if got := tells(c.b); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
