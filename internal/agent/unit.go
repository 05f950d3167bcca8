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

// unitLook is how often a unit is looked at that is on its way from one state to another.
const unitLook = 200 * time.Millisecond

// The states of units that decide something here.
const (
	unitActive   = "active"
	unitInactive = "inactive"
	unitFailed   = "failed"
)

// jobDone is how a job of systemd ends that did what it should.
const jobDone = "done"

// unitState is what systemd says of a unit.
type unitState struct {
	load   string // loaded, not-found, masked, bad-setting, error
	active string // active, reloading, inactive, failed, activating, deactivating
	sub    string // more of that, by the kind of the unit
	file   string // enabled, disabled, static...
	result string // of a service: exit-code, signal, timeout, oom-kill...
	status string // of its main process
}

// runs says that the unit runs as it should.
func (s unitState) runs() bool { return s.active == unitActive || s.active == "reloading" }

// still says that the unit is between two states.
func (s unitState) still() bool { return !s.runs() && !s.gone() }

// gone says that nothing of the unit runs.
func (s unitState) gone() bool { return s.active == unitInactive || s.active == unitFailed }

// enabled says that the unit is started at boot.
func (s unitState) enabled() bool { return strings.HasPrefix(s.file, "enabled") }

// String says how the unit is, and of a failure how it came.
func (s unitState) String() string {
	text := s.active
	if s.sub != "" && s.sub != s.active {
		text += " (" + s.sub + ")"
	}
	if s.active == unitFailed && s.result != "" && s.result != "success" {
		text += ": " + s.result
		if s.status != "" && s.status != "0" {
			text += ", status " + s.status
		}
	}
	return text
}

// unitName is the full name of a unit.
func unitName(name string) string {
	kinds := []string{".service", ".socket", ".target", ".mount", ".timer", ".path", ".slice", ".scope", ".swap", ".automount", ".device"}
	if slices.ContainsFunc(kinds, func(kind string) bool { return strings.HasSuffix(name, kind) }) {
		return name
	}
	return name + ".service"
}

// units is systemd: over its bus, or by its command.
type units interface {
	state(ctx context.Context, unit string) (unitState, error)
	// job starts or stops the unit and waits for the end: how systemd calls it, jobDone if all is well.
	job(ctx context.Context, a cluster.Action, unit string) (string, error)
	// restarts says when systemd itself starts a service again that ended: Restart= of the unit; empty if unknown.
	restarts(ctx context.Context, unit string) string
	// forget lets a unit start again that failed too often.
	forget(ctx context.Context, unit string)
	close()
}

// unit performs an action on a unit of systemd.
func (r *Runner) unit(ctx context.Context, q Request) cluster.Outcome {
	u, err := r.openUnits(ctx)
	if err != nil {
		return failure(q, err)
	}
	defer u.close()
	name := unitName(q.Resource.Type)
	s, err := u.state(ctx, name)
	if err == nil {
		switch q.Action {
		case cluster.Start:
			return r.startUnit(ctx, q, u, s)
		case cluster.Stop:
			return r.stopUnit(ctx, q, u, s)
		}
		s, err = settled(ctx, u, name, s)
	}
	switch {
	case ctx.Err() != nil:
		out := q.unended(ctx.Err())
		if s.still() && s.active != "" {
			out.Words += fmt.Sprintf("; %s is %s", name, s)
		}
		return out
	case err != nil:
		return failure(q, err)
	}
	return r.lookedAt(q, name, s)
}

// settled waits until a unit is no longer between two states.
func settled(ctx context.Context, u units, name string, s unitState) (unitState, error) {
	look := time.NewTicker(unitLook)
	defer look.Stop()
	for s.still() {
		select {
		case <-look.C:
		case <-ctx.Done():
			return s, ctx.Err()
		}
		next, err := u.state(ctx, name)
		if err != nil {
			return s, err
		}
		s = next
	}
	return s, nil
}

// lookedAt is the outcome of a monitor action.
func (r *Runner) lookedAt(q Request, name string, s unitState) cluster.Outcome {
	switch {
	case s.runs() && s.enabled() && !q.Resource.Warm:
		return cluster.Outcome{Degraded: true, Words: fmt.Sprintf("%s runs, but %s", q.Resource.Name, bootProblem(name, "systemctl disable "+name))}
	case s.runs():
		return cluster.Outcome{Words: q.Resource.Name + " runs"}
	case s.active == unitFailed:
		return cluster.Outcome{Result: cluster.NotRunning, Words: fmt.Sprintf("%s does not run: %s is %s", q.Resource.Name, name, s), Lines: r.journal(q, name)}
	case s.load != "loaded":
		return cluster.Outcome{Result: cluster.NotRunning, Words: fmt.Sprintf("%s does not run: %s is %s", q.Resource.Name, name, s.load)}
	}
	return cluster.Outcome{Result: cluster.NotRunning, Words: fmt.Sprintf("%s does not run: %s is %s", q.Resource.Name, name, s)}
}

