package main

import (
	"fmt"
	"strings"
	"time"

	"lubdub/internal/cluster"
)

// rules says in words what holds for groups and resources and is not usual: what was written is seen as it is meant.
func rules(cfg cluster.Config) []string {
	var out []string
	for _, g := range cfg.Groups {
		if words := homeward(g.Failback); cfg.AutoFailback && words != "" {
			out = append(out, fmt.Sprintf("group %s: returns to %s %s", g.Name, g.Preferred, words))
		}
		for _, r := range g.Resources {
			if words := unusual(r); len(words) > 0 {
				out = append(out, fmt.Sprintf("resource %s of %s: %s", r.Name, g.Name, strings.Join(words, "; ")))
			}
		}
	}
	return out
}

// homeward says when a group returns, if not as usual.
func homeward(f cluster.Failback) string {
	var words []string
	if f.Delay > 0 {
		words = append(words, "when that has been up and able for "+plainTime(f.Delay))
	}
	if f.From != f.To {
		words = append(words, fmt.Sprintf("only from %02d:%02d to %02d:%02d, local time", f.From/60, f.From%60, f.To/60, f.To%60))
	}
	return strings.Join(words, ", ")
}

// unusual says what is done when the resource fails, as far as that is not usual.
func unusual(r cluster.Resource) []string {
	var words []string
	switch {
	case r.Limit == 0:
		words = append(words, "its failures never move the group")
	case r.Limit != cluster.UsualLimit || r.Window != cluster.UsualWindow:
		verb := map[bool]string{true: "moves", false: "move"}[r.Limit == 1]
		words = append(words, fmt.Sprintf("%s within %s %s the group", number(r.Limit, "failure"), plainTime(r.Window), verb))
	}
	switch r.OnStart {
	case cluster.StartStay:
		words = append(words, "when it does not start it is tried again here")
	case cluster.StartIgnore:
		words = append(words, "when it does not start the group goes on without it")
	}
	if r.LetGo {
		words = append(words, "when it does not stop it counts as stopped")
	}
	return words
}

// plainTime prints a time as one would write it: 6m, not 6m0s.
func plainTime(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if cut, ok := strings.CutSuffix(text, zero); ok {
			text = cut + zero[:1]
		}
	}
	return text
}
