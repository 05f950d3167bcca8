package daemon

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lubdub/internal/cluster"
	"lubdub/internal/config"
)

const (
	pingVariable = "LUBDUB_DAEMON_PINGS" // set in the process that TestPingsReachTheCore runs in
	pingPatience = 10 * time.Second
)

// takeAll plays a loop that takes everything that waits.
func takeAll(p *pings) (taken []cluster.Pinged) {
	for {
		select {
		case in := <-p.loop.inputs:
			taken = append(taken, in.(cluster.Pinged))
			p.taken(in.(cluster.Pinged))
		default:
			return taken
		}
	}
}

// A loop that stands still is not drowned in answers; when it goes on, it gets
// some of them in order, and the newest.
func TestAnswersAreCoalesced(t *testing.T) {
	p := &pings{loop: newLoop(nil, now, nil, nil), nodes: make([]pinged, 2)}
	for sent := range int64(10 * inputQueue) {
		p.answered(0, sent+1)
	}
	p.answered(1, 7)
	if n := len(p.loop.inputs); n != answersWaiting+1 {
		t.Errorf("%d answers wait, want %d of one and 1 of the other", n, answersWaiting)
	}
	taken := takeAll(p)
	last := cluster.Time(0)
	for _, in := range taken {
		if in.Node == 0 && in.Sent <= last {
			t.Errorf("an answer of %d comes after one of %d", in.Sent, last)
		}
		if in.Node == 0 {
			last = in.Sent
		}
	}
	if last != 10*inputQueue {
		t.Errorf("the newest that came is of %d, want %d", last, 10*inputQueue)
	}
	p.answered(0, 10*inputQueue) // of another host of the group: nothing new
	p.answered(0, 10*inputQueue-1)
	if more := takeAll(p); len(more) != 0 {
		t.Errorf("%v: nothing newer was answered", more)
	}
}

// When the queue is full of other things nothing waits, and later all is well.
func TestAnswersAreDropped(t *testing.T) {
	p := &pings{loop: newLoop(nil, now, nil, nil), nodes: make([]pinged, 1)}
	for p.loop.offer(cluster.Noted{}) {
	}
	for sent := range int64(100) {
		p.answered(0, sent+1)
	}
	for range inputQueue {
		<-p.loop.inputs
	}
	p.answered(0, 1000)
	if taken := takeAll(p); len(taken) != 1 || taken[0].Sent != 1000 {
		t.Errorf("after a full queue %v comes, want the answer of 1000", taken)
	}
}

// Answers race with the loop that takes them: the newest always arrives.
func TestAnswersRaceWithTheLoop(t *testing.T) {
	const last = 20000
	p := &pings{loop: newLoop(nil, now, nil, nil), nodes: make([]pinged, 1)}
	var wg sync.WaitGroup
	wg.Go(func() {
		for sent := range int64(last) {
			p.answered(0, sent+1)
		}
	})
	deadline := time.After(pingPatience)
	for newest := cluster.Time(0); newest < last; {
		select {
		case in := <-p.loop.inputs:
			p.taken(in.(cluster.Pinged))
			newest = max(newest, in.(cluster.Pinged).Sent)
		case <-deadline:
			t.Fatalf("the newest that came is of %d, want %d", newest, last)
		}
	}
	wg.Wait()
	takeAll(p)
	if n := p.nodes[0].waiting.Load(); n != 0 {
		t.Errorf("%d answers are counted as waiting", n)
	}
}

// A name that cannot be found is an alarm, and the daemon goes on.
func TestUnknownHost(t *testing.T) {
	for _, six := range []bool{false, true} {
		l := newLoop(nil, now, nil, nil)
		p := newPings([]config.Ping{{Name: "gw", Hosts: []string{"nobody.invalid"}, Six: six}, {Name: "here", Hosts: []string{"localhost"}}}, l)
		sets := p.find(t.Context())
		if len(sets[0]) != 0 || len(sets[1]) != 1 {
			t.Errorf("found %v, want here alone", sets)
		}
		note, _ := (<-l.inputs).(cluster.Noted)
		if note.Level != cluster.Alarm || !strings.Contains(note.Words, "ping node gw: it cannot be found") || !strings.Contains(note.Words, "/etc/hosts") {
			t.Errorf("it says %+v", note)
		}
	}
}

