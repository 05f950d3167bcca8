package agent

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lubdub/internal/cluster"
)

// alive says that the process with the id in a file exists and is no zombie.
func alive(t *testing.T, file string) bool {
	t.Helper()
	text, err := os.ReadFile("/proc/" + strings.TrimSpace(read(t, file)) + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return rest[0] != 'Z' && rest[0] != 'X'
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Errorf("%s did not come", what)
}

// reap ends a process that a test left on purpose.
func reap(t *testing.T, file string) {
	t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(read(t, file)))
	if err != nil || pid < 2 {
		t.Fatalf("no process id in %s: %v", file, err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil && err != unix.ESRCH {
		t.Error(err)
	}
}

func short(name string, a cluster.Action, timeout time.Duration) Request {
	q := request(name, a)
	q.Timeout = timeout
	return q
}

func TestHangs(t *testing.T) {
	w := newWorld(t)
	w.ocf(t, "db", `echo "ERROR: lock is held"; echo waiting; exec sleep 60`)
	const timeout = 300 * time.Millisecond
	out := w.hang(t, request("db", cluster.Stop), timeout, "db stop: ended after TIME: it did not answer; it said: lock is held; it was busy with sleep (process ...")
	if len(out.Lines) != 2 || out.Took < timeout || out.Took > 3*patience { // it would sleep for a minute
		t.Errorf("got %q after %v", out.Lines, out.Took)
	}
	w.heartbeat(t, "slow", "exec sleep 60")
	w.hang(t, request("slow", cluster.Start), 200*time.Millisecond,
		"slow start: ended after TIME: it did not answer when asked for its status before the start; it was busy with sleep (process ...")
}

// It ignores SIGTERM, and so do its children: all end.
func TestIgnoresTERM(t *testing.T) {
	w := newWorld(t)
	dir := w.dir
	w.ocf(t, "db", `trap "" TERM
		for i in 1 2 3; do (trap "" TERM; sh -c 'echo $PPID' >`+dir+`/child$i; while :; do sleep 1; done) & done
		echo $$ >`+dir+`/self; while :; do sleep 1; done`)
	files := []string{"self", "child1", "child2", "child3"}
	w.hang(t, request("db", cluster.Start), 600*time.Millisecond, "db start: ended after TIME: it did not answer", files...)
	for _, name := range files {
		eventually(t, "the end of "+name, func() bool { return !alive(t, filepath.Join(dir, name)) })
	}
}

// It ends at SIGTERM, its child does not: the group ends all the same.
func TestChildIgnoresTERM(t *testing.T) {
	w := newWorld(t)
	w.ocf(t, "db", `(trap "" TERM; sh -c 'echo $PPID' >`+w.dir+`/child; while :; do sleep 1; done) & wait`)
	w.hang(t, request("db", cluster.Start), 400*time.Millisecond, "db start: ended after TIME: it did not answer", "child")
	eventually(t, "the end of the child", func() bool { return !alive(t, w.dir+"/child") })
}

// It forks all the time: nothing of it is left.
func TestForks(t *testing.T) {
	w := newWorld(t)
	w.ocf(t, "db", `trap "" TERM; n=0
		fork() { (trap "" TERM; n=$((n+1)); sleep 0.02; [ $n -gt 4000 ] || fork) & }
		fork; fork; fork; sh -c 'ps -o pgid= -p $PPID' >`+w.dir+`/group; wait; sleep 60`)
	w.hang(t, request("db", cluster.Start), 700*time.Millisecond, "db start: ended after TIME: it did not answer...", "group")
	group, err := strconv.Atoi(strings.TrimSpace(read(t, w.dir+"/group")))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the group", func() bool { return !members(t, group) })
}

// members says that a process of the group lives.
func members(t *testing.T, group int) bool {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest) // state, parent, group
		if len(fields) > 2 && fields[0] != "Z" && fields[2] == strconv.Itoa(group) {
			return true
		}
	}
	return false
}

