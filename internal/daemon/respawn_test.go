package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// page is a stderr that a test reads while it is written.
type page struct {
	mu   sync.Mutex
	text strings.Builder
}

func (n *page) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(b)
}

func (n *page) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

// keptScript is a supervisor of a shell script that plays the daemon. In each life it appends a line to "lives" in its directory.
type keptScript struct {
	Supervisor
	dir     string
	signals chan os.Signal
	said    *page
	ended   chan struct{}
	code    int
	err     error
}

func newKept(t *testing.T, script string) *keptScript {
	t.Helper()
	k := &keptScript{dir: t.TempDir(), signals: make(chan os.Signal, 1), said: &page{}, ended: make(chan struct{})}
	program := filepath.Join(k.dir, "daemon")
	text := "#!/bin/sh\ncd " + k.dir + "\necho $* >>lives\nlife() { [ $(wc -l <lives) = $1 ]; }\n" + script + "\n"
	if err := os.WriteFile(program, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	k.Supervisor = Supervisor{Program: program, Args: []string{"run", "-d", "x"}, RuntimeDir: k.dir, StateDir: k.dir, Signals: k.signals,
		Stderr: k.said, Final: []int{0, 6}, Again: 7}
	return k
}

func (k *keptScript) run() {
	k.code, k.err = k.Run()
	close(k.ended)
}

// lives is how many lives there were.
func (k *keptScript) lives(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(k.dir, "lives"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Count(string(text), "\n")
}

func (k *keptScript) until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not come; said:\n%s", what, k.said)
		}
	}
}

// It is started again after a death, an order, and a status that means neither; it ends with an ordered end.
func TestSupervisor(t *testing.T) {
	k := newKept(t, "life 1 && kill -9 $$\nlife 2 && exit 7\nlife 3 && exit 1\nexit 0")
	k.run()
	if k.code != 0 || k.err != nil || k.lives(t) != 4 {
		t.Errorf("status %d, %v, after %d lives", k.code, k.err, k.lives(t))
	}
	for _, words := range []string{"CRIT: lubdub was ended by signal 9 (killed) after ", "info: lubdub is started again, as it was told\n", "CRIT: lubdub ended with status 1 after "} {
		if !strings.Contains(k.said.String(), words) {
			t.Errorf("%q is missing in:\n%s", words, k.said)
		}
	}
	if text, err := os.ReadFile(filepath.Join(k.dir, "lives")); err != nil || !strings.HasPrefix(string(text), "run -d x\n") {
		t.Errorf("arguments %q, %v", text, err)
	}
}

// What another start does not mend ends it, with the daemon's status; so does a leave that was not clean.
func TestSupervisorEnds(t *testing.T) {
	left := func(pid string) string {
		return `echo '{"Boot":"'$(cat ` + bootIDFile + `)'","Pid":'` + pid + `',"Ended":"left"}' >life.json; `
	}
	for name, c := range map[string]struct {
		script string
		code   int
	}{
		"configuration":        {"exit 6", 6},
		"a panic":              {"life 1 && exit 2; exit 6", 6},
		"left unclean":         {left("$$") + "exit 1", 1},
		"left long ago":        {"life 1 || exit 6; " + left("1") + "exit 1", 6},
		"left in another boot": {`life 1 || exit 6; echo '{"Boot":"x","Pid":'$$',"Ended":"left"}' >life.json; exit 1`, 6},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKept(t, c.script)
			k.run()
			if k.code != c.code || k.err != nil {
				t.Errorf("status %d, %v, want %d; said:\n%s", k.code, k.err, c.code, k.said)
			}
		})
	}
}

// What an earlier life left says nothing of one that had no time to write, even if both had the same number: in a
// container that is usual.
func TestSupervisorSameNumber(t *testing.T) {
	k := newKept(t, "")
	boot, err := os.ReadFile(bootIDFile)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(k.dir, lifeFile)
	text := fmt.Sprintf(`{"Boot":%q,"Pid":%d,"Ended":"left"}`, strings.TrimSpace(string(boot)), os.Getpid())
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	former, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	self := &os.Process{Pid: os.Getpid()}
	if k.final(&life{process: self, file: former}, 1) {
		t.Error("it left, says the file of another one")
	}
	if !k.final(&life{process: self}, 1) {
		t.Error("it did not leave, although it wrote so")
	}
}

