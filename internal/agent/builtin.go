package agent

import (
	"context"
	"fmt"
	"strings"

	"lubdub/internal/cluster"
)

// address performs an action on a shared address.
func (r *Runner) address(q Request) cluster.Outcome {
	name := place(q.Resource)
	there := q.Action == cluster.Start
	var err error
	switch q.Action {
	case cluster.Start:
		err = r.Addresses.Add(q.Resource)
	case cluster.Stop:
		err = r.Addresses.Remove(q.Resource)
	case cluster.Monitor:
		there, err = r.Addresses.Has(q.Resource)
	}
	switch {
	case err != nil:
		return failure(q, err)
	case there:
		return cluster.Outcome{Words: name("is")}
	case q.Action == cluster.Monitor:
		return cluster.Outcome{Result: cluster.NotRunning, Words: name("is not")}
	}
	return cluster.Outcome{Words: name("is no longer")}
}

// place returns how to say where an address is, or is not.
func place(r cluster.Resource) func(is string) string {
	var all []string
	for _, a := range r.Addresses {
		all = append(all, a.String())
	}
	return func(is string) string {
		return fmt.Sprintf("%s %s on %s", strings.Join(all, " and "), is, r.Interface)
	}
}

// proxy performs an action on the built-in proxy.
func (r *Runner) proxy(ctx context.Context, q Request) cluster.Outcome {
	running := q.Action != cluster.Stop
	var err error
	switch q.Action {
	case cluster.Start:
		err = r.Proxy.Start(ctx, q.Resource.Type)
	case cluster.Stop:
		err = r.Proxy.Stop(ctx, q.Resource.Type)
	case cluster.Monitor:
		running, err = r.Proxy.Monitor(ctx, q.Resource.Type)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return q.unended(ctx.Err())
	case err != nil:
		return failure(q, err)
	case !running && q.Action == cluster.Monitor:
		return cluster.Outcome{Result: cluster.NotRunning, Words: fmt.Sprintf("the proxy %s does not run", q.Resource.Type)}
	}
	return cluster.Outcome{Words: fmt.Sprintf("the proxy %s %s", q.Resource.Type, done(q.Action))}
}

func failure(q Request, err error) cluster.Outcome {
	return cluster.Outcome{Result: cluster.Failed, Words: fmt.Sprintf("%s %s: %v", q.Resource.Name, q.Action, err)}
}

// done says what a successful action means.
func done(a cluster.Action) string {
	return map[cluster.Action]string{cluster.Start: "is started", cluster.Stop: "is stopped", cluster.Monitor: "runs"}[a]
}
