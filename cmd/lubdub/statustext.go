package main

import (
	"fmt"
	"strings"
	"time"

	"lubdub/internal/api"
	"lubdub/internal/cluster"
)

// status writes the page that 'lubdub status' shows.
func (p paint) status(s api.Status) string {
	var out strings.Builder
	p.paragraph(&out, bold, s.Sentence)
	p.title(&out, "Nodes")
	p.columns(&out, "  ", [][]cell{p.selfRow(s), p.peerRow(s)})
	p.title(&out, "Links")
	p.columns(&out, "  ", linkRows(s.Links))
	if len(s.Pings) > 0 {
		p.title(&out, "Ping nodes")
		p.columns(&out, "  ", pingRows(s.Pings, s.Self, s.Peer.Name))
	}
	for _, g := range s.Groups {
		p.group(&out, s, g)
	}
	p.watched(&out, s)
	p.protection(&out, s)
	if len(s.Warnings) > 0 {
		p.title(&out, "To mend")
		var rows [][]cell
		for _, words := range s.Warnings {
			rows = append(rows, []cell{{yellow, "!"}, {yellow, words}})
		}
		p.columns(&out, "  ", rows)
	}
	return out.String()
}

// protection writes what guards the addresses, what that does not survive, and
// how the fence devices stand.
func (p paint) protection(out *strings.Builder, s api.Status) {
	p.title(out, "Protection")
	rows := [][]cell{{{plain, s.Level}, {plain, s.LevelWords}}}
	for _, l := range s.Limits {
		rows = append(rows, []cell{{}, {faint, "does not survive: " + l}})
	}
	if f := s.Fencing; f.Configured {
		words, colour := "no self-test was made yet", plain
		switch {
		case f.Tested && f.Works:
			words, colour = f.TestWords, green
		case f.Tested:
			words, colour = f.TestWords, red
		}
		rows = append(rows, []cell{{plain, "fence"}, {colour, words}})
		if f.Words != "" {
			rows = append(rows, []cell{{}, {yellow, f.Words}})
		}
	}
	p.columns(out, "  ", rows)
}

func pingRows(pings []cluster.PingStatus, self, peer string) [][]cell {
	var rows [][]cell
	for _, n := range pings {
		seen := cell{green, "answers both"}
		switch {
		case !n.Up && !n.Peer:
			seen = cell{red, "dead"}
		case !n.Up:
			seen = cell{yellow, "answers " + peer + " only"}
		case !n.Peer:
			seen = cell{yellow, "answers " + self + " only, as far as known"}
		}
		words := "last answer here " + age(n.Last) + " ago"
		if n.Last < 0 {
			words = "no answer here yet"
		}
		rows = append(rows, []cell{{plain, n.Name}, seen, {plain, words}})
	}
	return rows
}

func (p paint) title(out *strings.Builder, text string) {
	out.WriteString("\n" + p.as(bold, text) + "\n")
}

func (p paint) paragraph(out *strings.Builder, c colour, text string) {
	for _, line := range wrap(text, pageWidth) {
		out.WriteString(p.as(c, line) + "\n")
	}
}

func (p paint) selfRow(s api.Status) []cell {
	state := cell{green, "online"}
	switch {
	case s.Leaving:
		state = cell{yellow, "leaving"}
	case s.Standby:
		state = cell{yellow, "standby"}
	}
	words := fmt.Sprintf("this node; lubdub %s for %s", s.Version, age(s.At.Sub(s.Started)))
	words += beforeWords(s)
	if s.Stall > 0 {
		words += ", longest stall " + age(s.Stall)
	}
	if s.Dropped > 0 {
		words += fmt.Sprintf(", %d datagrams or records lost in full queues", s.Dropped)
	}
	return []cell{{bold, s.Self}, state, {plain, words}}
}

// freshLife is how long the life before this one is worth a word: somebody may look after an upgrade.
const freshLife = time.Hour

// beforeWords say what was here before this life of lubdub.
func beforeWords(s api.Status) string {
	words := ""
	if s.At.Sub(s.Started) > freshLife {
		return words
	}
	if b := s.Before; b.Build != "" && b.Build != s.Build {
		words += ", in place of " + b.Build
	}
	if s.Before.Away > 0 {
		words += ", back after " + age(s.Before.Away)
	}
	return words
}

