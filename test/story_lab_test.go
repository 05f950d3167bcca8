package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lubdub/internal/cluster"
	"lubdub/internal/lab"

	"golang.org/x/sys/unix"
)

// labWorld is two real hosts. Its judge is the prober.
type labWorld struct {
	*pair
	settings
	t     *testing.T
	since time.Duration // when the story began
	pulse *pulse
}

const (
	// blink is the longest time without an answer that the prober's own pace and a busy machine explain.
	blink = 200 * time.Millisecond
	// lastQuestions are as many as are asked in half of a blink.
	lastQuestions = int(blink / 2 / probePace)
	// stateDir is where lubdub keeps what it must remember.
	stateDir = "/var/lib/lubdub"
	// beats are heartbeats, as nft sees them.
	beats = "udp dport 694"
)

func newLabWorld(t *testing.T, s settings, lane string) *labWorld {
	t.Helper()
	set := setup{times: "keepalive 250ms\ndeadtime 2\nwarntime 1\ninitdead 4\n", lane: lane, stations: s.pings}
	if s.links == 1 {
		set.links = cableLink
	}
	if s.failback {
		set.failback = "on"
	}
	for i := range s.pings {
		set.more += fmt.Sprintf("ping 192.0.2.%d\n", i+1)
	}
	for _, policy := range []struct {
		on   bool
		line string
	}{{s.keep, "isolated keep\n"}, {s.strict, "coldstart strict\n"}, {s.take, "partition take\n"}} {
		if policy.on {
			set.conf += policy.line
		}
	}
	if s.service {
		set.resources = bareGroup + " exec:" + serviceName
		set.conf += s.serviceLines()
	}
	w := &labWorld{pair: newPair(t, set), settings: s, t: t, pulse: newPulse(t)}
	if s.service {
		for _, node := range []string{one, two} {
			must(t, w.Host(node).WriteFile(serviceScript, serviceText, 0o755))
		}
	}
	w.Again()
	return w
}

const (
	serviceScript = "/etc/ha.d/service"
	// serviceText runs while a file is there, and fails when it is told to.
	serviceText = `#!/bin/sh
if [ -e /run/service-fails-$1 ]; then echo "told to fail"; exit 1; fi
case $1 in
start) touch /run/service-runs ;;
stop) rm -f /run/service-runs ;;
monitor) [ -e /run/service-runs ] ;;
esac
`
)

// serviceLines are the lines of lubdub.conf for a story with a service.
func (s settings) serviceLines() string {
	text := fmt.Sprintf("exec %s start=\"%[2]s start\" stop=\"%[2]s stop\" monitor=\"%[2]s monitor\"\n", serviceName, serviceScript)
	if s.limit > 0 {
		text += fmt.Sprintf("failures exec:%s limit=%d\n", serviceName, s.limit)
	}
	switch {
	case s.stay:
		text += "on-failure exec:" + serviceName + " start=stay\n"
	case s.ignore:
		text += "on-failure exec:" + serviceName + " start=ignore\n"
	}
	return text
}

// Again begins the story once more, with both machines off.
func (w *labWorld) Again() {
	for _, node := range []string{one, two} {
		must(w.t, w.Host(node).PowerOff())
	}
	time.Sleep(2 * probePace) // until the last answers are in
	w.since = lab.Now()
	w.pulse.begin()
}

// Anew builds new hosts: who knows what was cut.
func (w *labWorld) Anew() {
	w.closeNow()
	*w = *newLabWorld(w.t, w.settings, w.lane)
}

// host is the host of a node of the story.
func host(node string) string { return map[string]string{"a": one, "b": two}[node] }

// Boot switches the machines on; where there are two, their daemons begin at the same instant.
func (w *labWorld) Boot(node string) {
	for _, n := range nodesOf(node) {
		w.on(host(n))
		w.run(host(n), "rm -f /run/service-*")
		if w.smallDisk {
			w.run(host(n), "mkdir -p "+stateDir+" && mount -t tmpfs -o size=1m tmpfs "+stateDir)
		}
	}
	for _, n := range nodesOf(node) {
		w.start(host(n))
	}
}

