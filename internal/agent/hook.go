package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lubdub/internal/cluster"
)

// Hook is a command that is told what happens. It decides nothing, unless whoever runs it waits for it.
type Hook struct {
	Name    string   // as messages call it
	Argv    []string // a full path, and arguments
	User    string   // whom it runs as; empty: whoever we are
	Timeout time.Duration
	Env     []string // NAME=VALUE each, beside a fixed few
}

// Check says why the hook cannot be run here; nothing if it can.
func (h Hook) Check() []Problem {
	if _, _, wrong := h.plan(); wrong != nil {
		return []Problem{*wrong}
	}
	return nil
}

// plan finds whom the hook runs as and what executes it.
func (h Hook) plan() (argv []string, as account, wrong *Problem) {
	if len(h.Argv) == 0 || !filepath.IsAbs(h.Argv[0]) {
		return nil, as, &Problem{Words: "it has no full path"}
	}
	if as, wrong = accountOf(h.User); wrong != nil {
		return nil, as, wrong
	}
	interpreter, wrong := checkProgram(h.Argv[0])
	if wrong != nil {
		return nil, as, wrong
	}
	info, err := os.Stat(h.Argv[0])
	switch {
	case err != nil:
		return nil, as, &Problem{Words: err.Error()}
	case !info.Mode().IsRegular():
		return nil, as, &Problem{Words: h.Argv[0] + " is not a program"}
	case info.Mode().Perm()&0o111 == 0:
		return nil, as, &Problem{Words: h.Argv[0] + " cannot be executed", Remedy: "chmod +x " + h.Argv[0]}
	}
	return append(interpreter, h.Argv...), as, nil
}

// Run runs the hook with further variables, NAME=VALUE each, within its time-out. To cancel ctx ends it with its
// process group.
func (h Hook) Run(ctx context.Context, vars []string) cluster.Outcome {
	began := time.Now()
	out := h.run(ctx, vars)
	out.Took = time.Since(began)
	return out
}

func (h Hook) run(ctx context.Context, vars []string) cluster.Outcome {
	argv, as, wrong := h.plan()
	if wrong != nil {
		return cluster.Outcome{Result: cluster.Unusable, Words: fmt.Sprintf("%s was not run: %s", h.Name, wrong)}
	}
	ctx, free := context.WithTimeout(ctx, h.Timeout)
	defer free()
	e, err := command{argv: argv, env: h.environment(as, vars), as: as.credential, grace: min(maxGrace, h.Timeout/2)}.run(ctx)
	if err != nil {
		result := cluster.Failed
		if errors.Is(err, unix.ENOEXEC) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOENT) {
			result = cluster.Unusable
		}
		return cluster.Outcome{Result: result, Words: fmt.Sprintf("%s cannot be executed: %v", h.Name, err)}
	}
	lines := linesOf(e.all)
	for i, line := range lines {
		lines[i] = masked(line) // they go to the log, into events and into alerts
	}
	out := cluster.Outcome{Result: cluster.Failed, Lines: lastLines(lines)}
	switch {
	case errors.Is(e.leash, context.DeadlineExceeded):
		out.Result, out.Words = cluster.TimedOut, fmt.Sprintf("%s: ended after %v: it did not finish%s", h.Name, h.Timeout, afterwards(lines))
	case e.leash != nil:
		out.Words = h.Name + ": cancelled"
	case e.signal != 0:
		out.Words = fmt.Sprintf("%s: ended by signal %d (%s)%s", h.Name, int(e.signal), e.signal, said(lines))
	case e.code != exitOK:
		out.Words = fmt.Sprintf("%s: exit code %d%s", h.Name, e.code, said(lines))
	default:
		out.Result, out.Words = cluster.OK, h.Name+" ended well"
	}
	if e.stuck != 0 {
		out.Words += fmt.Sprintf("; its process %d cannot be ended, for it waits in the kernel", e.stuck)
	}
	return out
}

// environment is all that a hook gets. What happened has no second line.
func (h Hook) environment(as account, vars []string) []string {
	env := map[string]string{"PATH": searchPath, "LC_ALL": "C"}
	for _, v := range slices.Concat(h.Env, as.env) {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	for _, v := range vars {
		name, value, _ := strings.Cut(v, "=")
		env[name] = clean(value)
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		out = append(out, name+"="+env[name])
	}
	return out
}

// rcTime is what a script of rc.d may take. Heartbeat waits for ever.
const rcTime = time.Minute

// usualTools are what only scripts that come with Heartbeat run: each starts or stops resources, by Heartbeat's rules
// and behind our back.
func usualTools() []string {
	return []string{"mach_down", "ResourceManager", "req_resource", "hb_standby", "hb_takeover", "ha_clustermsg"}
}

// maxScript is how much of a script is looked through.
const maxScript = 1 << 20

// RC is the script in rc.d for messages of a type, with the environment that Heartbeat gives it. found says that there
// is one; wrong, why it is not run.
func (r *Runner) RC(kind string) (h Hook, found bool, wrong *Problem) {
	path := filepath.Join(r.configDir(), "rc.d", kind)
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return h, false, nil // Heartbeat does the same
	}
	env := map[string]string{"HA_t": kind, "HA_OSTATUS": "active"}
	r.addSettings(env)
	r.addHeartbeat(env)
	h = Hook{Name: path, Argv: []string{path, kind}, Timeout: rcTime}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		h.Env = append(h.Env, name+"="+env[name])
	}
	if wrong := h.Check(); wrong != nil {
		return h, true, &wrong[0]
	}
	text, err := os.ReadFile(path)
	if err != nil || len(text) > maxScript {
		return h, true, &Problem{Words: fmt.Sprintf("%s cannot be read, or has more than %d bytes", path, maxScript), Remedy: "it is not run"}
	}
	for _, tool := range usualTools() {
		if strings.Contains(string(text), tool) {
			return h, true, &Problem{Words: fmt.Sprintf("%s runs Heartbeat's %s, which starts or stops resources behind lubdub's back", path, tool),
				Remedy: "it is not run; if you added to it, put that into a script without " + tool}
		}
	}
	return h, true, nil
}
