package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// pluginPrefix marks an agent that is a plug-in of cluster-glue.
const pluginPrefix = "stonith:"

// stonithProgram runs the plug-ins.
const stonithProgram = "/usr/sbin/stonith"

// stonithPlugin is a plug-in of Heartbeat's, run through the program stonith of
// cluster-glue. The program cannot read the power's state back.
type stonithPlugin struct {
	FenceDevice
	plugin string
}

// The exit codes of stonith that are acted upon.
const (
	stonithOK      = 0
	stonithInvalid = 3 // the plug-in cannot do this
	stonithFailed  = 5 // it tried; external plug-ins say so of what they cannot do
	stonithIsOff   = 7
)

// stonithMeaning is what the program's exit codes mean.
func stonithMeaning(code int) string {
	words := map[int]string{
		1: "the parameters are wrong", 2: "the device cannot be reached, or refuses the login", stonithInvalid: "the plug-in cannot do that",
		4: "the device does not control that node", stonithFailed: "the device did not do it", 6: "the device did not answer in time",
		8: "there is no such plug-in, or it broke",
	}
	if w, ok := words[code]; ok {
		return fmt.Sprintf("exit code %d (%s)", code, w)
	}
	return fmt.Sprintf("exit code %d", code)
}

func (s stonithPlugin) end(ctx context.Context) verdict {
	verbs := map[string][]string{"": {"off", "reset"}, actionOff: {"off"}, actionReboot: {"reset"}}[s.Action]
	var v verdict
	for i, verb := range verbs {
		e, lines, err := s.call(ctx, "-T", verb, s.Target)
		v.lines = append(v.lines, lines...)
		switch {
		case err != nil:
			v.words = fmt.Sprintf("%s: %v", verb, err)
			return v
		case e.code == stonithOK || e.code == stonithIsOff:
			v.ended, v.words = true, "did "+verb+"; its state cannot be read back"
			if e.code == stonithIsOff {
				v.words = "says that it is off already"
			}
			return v
		}
		v.words = fmt.Sprintf("%s: %s%s", verb, stonithMeaning(e.code), said(lines))
		if i+1 < len(verbs) && e.code != stonithInvalid && e.code != stonithFailed {
			return v
		}
	}
	return v
}

// test asks the device which nodes it controls and how it is.
func (s stonithPlugin) test(ctx context.Context) (string, error) {
	e, lines, err := s.call(ctx, "-l", "-S")
	switch {
	case err != nil:
		return "", fmt.Errorf("status: %w", err)
	case e.code != stonithOK:
		return "", fmt.Errorf("status: %s%s", stonithMeaning(e.code), said(lines))
	}
	hosts := strings.Fields(e.output)
	for _, h := range hosts {
		if strings.EqualFold(h, s.Target) {
			return "it answers, and controls " + s.Target, nil
		}
	}
	return "", fmt.Errorf("it answers, but controls %q and not %s", strings.Join(hosts, " "), s.Target)
}

// call runs stonith. Parameters go to its environment or its input, never to
// its arguments, which everybody can read.
func (s stonithPlugin) call(ctx context.Context, what ...string) (ending, []string, error) {
	argv, wrong := safeArgv(stonithProgram)
	if wrong != nil {
		return ending{}, nil, errors.New(wrong.String())
	}
	c := command{argv: append(argv, "-t", s.plugin), env: fenceEnvironment(), split: true}
	var secrets []string
	switch {
	case s.File != "":
		if wrong := checkPath(s.File); wrong != nil {
			return ending{}, nil, errors.New(wrong.String())
		}
		c.argv = append(c.argv, "-F", s.File)
	case s.Line != "":
		c.argv, c.input, secrets = append(c.argv, "-F", "/dev/stdin"), s.Line+"\n", strings.Fields(s.Line)
	default:
		params, hidden, err := s.params()
		if err != nil {
			return ending{}, nil, err
		}
		// What we set ourselves comes last, and counts.
		c.argv, c.env, secrets = append(c.argv, "-E"), append(params, c.env...), hidden
	}
	c.argv = append(c.argv, what...)
	return s.execute(ctx, c, secrets)
}

func (s stonithPlugin) check(ctx context.Context) []Problem {
	if _, wrong := safeArgv(stonithProgram); wrong != nil {
		return []Problem{{Words: wrong.Words, Remedy: "install it (Debian: the package cluster-glue)"}}
	}
	var out []Problem
	if s.File != "" {
		if wrong := checkPath(s.File); wrong != nil {
			out = append(out, *wrong)
		}
	}
	if _, _, err := s.params(); err != nil {
		out = append(out, Problem{Words: err.Error()})
	}
	known, _, err := s.execute(ctx, command{argv: []string{stonithProgram, "-t", s.plugin, "-n"}, env: fenceEnvironment(), split: true}, nil)
	if err != nil || known.code != stonithOK {
		return append(out, Problem{Words: fmt.Sprintf("stonith knows no plug-in %s", s.plugin), Remedy: "see: stonith -L"})
	}
	for _, name := range strings.Fields(known.output) {
		if s.File == "" && s.Line == "" && !s.has(name) {
			out = append(out, Problem{Words: fmt.Sprintf("the plug-in %s needs the parameter %s", s.plugin, name), Remedy: "see: stonith -t " + s.plugin + " -h"})
		}
	}
	return out
}

// has says that a parameter is given.
func (s stonithPlugin) has(name string) bool {
	for _, p := range s.Params {
		if strings.HasPrefix(p, name+"=") {
			return true
		}
	}
	return false
}