// unloadable says why a unit can never be started.
func (s unitState) unloadable(name string) *Problem {
	switch s.load {
	case "loaded":
		return nil
	case "not-found":
		return &Problem{Words: "systemd has no unit " + name, Remedy: "install it, correct the name, or: systemctl daemon-reload"}
	case "masked":
		return &Problem{Words: name + " is masked", Remedy: "systemctl unmask " + name}
	}
	return &Problem{Words: fmt.Sprintf("systemd cannot read %s (%s)", name, s.load), Remedy: "systemd-analyze verify " + name}
}

func (r *Runner) startUnit(ctx context.Context, q Request, u units, s unitState) cluster.Outcome {
	name := unitName(q.Resource.Type)
	if wrong := s.unloadable(name); wrong != nil {
		return cluster.Outcome{Result: cluster.Unusable, Words: fmt.Sprintf("%s start: %s", q.Resource.Name, wrong)}
	}
	if s.runs() {
		return cluster.Outcome{Words: q.Resource.Name + " was running already"}
	}
	if s.active == unitFailed {
		u.forget(ctx, name)
	}
	return r.jobEnded(ctx, q, u, unitState.runs)
}

func (r *Runner) stopUnit(ctx context.Context, q Request, u units, s unitState) cluster.Outcome {
	if s.gone() {
		return cluster.Outcome{Words: q.Resource.Name + " is stopped"}
	}
	return r.jobEnded(ctx, q, u, unitState.gone)
}

// jobEnded runs a job and says how it ended. What the unit is then counts for more than the job's word.
func (r *Runner) jobEnded(ctx context.Context, q Request, u units, good func(unitState) bool) cluster.Outcome {
	name := unitName(q.Resource.Type)
	result, err := u.job(ctx, q.Action, name)
	var s unitState
	if err == nil {
		if s, err = u.state(ctx, name); err == nil {
			s, err = settled(ctx, u, name, s)
		}
	}
	switch {
	case err == nil && good(s):
		return cluster.Outcome{Words: fmt.Sprintf("%s %s", q.Resource.Name, done(q.Action))}
	case ctx.Err() != nil:
		out := q.unended(ctx.Err())
		out.Lines = r.journal(q, name)
		return out
	case err != nil:
		return failure(q, err)
	}
	words := fmt.Sprintf("%s %s: the job of %s ended with %q, and the unit is %s", q.Resource.Name, q.Action, name, result, s)
	return cluster.Outcome{Result: cluster.Failed, Words: words, Lines: r.journal(q, name)}
}

// openUnits reaches systemd.
func (r *Runner) openUnits(ctx context.Context) (units, error) {
	bus, err := openBus(ctx)
	if err == nil {
		return bus, nil
	}
	if ctl, path := r.openSystemctl(); path != "" {
		return ctl, nil
	}
	return nil, errors.Join(fmt.Errorf("reach systemd over D-Bus: %w", err), errors.New("and there is no systemctl"))
}

// examineUnit says what stands against a unit as a resource.
func (r *Runner) examineUnit(ctx context.Context, res cluster.Resource) (e Examined) {
	ctx, free := context.WithTimeout(ctx, validateTime)
	defer free()
	name := unitName(res.Type)
	u, err := r.openUnits(ctx)
	if err != nil {
		e.Doubts = append(e.Doubts, Problem{Words: strings.ReplaceAll(err.Error(), "\n", ", "), Remedy: "units of systemd can only be run where systemd runs"})
		e.Ran = append(e.Ran, "systemd cannot be asked for "+name+": nothing was run")
		return e
	}
	defer u.close()
	s, err := u.state(ctx, name)
	if err != nil {
		e.Doubts = append(e.Doubts, Problem{Words: fmt.Sprintf("ask systemd for %s: %v", name, err), Remedy: "systemctl status " + name})
		e.Ran = append(e.Ran, "systemd was asked for "+name+" and gave no answer")
		return e
	}
	if wrong := s.unloadable(name); wrong != nil {
		e.Doubts = append(e.Doubts, *wrong)
	}
	if s.enabled() {
		e.Doubts = append(e.Doubts, bootProblem(name, "systemctl disable "+name))
	}
	if again := u.restarts(ctx, name); again != "" && again != "no" {
		e.Doubts = append(e.Doubts, Problem{
			Words:  fmt.Sprintf("systemd itself starts %s again when it ends (Restart=%s): two would look after it, and its failures are not counted", name, again),
			Remedy: "systemctl edit " + name + ", with the lines [Service] and Restart=no"})
	}
	e.Ran = append(e.Ran, fmt.Sprintf("systemd was asked: %s is %s, %s, %s", name, s.load, s.file, s))
	return e
}
