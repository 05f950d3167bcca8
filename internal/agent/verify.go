package agent

import (
	"context"
	"fmt"
	"slices"
	"time"

	"lubdub/internal/cluster"
)

// How soon it is looked again whether something runs that says it was started: each pause is twice the one before.
const (
	verifyPause    = 200 * time.Millisecond
	maxVerifyPause = 2 * time.Second
)

// verified asks at once whether what was started runs: a script may end with 0 all the same. One that returns before its
// service is up gets as long as the first monitor action would have given it. A look that gets no answer, or a broken one, is
// not held against the start: its monitor action will say what is wrong, in its own time.
func (r *Runner) verified(ctx context.Context, q Request, p plan, out cluster.Outcome) cluster.Outcome {
	own := []string{classHeartbeat, classLSB, classOCF, classExec}
	if q.Action != cluster.Start || out.Result != cluster.OK || q.Resource.Interval == 0 || q.heard.runs || !slices.Contains(own, p.class) {
		return out
	}
	asked := q
	asked.Action, asked.Resource.Interval, asked.Resource.Deeper = cluster.Monitor, 0, nil // a first look: agents answer it fast
	if t := q.Resource.Timeouts.Monitor; t > 0 {
		asked.Timeout = t
	}
	end := time.Now().Add(q.Resource.Interval)
	for pause := verifyPause; ; pause = min(2*pause, maxVerifyPause) {
		last := !time.Now().Before(end)
		status := r.glance(ctx, asked, p)
		if status.Result != cluster.NotRunning {
			return out
		}
		if !last {
			select {
			case <-time.After(min(pause, time.Until(end))):
				continue
			case <-ctx.Done():
			}
		}
		return cluster.Outcome{Result: cluster.Failed, Lines: lastLines(append(out.Lines, status.Lines...)),
			Words: fmt.Sprintf("%s start: it says that it is started, and %s: its log may say why; run it by hand", q.Resource.Name, status.Words)}
	}
}

// glance looks once, within the time-out of a look.
func (r *Runner) glance(ctx context.Context, asked Request, p plan) cluster.Outcome {
	ctx, free := context.WithTimeout(ctx, asked.Timeout)
	defer free()
	return r.perform(ctx, asked, p)
}