// Signals reach the daemon. One that is told to end is not started again, however it ends.
func TestSupervisorPassesOn(t *testing.T) {
	for script, code := range map[string]int{
		"trap 'exit 3' TERM":                                  3,
		"trap 'kill -9 $$' TERM":                              killed + 9,
		"trap 'trap \"exit 4\" TERM; echo again >>lives' HUP": 4,
	} {
		k := newKept(t, script+"\ntouch up; while :; do sleep 0.02; done")
		go k.run()
		k.until(t, "the daemon", func() bool { _, err := os.Stat(filepath.Join(k.dir, "up")); return err == nil })
		if strings.Contains(script, "HUP") {
			k.signals <- syscall.SIGHUP
			k.until(t, "SIGHUP", func() bool { return k.lives(t) == 2 })
		}
		k.signals <- syscall.SIGTERM
		<-k.ended
		if k.code != code || k.err != nil {
			t.Errorf("%s: status %d, %v, want %d", script, k.code, k.err, code)
		}
	}
}

// A daemon that dies at once is tried again for ever, ever more seldom and not in silence. Who waits for the next try can
// be told to try now, and to end.
func TestSupervisorCrashLoop(t *testing.T) {
	k := newKept(t, "exit 1")
	go k.run()
	k.until(t, "the alarm", func() bool {
		return strings.Contains(k.said.String(), "it died 4 times in a row: the other node should serve by now")
	})
	before := k.lives(t)
	k.signals <- syscall.SIGQUIT
	k.until(t, "the next try", func() bool { return k.lives(t) > before })
	k.signals <- syscall.SIGTERM
	<-k.ended
	if k.code != 1 {
		t.Errorf("status %d", k.code)
	}
}

func TestPauses(t *testing.T) {
	for short, want := range map[int]time.Duration{0: 0, 1: 0, 2: 100 * time.Millisecond, 3: 200 * time.Millisecond, 11: 51200 * time.Millisecond, 12: time.Minute, 1 << 30: time.Minute} {
		if got := pauseAfter(short); got != want {
			t.Errorf("after %d deaths %v, want %v", short, got, want)
		}
	}
}

// A program that is not there, during an upgrade, is waited for.
func TestSupervisorWithoutProgram(t *testing.T) {
	k := newKept(t, "exit 0")
	away := k.Program + ".new"
	if err := os.Rename(k.Program, away); err != nil {
		t.Fatal(err)
	}
	go k.run()
	k.until(t, "an alarm", func() bool { return strings.Contains(k.said.String(), "lubdub cannot be started") })
	if err := os.Rename(away, k.Program); err != nil {
		t.Fatal(err)
	}
	<-k.ended
	if k.code != 0 || k.lives(t) != 1 {
		t.Errorf("status %d after %d lives", k.code, k.lives(t))
	}
}

func TestOneSupervisor(t *testing.T) {
	k := newKept(t, "touch up; while :; do sleep 0.02; done")
	second := k.Supervisor
	go k.run()
	k.until(t, "the daemon", func() bool { _, err := os.Stat(filepath.Join(k.dir, "up")); return err == nil })
	if _, err := second.Run(); !errors.Is(err, ErrSupervised) {
		t.Errorf("the second one: %v", err)
	}
	k.signals <- syscall.SIGTERM
	<-k.ended
	if k.code != killed+int(syscall.SIGTERM) {
		t.Errorf("status %d", k.code)
	}
}

// The first process of a container waits for what others left, too.
func TestReap(t *testing.T) {
	var children []int
	for _, script := range []string{"exit 3", "sleep 0.3; exit 4"} {
		p, err := os.StartProcess("/bin/sh", []string{"sh", "-c", script}, &os.ProcAttr{})
		if err != nil {
			t.Fatal(err)
		}
		children = append(children, p.Pid)
	}
	if code := reap(children[1], true); code != 4 {
		t.Errorf("status %d, want 4", code)
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", children[0])); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the other child is still there: %v", err)
	}
	if code := reap(children[1], false); code != unseen {
		t.Errorf("a child that is gone: status %d", code)
	}
}
