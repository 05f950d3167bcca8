package agent

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"lubdub/internal/cluster"
)

const (
	// diagnoseTime is how long an outcome waits for what is read about it: that takes some milliseconds, and longer only where
	// a disk or a file server does not answer, or the machine is overloaded. Nobody shall wait longer for the reason while the
	// other node could serve.
	diagnoseTime = time.Second
	// maxEvidence bounds the lines that come from logs, and those of the kernel. With what the agent printed they stay below maxLines.
	maxEvidence = 6
	maxKernel   = 3
)

// heard is what the processes of an action wrote and did: whole, while an outcome keeps only the end of it.
type heard struct {
	lines []string
	doing string // what they did when their time was over
	runs  bool   // it was seen to run: nothing is to be verified
}

func (h *heard) note(lines []string, doing string) {
	if h == nil {
		return
	}
	h.lines = append(h.lines, lines[max(0, len(lines)-maxHeard):]...)
	h.lines = h.lines[max(0, len(h.lines)-maxHeard):]
	h.doing = doing
}

// maxHeard and maxSearched bound the lines in which a cause is looked for: of what was printed, and of each log.
const (
	maxHeard    = 100
	maxSearched = 50
)

// trail is what is kept of a resource between its actions: how far its logs were read. The look that is under way owns it.
type trail struct {
	busy   atomic.Bool
	begun  atomic.Bool
	logs   []mark
	kernel uint64
}

// trailOf finds the trail of a resource. There is one action of a resource at a time, and one trail for each.
func (r *Runner) trailOf(q Request) *trail {
	t, _ := r.trails.LoadOrStore(q.Group+"/"+q.Resource.Name, &trail{})
	return t.(*trail)
}

// briefly runs a look beside the action and waits for it, not longer than diagnoseTime. A look that hangs is left behind, and
// there is no other before it has come back.
func (t *trail) briefly(look func() evidence) (evidence, bool) {
	if !t.busy.CompareAndSwap(false, true) {
		return evidence{}, false
	}
	seen := make(chan evidence, 1)
	go func() {
		e := look()
		t.busy.Store(false)
		seen <- e
	}()
	timer := time.NewTimer(diagnoseTime)
	defer timer.Stop()
	select {
	case e := <-seen:
		return e, true
	case <-timer.C:
		return evidence{}, false
	}
}

// mark remembers where the logs of a resource end now. What was written before is not about the action that begins, or it
// belongs to one that went well.
func (r *Runner) mark(q Request, t *trail) {
	t.briefly(func() evidence {
		if first := !t.begun.Swap(true); first || q.Action != cluster.Monitor {
			t.logs = marks(logsOf(q.Resource))
		}
		for i := range t.logs {
			t.logs[i].renew()
		}
		t.kernel = r.kernel.end(r.kernelPath())
		return evidence{}
	})
}

// source is where lines come from, and the lines.
type source struct {
	name  string
	lines []string
}

// evidence is all that is known about a failure.
type evidence struct {
	q       Request
	out     cluster.Outcome
	heard   []string // what the agent or the unit wrote
	doing   string
	logs    []source
	kernel  []string
	network listeners // who listens; read when a cause asks for it
	httpd   httpd
}

