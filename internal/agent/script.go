package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"lubdub/internal/cluster"
)

// script performs an action on a resource that is run by an agent of its own.
func (r *Runner) script(ctx context.Context, q Request, p plan) cluster.Outcome {
	// Made by systemd-tmpfiles on usual systems. Where it cannot be made, an agent that needs it says so.
	_ = os.MkdirAll(r.tempDir(), 0o755)
	switch {
	case q.Action == cluster.Monitor:
		return r.monitor(ctx, q, p)
	case q.Action == cluster.Start && p.class == classHeartbeat:
		asked := q
		asked.Action = cluster.Monitor
		status := r.execute(ctx, asked, p, 0)
		if ctx.Err() != nil {
			return r.overtaken(ctx, q, status)
		}
		if status.Result == cluster.OK {
			status.Words = q.Resource.Name + " was running already"
			q.heard.runs = true
			return status
		}
	case q.Action == cluster.Start && p.class == classOCF:
		return r.startOCF(ctx, q, p)
	case p.class == classOCF:
		return r.stopOCF(ctx, q, p)
	}
	return r.execute(ctx, q, p, 0)
}

// overtaken is the outcome of a start that was ended while it asked for the status.
func (r *Runner) overtaken(ctx context.Context, q Request, status cluster.Outcome) cluster.Outcome {
	out := q.unended(ctx.Err())
	out.Lines = status.Lines
	if out.Result == cluster.TimedOut {
		out.Words += " when asked for its status before the start"
	}
	return out
}

// monitor asks whether the resource runs.
//
// An OCF agent is told the interval of its monitor action; zero means a first look, which some agents answer faster
// and with fewer words. Two are always asked that way first, and again with the interval only when they report an
// error, for its words: the scripts of Heartbeat, since that is how Heartbeat asks them; and the agent apache, which
// otherwise waits five seconds for a pid file when Apache was stopped behind our back.
func (r *Runner) monitor(ctx context.Context, q Request, p plan) cluster.Outcome {
	interval := q.Resource.Interval
	if p.class == classOCF && len(q.Resource.Deeper) > 0 {
		return r.deeper(q, func(q Request) cluster.Outcome { return r.look(ctx, q, p, interval) })
	}
	return r.look(ctx, q, p, interval)
}

// look looks once.
func (r *Runner) look(ctx context.Context, q Request, p plan, interval time.Duration) cluster.Outcome {
	if p.class == classOCF && q.Resource.Type != agentApache || p.class == classLSB || interval == 0 {
		return r.execute(ctx, q, p, interval)
	}
	out := r.execute(ctx, q, p, 0)
	if out.Result != cluster.Failed || ctx.Err() != nil {
		return out
	}
	return r.execute(ctx, q, p, interval)
}

// execute runs the agent once.
func (r *Runner) execute(ctx context.Context, q Request, p plan, interval time.Duration) cluster.Outcome {
	out, _ := r.once(ctx, q, p, interval)
	return out
}

// once runs the agent once, and returns its exit code too: -1 when it has none.
func (r *Runner) once(ctx context.Context, q Request, p plan, interval time.Duration) (cluster.Outcome, int) {
	argv := slices.Clone(p.argv)
	if p.class != classExec {
		argv = append(argv, verb(p.class, q.Action))
	}
	n := r.note(ctx, q, p)
	defer n.over()
	c := command{
		argv:  argv,
		env:   slices.Concat(r.environment(q, p, interval), p.as.env, n.env()),
		begun: n.begun,
		as:    p.as.credential,
		split: p.class == classHeartbeat && q.Action == cluster.Monitor,
		grace: min(maxGrace, q.Timeout/2),
	}
	if q.Action == cluster.Start && (p.class == classOCF || p.class == classHeartbeat) { // whoever else has that name is another
		c.hopeless = vainOf(q.Resource.Type)
	}
	e, err := c.run(ctx)
	if err != nil {
		result := cluster.Failed
		if errors.Is(err, unix.ENOEXEC) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOENT) {
			result = cluster.Unusable
		}
		return cluster.Outcome{Result: result,
			Words: fmt.Sprintf("%s %s: %s cannot be executed: %v", q.Resource.Name, q.Action, p.path, err)}, -1
	}
	q.heard.note(linesOf(e.all), e.doing)
	return answer(q, p, e), e.code
}

// agentApache is an agent with two habits of its own: see [Runner.monitor] and vainOf.
const agentApache = "apache"

// verb is what the agent is told to do.
func verb(class string, a cluster.Action) string {
	if a == cluster.Monitor && class != classOCF {
		return "status"
	}
	return string(a)
}
