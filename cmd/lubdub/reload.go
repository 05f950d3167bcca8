package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lubdub/internal/api"
	"lubdub/internal/cluster"
)

// reload is a change of the configuration on its way.
type reload struct {
	order
	plan bool
}

func reloadCommand(w world) *cobra.Command {
	r := &reload{order: order{world: w, Order: api.Order{Verb: cluster.Reloading}}}
	c := &cobra.Command{
		Use: "reload", Short: "Bring the changed files in, and touch nothing else", Args: cobra.NoArgs,
		Long: `Reload reads ha.cf, haresources, lubdub.conf and authkeys again and compares them with what runs.
What did not change goes on undisturbed. A resource that changed, came or went is stopped and started, and so is what
stands behind it in its group; times, limits and monitor intervals change without a stop. Files with errors change
nothing, and neither does a change that could let both nodes serve: reload says why.

The files must be the same on both nodes: reload asks the other node with peer-command (as: ssh beta lubdub check --digest).
Copy the files first, then reload on one node and on the other. Meanwhile nothing moves by itself.

--plan says what would happen, and changes nothing.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return r.give(cmd.Context()) },
	}
	r.flags(c)
	c.Flags().BoolVar(&r.plan, "plan", false, "say what would happen, and do nothing")
	c.Flags().BoolVar(&r.Force, "alone", false, "do not ask the other node: you answer for what it does")
	c.Flags().DurationVar(&r.timeout, "timeout", waitTime, "how long to wait for the end at most")
	return c
}

// give asks for the plan, compares it with the other node, and has it carried out.
func (r *reload) give(ctx context.Context) error {
	daemon := r.asker(r.runtime)
	planned, err := r.ask(ctx, daemon)
	if err != nil {
		return err
	}
	if !r.asJSON {
		if err := r.printPlan(planned.Plan); err != nil {
			return err
		}
	}
	if r.plan || !planned.OK || len(planned.Plan.Steps) == 0 {
		return r.conclude(planned)
	}
	before, err := daemon.status(ctx)
	if err != nil {
		return err
	}
	r.wait = true
	after, err := r.lastEvent(ctx, daemon)
	if err != nil {
		return err
	}
	r.Order.Plan = planned.Plan.Sum
	answer, err := daemon.order(ctx, r.Order)
	if err == nil && !answer.OK {
		return r.conclude(answer)
	}
	// An answer that is lost went with the socket of the life that ended: the next one tells.
	ended := r.await(ctx, daemon, before, after)
	ended.Plan = planned.Plan
	return r.conclude(ended)
}

// ask asks for the plan, and whether anything speaks against it: first the daemon, then the other node.
func (r *reload) ask(ctx context.Context, daemon asker) (api.Answer, error) {
	dry := r.Order
	dry.Dry = true
	planned, err := daemon.order(ctx, dry)
	switch {
	case err != nil:
		return planned, err
	case planned.Plan == nil:
		return planned, errors.New("the daemon that runs is older than this program and cannot reload: restart it (systemctl restart lubdub); within the dead time nothing moves")
	case planned.OK && len(planned.Plan.Steps) > 0 && len(planned.Plan.Differs) > 0 && !r.Force:
		if err := comparePeer(ctx, planned.Plan); err != nil {
			planned.OK, planned.Words = false, "refused: "+err.Error()
		}
	}
	return planned, nil
}

func (r *reload) printPlan(p *api.Plan) error {
	var b strings.Builder
	for _, line := range p.Errors {
		fmt.Fprintln(&b, visible(line))
	}
	for _, s := range p.Steps {
		name := strings.Trim(s.Group+"/"+s.Resource, "/")
		if name != "" {
			name += ": "
		}
		for i, line := range wrap(visible(name+s.Words), pageWidth-11) {
			fmt.Fprintf(&b, "%-10s %s\n", map[bool]string{true: s.What}[i == 0], line)
		}
	}
	_, err := fmt.Fprint(r.Stdout, b.String())
	return err
}

// await waits for the next life, and until it has started what is new; it prints the events meanwhile.
func (r *reload) await(ctx context.Context, daemon asker, before api.Status, after string) api.Answer {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	tick := time.NewTicker(lookEach)
	defer tick.Stop()
	held := "lubdub goes on with the old configuration"
	for {
		s, err := daemon.status(ctx)
		if err == nil {
			var off string
			if after, off, err = r.news(ctx, daemon, after); off != "" {
				return api.Answer{Words: "not done: " + off}
			}
		}
		switch {
		case err != nil:
			held = err.Error()
		case s.Incarnation > before.Incarnation:
			var lost bool
			if held, lost = unfinished(before, s); lost {
				return api.Answer{Words: "not done: " + held}
			}
			if held == "" {
				return api.Answer{OK: true, Words: "done: " + s.Sentence}
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return api.Answer{Words: fmt.Sprintf("not done within %v: %s", r.timeout, held)}
		}
	}
}

// news prints the events behind after, and says whether the reload was called off.
func (r *reload) news(ctx context.Context, daemon asker, after string) (newest, off string, err error) {
	events, err := daemon.events(ctx, after)
	if err != nil {
		return after, "", err
	}
	for _, e := range events {
		after = e.ID
		if e.Kind == "reload" && e.Level == cluster.Alarm {
			off = visible(e.Words)
		}
		if r.asJSON {
			continue
		}
		if _, err := fmt.Fprint(r.Stdout, r.painter().event(e, e.Time.Local().Format("15:04:05.000"), false)); err != nil {
			return after, off, err
		}
	}
	return after, off, nil
}

// claimTime is how long reload waits for a new group to be started somewhere: a
// claim takes two heartbeats, and the agents' looks before it.
const claimTime = 10 * time.Second

// unfinished says what the next life still has to do; lost: what it did not manage.
func unfinished(before, now api.Status) (held string, lost bool) {
	if before.Peer.Membership == "up" && now.Peer.Membership != "up" {
		held = now.Peer.Name + " has not heard the new life yet"
	}
	for _, g := range now.Groups {
		was, known := findGroup(before, g.Name)
		switch {
		case g.State == "blocked":
			return fmt.Sprintf("%s is blocked; see: lubdub why %s", g.Name, g.Name), true
		case g.State == "starting", g.State == "stopping", g.State == "mute" && was.State != "mute":
			held = fmt.Sprintf("%s is %s", g.Name, g.State)
		case !known && g.Owner == "" && !now.Standby && now.At.Sub(now.Started) < claimTime:
			held = g.Name + " runs nowhere yet"
		case known && was.State == "running" && g.State != "running":
			return fmt.Sprintf("%s does not run here any more; see: lubdub why %s", g.Name, g.Name), true
		}
	}
	return held, false
}

// comparePeer asks the other node what its files say. Error: they say something else, or it cannot be asked.
func comparePeer(ctx context.Context, p *api.Plan) error {
	theirs, err := peerDigests(ctx, p.PeerCommand)
	if err != nil {
		return fmt.Errorf("the files of the other node are not known to be the same: %w; let that work (peer-command in lubdub.conf), or answer for it yourself: --alone", err)
	}
	var differ []string
	for _, d := range p.Digests {
		if theirs[d.File] != d.Sum {
			differ = append(differ, d.File)
		}
		delete(theirs, d.File)
	}
	for file := range theirs {
		differ = append(differ, file)
	}
	if len(differ) == 0 {
		return nil
	}
	slices.Sort(differ)
	return errors.New(strings.Join(differ, ", ") + " on the other node says something else than here: make the files the same on both nodes first, then reload on both, one after the other; or answer for it yourself: --alone")
}
