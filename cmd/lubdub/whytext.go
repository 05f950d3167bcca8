package main

import (
	"fmt"
	"strings"
	"time"

	"lubdub/internal/api"
)

// story writes what 'lubdub why' tells of one group.
func (p paint) story(t story) string {
	var out strings.Builder
	p.paragraph(&out, bold, t.Group+": "+t.State)
	var moments []time.Time
	for _, e := range append(append([]api.Event{}, t.Chain...), t.Since...) {
		moments = append(moments, e.Time)
	}
	when := stamp(t.Told, moments...)
	p.title(&out, "How it came to this")
	p.chain(&out, t, when)
	if len(t.Since) > 0 {
		p.title(&out, "Since then")
		for _, e := range t.Since {
			out.WriteString("  " + indented(p.event(e, when(e.Time), false)))
		}
	}
	p.title(&out, "Now, at "+t.Told.Local().Format(time.DateTime))
	p.columns(&out, "  ", [][]cell{{label("here"), {plain, t.Now}}})
	for _, r := range t.Failed {
		p.columns(&out, "  ", [][]cell{{label("failed"), {red, r.Name + ": " + r.Words}}})
		out.WriteString(p.quoted("           ", r.Lines))
	}
	for _, words := range t.Degraded {
		p.columns(&out, "  ", [][]cell{{label("beware"), {yellow, words}}})
	}
	if words := differsWords(t.Differs); words != "" {
		p.columns(&out, "  ", [][]cell{{label("files"), {yellow, words}}})
	}
	for _, n := range t.Next {
		p.columns(&out, "  ", [][]cell{{label("next"), {plain, n}}})
	}
	if t.Ask != "" {
		p.columns(&out, "  ", [][]cell{{label("ask"), {plain, t.Ask}}})
	}
	return out.String()
}

// label stands before a sentence; all are equally wide.
func label(word string) cell { return cell{faint, fmt.Sprintf("%-7s", word+":")} }

func (p paint) chain(out *strings.Builder, t story, when func(time.Time) string) {
	switch {
	case len(t.Chain) == 0:
		out.WriteString("  nothing has happened to it here since the record begins\n")
	case t.Earlier > 0:
		fmt.Fprintf(out, "  (%d earlier causes: lubdub why %s --all)\n", t.Earlier, p.as(plain, t.Group))
	case t.Cut:
		out.WriteString("  (what led to the first line is no longer recorded)\n")
	}
	for _, e := range t.Chain {
		out.WriteString("  " + indented(p.event(e, when(e.Time), false)))
	}
	if t.Started != nil {
		fmt.Fprintf(out, "  %s           lubdub was started anew here\n", p.as(faint, when(*t.Started)))
	}
}

// indented moves the lines below the first one to the right, as the first one is.
func indented(text string) string {
	return strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ") + "\n"
}
