package agent

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"lubdub/internal/cluster"
)

// agentPgsql lets PostgreSQL write into a file from its first word on, so that the agent has nothing to say of a
// configuration that PostgreSQL does not take.
const agentPgsql = "pgsql"

const (
	// logTime bounds how long the end of a log may take to be read.
	logTime = 2 * time.Second
	// logLines is how much of it is shown.
	logLines = "6"
	// logWords is how many of its lines stand in the outcome's sentence.
	logWords = 2
)

// logged adds the end of the log of a service that did not start, where the agent's words do not hold it.
func (r *Runner) logged(q Request, p plan, out *cluster.Outcome) {
	if q.Resource.Type != agentPgsql {
		return
	}
	file := param(p.params, "logfile")
	lines := tail(file, cmp.Or(param(p.params, "pgdba"), "postgres"))
	if len(lines) == 0 {
		out.Words += fmt.Sprintf("; what PostgreSQL says of it goes to %s: write 'param %s logfile=/var/log/postgresql/NAME.log' in lubdub.conf",
			cmp.Or(file, "/dev/null"), q.Resource.Name)
		return
	}
	out.Words += fmt.Sprintf("; %s ends: %s", file, shorten(strings.Join(lines[max(0, len(lines)-logWords):], "; "), maxWords))
	out.Lines = append(out.Lines, lines...)
}

// tail is the end of a file as its owner sees it: a link in that user's directory leads nowhere that this user may not
// look. Nothing if it cannot be read.
func tail(file, owner string) []string {
	as, wrong := accountOf(owner)
	if wrong != nil || !strings.HasPrefix(file, "/") || strings.HasPrefix(file, "/dev/") {
		return nil
	}
	// The action's own time may be over; this one is short.
	ctx, free := context.WithTimeout(context.Background(), logTime)
	defer free()
	c := command{argv: []string{"/usr/bin/tail", "-n", logLines, "--", file},
		env: []string{"PATH=" + searchPath, "LC_ALL=C"}, as: as.credential, split: true, grace: lookTime}
	e, err := c.run(ctx)
	if err != nil || e.code != exitOK {
		return nil
	}
	return lastLines(linesOf(e.output))
}

// param is the value of a parameter of an OCF agent by name; empty: it is not given.
func param(params []string, name string) string {
	value := ""
	for _, text := range params {
		if n, v, ok := strings.Cut(text, "="); ok && n == name {
			value = v
		}
	}
	return value
}
