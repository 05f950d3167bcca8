package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"lubdub/internal/api"
	"lubdub/internal/cluster"
	"lubdub/internal/config"
)

// Again ends a life of the daemon that another one is to follow: after a reload,
// or when an interface came for an address that had none. Run is to be called
// again with this configuration, and with what the machine knew. It takes up
// what runs.
type Again struct {
	Loaded *config.Loaded
	Before *cluster.Machine // nil: it was no reload
}

// Error says what has happened, for whoever does not go on.
func (*Again) Error() string { return "another life of lubdub is to follow" }

// running is the configuration of this life, with the keys that SIGHUP brought.
func (d *daemon) running() *config.Loaded {
	running, keyed := *d.Loaded, d.keyed.Load()
	running.Keys, running.Sign = keyed.Keys, keyed.Sign
	return &running
}

// plan reads the files, and compares them with what runs.
func (d *daemon) plan() (*config.Loaded, config.Plan, []string) {
	loaded, problems := d.Load()
	if loaded == nil {
		return nil, config.Plan{}, errorLines(problems)
	}
	if _, err := keyring(loaded); err != nil {
		return nil, config.Plan{}, []string{oneLine(err)}
	}
	return loaded, config.NewPlan(d.running(), loaded), nil
}

// errorLines are the errors of the files, one a line.
func errorLines(problems config.Problems) (lines []string) {
	for _, p := range problems {
		if p.Severity == config.Error {
			lines = append(lines, fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Words))
		}
	}
	return lines
}

// reload brings the files in, or says what that would do. Force is the
// operator's word that the other node need not be asked.
func (d *daemon) reload(ctx context.Context, o api.Order) (api.Answer, error) {
	loaded, plan, wrong := d.plan()
	shown := &api.Plan{Errors: wrong, Digests: plan.Order.Digests}
	if len(wrong) > 0 {
		return api.Answer{Words: "refused: the files have errors, and nothing is changed; see: lubdub check", Plan: shown}, nil
	}
	shown.PeerCommand = loaded.PeerCommand
	for _, s := range plan.Steps {
		shown.Steps = append(shown.Steps, api.Step{What: s.What, Group: s.Group, Resource: s.Resource, Words: s.Words})
	}
	shown.Sum = planSum(plan)
	switch {
	case len(plan.Refused) > 0:
		return api.Answer{Words: "refused: " + strings.Join(plan.Refused, "; "), Plan: shown}, nil
	case o.Plan != "" && o.Plan != shown.Sum:
		return api.Answer{Words: "refused: the files were changed since the plan was made; look at it again: lubdub reload --plan", Plan: shown}, nil
	}
	order := plan.Order
	order.ID, order.Dry, order.Alone, order.With = d.orders.Add(1), o.Dry || len(plan.Steps) == 0, o.Force, loaded
	a, err := d.ask(ctx, order.ID, order)
	if a.Plan != nil {
		shown.Differs = a.Plan.Differs
	}
	a.Plan = shown
	if len(plan.Steps) == 0 && err == nil {
		a.OK, a.Words = true, "nothing has changed: the files say what runs"
	}
	return a, err
}

// planSum tells one plan from another.
func planSum(p config.Plan) string {
	full := sha256.Sum256(fmt.Appendf(nil, "%q %v", p.Steps, p.Order.Digests))
	return hex.EncodeToString(full[:8])
}

// reloadKeys reads authkeys again. A file with an error changes nothing.
func (d *daemon) reloadKeys(ctx context.Context) {
	note := cluster.Noted{Kind: "keys", Words: "authkeys was read again: its keys count from now on"}
	loaded, problems := d.Load()
	if loaded == nil {
		note.Level, note.Words = cluster.Alarm, "the configuration has errors now: the old keys stay; see: lubdub check -d "+d.Loaded.Dir
		note.Lines = errorLines(problems)
	} else if keys, err := keyring(loaded); err != nil {
		note.Level, note.Words = cluster.Alarm, fmt.Sprintf("the old keys stay: %v", err)
	} else {
		d.paths.keys.Store(keys)
		d.keyed.Store(loaded)
		d.noteFiles(ctx, loaded)
	}
	d.loop.tell(ctx, note)
}

// noteFiles says, when the keys alone were read again, that there is more to bring in.
func (d *daemon) noteFiles(ctx context.Context, loaded *config.Loaded) {
	if p := config.NewPlan(d.running(), loaded); len(p.Steps)+len(p.Refused) > 0 {
		d.loop.tell(ctx, cluster.Noted{Level: cluster.Warning, Kind: "files", Words: "the files say something else than what runs; SIGHUP brings in the keys alone; for the rest, run: lubdub reload --plan"})
	}
}