// all are the lines in which a cause is looked for, best first: who fails says why last of all places in the kernel's log.
func (e *evidence) all() []string {
	lines := append([]string{e.out.Words}, e.heard...)
	for _, s := range e.logs {
		lines = append(lines, s.lines[max(0, len(s.lines)-maxSearched):]...)
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(lines, func(line string) bool {
		again := seen[line]
		seen[line] = true
		return again
	})
}

// wants says that an outcome has a reason to be looked for.
func wants(a cluster.Action, out cluster.Outcome) bool {
	return out.Result != cluster.OK && (a != cluster.Stop || out.Result != cluster.NotRunning)
}

// explained gives a failure its cause, if it is one that is known, and what was logged since the last action that went well.
func (r *Runner) explained(q Request, t *trail, out cluster.Outcome) cluster.Outcome {
	e, ok := t.briefly(func() evidence {
		e := evidence{q: q, out: out, heard: q.heard.lines, doing: q.heard.doing, network: r.listeners, httpd: httpdOf(q.Resource)}
		for i := range t.logs {
			if lines := t.logs[i].since(); len(lines) > 0 {
				e.logs = append(e.logs, source{t.logs[i].path, lines})
			}
		}
		e.kernel = r.kernel.since(r.kernelPath(), t.kernel)
		e.kernel = append(e.kernel, e.denials()...)
		e.out = e.conclude()
		return e
	})
	if !ok {
		return out
	}
	return e.out
}

// conclude makes the outcome that is told: the cause in front and the evidence below it.
func (e *evidence) conclude() cluster.Outcome {
	out := e.out
	if p := e.cause(); p != nil {
		out.Words = fmt.Sprintf("%s: %s", subject(e.q, e.out), p)
		// The agent's own words become the first line: what they quote is not said again.
		out.Lines = append([]string{shorten(clean(e.out.Words), maxWords)}, slices.DeleteFunc(slices.Clone(out.Lines), func(line string) bool {
			return strings.Contains(e.out.Words, strings.TrimSpace(strings.TrimPrefix(withoutLevel(line), reasonPrefix)))
		})...)
	}
	out.Lines = e.quoted(out.Lines)
	out.Words = discreet(e.q.Resource, out.Words+e.late(out))
	return out
}

// subject is what the sentence of a cause begins with.
func subject(q Request, out cluster.Outcome) string {
	if out.Result == cluster.NotRunning {
		return q.Resource.Name + " does not run"
	}
	return q.Resource.Name + " " + string(q.Action)
}

// quoted are the lines below the sentence: the agent's own, then each log's under its name.
func (e *evidence) quoted(own []string) []string {
	var below []string
	add := func(name string, lines []string, limit, width int) {
		var fresh []string
		for _, line := range lines {
			if line = shorten(line, width); !slices.Contains(e.heard, line) && !slices.Contains(fresh, line) {
				fresh = append(fresh, line)
			}
		}
		if fresh = fresh[max(0, len(fresh)-limit):]; len(fresh) > 0 {
			below = append(append(below, "-- "+name+" --"), fresh...)
		}
	}
	for _, s := range e.logs[:min(len(e.logs), maxLogs)] {
		add(s.name, s.lines, maxEvidence/min(len(e.logs), maxLogs), maxLine)
	}
	add("the kernel's log", e.kernel, maxKernel, maxWords)
	room := maxLines - len(below)
	lines := slices.Clone(own)
	if len(own) > room { // the first says how it ended, the last ones why
		lines = append(lines[:1], own[len(own)-room+1:]...)
	}
	lines = append(lines, below...)
	for i, line := range lines {
		lines[i] = discreet(e.q.Resource, line)
	}
	return lines
}

// secretWord finds what must not be shown in a line of a log: the value behind such a name, option or header, and a password
// in a URL.
var secretWord = regexp.MustCompile(`(?i)((?:pass(?:word|wd|phrase)?|secret|token|api_?key)["']?\s*[=:]\s*|` +
	`--[a-z0-9_-]*(?:pass(?:word|wd|phrase)?|secret|token|api[_-]?key)\s+|` +
	`authorization["']?\s*[=:]\s*["']?(?:bearer|basic|token)\s+)` +
	`("[^"]*"|'[^']*'|[^\s,;&]+)|(://[^/\s:@]+:)[^@\s/]+@`)

// discreet takes secrets out of a line.
func discreet(res cluster.Resource, line string) string {
	for _, p := range res.Params {
		name, value, _ := strings.Cut(p, "=")
		if len(value) > 2 && secretName.MatchString(name) {
			line = strings.ReplaceAll(line, value, "***")
		}
	}
	return masked(line)
}

// masked takes out of a line what looks like a secret.
func masked(line string) string {
	return secretWord.ReplaceAllStringFunc(line, func(found string) string {
		m := secretWord.FindStringSubmatch(found)
		if m[3] != "" {
			return m[3] + "***@"
		}
		return m[1] + "***"
	})
}

var secretName = regexp.MustCompile(`(?i)pass|secret|token|key|credential`)

// programsOf are the names under which the processes of a resource run.
func programsOf(res cluster.Resource) []string {
	name := strings.TrimSuffix(res.Type, ".service")
	if res.Class == classExec && len(res.Commands.Start) > 0 {
		name = path.Base(res.Commands.Start[0])
	}
	if k, ok := kindOf(name); ok {
		return append(k.programs, name)
	}
	return []string{name}
}

// told runs an action and gives its failure a reason.
func (r *Runner) told(ctx context.Context, q Request) cluster.Outcome {
	q.began, q.heard = time.Now(), &heard{}
	t := r.trailOf(q)
	looked := q.Resource.Class != classAddress && q.Resource.Class != classProxy
	if looked && (q.Action != cluster.Monitor || !t.begun.Load()) {
		r.mark(q, t)
	}
	out := r.run(ctx, q)
	out.Took = time.Since(q.began)
	switch {
	case !looked || ctx.Err() != nil:
	case wants(q.Action, out):
		out = r.explained(q, t, out)
	default:
		r.mark(q, t)
	}
	return out
}
