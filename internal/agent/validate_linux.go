package agent

import (
	"context"
	"fmt"
	"time"

	"lubdub/internal/cluster"
)

const (
	// verbValidate is the action of an OCF agent that looks at its parameters and starts nothing.
	verbValidate = "validate-all"
	// validateTime bounds that look before a start. What is not known by then, the start itself will say.
	validateTime = 10 * time.Second
)

// validate lets an OCF agent look at its parameters, and says why the resource cannot start. Nothing is wrong when the
// agent has no such action, or has nothing to say in time.
func (r *Runner) validate(ctx context.Context, q Request, p plan) (wrong *cluster.Outcome, ran bool) {
	if m, err := r.metadata(ctx, p); err != nil || !m.validates {
		return nil, false
	}
	q.Action, q.Timeout = verbValidate, min(q.Timeout, validateTime)
	ctx, free := context.WithTimeout(ctx, q.Timeout)
	defer free()
	out, code := r.once(ctx, q, p, 0)
	switch {
	case ctx.Err() != nil, out.Result == cluster.OK:
		return nil, true
	case code >= exitGeneric && code <= exitConfigured && code != exitUnimplemented:
		return &out, true
	}
	return nil, true // an answer that is none of a validation, such as "not running"
}

// validated is the outcome of a start that was not tried, for validate-all knows better.
func validated(q Request, wrong cluster.Outcome) cluster.Outcome {
	wrong.Words = fmt.Sprintf("%s start: not tried, for %s", q.Resource.Name, wrong.Words)
	return wrong
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
	switch p.class {
	case classOCF:
		return r.examineOCF(ctx, group, resource, p)
	case classSystemd:
		return r.examineUnit(ctx, resource)
	case classHeartbeat, classLSB:
		return r.examineScript(ctx, resource, p)
	case classExec:
		if checkCommands(resource.Commands) == nil {
			return examineCommands(resource)
		}
	case classProxy:
		return Examined{Ran: []string{"it is built in: its settings were read as it would read them; nothing was run"}}
	}
	return Examined{}
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
	q := Request{Resource: res, Group: group, Action: cluster.Start, Timeout: validateTime}
	ctx, free := context.WithTimeout(ctx, validateTime)
	defer free()
	switch bad, ran := r.validate(ctx, q, p); {
	case !ran:
		e.Ran = append(e.Ran, p.path+" meta-data: it has no validate-all, so its parameters were not checked")
	case ctx.Err() != nil:
		e.Doubts = append(e.Doubts, Problem{Words: fmt.Sprintf("%s validate-all: it did not answer within %s", p.path, validateTime), Remedy: "a start would try it all the same"})
		e.Ran = append(e.Ran, p.path+" validate-all: it did not answer")
	case bad != nil:
		e.Doubts = append(e.Doubts, Problem{Words: bad.Words, Remedy: "a start here would end with that"})
		e.Ran = append(e.Ran, p.path+" validate-all: it is not content")
	default:
		e.Ran = append(e.Ran, p.path+" validate-all: nothing is wrong")
	}
	return e
}