// The whole way: a line of ha.cf, the daemon's edge, the kernel, and what the
// core makes of it; then the neighbours fall silent.
func TestPingsReachTheCore(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if os.Getenv(pingVariable) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestPingsReachTheCore$", "-test.v", "-test.timeout=5m")
		cmd.Env = append(os.Environ(), pingVariable+"=1", "GORACE=atexit_sleep_ms=0")
		cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: unix.SIGKILL}
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Fatalf("%v:\n%s", err, out)
		}
		return
	}
	run := func(command string) {
		t.Helper()
		words := strings.Fields(command)
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
	}
	run("ip link set lo up")
	for _, a := range []string{"192.0.2.1/32", "192.0.2.3/32", "2001:db8::1/128"} {
		run("ip address add " + a + " dev lo")
	}
	files := config.Files{
		HaCF: []byte("node alpha beta\nkeepalive 100ms\ndeadtime 1\ninitdead 10\nbcast eth0 eth1\nauto_failback off\ndeadping 500ms\n" +
			"ping 192.0.2.1 2001:db8::1\nping_group two 192.0.2.9 192.0.2.3\n"),
		Haresources: []byte("alpha 198.51.100.1\n"), Authkeys: []byte("auth 1\n1 sha256 secretsecret\n"),
	}
	loaded, problems := config.Parse(files, config.Options{Node: "alpha"})
	if loaded == nil {
		t.Fatal(problems)
	}
	d := startPings(t, loaded)
	status := func() string { return sightOf(t, d) }
	d.waitFor(t, status, "192.0.2.1 2001:db8::1 two")
	run("nft add table inet ldd")
	run("nft add chain inet ldd in { type filter hook input priority 0 ; }")
	run("nft add rule inet ldd in ip daddr 192.0.2.3 drop")
	d.waitFor(t, status, "192.0.2.1 2001:db8::1")
	run("nft add rule inet ldd in icmpv6 type echo-request drop")
	d.waitFor(t, status, "192.0.2.1")
	run("ip link set lo down")
	d.waitFor(t, status, "")
	run("ip link set lo up")
	run("ip -6 address replace 2001:db8::1/128 dev lo") // the kernel took it away
	run("nft delete table inet ldd")
	d.waitFor(t, status, "192.0.2.1 2001:db8::1 two")
}

// pingDaemon is as much of a daemon as ping nodes need.
type pingDaemon struct{ *daemon }

// startPings joins the real machine, the real loop and the ping nodes of a configuration.
func startPings(t *testing.T, loaded *config.Loaded) pingDaemon {
	t.Helper()
	d := &daemon{Options: Options{Loaded: loaded}, cfg: loaded.Config}
	machine := cluster.New(d.cfg, cluster.Saved{Incarnation: 1, Clock: 1}, now())
	d.loop = newLoop(machine, now, func(o cluster.Output) {
		if _, ok := o.(cluster.Ping); ok {
			d.perform(o)
		}
	}, d.before)
	d.pings = newPings(loaded.Pings, d.loop)
	ctx, cancel := context.WithCancel(t.Context())
	d.ctx = ctx
	d.edges.Go(func() { d.pings.run(ctx) })
	d.edges.Go(func() { d.loop.run(ctx) })
	t.Cleanup(func() { cancel(); d.edges.Wait() })
	return pingDaemon{d}
}

// sightOf names the ping nodes that the core believes alive.
func sightOf(t *testing.T, d pingDaemon) string {
	t.Helper()
	s, err := d.loop.status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var up []string
	for _, p := range s.Pings {
		if p.Up {
			up = append(up, p.Name)
		}
	}
	return strings.Join(up, " ")
}

func (d pingDaemon) waitFor(t *testing.T, status func() string, want string) {
	t.Helper()
	got := ""
	for end := time.Now().Add(pingPatience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if got = status(); got == want {
			return
		}
	}
	t.Fatalf("ping nodes that answer: %q, want %q", got, want)
}
