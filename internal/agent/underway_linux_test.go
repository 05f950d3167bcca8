package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lubdub/internal/cluster"
)

// formerLife says that this process is a daemon's earlier life: it runs the action that is named, and is killed.
const formerLife = "LUBDUB_TEST_FORMER_LIFE"

// beFormerLife runs one action, and is killed meanwhile.
func beFormerLife(dir string) {
	w := &world{dir: dir, Runner: Runner{Node: "proxy01", ConfigDir: dir, ResourceDir: filepath.Join(dir, "resource.d"),
		OCFRoot: filepath.Join(dir, "ocf"), TempDir: filepath.Join(dir, "tmp"), ActionDir: filepath.Join(dir, "actions")}}
	q := request("db", cluster.Action(os.Getenv("ACTION")))
	if limit, err := time.ParseDuration(os.Getenv("LIMIT")); err == nil {
		q.Timeout = limit
	}
	w.Run(context.Background(), q)
}

// killed runs an action of the resource db in an earlier life, kills that life when a file is there, and is the next one.
func killed(t *testing.T, agent string, action cluster.Action, limit time.Duration, file string) (*world, *told) {
	t.Helper()
	w := newWorld(t)
	w.ocf(t, "db", agent)
	w.ActionDir = filepath.Join(w.dir, "actions")
	w.Adopted = map[string]bool{"web": true}
	said := &told{}
	w.Tell = said.add
	life := exec.Command("/proc/self/exe")
	life.Env = append(os.Environ(), formerLife+"="+w.dir, "ACTION="+string(action), "LIMIT="+limit.String())
	life.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	if err := life.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, file, func() bool { _, err := os.Stat(filepath.Join(w.dir, file)); return err == nil })
	if err := life.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = life.Wait() // it was killed
	return w, said
}

// told is what a runner told.
type told struct {
	mu    sync.Mutex
	words []string
	lines []string
}

func (a *told) add(_, words string, lines []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.words, a.lines = append(a.words, words), append(a.lines, lines...)
}

func (a *told) says(t *testing.T, words string) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.ContainsFunc(a.words, func(w string) bool { return strings.Contains(w, words) }) {
		t.Errorf("told %q; want %q", a.words, words)
	}
}

// slowStart starts in a second and says when it begins and ends; two at once are noted. Its service writes to the pipe
// that it was started with, more than a pipe holds, and tells how far it came.
const slowStart = `cd ${0%/*}/../../..
case $1 in
start)
	echo "$1" >>log; mkdir one || echo TWO >>log
	touch begun
	sleep 1
	echo "I am almost there" >&2
	setsid sh -c 'echo $$ >service; while [ ! -e go ]; do sleep 0.05; done; yes words | head -c 300000; touch written; sleep 60' &
	while [ ! -e service ]; do sleep 0.05; done
	rmdir one; echo "$1 ended" >>log;;
stop)
	echo "$1" >>log; mkdir one || echo TWO >>log; rmdir one; echo "$1 ended" >>log;;
monitor)
	[ -e service ] || exit 7;;
esac`

// An agent that was under way when the daemon was killed is waited for; then the next action has its turn. The service
// that it started lives on, and may write what it likes.
func TestUnderwayIsWaitedFor(t *testing.T) {
	w, said := killed(t, slowStart, cluster.Start, 20*time.Second, "begun")
	defer reap(t, w.dir+"/service")
	w.expect(t, request("db", cluster.Monitor), cluster.OK, "db runs")
	if got := read(t, w.dir+"/log"); got != "start\nstart ended\n" {
		t.Errorf("got:\n%s", got)
	}
	said.says(t, "db: the start that lubdub had begun before it was started anew was still under way: it was waited for, ")
	if !slices.Contains(said.lines, "I am almost there") {
		t.Errorf("its lines are %q", said.lines)
	}
	w.expect(t, request("db", cluster.Stop), cluster.OK, "db is stopped")
	if got := read(t, w.dir+"/log"); strings.Contains(got, "TWO") {
		t.Errorf("two at once:\n%s", got)
	}
	w.write(t, "go", "")
	eventually(t, "all words of the service", func() bool { _, err := os.Stat(w.dir + "/written"); return err == nil })
	if !alive(t, w.dir+"/service") {
		t.Error("the service is gone")
	}
	w.nothingNoted(t)
}

