package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lubdub/internal/api"
	"lubdub/internal/cluster"
)

// The lengths of a story that is read at night. --all tells the rest.
const (
	maxChain = 12 // causes, the newest
	maxSince = 8  // later events, the newest
)

// story is why a group is where it is.
type story struct {
	Group   string
	State   string      // as a sentence
	Told    time.Time   // the moment of Now
	Chain   []api.Event // from the root to what made the state, oldest first
	Earlier int         `json:",omitempty"` // causes that are left out before the chain
	Cut     bool        `json:",omitempty"` // what led to the first event is no longer recorded
	Started *time.Time  `json:",omitempty"` // the chain is older than lubdub's present life, which began then
	Since   []api.Event // what has happened since and may matter
	Now     string
	Failed  []cluster.ResourceStatus
	// Degraded is what runs, but not as it should, and why.
	Degraded []string `json:",omitempty"`
	Next     []string // what would move it, and what holds it
	Ask      string   `json:",omitempty"` // who knows more
	Differs  []string `json:",omitempty"` // the files that differ between the nodes
}

func whyCommand(w world) *cobra.Command {
	var runtime string
	var asJSON, all bool
	c := &cobra.Command{
		Use: "why [GROUP]", Short: "Tell why a group is where it is, and what would move it", Args: cobra.MaximumNArgs(1),
		Long: `Why tells the chain of causes with their times, what agents printed on the way, what has happened
since, and what would move the group or holds it. Without a name it tells it of all groups.`,
		ValidArgsFunction: w.completeGroups(&runtime),
		RunE: func(cmd *cobra.Command, args []string) error {
			stories, err := w.stories(cmd.Context(), w.asker(runtime), args, all)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(w.Stdout, stories)
			}
			p := w.painter()
			for i, s := range stories {
				if i > 0 {
					fmt.Fprintln(w.Stdout)
				}
				if _, err := fmt.Fprint(w.Stdout, p.story(s)); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&runtime, "runtime", w.RuntimeDir, "where the daemon's control socket is")
	c.Flags().BoolVar(&all, "all", false, "the whole chain, however long")
	c.Flags().BoolVar(&asJSON, "json", false, "for programs")
	return c
}

// stories are those of the group that is named, or of all.
func (w world) stories(ctx context.Context, daemon asker, names []string, all bool) ([]story, error) {
	s, err := daemon.status(ctx)
	if err != nil {
		return nil, err
	}
	events, err := daemon.events(ctx, "")
	if err != nil {
		return nil, err
	}
	var out []story
	var known []string
	for _, g := range s.Groups {
		known = append(known, g.Name)
		if len(names) == 0 || names[0] == g.Name {
			t := tell(s, g, events)
			if !all {
				t.shorten()
			}
			out = append(out, t)
		}
	}
	if len(out) == 0 && len(names) > 0 {
		return nil, fmt.Errorf("there is no group %q; the groups are: %s", names[0], strings.Join(known, ", "))
	}
	return out, nil
}

// tell makes the story of a group from what is recorded.
func tell(s api.Status, g cluster.GroupStatus, events []api.Event) story {
	t := story{Group: g.Name, Told: s.At, Now: g.Words, Next: g.Next, Differs: s.Differs, State: g.State + " on " + s.Self, Since: []api.Event{}}
	if g.Entitled != "" {
		t.Now += "; " + g.Entitled
	}
	switch {
	case g.Owner == s.Peer.Name:
		t.State = g.PeerState + " on " + s.Peer.Name
		t.Ask = fmt.Sprintf("%s serves it and knows more: ssh %s lubdub why %s", s.Peer.Name, s.Peer.Name, g.Name)
	case g.Owner == "" && g.State == "stopped":
		t.State = "not served, as far as " + s.Self + " knows"
	}
	t.State += fmt.Sprintf(" (preferred: %s)", g.Preferred)
	for _, r := range g.Resources {
		if r.Words != "" {
			t.Failed = append(t.Failed, r)
		}
		if r.Degraded != "" {
			t.Degraded = append(t.Degraded, r.Name+" is degraded: "+r.Degraded)
		}
	}
	root := eventID(s.Incarnation, g.Cause)
	if root == "" {
		root = lastOfGroup(events, g.Name)
		if root != "" && !ofLife(s.Incarnation, root) {
			t.Started = &s.Started
		}
	}
	t.Chain, t.Cut = chain(events, root)
	t.Since = since(events, root, g.Name)
	return t
}

// eventID is the name under which an event of a daemon's life is recorded.
func eventID(life, number uint64) string {
	if number == 0 {
		return ""
	}
	return fmt.Sprintf("%x.%d", life, number)
}

// ofLife says that an event is of this life of the daemon.
func ofLife(life uint64, id string) bool { return strings.HasPrefix(id, fmt.Sprintf("%x.", life)) }

// lastOfGroup is the last thing that was done or decided about the group.
func lastOfGroup(events []api.Event, group string) string {
	for _, e := range slices.Backward(events) {
		if e.Kind == "group" && e.Group == group {
			return e.ID
		}
	}
	return ""
}

// chain walks from an event to its root: oldest first. It is cut when a cause is no longer recorded.
func chain(events []api.Event, id string) (out []api.Event, cut bool) {
	byID := map[string]api.Event{}
	for _, e := range events {
		byID[e.ID] = e
	}
	for id != "" {
		e, ok := byID[id]
		if !ok {
			cut = true
			break
		}
		delete(byID, id) // a circle would be a fault of ours, but no reason to hang
		out = append(out, e)
		id = e.Cause
	}
	slices.Reverse(out)
	return out, cut
}

// since are the events behind the last one of the chain that may matter: those of the group, and whatever is loud.
func since(events []api.Event, id, group string) []api.Event {
	at := slices.IndexFunc(events, func(e api.Event) bool { return e.ID == id })
	out := []api.Event{}
	for _, e := range events[at+1:] {
		if e.Group == group || e.Group == "" && (loudEnough(e, string(cluster.Warning)) || e.Kind == "membership") {
			out = append(out, e)
		}
	}
	return out
}

// shorten keeps what is read at night.
func (t *story) shorten() {
	if n := len(t.Chain) - maxChain; n > 1 {
		t.Chain, t.Earlier = t.Chain[n:], n
	}
	t.Since = t.Since[max(0, len(t.Since)-maxSince):]
}
