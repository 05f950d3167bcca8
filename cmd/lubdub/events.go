package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lubdub/internal/api"
	"lubdub/internal/cluster"
)

// followedTail is how many events are shown before the new ones, as tail -f does.
const followedTail = 10

// wanted says which events are asked for.
type wanted struct {
	after  string
	level  string
	last   int
	follow bool
	asJSON bool
}

func eventsCommand(w world) *cobra.Command {
	var q wanted
	var runtime string
	c := &cobra.Command{
		Use: "events", Short: "Print the recorded events", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains(levels(), q.level) {
				return misuse("there is no level %q; the levels are %s", q.level, strings.Join(levels(), ", "))
			}
			if q.follow && !cmd.Flags().Changed("lines") && q.after == "" {
				q.last = followedTail
			}
			return w.events(cmd.Context(), w.asker(runtime), q)
		},
	}
	c.Flags().StringVar(&runtime, "runtime", w.RuntimeDir, "where the daemon's control socket is")
	c.Flags().BoolVarP(&q.follow, "follow", "f", false, "go on, and print each new event as it happens")
	c.Flags().StringVar(&q.after, "after", "", "only events behind the one with this ID")
	c.Flags().IntVarP(&q.last, "lines", "n", 0, "only the last so many; 0: all that are kept")
	c.Flags().StringVar(&q.level, "level", string(cluster.Info), "only events at least this loud: "+strings.Join(levels(), ", "))
	c.Flags().BoolVar(&q.asJSON, "json", false, "for programs: one JSON object a line")
	return c
}

// levels are the levels of events, the loudest last.
func levels() []string {
	return []string{string(cluster.Info), string(cluster.Warning), string(cluster.Alarm)}
}

// loudEnough says that an event is at least of this level.
func loudEnough(e api.Event, least string) bool {
	return slices.Index(levels(), string(e.Level)) >= slices.Index(levels(), least)
}

func (w world) events(ctx context.Context, daemon asker, q wanted) error {
	all, err := daemon.events(ctx, q.after)
	if err != nil {
		return err
	}
	if len(all) > 0 {
		q.after = all[len(all)-1].ID
	}
	all = slices.DeleteFunc(all, func(e api.Event) bool { return !loudEnough(e, q.level) })
	if q.last > 0 {
		all = all[max(0, len(all)-q.last):]
	}
	for _, e := range all {
		if err := w.printEvent(e, q.asJSON); err != nil {
			return err
		}
	}
	if !q.follow {
		return nil
	}
	err = daemon.follow(ctx, q.after, func(e api.Event) error {
		if !loudEnough(e, q.level) {
			return nil
		}
		return w.printEvent(e, q.asJSON)
	})
	if err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("lubdub ended, and the events with it")
	}
	return err
}

func (w world) printEvent(e api.Event, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w.Stdout).Encode(e)
	}
	_, err := io.WriteString(w.Stdout, w.painter().event(e, e.Time.Local().Format(time.DateTime+".000"), true))
	return err
}

// event writes one event: when, how loud, what, and below it what an agent printed.
func (p paint) event(e api.Event, when string, withID bool) string {
	var out strings.Builder
	level := ""
	if e.Level != cluster.Info {
		level = string(e.Level)
	}
	words := e.Words
	if e.Rule != "" {
		words += fmt.Sprintf(" (rule %s)", e.Rule)
	}
	if withID {
		words += " [" + e.ID + "]"
	}
	// The column of levels is as wide on a quiet page as on a loud one.
	fmt.Fprintf(&out, "%s  %s%s  ", p.as(faint, when), p.as(levelColour(e.Level), level), strings.Repeat(" ", len(cluster.Warning)-len(level)))
	indent := strings.Repeat(" ", len(when)+2+len(cluster.Warning)+2)
	for i, line := range wrap(words, pageWidth-len(indent)) {
		if i > 0 {
			out.WriteString(indent)
		}
		out.WriteString(p.as(levelColour(e.Level), line) + "\n")
	}
	out.WriteString(p.quoted(indent, e.Lines))
	return out.String()
}

// quoted are an agent's own words: never broken, for they are searched for.
func (p paint) quoted(indent string, lines []string) string {
	var out strings.Builder
	for _, l := range lines {
		out.WriteString(indent + p.as(faint, "| "+l) + "\n")
	}
	return out.String()
}
