package test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lubdub/internal/api"
	"lubdub/internal/lab"
)

const (
	one, two, client, web = "proxy01", "proxy02", "client", "web"
	front, cable          = "front", "cable"

	shared    = "192.0.2.100"
	keepalive = 250 * time.Millisecond
	deadTime  = 2 * time.Second
	interval  = 2 * time.Second // of monitor actions
	second    = time.Second

	// busy is what two busy cores may add to anything.
	busy = 10 * second
	// probePace is how often the judge asks for the address.
	probePace = 10 * time.Millisecond
	// question is how long one command may take.
	question = 30 * time.Second
)

// setup is what the files of a pair say. Zero fields are the tutorial's.
type setup struct {
	times     string // keepalive, deadtime, initdead
	links     string // lines of ha.cf
	failback  string
	resources string // the line of haresources behind the node's name
	conf      string // lubdub.conf
	auth      string
	more      string // further lines of ha.cf
	lane      string // what the hosts' names end in, where several pairs live at a time
	stations  int    // ping nodes on the front
}

const (
	usualTimes = "keepalive 250ms\ndeadtime 2\nwarntime 1\ninitdead 10\n"
	// quickTimes are the smallest that are supported.
	quickTimes = "keepalive 50ms\ndeadtime 500ms\nwarntime 250ms\ninitdead 1\n"
	bothLinks  = "bcast eth1\nbcast eth0\n"
	cableLink  = "bcast eth1\n"
	bareGroup  = shared
	nameGroup  = "name " + shared + " web\n"
)

func (s setup) haCf() string {
	or := func(text, usual string) string {
		if text == "" {
			return usual
		}
		return text
	}
	return or(s.times, usualTimes) + or(s.links, bothLinks) + "udpport 694\ncrm no\nauto_failback " + or(s.failback, "no") + "\n" +
		s.more + "node " + one + s.lane + " " + two + s.lane + "\n"
}

func (s setup) files() map[string]string {
	resources, auth := s.resources, s.auth
	if resources == "" {
		resources = bareGroup
	}
	if auth == "" {
		auth = "auth 1\n1 sha256 two-hosts-one-heart\n"
	}
	return map[string]string{"ha.cf": s.haCf(), "haresources": one + s.lane + " " + resources + "\n", "authkeys": auth,
		"lubdub.conf": nameGroup + fmt.Sprintf("monitor web interval=%v\n", interval) + s.conf}
}

// pair is two hosts that may run lubdub, with the judges that watch them.
type pair struct {
	*lab.Lab
	t      *testing.T
	lane   string
	prober *lab.Prober
	began  time.Duration

	control *lab.Load // see noticed; nil until a client asks

	mu      sync.Mutex // guards daemons and boots
	daemons map[string]*lab.Process
	boots   int
}

// plan is the tutorial's world: a front network, a cross-over cable, a client, and a web server behind the proxies.
func (s setup) plan() []lab.Network {
	hosts := []string{"proxy01 192.0.2.11/24", "proxy02 192.0.2.12/24", "client 192.0.2.50/24", "web 192.0.2.80/24"}
	for i, name := range stations()[:s.stations] {
		hosts = append(hosts, fmt.Sprintf("%s 192.0.2.%d/24", name, i+1))
	}
	ends := []string{"proxy01 10.0.0.1/24", "proxy02 10.0.0.2/24"}
	for _, ports := range [][]string{hosts, ends} {
		for i := range ports {
			ports[i] = strings.Replace(ports[i], " ", s.lane+" ", 1)
		}
	}
	return []lab.Network{{Name: front, Ports: hosts}, {Name: cable, Ports: ends, CrossOver: true}}
}

// stations are the ping nodes that a pair can have.
func stations() []string { return []string{"gateway", "switch", "dns"} }

// newPair builds the hosts, writes their files, and starts the prober. No daemon runs yet.
func newPair(t *testing.T, s setup) *pair {
	t.Helper()
	if outside != nil {
		missing(t, outside)
	}
	l, err := lab.New(t.TempDir(), s.plan()...)
	must(t, err)
	p := &pair{Lab: l, t: t, lane: s.lane, daemons: map[string]*lab.Process{}, began: lab.Now()}
	t.Cleanup(p.close)
	for _, node := range []string{one, two} {
		p.booted(node)
		p.write(node, s)
	}
	p.prober, err = p.Host(client).Probe(front, shared, probePace)
	must(t, err)
	return p
}

// Host is a host of this pair.
func (p *pair) Host(name string) *lab.Host { return p.Lab.Host(name + p.lane) }

// close ends the hosts, and says what the daemons said when the test failed.
func (p *pair) close() {
	if p.t.Failed() {
		for _, node := range []string{one, two} {
			if d := p.daemon(node); d != nil {
				p.t.Logf("the last words of %s:\n%s", node, tail(d.Output(), 60))
			}
		}
	}
	p.closeNow()
}