// nothingNoted demands that no action is written down as under way.
func (w *world) nothingNoted(t *testing.T) {
	t.Helper()
	left, err := os.ReadDir(w.ActionDir)
	if err != nil || len(left) > 0 {
		t.Errorf("noted: %v, %v", left, err)
	}
}

// The agent ended while no daemon was there. Its service is not taken for it, is not ended, and may write on.
func TestUnderwayEndedMeanwhile(t *testing.T) {
	w, said := killed(t, slowStart, cluster.Start, 20*time.Second, "begun")
	eventually(t, "the end of the start", func() bool { return strings.Contains(read(t, w.dir+"/log"), "ended") })
	defer reap(t, w.dir+"/service")
	w.expect(t, request("db", cluster.Monitor), cluster.OK, "db runs")
	if len(said.words) > 0 {
		t.Errorf("told %q", said.words)
	}
	w.write(t, "go", "")
	eventually(t, "all words of the service", func() bool { _, err := os.Stat(w.dir + "/written"); return err == nil })
	w.nothingNoted(t)
}

const endless = `cd ${0%/*}/../../..
case $1 in start|stop) (setsid sh -c 'echo $$ >service; sleep 60' &); sh -c 'echo $PPID >agent'; touch begun; while :; do sleep 0.1; done;; esac
[ -e agent ] && [ -d /proc/$(cat agent) ] && echo TWO >>log
exit 7`

// What does not end in the time that it was given is ended with its process group, and its service is not.
func TestUnderwayIsEnded(t *testing.T) {
	w, said := killed(t, endless, cluster.Stop, 2*time.Second, "begun")
	defer reap(t, w.dir+"/service")
	w.expect(t, request("db", cluster.Monitor), cluster.NotRunning, "db does not run...")
	said.says(t, "db: the stop that lubdub had begun before it was started anew was still under way: it was ended after ")
	if alive(t, w.dir+"/agent") || !alive(t, w.dir+"/service") {
		t.Error("the agent should be gone, and its service live")
	}
	if _, err := os.Stat(w.dir + "/log"); err == nil {
		t.Error("two at once")
	}
	w.nothingNoted(t)
}

// A start in a group that is not taken over is ended at once: the other node may start it by now. What it left is not known.
func TestUnderwayElsewhere(t *testing.T) {
	w, said := killed(t, endless, cluster.Start, time.Hour, "begun")
	defer reap(t, w.dir+"/service")
	w.Adopted = nil
	w.expect(t, request("db", cluster.Monitor), cluster.Failed, "db monitor: its start, begun before lubdub was started anew, had to be ended...")
	said.says(t, "it was ended after ")
	if alive(t, w.dir+"/agent") {
		t.Error("the agent lives")
	}
	w.expect(t, request("db", cluster.Monitor), cluster.NotRunning, "db does not run...")
}

// An action that is cancelled while it waits ends what it waits for.
func TestUnderwayIsCancelled(t *testing.T) {
	w, _ := killed(t, endless, cluster.Start, time.Hour, "begun")
	defer reap(t, w.dir+"/service")
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, cancel)
	if out := w.Run(ctx, request("db", cluster.Monitor)); out.Result != cluster.Failed || out.Words != "db monitor: cancelled" {
		t.Errorf("got %+v", out)
	}
	if alive(t, w.dir+"/agent") {
		t.Error("the agent lives")
	}
}

// A monitor action that is left only looked: it is ended at once, and nothing is said.
func TestUnderwayMonitor(t *testing.T) {
	w, said := killed(t, `cd ${0%/*}/../../..
		if mkdir first; then sh -c 'echo $PPID >agent'; touch begun; while :; do sleep 0.1; done; fi; exit 7`, cluster.Monitor, time.Hour, "begun")
	w.expect(t, request("db", cluster.Monitor), cluster.NotRunning, "db does not run...")
	if alive(t, w.dir+"/agent") || len(said.words) > 0 {
		t.Errorf("the agent lives, or %q", said.words)
	}
}

