package agent

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lubdub/internal/cluster"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(formerLife); dir != "" {
		beFormerLife(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// world is a runner whose agents are scripts in a directory of the test.
type world struct {
	Runner
	dir string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{dir: dir, Runner: Runner{
		Node:        "proxy01",
		ConfigDir:   dir,
		ResourceDir: filepath.Join(dir, "resource.d"),
		InitDir:     filepath.Join(dir, "init.d"),
		OCFRoot:     filepath.Join(dir, "ocf"),
		TempDir:     filepath.Join(dir, "tmp"),
	}}
	return w
}

// write puts an executable into the test's directory and returns its path.
func (w *world) write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// heartbeat and ocf write agents with a shell's body.
func (w *world) heartbeat(t *testing.T, name, body string) {
	w.write(t, "resource.d/"+name, "#!/bin/sh\n"+body+"\n")
}

func (w *world) ocf(t *testing.T, name, body string) {
	w.write(t, "ocf/resource.d/heartbeat/"+name, "#!/bin/sh\n"+body+"\n")
}

func request(name string, a cluster.Action, args ...string) Request {
	return Request{
		Resource: cluster.Resource{Name: name, Type: name, Args: args, Interval: 10 * time.Second},
		Group:    "web", Action: a, Timeout: 20 * time.Second,
	}
}

// expect runs an action and compares result and words. Words that end in "..." are a beginning.
func (w *world) expect(t *testing.T, q Request, result cluster.Result, words string) cluster.Outcome {
	t.Helper()
	out := w.Run(context.Background(), q)
	begin, open := strings.CutSuffix(words, "...")
	if out.Result != result || out.Words != words && (!open || !strings.HasPrefix(out.Words, begin)) {
		t.Errorf("%s %s: got %d %q, want %d %q", q.Resource.Name, q.Action, out.Result, out.Words, result, words)
	}
	return out
}

// hang runs an action that its time-out, TIME in the words, must end. Where the machine is too busy for the agent to come to what
// its words tell of, or to write the files that a test looks at after it, it has more time in the next try.
func (w *world) hang(t *testing.T, q Request, timeout time.Duration, words string, files ...string) cluster.Outcome {
	t.Helper()
	for ; ; timeout *= 3 {
		for _, f := range files {
			_ = os.Remove(filepath.Join(w.dir, f))
		}
		q.Timeout = timeout
		out := w.Run(context.Background(), q)
		want := strings.ReplaceAll(words, "TIME", timeout.String())
		begin, open := strings.CutSuffix(want, "...")
		good := out.Result == cluster.TimedOut && (out.Words == want || open && strings.HasPrefix(out.Words, begin))
		all := true
		for _, f := range files {
			text, err := os.ReadFile(filepath.Join(w.dir, f))
			all = all && err == nil && len(text) > 0
		}
		if good && all || timeout > patience {
			if !good || !all {
				t.Errorf("%s %s: got %d %q, want %d %q; all of %q are written: %v", q.Resource.Name, q.Action, out.Result, out.Words, cluster.TimedOut, want, files, all)
			}
			return out
		}
		t.Logf("%v were too short: %q", timeout, out.Words)
	}
}

// patience is how long what must come is waited for on a busy machine.
const patience = 10 * time.Second

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
