package test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lubdub/internal/lab"
)

// conversation is one TCP connection of a client to the shared address, over which it asks again and again.
type conversation struct {
	t     *testing.T
	conn  net.Conn
	end   chan struct{}
	ended chan struct{}

	mu      sync.Mutex // guards what follows
	asked   int
	longest time.Duration
	err     error
}

// connect begins a conversation.
func (p *pair) connect() *conversation {
	p.t.Helper()
	c := &conversation{t: p.t, end: make(chan struct{}), ended: make(chan struct{})}
	must(p.t, p.Host(client).Do(func() (err error) {
		c.conn, err = net.DialTimeout("tcp", shared+":80", second)
		return err
	}))
	go c.run()
	p.t.Cleanup(c.close)
	eventually(p.t, busy, "the conversation goes on", func() bool { asked, _, err := c.state(); return asked > 3 && err == nil })
	return c
}

func (c *conversation) run() {
	defer close(c.ended)
	in := bufio.NewReader(c.conn)
	for {
		select {
		case <-c.end:
			return
		case <-time.After(10 * time.Millisecond):
		}
		began := time.Now()
		err := c.ask(in)
		c.mu.Lock()
		c.asked++
		c.longest, c.err = max(c.longest, time.Since(began)), err
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// ask asks once. The kernel sends again what a silent address lost.
func (c *conversation) ask(in *bufio.Reader) error {
	if err := c.conn.SetDeadline(time.Now().Add(20 * second)); err != nil {
		return err
	}
	if _, err := io.WriteString(c.conn, "GET / HTTP/1.1\r\nHost: "+shared+"\r\n\r\n"); err != nil {
		return err
	}
	r, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r.Body)
	return err
}

func (c *conversation) state() (asked int, longest time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked, c.longest, c.err
}

// unbroken demands that the connection lives, and that the node at its other end answers now.
func (c *conversation) unbroken() {
	c.t.Helper()
	before, _, _ := c.state()
	eventually(c.t, busy, "the connection goes on", func() bool { now, _, err := c.state(); return now > before || err != nil })
	asked, longest, err := c.state()
	c.t.Logf("one TCP connection: %d requests, the slowest %v", asked, round(longest))
	if err != nil {
		c.t.Errorf("the connection broke after %d requests: %v", asked, err)
	}
}

func (c *conversation) close() {
	select {
	case <-c.end:
	default:
		close(c.end)
	}
	c.conn.Close()
	<-c.ended
}

// patient starts a client whose connections stay open, and who waits longer than a busy machine stands still.
func (p *pair) patient() *lab.Load {
	p.t.Helper()
	l, err := p.Host(client).Load("http://"+shared+":80", lab.Pace{Every: 10 * time.Millisecond, Timeout: 20 * second, KeepAlive: true})
	must(p.t, err)
	p.t.Cleanup(l.Stop)
	eventually(p.t, busy, "the client is served", func() bool { return l.Summary(0, lab.Now()).Servers[one] > 10 })
	return l
}

// unnoticed demands that no request failed since a time, and that nothing moved.
func (p *pair) unnoticed(l *lab.Load, since time.Duration) {
	p.t.Helper()
	until := lab.Now() - 100*time.Millisecond
	s := l.Summary(since, until)
	p.t.Logf("%d requests, %d failed, longest gap %v, slowest %v; longest without ARP answer %v", s.Requests, s.Failed,
		round(s.Gap.Duration()), round(s.Slowest), round(p.gap(one, since, until)))
	if s.Failed > 0 {
		p.t.Errorf("%d of %d requests failed", s.Failed, s.Requests)
	}
	p.alone(one, since)
}

// mentioned says whether an event of a node since a time has these words.
func (p *pair) mentioned(node string, since time.Duration, words string) bool {
	at := time.Now().Add(since - lab.Now())
	for _, e := range p.events(node) {
		if !e.Time.Before(at) && strings.Contains(e.Words, words) {
			return true
		}
	}
	return false
}

// daemonID is the process of a node's daemon, as its host knows it; 0: none is known.
func (p *pair) daemonID(node string) int {
	var is struct{ Pid int }
	if text, err := p.Host(node).ReadFile("/var/lib/lubdub/life.json"); err == nil {
		_ = json.Unmarshal([]byte(text), &is) // written as a whole
	}
	return is.Pid
}

// ready waits for a daemon after the one with that process, until it answers on its socket, and says how long that took.
func (p *pair) ready(node string, after int, since time.Duration) time.Duration {
	p.t.Helper()
	for lab.Now()-since < busy+10*second {
		if id := p.daemonID(node); id != after && id != 0 {
			err := p.Host(node).Do(func() error {
				c, err := net.Dial("unix", "/run/lubdub/api.sock")
				if err == nil {
					c.Close()
				}
				return err
			})
			if err == nil {
				return lab.Now() - since
			}
		}
		time.Sleep(time.Millisecond)
	}
	p.t.Fatalf("no daemon came back on %s:\n%s", node, tail(p.daemon(node).Output(), 20))
	return 0
}

// respawned is a pair whose owner's daemon has a supervisor. Its program is a file of its own.
func respawned(t *testing.T, s setup) *pair {
	t.Helper()
	p := newPair(t, s)
	for _, node := range []string{one, two} {
		_, err := p.Host(node).Serve("http://"+shared+":80", 0)
		must(t, err)
	}
	p.run(one, "install -D "+lubdub+" "+installedAt)
	p.startAs(one, installedAt, "run", "--respawn")
	p.start(two)
	p.answered(one, lab.Now(), 15*second+busy)
	p.settled()
	return p
}

// installedAt is where a node has its own copy of the program.
const installedAt = "/var/opt/lubdub"

// kills is how often the daemon is killed under its supervisor.
const kills = 3

// TestRespawn kills the owner's daemon again and again, and its supervisor: neither a request nor an open connection notices.
func TestRespawn(t *testing.T) {
	p := respawned(t, setup{times: longTimes}) // a busy machine must not be the reason of a silence
	l, tcp := p.patient(), p.connect()
	at := lab.Now()
	var took []string
	for range kills {
		was, killed := p.daemonID(one), lab.Now()
		p.run(one, "kill -9 "+strconv.Itoa(was))
		took = append(took, fmt.Sprint(round(p.ready(one, was, killed))))
		p.settled()
	}
	t.Logf("kill -9 under --respawn: ready again after %s; from the second on with a pause", strings.Join(took, ", "))
	p.causes(one, at, "starts on "+one+" again; it was killed or crashed")
	p.causes(one, at, "its address answered all the while, and nothing moved")
	if words := p.daemon(one).Output(); !containsAll(words, "lubdub was ended by signal 9 (killed) after", "and is started again in 100ms") {
		t.Errorf("the supervisor said:\n%s", tail(words, 20))
	}

	// The supervisor dies: the daemon goes on. Another one finds it, and brings it back.
	was := p.daemonID(one)
	must(t, p.daemon(one).Signal(syscall.SIGKILL))
	_ = p.daemon(one).Wait(t.Context())
	p.startAs(one, installedAt, "run", "--respawn")
	eventually(t, busy, "the second supervisor finds the daemon", func() bool {
		return containsAll(p.daemon(one).Output(), fmt.Sprintf("lubdub runs here already, as process %d", was))
	})
	killed := lab.Now()
	p.run(one, "kill -9 "+strconv.Itoa(was))
	t.Logf("found by another supervisor, and killed: ready again after %v", round(p.ready(one, was, killed)))

	// An upgrade: another file at the same path, and a signal.
	was, killed = p.daemonID(one), lab.Now()
	p.run(one, "install -D "+lubdub+" "+installedAt)
	must(t, p.daemon(one).Signal(syscall.SIGQUIT))
	t.Logf("told to start it again from the file that is there now: ready after %v", round(p.ready(one, was, killed)))
	p.settled()
	if exe := p.run(one, fmt.Sprintf("readlink /proc/%d/exe", p.daemonID(one))); strings.TrimSpace(exe) != installedAt {
		t.Errorf("the daemon runs from %s", exe)
	}
	p.causes(one, at, "starts on "+one+" again; it ended for that")
	time.Sleep(2 * deadTime)
	p.unnoticed(l, at)
	tcp.unbroken()

	// SIGTERM is passed on: the node leaves, the group moves, and the supervisor ends with the daemon's status.
	p.stop(one)
	p.answered(two, lab.Now(), 5*second+busy)
	p.neverTwo()
}

// awayTimes leave a busy machine two seconds between the yield time and the dead time.
const (
	awayTimes = "keepalive 250ms\ndeadtime 8\nwarntime 4\ninitdead 8\n"
	awayDead  = 8 * second
)

// TestAway: a daemon that is away for longer than the yield time, and for longer than the dead time. Its events say which.
func TestAway(t *testing.T) {
	slow(t)
	p := newPair(t, setup{times: awayTimes})
	for _, node := range []string{one, two} {
		_, err := p.Host(node).Serve("http://"+shared+":80", 0)
		must(t, err)
	}
	p.serve()
	tcp := p.connect()
	at := lab.Now()
	p.daemon(one).Kill()
	time.Sleep(yieldOf(awayDead)) // that long it takes at least
	eventually(t, awayDead, "the address is silent", func() bool { return lab.Now()-p.quietAt(one, lab.Now()) > 150*time.Millisecond })
	silent := p.quietAt(one, lab.Now()) - at
	p.start(one)
	p.settled()
	tcp.unbroken()
	t.Logf("away past the yield time: silent from %v on, for %v", round(silent), round(p.gap(one, at, lab.Now())))
	if m := p.moves(at); m > 0 {
		t.Errorf("it moved %d times", m)
	}
	p.causes(one, at, "its address has been silent for", "less than the dead time (8s), and nothing moved")

	at = lab.Now()
	p.daemon(one).Kill()
	taken := p.answered(two, at, awayDead+second+busy)
	p.start(one)
	p.settled()
	p.drained(one)
	t.Logf("away for longer than the dead time: the other node answers after %v", round(taken-at))
	p.causes(one, at, "longer than the dead time (8s): the other node may serve it by now")
	p.neverTwo()
}

// slowService is a resource of class exec that needs two seconds to start. Two of its actions at once are noted.
const slowService = `#!/bin/sh
cd /var/opt/slow
case $1 in
start) mkdir one || echo TWO >>log; echo begins >>log; sleep 2; setsid sh -c 'echo $$ >pid; exec sleep 600' & sleep 0.2; rmdir one; echo started >>log;;
stop) mkdir one || echo TWO >>log; kill $(cat pid); rm pid; rmdir one; echo stopped >>log;;
status) kill -0 $(cat pid);;
esac
`

// TestUnderway ends the owner's daemon in the midst of a start, by kill -9 and as for a restart: the start is waited for, and
// never are two under way. Then the service dies while no daemon is there, and is started again.
func TestUnderway(t *testing.T) {
	for _, by := range []syscall.Signal{syscall.SIGKILL, syscall.SIGQUIT} {
		t.Run(by.String(), func(t *testing.T) { tellUnderway(t, by) })
	}
}

func tellUnderway(t *testing.T, by syscall.Signal) {
	const script = "/var/opt/slow/service"
	p := newPair(t, setup{resources: shared + " exec:slow", conf: fmt.Sprintf("exec slow start=%q stop=%q monitor=%q\n", script+" start", script+" stop", script+" status")})
	for _, node := range []string{one, two} {
		must(t, p.Host(node).WriteFile(script, slowService, 0o755))
	}
	log := func() string { return p.run(one, "cat /var/opt/slow/log 2>/dev/null || true") }
	p.start(one, two)
	eventually(t, 20*second+busy, "the start begins", func() bool { return strings.Contains(log(), "begins") })
	at := lab.Now()
	must(t, p.daemon(one).Signal(by))
	_ = p.daemon(one).Wait(t.Context()) // how it ends is not the question
	p.start(one)
	eventually(t, 10*second+busy, "the start is over", func() bool { return strings.Contains(log(), "started") })
	p.settled()
	eventually(t, 10*second, "it is said", func() bool { return p.mentioned(one, at, "slow: the start") })
	p.causes(one, at, "slow: the start that lubdub had begun before it was started anew was still under way: it was waited for")
	if got := log(); got != "begins\nstarted\n" {
		t.Errorf("ended in the midst of a start:\n%s", got)
	}

	p.daemon(one).Kill()
	p.run(one, "kill -9 $(cat /var/opt/slow/pid)")
	p.start(one)
	eventually(t, 10*second+busy, "the dead service runs again", func() bool { return strings.Count(log(), "started") == 2 })
	p.settled()
	p.alone(one, at)
	if got := log(); strings.Contains(got, "TWO") {
		t.Errorf("two at once:\n%s", got)
	}
	p.neverTwo()
}