func (w *labWorld) Crash(node string) { w.off(host(node)) }
func (w *labWorld) Kill(node string)  { w.daemon(host(node)).Kill() }
func (w *labWorld) Start(node string) { w.start(host(node)) }

func (w *labWorld) Freeze(node string, d time.Duration) {
	p := w.daemon(host(node))
	must(w.t, p.Signal(unix.SIGSTOP))
	due := lab.Now() + d
	thaw := time.AfterFunc(d, func() {
		_ = p.Signal(unix.SIGCONT) // it may have been killed meanwhile
		w.pulse.late(lab.Now() - due)
	})
	w.t.Cleanup(func() { thaw.Stop() })
}

func (w *labWorld) Strip(node, _ string) { w.run(host(node), "ip addr del "+shared+"/24 dev eth0") }

func (w *labWorld) Die(node string)  { w.run(host(node), "rm -f /run/service-runs") }
func (w *labWorld) Mend(node string) { w.run(host(node), "rm -f /run/service-fails-*") }

func (w *labWorld) Fail(node string, at cluster.Action) {
	w.run(host(node), "touch /run/service-fails-"+string(at))
}

// Wind does nothing: tellLab leaves out a story that wants it.
func (w *labWorld) Wind(string, time.Duration) {}

func (w *labWorld) Fill(node string) {
	w.run(host(node), "dd if=/dev/zero of="+stateDir+"/fill bs=4k 2>/dev/null || true")
}

func (w *labWorld) Order(node string, c cluster.Command) {
	switch c.Verb {
	case cluster.Leave:
		w.stop(host(node))
	case cluster.Move:
		w.order(host(node), "move "+c.Group+" "+host(c.Node)+w.lane)
	case cluster.Restart:
		w.order(host(node), "restart exec:"+c.Resource)
	default:
		w.order(host(node), string(c.Verb))
	}
}

func (w *labWorld) Cut(what string)  { w.wire(strings.Fields(what), w.Lab.Cut, w.Unplug, "add") }
func (w *labWorld) Heal(what string) { w.wire(strings.Fields(what), w.Lab.Heal, w.Plug, "del") }

// wire cuts or heals.
func (w *labWorld) wire(words []string, fault func(lab.Fault) error, plug func(network, host string) error, address string) {
	network := map[string]string{"crossover": cable, "front": front}[words[0]]
	switch {
	case words[0] == "stranger":
		w.run(web, "ip addr "+address+" "+shared+"/24 dev eth0")
		if address == "add" {
			w.run(web, "arping -q -U -c 1 -i eth0 -S "+shared+" "+shared+" || true") // it wants an answer
		}
	case words[len(words)-1] == "carrier":
		must(w.t, plug(network, host(words[1])+w.lane))
	default:
		for _, f := range w.faults(words) {
			must(w.t, fault(f))
		}
	}
}

// faults are what the lab calls what the words call.
func (w *labWorld) faults(words []string) []lab.Fault {
	var way lab.Fault
	if len(words) > 1 && host(words[1]) != "" {
		way.From = host(words[1]) + w.lane
		if words[len(words)-1] != "out" { // in, or a ping node's answers
			way = lab.Fault{To: way.From}
		}
	}
	on := func(network, only string) lab.Fault {
		return lab.Fault{Network: network, From: way.From, To: way.To, Only: only}
	}
	switch words[0] {
	case "links":
		return []lab.Fault{on(cable, ""), on(front, beats)}
	case "beats":
		return []lab.Fault{on(cable, beats), on(front, beats)}
	case "frontlink":
		return []lab.Fault{on(front, beats)}
	case "crossover":
		return []lab.Fault{on(cable, "")}
	case "front":
		if words[1] == "between" {
			a, b := one+w.lane, two+w.lane
			return []lab.Fault{{Network: front, From: a, To: b}, {Network: front, From: b, To: a}}
		}
		return []lab.Fault{on(front, "")}
	}
	return []lab.Fault{{Network: front, From: words[0] + w.lane, To: way.To}}
}

