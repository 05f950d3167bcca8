package agent

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"lubdub/internal/cluster"
)

const (
	// verbValidate is the action of an OCF agent that looks at its parameters and starts nothing.
	verbValidate = "validate-all"
	// validateTime bounds that look before a start. What is not known by then, the start itself will say.
	validateTime = 10 * time.Second
)

// opinion is what an OCF agent thinks of its parameters.
type opinion struct {
	asked  bool            // it has such an action
	sure   bool            // a start would be in vain
	silent bool            // it did not answer in time
	wrong  cluster.Outcome // what it complains of; its result is OK if nothing
}

// validate lets an OCF agent look at its parameters. Nothing is wrong when the agent has no such action, or has nothing
// to say in time.
//
// Not every complaint counts before a start: some agents look closer here than when they start, and nginx refuses (2)
// a configuration without a page for its status, with which it would run well. What is not installed, not permitted or
// badly configured (4, 5, 6) will not start either.
func (r *Runner) validate(ctx context.Context, q Request, p plan) opinion {
	if m, err := r.metadata(ctx, p); err != nil || !m.validates {
		return opinion{}
	}
	q.Action, q.Timeout = verbValidate, min(q.Timeout, validateTime)
	ctx, free := context.WithTimeout(ctx, q.Timeout)
	defer free()
	out, code := r.once(ctx, q, p, 0)
	switch {
	case ctx.Err() != nil:
		return opinion{asked: true, silent: true}
	case out.Result == cluster.OK:
	case code >= exitPermission && code <= exitConfigured:
		return opinion{asked: true, sure: true, wrong: out}
	case code == exitGeneric, code == exitArgs:
		return opinion{asked: true, wrong: out}
	}
	return opinion{asked: true} // also for an answer that is none of a validation, such as "not running"
}

// startOCF starts a resource by its OCF agent.
func (r *Runner) startOCF(ctx context.Context, q Request, p plan) cluster.Outcome {
	key := instance(q.Group, q.Resource)
	r.started(q)
	r.untouched.Delete(key)
	v := r.validate(ctx, q, p)
	if v.sure {
		r.untouched.Store(key, true)
		v.wrong.Words = fmt.Sprintf("%s start: not tried, for %s", q.Resource.Name, v.wrong.Words)
		return v.wrong
	}
	out := r.execute(ctx, q, p, 0)
	if out.Result != cluster.OK {
		if v.wrong.Result != cluster.OK {
			out.Words += "; before, " + v.wrong.Words
		}
		r.logged(q, p, &out)
	}
	return out
}

// stopOCF stops a resource by its OCF agent. Where a start was not tried, nothing runs that a stop could end: one that
// fails, for the same reason, must not block the group, let alone end the node.
func (r *Runner) stopOCF(ctx context.Context, q Request, p plan) cluster.Outcome {
	out := r.execute(ctx, q, p, 0)
	if _, never := r.untouched.Load(instance(q.Group, q.Resource)); never && out.Result == cluster.Failed {
		out = cluster.Outcome{Words: fmt.Sprintf("%s is stopped: it was not started (%s)", q.Resource.Name, out.Words)}
	}
	return out
}

// Examined is what was found out about a resource without starting or stopping anything.
type Examined struct {
	Doubts []Problem // it may not start, or not as it should
	Notes  []Problem // good to know
	Ran    []string  // what was run for it, and how it ended; each one sentence
}

// Examine asks the agent of a resource what it thinks: validate-all and the time-outs that it advises, for OCF agents;
// whether systemd knows it, for units; of other agents, that they are there. And whether the machine starts at boot
// what the resource runs. What [Runner.Check] finds wrong is not said again.
func (r *Runner) Examine(ctx context.Context, group string, resource cluster.Resource) Examined {
	p, wrong := r.plan(resource)
	if wrong != nil {
		return Examined{}
	}
	var e Examined
	switch p.class {
	case classOCF:
		e = r.examineOCF(ctx, group, resource, p)
	case classSystemd:
		e = r.examineUnit(ctx, resource)
	case classHeartbeat, classLSB:
		e = r.examineScript(ctx, resource, p)
	case classExec:
		if checkCommands(resource.Commands) == nil {
			e = examineCommands(resource)
		}
	case classProxy:
		e.Ran = []string{"it is built in: its settings were read as it would read them; nothing was run"}
	}
	if resource.Type == agentPortblock && (p.class == classOCF || p.class == classHeartbeat) {
		e.Doubts = append(e.Doubts, examinePortblock(ctx, onSearchPath("iptables"))...)
	}
	return e
}

