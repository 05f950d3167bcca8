package daemon

import (
	"context"
	"fmt"
	"time"

	"lubdub/internal/agent"
	"lubdub/internal/api"
	"lubdub/internal/cluster"
	"lubdub/internal/config"
)

// Tried is what came of trying one hook or alert.
type Tried struct {
	Name  string
	OK    bool
	Ran   bool // it was tried at all
	Words string
	Lines []string `json:",omitempty"`
}

// TryAlerts sends a test event to everybody that lubdub.conf wants told, one after the other. Hooks are run too if
// commands is set, with LUBDUB_TEST=yes: whoever does not look at that does its work.
func TryAlerts(ctx context.Context, loaded *config.Loaded, r *agent.Runner, commands bool) []Tried {
	cfg := loaded.Config
	event := api.Event{ID: "test", Time: time.Now(), Level: cluster.Info, Kind: "test", Node: cfg.Self,
		Words: fmt.Sprintf("this is a test of lubdub on %s: nothing happened", cfg.Self)}
	out := []Tried{}
	for _, c := range loaded.Alerts {
		a := newAlert(c, cfg)
		tried := Tried{Name: a.name, OK: true, Ran: true, Words: "sent"}
		if err := a.attempt(ctx, telling{Node: cfg.Self, Cluster: cfg.Cluster, Test: true, Events: []api.Event{event}}, a.time); err != nil {
			tried.OK, tried.Words = false, err.Error()
		}
		out = append(out, tried)
	}
	try := func(h agent.Hook, vars []string) {
		tried := Tried{Name: h.Name, Words: "not run; to run it: lubdub alert test --commands", OK: true}
		if commands {
			o := h.Run(ctx, append(vars, "LUBDUB_TEST=yes"))
			tried = Tried{Name: h.Name, OK: o.Result == cluster.OK, Ran: true, Words: o.Words, Lines: o.Lines}
		}
		out = append(out, tried)
	}
	for _, k := range hooksOf(loaded) {
		o := occasion{when: k.when, event: event, group: k.group, reason: "a test", from: cfg.Self, to: cfg.Peer}
		if o.group == "" && len(cfg.Groups) > 0 {
			o.group = cfg.Groups[0].Name
		}
		try(k.Hook, o.vars(cfg))
	}
	if h, found, wrong := r.RC(nodeStatus); found && wrong == nil {
		try(h, occasion{event: event, node: cfg.Peer, state: "active", info: "test"}.message())
	}
	return out
}