func (w *labWorld) Pass(d time.Duration) { time.Sleep(d) }

// name is the story's name of who has a MAC address; empty: a stranger's.
func (w *labWorld) name(mac string) string {
	return map[string]string{w.mac(one): "a", w.mac(two): "b"}[mac]
}

// Answers says who has answered the last questions. On a busy machine it waits for the next one.
func (w *labWorld) Answers(string) string {
	now := lab.Now()
	var asked []time.Duration
	for began := now; ; time.Sleep(probePace / 2) {
		asked = w.prober.Questions(now-second, lab.Now())
		if n := len(asked); n > 0 && asked[n-1] >= now || lab.Now()-began > busy {
			break
		}
	}
	if len(asked) == 0 {
		return ""
	}
	return w.between(asked[max(0, len(asked)-lastQuestions)], lab.Now())
}

// between says who answered between two times.
func (w *labWorld) between(from, to time.Duration) string {
	seen := map[string]bool{}
	for _, a := range w.prober.Answers(from, to) {
		seen[w.name(a.MAC)] = seen[w.name(a.MAC)] || !a.Announced
	}
	var names []string
	for _, node := range []string{"a", "b"} {
		if seen[node] {
			names = append(names, node)
		}
	}
	return strings.Join(names, " ")
}

func (w *labWorld) Until(nodes, group string, limit time.Duration) (time.Duration, bool) {
	began := lab.Now()
	for lab.Now()-began < limit+busy {
		if matches(w.Answers(group), nodes) {
			return round(lab.Now() - began), true
		}
		time.Sleep(probePace)
	}
	return round(lab.Now() - began), false
}

// overlaps are the spans in which both nodes answered the same question. A stranger is no node.
func (w *labWorld) overlaps() []lab.Span {
	var spans []lab.Span
	for _, s := range w.prober.Overlaps(w.since, lab.Now()) {
		if w.between(s.From, s.To) == "a b" {
			spans = append(spans, s)
		}
	}
	return spans
}

// trail is who answered, one after the other.
func (w *labWorld) trail() trail {
	var t trail
	both := w.overlaps()
	for _, a := range w.prober.Answers(w.since, lab.Now()) {
		if a.Announced || w.name(a.MAC) == "" {
			continue
		}
		for len(both) > 0 && both[0].To < a.At {
			both = both[1:]
		}
		if len(both) > 0 && both[0].From <= a.At {
			t.note("a b")
			continue
		}
		t.note(w.name(a.MAC))
	}
	return t
}

func (w *labWorld) Served() string   { return w.trail().Served() }
func (w *labWorld) Moves(string) int { return w.trail().moves() }

func (w *labWorld) Both() time.Duration {
	var both time.Duration
	for _, s := range w.overlaps() {
		both += s.Duration() + probePace
	}
	return round(both)
}

func (w *labWorld) Missed() time.Duration {
	var missed time.Duration
	nodes := []string{w.mac(one), w.mac(two)}
	first := lab.Now()
	for _, mac := range nodes {
		if a, ok := w.prober.First(mac, w.since); ok {
			first = min(first, a.At)
		}
	}
	for _, s := range w.prober.Silences(first, lab.Now(), nodes...) {
		if s.Duration() > blink {
			missed += s.Duration()
		}
	}
	return round(missed)
}

func (w *labWorld) Says(node string) string {
	s, err := w.ask(host(node))
	if err != nil {
		return err.Error()
	}
	return said(s)
}

// Told is what its daemon has logged.
func (w *labWorld) Told(node string) string { return w.daemon(host(node)).Output() }

// Spoiled says that this process had to wait for a core for longer than the daemons, which have the same rights to it, can bear.
func (w *labWorld) Spoiled() string { return w.pulse.spoiled() }

func (w *labWorld) Sound() error {
	if both := w.overlaps(); len(both) > 0 && !w.split {
		return fmt.Errorf("two answered: %v", both)
	}
	return nil
}
