package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lubdub/internal/cluster"
)

const (
	// journalTime bounds how long the journal may take to be read.
	journalTime = 2 * time.Second
	// journalLines is how much of it is read.
	journalLines = "20"
)

// systemctl is systemd by its command, for where its bus cannot be reached.
type systemctl struct {
	path string
	env  []string
}

// openSystemctl finds the command; no path: there is none.
func (r *Runner) openSystemctl() (systemctl, string) {
	path := onSearchPath("systemctl")
	return systemctl{path, []string{"PATH=" + searchPath, "LC_ALL=C", "SYSTEMD_PAGER="}}, path
}

// onSearchPath finds a command; empty: there is none.
func onSearchPath(name string) string {
	for _, dir := range filepath.SplitList(searchPath) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return path
		}
	}
	return ""
}

func (s systemctl) close() {}

func (s systemctl) run(ctx context.Context, args ...string) (ending, error) {
	c := command{argv: append([]string{s.path, "--no-ask-password"}, args...), env: s.env, split: true, grace: maxGrace}
	e, err := c.run(ctx)
	if err == nil && e.leash != nil {
		err = e.leash
	}
	if err != nil {
		err = fmt.Errorf("%s %s: %w", s.path, strings.Join(args, " "), err)
	}
	return e, err
}

func (s systemctl) state(ctx context.Context, unit string) (unitState, error) {
	e, err := s.run(ctx, "show", "--property=LoadState,ActiveState,SubState,UnitFileState,Result,ExecMainStatus", unit)
	if err != nil {
		return unitState{}, err
	}
	if e.code != exitOK {
		return unitState{}, fmt.Errorf("%s show %s: exit code %d%s", s.path, unit, e.code, said(linesOf(e.all)))
	}
	all := map[string]string{}
	for _, line := range linesOf(e.output) {
		name, value, _ := strings.Cut(line, "=")
		all[name] = value
	}
	return unitState{load: all["LoadState"], active: all["ActiveState"], sub: all["SubState"], file: all["UnitFileState"],
		result: all["Result"], status: all["ExecMainStatus"]}, nil
}

func (s systemctl) job(ctx context.Context, a cluster.Action, unit string) (string, error) {
	e, err := s.run(ctx, string(a), unit)
	switch {
	case err != nil:
		return "", err
	case e.code == exitOK:
		return jobDone, nil
	}
	return fmt.Sprintf("exit code %d%s", e.code, said(linesOf(e.all))), nil
}

func (s systemctl) restarts(ctx context.Context, unit string) string {
	e, err := s.run(ctx, "show", "--property=Restart", unit)
	if err != nil || e.code != exitOK {
		return ""
	}
	return strings.TrimPrefix(strings.TrimSpace(e.output), "Restart=")
}

func (s systemctl) forget(ctx context.Context, unit string) { _, _ = s.run(ctx, "reset-failed", unit) }

// journal is the end of what a unit wrote; nothing where there is no journal.
func (r *Runner) journal(q Request, unit string) []string {
	path := onSearchPath("journalctl")
	if path == "" {
		return nil
	}
	// The action's own time may be over; this one is short.
	ctx, free := context.WithTimeout(context.Background(), journalTime)
	defer free()
	since := q.began.Truncate(time.Second)
	if q.Action == cluster.Monitor {
		since = since.Add(-q.Resource.Interval - q.Timeout) // when the last one may have begun
	}
	c := command{argv: []string{path, "--unit", unit, "--lines", journalLines, "--output", "cat", "--no-pager", "--quiet",
		fmt.Sprintf("--since=@%d", since.Unix())},
		env: []string{"PATH=" + searchPath, "LC_ALL=C"}, split: true, grace: lookTime}
	e, err := c.run(ctx)
	if err != nil || e.code != exitOK {
		return nil
	}
	q.heard.note(linesOf(e.output), "")
	return lastLines(linesOf(e.output))
}
