package main

import (
	"fmt"
	"strconv"
	"strings"
)

// mostNames are the names of a tree that are shown without --all.
const mostNames = 40

// settingsWidth is the room for the names of the configuration's files.
const settingsWidth = len("haresources")

// plan writes what differs between the nodes, and what would be done.
func (p paint) plan(s *syncPlan, all bool) string {
	var out strings.Builder
	p.paragraph(&out, bold, fmt.Sprintf("from %s to %s", s.From, s.Onto))
	for _, n := range s.Notes {
		p.paragraph(&out, yellow, n)
	}
	row := func(name string, state cell) {
		p.columns(&out, "", [][]cell{{{bold, fmt.Sprintf("%-*s", settingsWidth, name)}, state}})
	}
	for _, f := range s.Settings {
		state := cell{green, f.State}
		if f.changes {
			state.colour = yellow
		}
		row(f.Name, state)
		p.settings(&out, f, s)
	}
	for _, t := range s.Trees {
		row(t.Path, t.state())
		p.names(&out, t, all)
	}
	return out.String()
}

// settings writes below a file what changes in it, and what does not.
func (p paint) settings(out *strings.Builder, f settingsPlan, s *syncPlan) {
	if f.changes {
		for _, l := range f.Diff {
			c := plain
			switch l[0] {
			case '+':
				c = green
			case '-':
				c = red
			case '@':
				c = faint
			}
			out.WriteString("    " + p.as(c, l) + "\n")
		}
	}
	for _, l := range f.Kept {
		p.columns(out, "    ", [][]cell{{{faint, "stays on " + s.Onto + ":"}, {plain, l}}})
	}
	for _, l := range f.Left {
		p.columns(out, "    ", [][]cell{{{faint, "is of " + s.From + " alone:"}, {plain, l}}})
	}
	if f.Forced {
		p.columns(out, "    ", [][]cell{{{red, "!"}, {yellow, "the links are not of the same kinds on both nodes: those on " + s.Onto + " would be replaced, which needs --links"}}})
	}
}

// state says in one line how a tree stands.
func (t treePlan) state() cell {
	switch {
	case t.Wrong != "":
		return cell{red, "cannot be compared: " + t.Wrong}
	case len(t.diffs) > 0 && !t.watch.Tree:
		return cell{yellow, "differs: " + t.Differs[0].Words}
	case len(t.diffs) > 0:
		return cell{yellow, "differs: " + number(len(t.diffs), "name")}
	case t.Names == 0:
		return cell{plain, "on neither node"}
	case t.watch.Tree:
		return cell{green, "equal (" + number(t.Names, "name") + ")"}
	}
	return cell{green, "equal"}
}

// names writes what differs in a tree.
func (p paint) names(out *strings.Builder, t treePlan, all bool) {
	for _, words := range t.Trouble {
		p.columns(out, "    ", [][]cell{{{yellow, "!"}, {yellow, words}}})
	}
	if !t.watch.Tree {
		return
	}
	for i, d := range t.diffs {
		if i == mostNames && !all {
			fmt.Fprintf(out, "    ... and %d more; to see them: lubdub sync --plan --all\n", len(t.diffs)-i)
			return
		}
		mark := cell{yellow, "~"}
		switch {
		case d.Onto == nil:
			mark = cell{green, "+"}
		case d.From == nil:
			mark = cell{red, "-"}
		}
		p.columns(out, "    ", [][]cell{{mark, {plain, shownName(d.Path)}, {faint, t.Differs[i].Words}}})
	}
}

// shownName writes a name so that it can be read, whatever is in it.
func shownName(name string) string {
	if visible(name) != name || strings.TrimSpace(name) != name {
		return strconv.Quote(name)
	}
	return name
}