func TestFloods(t *testing.T) {
	w := newWorld(t)
	w.ocf(t, "db", `yes flood | head -c 19999998; echo "ERROR: at last"; exit 1`)
	out := w.expect(t, request("db", cluster.Start), cluster.Failed, "db start: exit code 1 (generic error): at last")
	if n := len(out.Lines); n != 2 && n != 3 { // flood, perhaps a cut one, the error
		t.Errorf("got %q", out.Lines)
	}
	w.ocf(t, "endless", `while :; do printf '%01000d\n' 1; done`)
	out = w.hang(t, request("endless", cluster.Start), 500*time.Millisecond, "endless start: ended after TIME...")
	for _, line := range out.Lines {
		if len(line) > maxLine+len(" (1000000 times)") {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
}

func TestCaptureIsBounded(t *testing.T) {
	c := &capture{}
	piece := make([]byte, 4096)
	for range 1000 {
		c.keep(piece)
	}
	if cap(c.tail) > 4*maxOutput {
		t.Errorf("%d bytes are kept", cap(c.tail))
	}
}

// What was started holds the output: the action ends with its own process, the service lives on, and it may write as
// much as it likes.
func TestDaemonLivesOn(t *testing.T) {
	for _, c := range []struct{ name, how string }{{"own session", "setsid "}, {"same group", ""}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			service := w.write(t, "service", `#!/bin/sh
				trap 'echo killed >`+w.dir+`/killed' PIPE
				echo $$ >`+w.dir+`/pid
				until [ -e `+w.dir+`/go ]; do sleep 0.02; done
				i=0; while [ $i -lt 200 ]; do printf '%01000d\n' $i 2>>`+w.dir+`/errors; i=$((i+1)); done
				echo fine >`+w.dir+`/fine; exec sleep 60`)
			w.ocf(t, "db", "[ $1 = start ] || exit 0; "+c.how+service+" & while [ ! -e "+w.dir+"/pid ]; do sleep 0.01; done; echo started")
			out := w.expect(t, request("db", cluster.Start), cluster.OK, "db is started")
			defer reap(t, w.dir+"/pid")
			if out.Took > 3*patience || len(out.Lines) != 1 { // the service sleeps for a minute
				t.Errorf("got %q after %v", out.Lines, out.Took)
			}
			w.write(t, "go", "")
			eventually(t, "the end of its writing", func() bool { _, err := os.Stat(w.dir + "/fine"); return err == nil })
			if _, err := os.Stat(w.dir + "/killed"); err == nil || !alive(t, w.dir+"/pid") {
				t.Error("its words killed the service")
			}
		})
	}
}

func TestCancel(t *testing.T) {
	w := newWorld(t)
	w.ocf(t, "db", "echo $$ >"+w.dir+"/self; exec sleep 60")
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan cluster.Outcome)
	go func() { result <- w.Run(ctx, request("db", cluster.Start)) }()
	eventually(t, "the start", func() bool { _, err := os.Stat(w.dir + "/self"); return err == nil })
	cancel()
	if out := <-result; out.Result != cluster.Failed || out.Words != "db start: cancelled" {
		t.Errorf("got %d %q", out.Result, out.Words)
	}
	if alive(t, w.dir+"/self") {
		t.Error("it lives on")
	}
	if out := w.Run(ctx, request("db", cluster.Start)); out.Words != "db start: cancelled" {
		t.Errorf("cancelled before: got %q", out.Words)
	}
}

func TestSignalled(t *testing.T) {
	w := newWorld(t)
	w.ocf(t, "db", "echo 'out of memory'; kill -9 $$")
	w.expect(t, request("db", cluster.Start), cluster.Failed, "db start: ended by signal 9 (killed): out of memory")
	w.ocf(t, "db", "exit 1")
	w.expect(t, request("db", cluster.Start), cluster.Failed, "db start: exit code 1 (generic error), and it said nothing")
}

// Descriptors, goroutines and processes are given back, whatever happens.
func TestNothingIsLeft(t *testing.T) {
	w := newWorld(t)
	w.heartbeat(t, "db", "echo running")
	count := func() int {
		all, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	w.Run(context.Background(), request("db", cluster.Monitor))
	before := count()
	for range 50 {
		w.Run(context.Background(), request("db", cluster.Monitor))
		w.Run(context.Background(), short("db", cluster.Monitor, time.Nanosecond))
	}
	if after := count(); after > before+2 {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}