// closeNow ends the hosts; once more does nothing.
func (p *pair) closeNow() {
	if err := p.Close(); err != nil {
		p.t.Error(err)
	}
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// booted gives a host that was switched on a boot of its own: the kernel's name for it is the same for all hosts.
func (p *pair) booted(node string) {
	p.t.Helper()
	p.mu.Lock()
	p.boots++
	id := fmt.Sprintf("00000000-0000-4000-8000-%012d\n", p.boots)
	p.mu.Unlock()
	h := p.Host(node)
	must(p.t, h.WriteFile("/run/boot_id", id, 0o444))
	must(p.t, h.Bind("/run/boot_id", "/proc/sys/kernel/random/boot_id"))
}

// write writes the files of a node.
func (p *pair) write(node string, s setup) {
	p.t.Helper()
	for name, text := range s.files() {
		must(p.t, p.Host(node).WriteFile("/etc/ha.d/"+name, text, 0o600))
	}
}

// start starts the daemons of nodes.
func (p *pair) start(nodes ...string) {
	p.t.Helper()
	for _, node := range nodes {
		d, err := p.Host(node).Start(lubdub, "run")
		must(p.t, err)
		p.mu.Lock()
		p.daemons[node] = d
		p.mu.Unlock()
	}
}

func (p *pair) daemon(node string) *lab.Process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.daemons[node]
}

// serve starts both daemons and waits until the preferred node answers.
func (p *pair) serve() {
	p.t.Helper()
	began := lab.Now()
	p.start(one, two)
	took := p.answered(one, began, 15*second+busy) - began
	p.t.Logf("%s answers %v after both were started", one, round(took))
	p.settled()
}

// settled waits until both nodes agree that the peer is up and that one of them runs the group.
func (p *pair) settled() {
	p.t.Helper()
	p.settledWithin(10*second + busy)
}

// settledWithin is the same for groups whose agents take long.
func (p *pair) settledWithin(limit time.Duration) {
	p.t.Helper()
	eventually(p.t, limit, "both nodes are up and the group runs", func() bool {
		running := 0
		for _, node := range []string{one, two} {
			s, err := p.ask(node)
			if err != nil || s.Peer.Membership != "up" || len(s.Groups) == 0 {
				return false
			}
			if s.Groups[0].State == "running" {
				running++
			}
		}
		return running == 1
	})
}

// drained waits until nothing of the group is left on a node that handed it over.
func (p *pair) drained(node string) {
	p.t.Helper()
	eventually(p.t, 3*second+busy, "nothing of the group is left on "+node, func() bool { return p.status(node).Groups[0].State == "stopped" })
}

// stop ends a daemon as systemd does, and says how long it took.
func (p *pair) stop(node string) time.Duration {
	p.t.Helper()
	began := lab.Now()
	must(p.t, p.daemon(node).Signal(syscall.SIGTERM))
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*second)
	defer cancel()
	if err := p.daemon(node).Wait(ctx); err != nil {
		p.t.Fatalf("lubdub on %s, told to stop: %v\n%s", node, err, tail(p.daemon(node).Output(), 20))
	}
	return lab.Now() - began
}

// off takes a host's power away; the boot clock then is returned.
func (p *pair) off(node string) time.Duration {
	p.t.Helper()
	at := lab.Now()
	must(p.t, p.Host(node).PowerOff())
	return at
}

// on switches a host on again.
func (p *pair) on(node string) {
	p.t.Helper()
	must(p.t, p.Host(node).PowerOn())
	p.booted(node)
}

// run runs a shell command on a host.
func (p *pair) run(node, command string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), question)
	defer cancel()
	out, err := p.Host(node).Run(ctx, "sh", "-c", command)
	must(p.t, err)
	return out
}

// ask asks a node's daemon for its status.
func (p *pair) ask(node string) (s api.Status, err error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), question)
	defer cancel()
	out, err := p.Host(node).Run(ctx, lubdub, "status", "--json")
	if begin := strings.Index(out, "{"); begin >= 0 {
		return s, json.Unmarshal([]byte(out[begin:]), &s)
	}
	return s, err
}

func (p *pair) status(node string) api.Status {
	p.t.Helper()
	s, err := p.ask(node)
	must(p.t, err)
	return s
}

// why is what lubdub says of the group on a node.
func (p *pair) why(node string) string { return p.run(node, lubdub+" why") }

// order gives an order, and gives it again while it is refused.
func (p *pair) order(node, words string) {
	p.t.Helper()
	var err error
	for began := lab.Now(); lab.Now()-began < busy; time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(p.t.Context(), question)
		_, err = p.Host(node).Run(ctx, "sh", "-c", lubdub+" "+words)
		cancel()
		if err == nil {
			return
		}
	}
	p.t.Fatal(err)
}

// says waits until "lubdub why" on a node has all these words.
func (p *pair) says(node string, words ...string) {
	p.t.Helper()
	var text string
	began := lab.Now()
	for lab.Now()-began < busy {
		text = p.why(node)
		if containsAll(text, words...) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.t.Errorf("lubdub why on %s does not say %q:\n%s", node, words, text)
}

// told waits until the status of a node, as JSON, has all these words.
func (p *pair) told(node string, limit time.Duration, words ...string) {
	p.t.Helper()
	var text string
	began := lab.Now()
	for lab.Now()-began < limit {
		if s, err := p.ask(node); err == nil {
			out, _ := json.Marshal(s)
			if text = string(out); containsAll(text, words...) {
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.t.Errorf("the status of %s does not say %q:\n%s", node, words, text)
}

// containsAll says whether a text has all words; it does not mind how the text is broken into lines.
func containsAll(text string, words ...string) bool {
	text = strings.Join(strings.Fields(text), " ")
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

func (p *pair) mac(node string) string {
	_, mac := p.Host(node).Interface(front)
	return mac
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