// A daemon that was killed before it had noted the number of its agent: the agent is found by its token, its service is
// not taken for it.
func TestUnderwayWithoutNumber(t *testing.T) {
	w, said := killed(t, slowStart, cluster.Start, 20*time.Second, "begun")
	files, err := filepath.Glob(w.ActionDir + "/*")
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	var is underway
	if err := json.Unmarshal([]byte(read(t, files[0])), &is); err != nil || is.Pid == 0 {
		t.Fatalf("%+v, %v", is, err)
	}
	is.Pid, is.Began = 0, 0
	text, err := json.Marshal(is)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], text, 0o600); err != nil {
		t.Fatal(err)
	}
	w.expect(t, request("db", cluster.Monitor), cluster.OK, "db runs")
	defer reap(t, w.dir+"/service")
	said.says(t, "it was waited for")
}

// Nor is the service taken for the agent when the agent has ended meanwhile, though it leads a session and carries the token.
func TestUnderwayServiceWithoutNumber(t *testing.T) {
	w := newWorld(t)
	w.ocf(t, "db", "exit 0")
	w.ActionDir = filepath.Join(w.dir, "actions")
	said := &told{}
	w.Tell = said.add
	agent := filepath.Join(w.OCFRoot, "resource.d/heartbeat/db")
	for _, program := range []string{agent, "", "/bin/sleep 600"} {
		service := exec.Command("/bin/sh", "-c", "sleep 600; exit", "service", agent+".conf", "of "+agent)
		service.Env = []string{tokenVariable + "=tok@1"}
		service.SysProcAttr = &unix.SysProcAttr{Setsid: true}
		if err := service.Start(); err != nil {
			t.Fatal(err)
		}
		was, err := json.Marshal(underway{Action: cluster.Start, Token: "tok@1", Program: program})
		if err != nil {
			t.Fatal(err)
		}
		w.write(t, "actions/web%2Fdb", string(was))
		w.expect(t, request("db", cluster.Monitor), cluster.OK, "db runs")
		if _, lives := processOf(service.Process.Pid); !lives || len(said.words) > 0 {
			t.Errorf("%q: the service lives: %v; told %q", program, lives, said.words)
		}
		_ = unix.Kill(-service.Process.Pid, unix.SIGKILL) // it lives, see above
		_ = service.Wait()                                // it was killed
		w.nothingNoted(t)
	}
}

// A process whose environment cannot be read now, as one that waits for a dead file server, does not hold up the others.
func TestMarkedHangs(t *testing.T) {
	dir := t.TempDir()
	stuck := filepath.Join(dir, "stuck")
	if err := unix.Mkfifo(stuck, 0o600); err != nil {
		t.Fatal(err)
	}
	service := exec.Command("/bin/sleep", "600")
	service.Env = []string{tokenVariable + "=tok@1"}
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = service.Process.Kill()
		_ = service.Wait() // it was killed
	}()
	files := []string{"/nowhere", fmt.Sprintf("/proc/%d/environ", service.Process.Pid), stuck, "/nowhere"}
	found := markedIn(files, "tok@1", 5*time.Second)
	if len(found) != 1 || found[0].pid != service.Process.Pid || found[0].args != "/bin/sleep\x00600\x00" {
		t.Errorf("found %+v", found)
	}
	w, err := os.OpenFile(stuck, os.O_WRONLY|unix.O_NONBLOCK, 0) // sets the look free
	if err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
}

// The number of an agent that is gone may belong to somebody else by now, and a note may be torn.
func TestUnderwayIsAnother(t *testing.T) {
	w := newWorld(t)
	w.ocf(t, "db", "exit 0")
	w.ActionDir = filepath.Join(w.dir, "actions")
	self, ok := processOf(os.Getpid())
	if !ok || self.began == 0 {
		t.Fatalf("this process: %+v", self)
	}
	was, err := json.Marshal(underway{Action: cluster.Start, Token: "x", Pid: os.Getpid(), Began: self.began - 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(was), "", "{", `{"Pid":1}`} {
		w.write(t, "actions/web%2Fdb", text)
		w.expect(t, request("db", cluster.Monitor), cluster.OK, "db runs")
		w.nothingNoted(t)
	}
}
