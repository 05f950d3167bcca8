package vip

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The freeze test: a child process renews a lease and is stopped at any instant, also right between the steps of a
// write. A parent watches the kernel. What it must never see (rule K2):
//   - an element later than a ticket after the newest entitlement that the child had decided;
//   - an element that comes back after it was gone, without a fresh grant.
const (
	freezeTicket = 20 * time.Millisecond
	freezeLife   = 80 * time.Millisecond
	freezeEnv    = "LUBDUB_TEST_LEASE_CHILD"
	// freezeSlack is what the watcher itself needs between the clock and the listing's answer.
	freezeSlack = 5 * time.Millisecond
)

// decided is shared by child and parent, so that it says what the child had decided when it froze.
type decided struct{ until, life atomic.Int64 }

func mapDecided(path string) (*decided, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Truncate(4096); err != nil {
		return nil, err
	}
	b, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return (*decided)(unsafe.Pointer(&b[0])), nil
}

// TestLeaseFreezeChild is the child. Each line it reads is a round; it says where the child is to stop itself.
func TestLeaseFreezeChild(t *testing.T) {
	path := os.Getenv(freezeEnv)
	if path == "" {
		t.Skip("runs as a child of TestLeaseFreeze only")
	}
	d, err := mapDecided(path)
	if err != nil {
		t.Fatal(err)
	}
	var at stage // where to stop; 0: nowhere
	results := make(chan Result, 100)
	l, err := OpenLease(LeaseOptions{
		Ticket: freezeTicket,
		Report: func(r Result) { results <- r },
		pause: func(s stage) {
			if s == at {
				at = 0
				_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.Manage(0, []netip.Addr{shared4})
	<-results
	g := Grant{Key: "web", Addresses: []netip.Addr{shared4}}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var where stage
		_, _ = fmt.Sscan(in.Text(), &where)
		l.Revoke(g.Key, 0, g.Addresses)
		<-results
		d.life.Add(1)
		for i := range 4 {
			if i == 3 {
				at = where // the writer is idle: every answer was awaited
			}
			g.Fresh = i == 0
			g.Until = Boottime() + int64(freezeLife)
			d.until.Store(g.Until)
			l.Set(g)
			if r := <-results; !r.OK {
				break
			}
			time.Sleep(8 * time.Millisecond)
		}
		fmt.Println("round over")
	}
}

// TestLeaseFreeze stops the writer at random instants for random times.
func TestLeaseFreeze(t *testing.T) {
	t.Parallel()
	rounds := 25
	if testing.Short() {
		rounds = 5
	}
	for lane := range 4 {
		t.Run(fmt.Sprint(lane), func(t *testing.T) {
			t.Parallel()
			n := needLeaseNet(t)
			c := startFrozenChild(t, n)
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 0))
			for range rounds {
				c.round(random)
			}
			t.Logf("%d rounds, %d freezes longer than the lease; latest sight of an element after its Until: %v", rounds, c.long, c.latest)
		})
	}
}

// frozenChild is the parent's view of the child.
type frozenChild struct {
	t       *testing.T
	cmd     *exec.Cmd
	in      io.Writer
	over    chan string
	decided *decided
	gate    gate

	long    int
	latest  time.Duration
	present bool
	gone    int64 // the life whose element was seen to end
}

func startFrozenChild(t *testing.T, n *leaseNet) *frozenChild {
	t.Helper()
	path := filepath.Join(t.TempDir(), "decided")
	d, err := mapDecided(path)
	if err != nil {
		t.Fatal(err)
	}
	c := &frozenChild{t: t, decided: d, over: make(chan string, 10)}
	c.cmd = exec.Command(os.Args[0], "-test.run=^TestLeaseFreezeChild$")
	c.cmd.Env = append(os.Environ(), freezeEnv+"="+path)
	in, err := c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.in = in
	n.within(n.owner, func() { // the child inherits the thread's namespace
		if err = c.cmd.Start(); err == nil {
			c.gate.nf, err = dialNetfilter()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for s := bufio.NewScanner(out); s.Scan(); {
			if s.Text() == "round over" {
				c.over <- s.Text()
			}
		}
	}()
	t.Cleanup(func() {
		_ = c.cmd.Process.Signal(syscall.SIGCONT)
		in.Close()
		<-read
		if err := c.cmd.Wait(); err != nil {
			t.Errorf("child: %v", err)
		}
		_ = c.gate.nf.close()
	})
	return c
}

// round lets the child grant and renew, freezes it, and watches until all it had decided is over.
func (c *frozenChild) round(random *rand.Rand) {
	c.t.Helper()
	where := stage(random.IntN(3)) // a third each: anywhere, after the ticket, after the clock
	fmt.Fprintln(c.in, int(where))
	freeze := time.Duration(random.Int64N(int64(300 * time.Millisecond)))
	if where == 0 {
		c.watch(time.Duration(random.Int64N(int64(40 * time.Millisecond))))
		_ = c.cmd.Process.Signal(syscall.SIGSTOP)
	}
	stopped := c.awaitStopped()
	c.watch(freeze)
	if Boottime() > c.decided.until.Load() {
		c.long++
	}
	_ = c.cmd.Process.Signal(syscall.SIGCONT)
	for waiting := stopped; waiting; {
		select {
		case <-c.over:
			waiting = false
		default:
			c.watch(time.Millisecond)
		}
	}
	c.watch(time.Duration(c.decided.until.Load()-Boottime()) + freezeTicket + 20*time.Millisecond)
	c.watch(0) // one look that is surely after the end
	if c.present {
		c.t.Errorf("freeze of %v at %d: the element outlives the entitlement", freeze, where)
	}
}

// awaitStopped watches until the child stands still. It is false when the child's round is over without a stop: on a
// busy machine a renewal may come too late and end the round.
func (c *frozenChild) awaitStopped() bool {
	c.t.Helper()
	for began := time.Now(); ; {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
		if err != nil {
			c.t.Fatal(err)
		}
		if _, rest, _ := strings.Cut(string(stat), ") "); strings.HasPrefix(rest, "T") {
			return true
		}
		select {
		case <-c.over:
			return false
		default:
		}
		if time.Since(began) > 10*time.Second {
			c.t.Fatal("the child did not stop")
		}
		c.watch(time.Millisecond)
	}
}

// watch looks at the kernel for a time and holds what it sees against what was decided.
func (c *frozenChild) watch(d time.Duration) {
	c.t.Helper()
	end := Boottime() + int64(d)
	for first := true; first || Boottime() < end; first = false {
		life, before := c.decided.life.Load(), Boottime()
		keys, err := c.gate.list(carry4)
		if err != nil {
			c.t.Fatal(err)
		}
		until := c.decided.until.Load()
		was := c.present
		_, c.present = keys[string(shared4.AsSlice())]
		switch {
		case !c.present && was:
			c.gone = life
		case c.present && c.gone == c.decided.life.Load() && c.gone != 0:
			c.t.Errorf("life %d: the element came back", life)
		}
		if late := time.Duration(before - until); c.present {
			c.latest = max(c.latest, late)
			if late > freezeTicket+freezeSlack {
				c.t.Errorf("element seen %v after the newest entitlement's end", late)
			}
		}
		time.Sleep(time.Millisecond)
	}
}
