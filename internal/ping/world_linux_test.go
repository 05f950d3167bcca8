package ping

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

const (
	insideVariable  = "LUBDUB_PING_INSIDE"       // set in a test that runs in a network namespace of its own
	stationVariable = "LUBDUB_PING_STATION"      // set in a process that plays another station, see TestStation
	noExitPause     = "GORACE=atexit_sleep_ms=0" // the race detector waits a second at each exit otherwise
	patience        = 10 * time.Second
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inside runs the calling test again, in a process with a network namespace of its own, which vanishes with it. It
// reports true in there. Outside it passes the verdict on.
func inside(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideVariable) != "" {
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	t.Parallel() // it waits most of the time, and disturbs nobody
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), insideVariable+"=1", noExitPause)
	cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: unix.SIGKILL}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatal("the test did not run inside")
	}
	return false
}

// world is two machines on one cable: this process's namespace with ldp0 (192.0.2.1, 2001:db8::1), and another one with
// ldp1 (192.0.2.2 and .3, 2001:db8::2 and ::3, fe80::2).
type world struct {
	t     *testing.T
	other int // a process in the other namespace
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t}
	keeper := exec.Command("sleep", "300")
	keeper.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: unix.SIGKILL}
	w.start(keeper)
	w.other = keeper.Process.Pid
	w.ip("link set lo up")
	w.there("ip link set lo up")
	w.cable()
	return w
}

// cable joins the machines.
func (w *world) cable() {
	w.t.Helper()
	w.ip("link add ldp0 type veth peer name ldp1 netns " + strconv.Itoa(w.other))
	w.ip("link set ldp0 addrgenmode none up")
	w.there("ip link set ldp1 addrgenmode none up")
	w.number()
}

// number gives both ends their addresses, at once usable.
func (w *world) number() {
	w.t.Helper()
	w.ip("addr replace 192.0.2.1/24 dev ldp0")
	w.ip("addr replace 2001:db8::1/64 dev ldp0 nodad")
	w.ip("addr replace fe80::1/64 dev ldp0 nodad")
	for _, a := range []string{"192.0.2.2/24", "192.0.2.3/24", "2001:db8::2/64 nodad", "2001:db8::3/64 nodad", "fe80::2/64 nodad"} {
		prefix, flag, _ := strings.Cut(a, " ")
		w.there("ip addr replace " + prefix + " dev ldp1 " + flag)
	}
}

// start starts cmd and ends it with the test.
func (w *world) start(cmd *exec.Cmd) {
	w.t.Helper()
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

func (w *world) run(words ...string) string {
	w.t.Helper()
	out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	if err != nil {
		w.t.Fatalf("%v: %v: %s", words, err, out)
	}
	return string(out)
}

// ip runs ip(8) here, there runs any command in the other namespace.
func (w *world) ip(args string) {
	w.t.Helper()
	w.run(append([]string{"ip"}, strings.Fields(args)...)...)
}

func (w *world) there(command string) string {
	w.t.Helper()
	return w.run(w.thereArgs(command)...)
}

func (w *world) thereArgs(command string) []string {
	return append([]string{"nsenter", "-n", "-t", strconv.Itoa(w.other)}, strings.Fields(command)...)
}

// answer is what a Pinger reported, and when.
type answer struct {
	neighbour int
	sent, at  int64
}

// listener keeps what a Pinger reports.
type listener struct {
	*Pinger
	t        *testing.T
	mu       sync.Mutex
	all      []answer
	troubles []string
}

// listen runs a Pinger until the test ends, or the function that it returns is called.
func (w *world) listen(every time.Duration, neighbours ...string) (*listener, func()) {
	w.t.Helper()
	l := &listener{t: w.t}
	var sets [][]netip.Addr
	for _, n := range neighbours {
		var set []netip.Addr
		for _, a := range strings.Fields(n) {
			set = append(set, netip.MustParseAddr(a))
		}
		sets = append(sets, set)
	}
	l.Pinger = New(sets, func(neighbour int, sent int64) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.all = append(l.all, answer{neighbour, sent, boottime()})
	}, func(_ int, err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.troubles = append(l.troubles, err.Error())
	})
	ctx, cancel := context.WithCancel(w.t.Context())
	var ended sync.WaitGroup
	ended.Go(func() { l.Run(ctx) })
	stop := func() { cancel(); ended.Wait() }
	w.t.Cleanup(stop)
	if every > 0 {
		l.Every(every)
	}
	return l, stop
}

// answers are those of a neighbour whose questions were sent after a moment.
func (l *listener) answers(neighbour int, after int64) []answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []answer
	for _, a := range l.all {
		if a.neighbour == neighbour && a.sent >= after {
			out = append(out, a)
		}
	}
	return out
}

func (l *listener) told() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.troubles...)
}

// wait waits for a number of answers to questions sent after a moment.
func (l *listener) wait(neighbour, count int, after int64) []answer {
	l.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if all := l.answers(neighbour, after); len(all) >= count {
			return all
		}
	}
	l.t.Fatalf("%d answers of neighbour %d, want %d; troubles: %q", len(l.answers(neighbour, after)), neighbour, count, l.told())
	return nil
}
