package agent

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"lubdub/internal/cluster"
)

// Exit codes of OCF agents; LSB scripts share those up to seven.
const (
	exitOK            = 0
	exitGeneric       = 1
	exitArgs          = 2
	exitUnimplemented = 3
	exitPermission    = 4
	exitInstalled     = 5
	exitConfigured    = 6
	exitNotRunning    = 7
	exitPromoted      = 8
	exitPromotedBad   = 9
	exitDegraded      = 190
	exitPromotedWeak  = 191
)

// meaning says what an exit code stands for; empty if nothing.
func meaning(code int) string {
	return map[int]string{
		exitGeneric:       "generic error",
		exitArgs:          "bad arguments",
		exitUnimplemented: "the agent cannot do that",
		exitPermission:    "not permitted",
		exitInstalled:     "something it needs is not installed",
		exitConfigured:    "badly configured",
		exitNotRunning:    "not running",
		exitPromoted:      "promoted",
		exitPromotedBad:   "promoted, and it failed",
		exitDegraded:      "degraded",
		exitPromotedWeak:  "promoted and degraded",
	}[code]
}

// lsbStopped is the highest code of an init script's status that means: it does not run.
const lsbStopped = 3

// lsbStatus says what the exit code of an init script's status stands for.
func lsbStatus(code int) string {
	return map[int]string{
		1: "dead, its pid file is left",
		2: "dead, its lock file is left",
		3: "not running",
		4: "unknown",
	}[code]
}

// answer makes the outcome of how an agent's process ended.
func answer(q Request, p plan, e ending) cluster.Outcome {
	lines := linesOf(e.all)
	name := q.Resource.Name + " " + string(q.Action)
	out := cluster.Outcome{Lines: lastLines(lines)}
	switch {
	case e.hopeless:
		out.Result, out.Words = cluster.Failed, fmt.Sprintf("%s: ended, for it would wait in vain%s%s", name, said(lines), hintOf(q.Resource.Type))
		return out
	case e.leash != nil:
		ended := q.unended(e.leash)
		out.Result, out.Words = ended.Result, ended.Words
		if said := reason(lines); said != "" && errors.Is(e.leash, context.DeadlineExceeded) {
			out.Words += "; it said: " + said
		}
		if e.stuck != 0 {
			out.Words += fmt.Sprintf("; its process %d cannot be ended, for it waits in the kernel", e.stuck)
		}
		return out
	case e.signal != 0:
		out.Result, out.Words = cluster.Failed, fmt.Sprintf("%s: ended by signal %d (%s)%s", name, int(e.signal), e.signal, said(lines))
		return out
	case q.Action == cluster.Monitor && p.class == classHeartbeat:
		out.Result, out.Words = byText(q, e, lines)
		out.Degraded = out.Result == cluster.OK && e.code != exitOK // its status contradicts itself: somebody should look
		return out
	}
	var known string
	out.Result, known = byCode(q.Action, p.class, e.code)
	if known != "" {
		known = " (" + known + ")"
	}
	switch {
	case e.code == exitOK:
		out.Words = fmt.Sprintf("%s %s", q.Resource.Name, done(q.Action))
	case out.Result == cluster.OK:
		out.Degraded = e.code == exitDegraded || e.code == exitPromotedWeak
		out.Words = fmt.Sprintf("%s %s: exit code %d%s%s", q.Resource.Name, done(q.Action), e.code, known, said(lines))
	case out.Result == cluster.NotRunning:
		out.Words = fmt.Sprintf("%s does not run: exit code %d%s%s", q.Resource.Name, e.code, known, said(lines))
	default:
		out.Words = fmt.Sprintf("%s: exit code %d%s%s", name, e.code, known, said(lines))
	}
	return out
}

// said quotes the agent.
func said(lines []string) string {
	if text := reason(lines); text != "" {
		return ": " + text
	}
	return ", and it said nothing"
}

// byCode reads an exit code.
func byCode(a cluster.Action, class string, code int) (cluster.Result, string) {
	switch {
	case code == exitOK:
		return cluster.OK, ""
	case class == classLSB && a == cluster.Monitor:
		if code <= lsbStopped {
			return cluster.NotRunning, lsbStatus(code)
		}
		return cluster.Failed, lsbStatus(code)
	case class == classExec:
		if a == cluster.Monitor {
			return cluster.NotRunning, ""
		}
		return cluster.Failed, ""
	case code == exitNotRunning && a != cluster.Start:
		return cluster.NotRunning, ""
	case class == classOCF && a != cluster.Stop:
		return byOCFCode(code), meaning(code)
	}
	return cluster.Failed, meaning(code)
}

// byOCFCode reads what only OCF agents say. A stop that did not end well is a failure, whatever it says.
func byOCFCode(code int) cluster.Result {
	switch code {
	case exitPromoted, exitDegraded, exitPromotedWeak:
		return cluster.OK
	case exitArgs, exitUnimplemented, exitPermission, exitInstalled, exitConfigured:
		return cluster.Unusable
	}
	return cluster.Failed
}

// notRunning is how Heartbeat 3.0.6 recognises in a script's status that the resource does not run.
var notRunning = regexp.MustCompile(`[Nn][Oo][Tt] .*[Rr]unning`)

// byText reads the status of a Heartbeat script as Heartbeat does: its text decides. One thing is added: a script that
// says nothing of running and speaks of an error has failed, it is not just stopped.
func byText(q Request, e ending, lines []string) (cluster.Result, string) {
	name, text := q.Resource.Name, e.output
	quoted := ""
	if last := linesOf(text); len(last) > 0 {
		quoted = fmt.Sprintf(" (%q)", shorten(withoutLevel(last[len(last)-1]), maxLine))
	}
	switch {
	case notRunning.MatchString(text):
	case strings.Contains(text, "unning") || strings.Contains(text, "OK"):
		if e.code == exitOK {
			return cluster.OK, name + " runs"
		}
		return cluster.OK, fmt.Sprintf("%s runs by what its status says%s, although its exit code is %d", name, quoted, e.code)
	case e.code != exitOK && strings.Contains(text, "ERROR"):
		return cluster.Failed, fmt.Sprintf("%s %s: exit code %d%s", name, q.Action, e.code, said(lines))
	}
	if e.code == exitOK {
		return cluster.NotRunning, fmt.Sprintf(
			"%s does not run by what its status says%s, although its exit code is 0; a status that means running prints running or OK", name, quoted)
	}
	return cluster.NotRunning, fmt.Sprintf("%s does not run%s", name, quoted)
}
