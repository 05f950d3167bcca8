package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// story is the part of 'lubdub why --json' that is shown.
type story struct {
	State string
	Chain []struct{ Words, Rule string }
	Next  []string
}

// words are what lubdub itself says of a step, by its own commands.
func (s step) words(ctx context.Context, serves *node, status bool) ([][2]string, error) {
	var all [][2]string
	if status {
		out, err := serves.lubdub(ctx, "status", "-1")
		if err != nil {
			return nil, err
		}
		all = append(all, [2]string{"status", strings.TrimSpace(out)})
	}
	teller := serves
	if s.tells != nil {
		teller = s.tells
	}
	out, err := teller.lubdub(ctx, "why", "web", "--json")
	if err != nil {
		return nil, err
	}
	var told []story
	if err := json.Unmarshal([]byte(out), &told); err != nil || len(told) != 1 {
		return nil, fmt.Errorf("read why on %s: %d stories: %w", teller.name, len(told), err)
	}
	return append(all, [2]string{"why", told[0].line(s.stays)}), nil
}

// line is the one that tells most: what holds the group, or the last event that
// gives a reason. Reasons stand behind a colon.
func (t story) line(stays bool) string {
	if stays && len(t.Next) > 0 {
		return t.Next[len(t.Next)-1]
	}
	for i := len(t.Chain) - 1; i >= 0; i-- {
		e := t.Chain[i]
		if !strings.Contains(e.Words, ": ") {
			continue
		}
		if e.Rule != "" {
			return e.Words + " (rule " + e.Rule + ")"
		}
		return e.Words
	}
	return t.State
}
