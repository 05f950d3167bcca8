package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"lubdub/internal/cluster"
)

// pageWidth is where sentences are broken: it fits every terminal that is split in two.
const pageWidth = 100

func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// colour is how a terminal is told to paint; empty for nothing special.
type colour string

const (
	plain  colour = ""
	bold   colour = "1"
	faint  colour = "2"
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
)

// paint puts colour on words, where there is a terminal that shows it.
type paint bool

// painter follows no-color.org: never on a file or pipe, never with NO_COLOR.
func (w world) painter() paint {
	return paint(w.TerminalOut && w.Getenv("NO_COLOR") == "" && w.Getenv("TERM") != "dumb")
}

// as returns text in a colour. What could play tricks on a terminal is taken
// out first: the words may come from an agent, and from whatever that prints.
func (p paint) as(c colour, text string) string {
	text = visible(text)
	if !bool(p) || c == plain || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

func visible(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r == utf8.RuneError, !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, text)
}

// levelColour is how loud an event is.
func levelColour(l cluster.Level) colour {
	switch l {
	case cluster.Alarm:
		return red
	case cluster.Warning:
		return yellow
	}
	return plain
}

// cell is one field of a table.
type cell struct {
	colour colour
	text   string
}

// columns writes rows with their cells one under the other. The last cell of a
// row may be a sentence: it is broken to the page and goes on under itself.
func (p paint) columns(out *strings.Builder, indent string, rows [][]cell) {
	var widths []int
	for _, row := range rows {
		for i, c := range row[:len(row)-1] {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	for _, row := range rows {
		out.WriteString(indent)
		at := utf8.RuneCountInString(indent)
		for i, c := range row[:len(row)-1] {
			pad := widths[i] - utf8.RuneCountInString(c.text) + 2
			at += widths[i] + 2
			out.WriteString(p.as(c.colour, c.text) + strings.Repeat(" ", pad))
		}
		last := row[len(row)-1]
		for i, line := range wrap(last.text, pageWidth-at) {
			if i > 0 {
				out.WriteString(strings.Repeat(" ", at))
			}
			out.WriteString(p.as(last.colour, line) + "\n")
		}
	}
}

// narrowest is the room that a sentence gets at least, however wide what stands before it.
const narrowest = 40

// wrap breaks a sentence between words.
func wrap(text string, width int) []string {
	width = max(width, narrowest)
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// age is a duration as people say it: two units are enough.
func age(d time.Duration) string {
	const day = 24 * time.Hour
	switch d = max(d, 0); {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	case d < 2*day:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	hours := int(d.Round(time.Hour).Hours())
	return fmt.Sprintf("%dd%dh", hours/24, hours%24)
}

// stamp writes moments of one page alike: with the date if one of them is of another day.
func stamp(now time.Time, moments ...time.Time) func(time.Time) string {
	layout := "15:04:05.000"
	for _, t := range moments {
		if t.Local().Format(time.DateOnly) != now.Local().Format(time.DateOnly) {
			layout = "2006-01-02 15:04:05.000"
		}
	}
	return func(t time.Time) string { return t.Local().Format(layout) }
}