func (r *Runner) examineOCF(ctx context.Context, group string, res cluster.Resource, p plan) (e Examined) {
	e.Doubts = r.startedAtBoot(ctx, res)
	m, err := r.metadata(ctx, p)
	if err != nil {
		e.Doubts = append(e.Doubts, Problem{Words: err.Error(), Remedy: "its time-outs are the usual ones, and its parameters are not checked before a start"})
		e.Ran = append(e.Ran, p.path+" meta-data: it cannot say what it can")
		return e
	}
	for _, a := range []struct {
		action cluster.Action
		ours   time.Duration
	}{{cluster.Start, res.Timeouts.Start}, {cluster.Stop, res.Timeouts.Stop}, {cluster.Monitor, res.Timeouts.Monitor}} {
		got := m.advised(Request{Resource: res, Action: a.action, Timeout: a.ours})
		if got > a.ours {
			word := fmt.Sprintf("timeout %s %s=%s", res.Name, a.action, a.ours)
			if a.action == cluster.Monitor {
				word = fmt.Sprintf("monitor %s timeout=%s", res.Name, a.ours)
			}
			e.Notes = append(e.Notes, Problem{Words: fmt.Sprintf("%s may take %s, as its agent advises, and not the usual %s", a.action, got, a.ours),
				Remedy: fmt.Sprintf("to have it otherwise write '%s' in lubdub.conf", word)})
		}
	}
	e.Doubts = append(e.Doubts, m.unknown(p)...)
	if m.promotes {
		e.Notes = append(e.Notes, Problem{Words: "its agent can also replicate, with one of two in the lead; here it runs once, on the node that has the group",
			Remedy: "leave its parameters for replication alone"})
	}
	q := Request{Resource: res, Group: group, Action: cluster.Start, Timeout: validateTime}
	v := r.validate(ctx, q, p)
	switch {
	case !v.asked:
		e.Doubts = append(e.Doubts, m.missing(p)...) // else the agent itself says what it misses
		e.Ran = append(e.Ran, p.path+" meta-data: it has no validate-all; its parameters were compared with those that it knows")
		return e
	case v.silent:
		e.Doubts = append(e.Doubts, Problem{Words: fmt.Sprintf("%s validate-all: it did not answer within %s", p.path, validateTime), Remedy: "a start would try it all the same"})
		e.Ran = append(e.Ran, p.path+" validate-all: it did not answer")
		return e
	case v.wrong.Result == cluster.OK:
		e.Ran = append(e.Ran, p.path+" validate-all: nothing is wrong")
		return e
	}
	e.Ran = append(e.Ran, p.path+" validate-all: it is not content")
	e.Doubts = append(e.Doubts, Problem{Words: v.wrong.Words, Remedy: v.remedy()})
	return e
}

// missing are the parameters that the agent needs and does not get.
func (m metadata) missing(p plan) (all []Problem) {
	for _, one := range m.params {
		if one.need && param(p.params, one.name) == "" {
			all = append(all, Problem{Words: fmt.Sprintf("its agent needs the parameter %s", one.name),
				Remedy: fmt.Sprintf("write 'param RESOURCE %s=...' in lubdub.conf", one.name)})
		}
	}
	return all
}

// unknown are the parameters that the agent does not know.
func (m metadata) unknown(p plan) (all []Problem) {
	var known []string
	for _, one := range m.params {
		known = append(known, one.name)
	}
	for _, text := range p.params {
		name, _, _ := strings.Cut(text, "=")
		// Those are what all agents share, and stand in no meta-data.
		shared := name == "OCF_CHECK_LEVEL" || strings.HasPrefix(name, "CRM_meta_") || strings.HasPrefix(name, "trace_")
		if !shared && !slices.Contains(known, name) {
			all = append(all, Problem{Words: fmt.Sprintf("its agent knows no parameter %s", name),
				Remedy: "it knows " + cmp.Or(strings.Join(known, ", "), "none")})
		}
	}
	return all
}

// absent is what a service says that cannot listen on an address, for it is on the other node.
var absent = regexp.MustCompile(`(?i)cannot assign requested address`)

// remedy says what a complaint means for a start.
func (v opinion) remedy() string {
	switch {
	case absent.MatchString(v.wrong.Words):
		return "that is as it should be on the node that has not got the shared address; see also net.ipv4.ip_nonlocal_bind"
	case v.sure:
		return "a start here would end with that"
	}
	return "a start is tried all the same"
}