func (p paint) peerRow(s api.Status) []cell {
	state := cell{green, s.Peer.Membership}
	switch {
	case s.Peer.Membership != "up":
		state.colour = red
	case s.Peer.Standby:
		state = cell{yellow, "standby"}
	}
	return []cell{{bold, s.Peer.Name}, state, {plain, s.Peer.Words}}
}

func linkRows(links []cluster.LinkStatus) [][]cell {
	var rows [][]cell
	for _, l := range links {
		state := cell{green, "up"}
		switch {
		case !l.Up:
			state = cell{red, "dead"}
		case l.Reason != "":
			state = cell{yellow, "one way"}
		}
		words := "last heartbeat " + age(l.Last) + " ago"
		if l.Last < 0 {
			words = "no heartbeat yet"
		}
		if l.Reason != "" {
			words = l.Reason + "; " + words
		}
		rows = append(rows, []cell{{plain, l.Name}, state, {plain, words}})
	}
	return rows
}

// stateColour is green for what serves or rests as it should, red for what needs somebody.
func stateColour(state string) colour {
	switch state {
	case "running":
		return green
	case "blocked", "failed", "mute":
		return red
	case "starting", "stopping", "quiet":
		return yellow
	}
	return plain
}

// group writes one group: each node's part, its resources here, what comes next.
func (p paint) group(out *strings.Builder, s api.Status, g cluster.GroupStatus) {
	p.title(out, "Group "+g.Name)
	words := g.Words
	if g.Entitled != "" {
		words += "; " + g.Entitled
	}
	if g.Since > 0 {
		words = "for " + age(s.Boot.Sub(g.Since)) + "; " + words
	}
	peer := cell{stateColour(g.PeerState), g.PeerState}
	if g.PeerState == "" {
		peer = cell{plain, "not known"}
	}
	p.columns(out, "  ", [][]cell{
		{{bold, preferredMark(s.Self, g)}, {stateColour(g.State), g.State}, {plain, words}},
		{{bold, preferredMark(s.Peer.Name, g)}, peer},
	})
	out.WriteString("  resources on " + p.as(plain, s.Self) + ":\n")
	for _, r := range g.Resources {
		// The names are put under each other, although what an agent printed may stand between.
		p.columns(out, "    ", [][]cell{{{plain, padded(r.Name, g.Resources)}, {stateColour(r.State), fmt.Sprintf("%-8s", r.State)}, {plain, resourceWords(s, r)}}})
		if r.Words != "" {
			out.WriteString(p.quoted("      ", r.Lines))
		}
	}
	for _, next := range g.Next {
		p.columns(out, "  ", [][]cell{{{faint, "next:"}, {plain, next}}})
	}
}

// limitWords say how many failures move the group.
func limitWords(r cluster.ResourceStatus) string {
	if r.Limit == 0 {
		return ", none moves the group"
	}
	return fmt.Sprintf(" (%d move the group)", r.Limit)
}

// clockTime is a moment of the boot clock on the wall clock.
func clockTime(s api.Status, at cluster.Time) string {
	t, layout := s.At.Add(at.Sub(s.Boot)).Local(), time.TimeOnly
	if t.Format(time.DateOnly) != s.At.Local().Format(time.DateOnly) {
		layout = time.DateTime
	}
	return t.Format(layout)
}

func preferredMark(node string, g cluster.GroupStatus) string {
	if node == g.Preferred {
		return node + " (preferred)"
	}
	return node
}

func padded(name string, all []cluster.ResourceStatus) string {
	width := 0
	for _, r := range all {
		width = max(width, len([]rune(r.Name)))
	}
	return fmt.Sprintf("%-*s", width, name)
}

func resourceWords(s api.Status, r cluster.ResourceStatus) string {
	var parts []string
	if r.Since > 0 {
		parts = append(parts, "for "+age(s.Boot.Sub(r.Since)))
	}
	if r.Took >= time.Millisecond {
		parts = append(parts, "its last action took "+age(r.Took))
	}
	if r.Failures > 0 {
		parts = append(parts, number(r.Failures, "failure")+limitWords(r))
	}
	if r.Words != "" {
		parts = append(parts, "last failure: "+r.Words)
	}
	if r.Forgotten > s.Boot {
		parts = append(parts, "forgotten at "+clockTime(s, r.Forgotten))
	}
	if r.Degraded != "" {
		parts = append(parts, "degraded: "+r.Degraded)
	}
	return strings.Join(parts, "; ")
}
