package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"lubdub/internal/cluster"
)

// FenceDevice ends one node, power and all. Its fields are not changed while it is used.
type FenceDevice struct {
	Name    string        // as messages call it
	Agent   string        // fence_NAME or a full path: of fence-agents; stonith:TYPE: a plug-in of cluster-glue; meatware: a person
	Target  string        // the node that it ends
	Level   int           // the devices of the lowest level come first; all of a level must succeed
	Timeout time.Duration // of one attempt, and of a self-test
	Delay   time.Duration // before an attempt
	Action  string        // off or reboot; empty: off, or reboot where the device has no off
	Params  []string      // NAME=VALUE each; a VALUE of @/PATH is the first line of a file that only root may read
	Hidden  []string      // the names of parameters whose values nobody may read in a message
	Line    string        // of a plug-in: all its parameters, by position
	File    string        // of a plug-in: the file that holds them by position
}

// The ways to end a node.
const (
	actionOff    = "off"
	actionReboot = "reboot"
)

// verdict is what came of an attempt.
type verdict struct {
	ended bool
	words string // what the device did, or why it did nothing
	lines []string
}

// fenceKind is a kind of fence device.
type fenceKind interface {
	// end ends the node, and is over soon after ctx ends.
	end(ctx context.Context) verdict
	// test asks the device something harmless and says what it answered.
	test(ctx context.Context) (words string, err error)
	// check looks at what can be looked at without the device.
	check(ctx context.Context) []Problem
}

// kind is what the device's agent says it is.
func (d FenceDevice) kind() fenceKind {
	if d.Agent == operatorAgent {
		return operator{d}
	}
	if plugin, ok := strings.CutPrefix(d.Agent, pluginPrefix); ok {
		return stonithPlugin{d, plugin}
	}
	return fenceAgent{d}
}

// Fence ends a node: the devices of the first level for it one after another,
// and when one of them fails those of the next level. It has no attempt number.
func Fence(ctx context.Context, node string, devices []FenceDevice) cluster.Fenced {
	var failures, lines []string
	for _, level := range levels(node, devices) {
		done, wrong, said := endBy(ctx, level)
		lines = append(lines, said...)
		if wrong == "" {
			return cluster.Fenced{OK: true, Words: strings.Join(done, ", and "), Lines: lastLines(lines)}
		}
		if len(done) > 0 {
			wrong += " (although " + strings.Join(done, ", and ") + ")"
		}
		failures = append(failures, wrong)
		if ctx.Err() != nil {
			break
		}
	}
	if len(failures) == 0 {
		return cluster.Fenced{Words: "no fence device ends " + node}
	}
	return cluster.Fenced{Words: strings.Join(failures, "; "), Lines: lastLines(lines)}
}

// endBy lets all devices of a level act, as far as the first that fails.
func endBy(ctx context.Context, level []FenceDevice) (done []string, wrong string, lines []string) {
	for _, d := range level {
		v := d.end(ctx)
		lines = append(lines, v.lines...)
		if !v.ended {
			return done, fmt.Sprintf("%s: %s", d.Name, v.words), lines
		}
		done = append(done, fmt.Sprintf("%s %s", d.Name, v.words))
	}
	return done, "", lines
}

// levels are the devices for a node, level by level, each in the order given.
func levels(node string, devices []FenceDevice) [][]FenceDevice {
	var out [][]FenceDevice
	ours := slices.DeleteFunc(slices.Clone(devices), func(d FenceDevice) bool { return d.Target != node })
	slices.SortStableFunc(ours, func(a, b FenceDevice) int { return a.Level - b.Level })
	for i, d := range ours {
		if i == 0 || d.Level != ours[i-1].Level {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], d)
	}
	return out
}

// end waits for the device's delay and lets it act.
func (d FenceDevice) end(ctx context.Context) verdict {
	if wait(ctx, d.Delay) != nil {
		return verdict{words: "cancelled before it acted"}
	}
	began := time.Now()
	leash, free := context.WithTimeout(ctx, d.Timeout)
	defer free()
	v := d.kind().end(leash)
	if took := time.Since(began).Round(100 * time.Millisecond); took > 0 && d.Agent != operatorAgent {
		v.words += fmt.Sprintf(" (%v)", took)
	}
	return v
}

// wait lets a time pass, unless ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestFence asks every device for a node something harmless. Each must answer.
func TestFence(ctx context.Context, node string, devices []FenceDevice) cluster.FenceTested {
	var good, bad []string
	for _, level := range levels(node, devices) {
		for _, d := range level {
			words, err := d.Test(ctx)
			if err != nil {
				bad = append(bad, fmt.Sprintf("%s: %v", d.Name, err))
				continue
			}
			good = append(good, fmt.Sprintf("%s: %s", d.Name, words))
		}
	}
	switch {
	case len(bad) > 0:
		return cluster.FenceTested{Words: strings.Join(bad, "; ")}
	case len(good) == 0:
		return cluster.FenceTested{Words: "no fence device ends " + node}
	}
	return cluster.FenceTested{OK: true, Words: strings.Join(good, "; ")}
}

// Test asks the device something harmless, within its time-out, and says what
// it answered. It never switches anything.
func (d FenceDevice) Test(ctx context.Context) (words string, err error) {
	ctx, free := context.WithTimeout(ctx, d.Timeout)
	defer free()
	return d.kind().test(ctx)
}

// checkTime is how long an agent may take to describe itself.
const checkTime = 10 * time.Second

// Check says what would keep the device from working here, as far as that can
// be seen without it.
func (d FenceDevice) Check(ctx context.Context) []Problem {
	ctx, free := context.WithTimeout(ctx, checkTime)
	defer free()
	return d.kind().check(ctx)
}

// operatorAgent is the agent's name when a person is the device, as Heartbeat has it.
const operatorAgent = "meatware"

// operator is the person who ends a node: no attempt succeeds, for only that
// person's word does (lubdub fence confirm).
type operator struct{ FenceDevice }

func (o operator) end(context.Context) verdict {
	return verdict{words: fmt.Sprintf("a person has to switch %s off, and then to type: lubdub fence confirm %s", o.Target, o.Target)}
}

func (o operator) test(context.Context) (string, error) {
	return fmt.Sprintf("a person switches %s off and confirms it", o.Target), nil
}

func (o operator) check(context.Context) []Problem { return nil }

// fenceEnvironment is all that a fence agent gets beside its parameters.
func fenceEnvironment() []string { return []string{"PATH=" + searchPath, "LC_ALL=C"} }

// execute runs a program of the device on its leash, and returns how it ended
// and what it said, its lines without secrets.
func (d FenceDevice) execute(ctx context.Context, c command, secrets []string) (ending, []string, error) {
	c.grace = min(maxGrace, d.Timeout/2)
	e, err := c.run(ctx)
	if err != nil {
		return e, nil, err
	}
	lines := linesOf(redact(e.all, secrets))
	switch {
	case errors.Is(e.leash, context.DeadlineExceeded):
		return e, lines, fmt.Errorf("it did not answer within %v and was ended%s", d.Timeout, afterwards(lines))
	case e.leash != nil:
		return e, lines, errors.New("cancelled")
	case e.signal != 0:
		return e, lines, fmt.Errorf("signal %v ended it%s", e.signal, said(lines))
	}
	return e, lines, nil
}

// afterwards quotes an agent that was ended.
func afterwards(lines []string) string {
	if text := reason(lines); text != "" {
		return "; it said: " + text
	}
	return ""
}
