package agent

import (
	"context"
	"fmt"

	"lubdub/internal/cluster"
)

// commandOf is the plain command for an action.
func commandOf(c cluster.Commands, a cluster.Action) []string {
	return map[cluster.Action][]string{cluster.Start: c.Start, cluster.Stop: c.Stop, cluster.Monitor: c.Monitor}[a]
}

// checkCommands says why the commands of a resource must not be run.
func checkCommands(c cluster.Commands) *Problem {
	for _, a := range []cluster.Action{cluster.Start, cluster.Stop, cluster.Monitor} {
		argv := commandOf(c, a)
		if len(argv) == 0 {
			return &Problem{Words: fmt.Sprintf("it has no command to %s", a), Remedy: "write 'exec NAME start=... stop=... monitor=...' in lubdub.conf"}
		}
		if _, wrong := checkProgram(argv[0]); wrong != nil {
			return wrong
		}
	}
	return nil
}

// exec performs an action by a plain command: exit code 0 is success, for monitor that it runs. Any other exit code of
// monitor says that it does not run.
func (r *Runner) exec(ctx context.Context, q Request, p plan) cluster.Outcome {
	argv := commandOf(q.Resource.Commands, q.Action)
	interpreter, wrong := checkProgram(argv[0])
	if wrong != nil {
		return cluster.Outcome{Result: cluster.Unusable, Words: fmt.Sprintf("%s %s: %s", q.Resource.Name, q.Action, wrong)}
	}
	p.path, p.argv = argv[0], append(interpreter, argv...)
	return r.execute(ctx, q, p, q.Resource.Interval)
}
