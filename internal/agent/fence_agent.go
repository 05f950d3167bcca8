package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// fenceAgent is an agent of fence-agents: its options are lines on its input,
// and its exit code is the answer.
type fenceAgent struct{ FenceDevice }

// The exit codes of a status; every other one is an error.
const (
	statusOn  = 0
	statusOff = 2
)

const (
	// agentDir is where fence-agents installs.
	agentDir = "/usr/sbin"
	// readings is how often the state is read until it must be off: a machine may
	// take a moment after its board has said that it switches.
	readings = 3
	// readingPause is the time between two of them.
	readingPause = time.Second
)

// path is where the agent is.
func (a fenceAgent) path() string {
	if filepath.IsAbs(a.Agent) {
		return a.Agent
	}
	return filepath.Join(agentDir, a.Agent)
}

func (a fenceAgent) end(ctx context.Context) verdict {
	action := a.Action
	if action == "" {
		action = actionOff
	}
	code, lines, err := a.call(ctx, action)
	if a.Action == "" && (err != nil || code != 0) && ctx.Err() == nil {
		if d, inquired := a.describe(ctx); inquired == nil && d.lacks(actionOff) {
			action = actionReboot
			code, lines, err = a.call(ctx, action)
		}
	}
	switch {
	case err != nil:
		return verdict{words: fmt.Sprintf("%s: %v", action, err), lines: lines}
	case code != 0:
		return verdict{words: fmt.Sprintf("%s: exit code %d%s", action, code, said(lines)), lines: lines}
	case action == actionReboot:
		return verdict{ended: true, words: "restarted it; after that no state can be read back", lines: lines}
	}
	v := a.readBack(ctx)
	v.lines = append(lines, v.lines...)
	return v
}

// readBack asks what the device now knows of the power. A device that says off
// when nothing is off is worse than none.
func (a fenceAgent) readBack(ctx context.Context) verdict {
	for i := range readings {
		if i > 0 && wait(ctx, readingPause) != nil {
			break
		}
		code, lines, err := a.call(ctx, "status")
		switch {
		case err == nil && code == statusOff:
			return verdict{ended: true, words: "switched it off, and its state reads off", lines: lines}
		case err == nil && code == statusOn:
			continue
		case ctx.Err() == nil:
			if d, inquired := a.describe(ctx); inquired == nil && d.lacks("status") {
				return verdict{ended: true, words: "switched it off; it has no state to read back", lines: lines}
			}
		}
		if err == nil {
			err = fmt.Errorf("exit code %d%s", code, said(lines))
		}
		return verdict{words: fmt.Sprintf("it says that it switched off, but its state cannot be read back: %v", err), lines: lines}
	}
	return verdict{words: "it says that it switched off, but its state reads on: it lies, or it switches another machine; look at its parameters"}
}

// test reads the state, or where the agent has none asks whether the device is there.
func (a fenceAgent) test(ctx context.Context) (string, error) {
	action := "status"
	if d, err := a.describe(ctx); err == nil && d.lacks(action) {
		action = "monitor"
	}
	code, lines, err := a.call(ctx, action)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w", action, err)
	case code == 0 && action == "monitor":
		return "it answers", nil
	case code == statusOn:
		return "it answers, and reads on", nil
	case code == statusOff:
		return "it answers, and reads off", nil
	}
	return "", fmt.Errorf("%s: exit code %d%s", action, code, said(lines))
}

// call runs the agent for one action.
func (a fenceAgent) call(ctx context.Context, action string) (code int, lines []string, err error) {
	params, secrets, err := a.params()
	if err != nil {
		return 0, nil, err
	}
	e, lines, err := a.ask(ctx, "action="+action+"\n"+strings.Join(append(params, ""), "\n"), secrets)
	return e.code, lines, err
}

// ask runs the agent with an input, after a look at whether that is safe.
func (a fenceAgent) ask(ctx context.Context, input string, secrets []string) (ending, []string, error) {
	argv, wrong := safeArgv(a.path())
	if wrong != nil {
		return ending{}, nil, errors.New(wrong.String())
	}
	return a.execute(ctx, command{argv: argv, env: fenceEnvironment(), split: true, input: input}, secrets)
}

// safeArgv is how to run a program that only root can change.
func safeArgv(path string) ([]string, *Problem) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, &Problem{Words: "there is no " + path, Remedy: "install it, or correct the name"}
	case err != nil:
		return nil, &Problem{Words: err.Error()}
	case !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0:
		return nil, &Problem{Words: path + " cannot be executed", Remedy: "chmod +x " + path}
	}
	interpreter, wrong := checkProgram(path)
	if wrong != nil {
		return nil, wrong
	}
	return append(interpreter, path), nil
}

// description is what an agent says of itself; empty lists if it says nothing.
type description struct{ actions, params []string }

// lacks says that the agent names its actions, and this is none of them.
func (d description) lacks(action string) bool {
	return len(d.actions) > 0 && !slices.Contains(d.actions, action)
}

// The names in an agent's metadata. They are not taken apart as XML: some agents
// write what a strict reader refuses.
var (
	metaAction = regexp.MustCompile(`<action\s+name="([^"]+)"`)
	metaParam  = regexp.MustCompile(`<parameter\s+name="([^"]+)"`)
)

// describe asks the agent for its metadata.
func (a fenceAgent) describe(ctx context.Context) (description, error) {
	e, _, err := a.ask(ctx, "action=metadata\n", nil)
	if err != nil {
		return description{}, err
	}
	names := func(r *regexp.Regexp) (out []string) {
		for _, m := range r.FindAllStringSubmatch(e.output, -1) {
			out = append(out, m[1])
		}
		return out
	}
	return description{actions: names(metaAction), params: names(metaParam)}, nil
}

func (a fenceAgent) check(ctx context.Context) []Problem {
	if _, wrong := safeArgv(a.path()); wrong != nil {
		if !filepath.IsAbs(a.Agent) && strings.HasPrefix(wrong.Words, "there is no") {
			wrong.Remedy = "install it (Debian: the package fence-agents) or correct the name"
		}
		return []Problem{*wrong}
	}
	var out []Problem
	if _, _, err := a.params(); err != nil {
		out = append(out, Problem{Words: err.Error()})
	}
	d, err := a.describe(ctx)
	if err != nil {
		return append(out, Problem{Words: a.Agent + " does not describe itself: " + err.Error(), Remedy: "run it by hand: " + a.path() + " -o metadata"})
	}
	if a.Action != "" && d.lacks(a.Action) {
		out = append(out, Problem{Words: fmt.Sprintf("%s has no action %s", a.Agent, a.Action), Remedy: "its actions are: " + strings.Join(d.actions, ", ")})
	}
	for _, p := range a.Params {
		if name, _, _ := strings.Cut(p, "="); len(d.params) > 0 && !slices.Contains(d.params, name) {
			out = append(out, Problem{Words: fmt.Sprintf("%s has no parameter %s, and would ignore it", a.Agent, name), Remedy: "see: man " + filepath.Base(a.Agent)})
		}
	}
	return out
}
