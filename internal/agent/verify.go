package agent

import (
	"context"
	"fmt"
	"slices"
	"time"

	"lubdub/internal/cluster"
)

// verifyPause is how soon it is looked again whether something runs that says it was started.
const verifyPause = 200 * time.Millisecond

// verified asks at once whether what was started runs: a script may end with 0 all the same. One that returns before its
// service is up gets as long as the first monitor action would have given it.
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
	patience := time.NewTimer(q.Resource.Interval)
	defer patience.Stop()
	look := time.NewTicker(verifyPause)
	defer look.Stop()
	for {
		status := r.perform(ctx, asked, p)
		if ctx.Err() == nil && status.Result != cluster.NotRunning {
			return out // it runs, or its monitor action will say what is wrong
		}
		lie := cluster.Outcome{Result: cluster.Failed, Lines: lastLines(append(out.Lines, status.Lines...)),
			Words: fmt.Sprintf("%s start: it says that it is started, and %s: its log may say why; run it by hand", q.Resource.Name, status.Words)}
		select {
		case <-look.C:
		case <-patience.C:
			return lie
		case <-ctx.Done():
			if status.Result == cluster.NotRunning {
				return lie
			}
			return out
		}
	}
}
