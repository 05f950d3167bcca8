package config

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Severity says how bad a Problem is.
type Severity int

// The severities: good to know, better mended, refused.
const (
	Notice Severity = iota
	Warning
	Error
)

// String is the word that is printed for s.
func (s Severity) String() string {
	return [...]string{"notice", "warning", "error"}[s]
}

// Problem is one thing that an administrator should know about the files.
type Problem struct {
	Severity Severity
	File     string // with its directory
	Line     int    // from 1
	Column   int    // from 1, counted in characters
	Words    string // what is wrong
	Remedy   string // what to do; may be empty
	Source   string // the line, fit for printing; keys are masked; may be empty

	file int // the file's place in the order of reading
}

// Problems are sorted by file and position.
type Problems []Problem

// The limits of what is kept and shown.
const (
	maxShown  = 10   // more than that nobody reads at once; the next run shows the rest
	maxKept   = 1000 // of errors, and of the rest: bounds the memory that a garbage file costs
	maxWidth  = 100  // of a source line: it should fit a terminal
	maxQuoted = 60   // of a word that is repeated in a message
)

// HasErrors says that the configuration is refused.
func (ps Problems) HasErrors() bool {
	return slices.ContainsFunc(ps, func(p Problem) bool { return p.Severity == Error })
}

// Print writes the ten worst problems in the order of their places, and says
// how many there are besides.
func (ps Problems) Print(w io.Writer) error {
	var text strings.Builder
	shown, rest := ps.worst()
	for _, p := range shown {
		p.write(&text)
	}
	if len(rest) > 0 {
		fmt.Fprintf(&text, "and %d more: %s\n", len(rest), rest.count())
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// worst parts the problems into those that are shown and the rest. An error is
// never left out for the sake of a notice.
func (ps Problems) worst() (shown, rest Problems) {
	left := maxShown
	keep := make([]bool, len(ps))
	for _, severity := range []Severity{Error, Warning, Notice} {
		for i, p := range ps {
			if p.Severity == severity && left > 0 {
				keep[i] = true
				left--
			}
		}
	}
	for i, p := range ps {
		if keep[i] {
			shown = append(shown, p)
		} else {
			rest = append(rest, p)
		}
	}
	return shown, rest
}

// count says how many problems of each severity there are.
func (ps Problems) count() string {
	var parts []string
	for _, severity := range []Severity{Error, Warning, Notice} {
		n := 0
		for _, p := range ps {
			if p.Severity == severity {
				n++
			}
		}
		if n == 1 {
			parts = append(parts, "1 "+severity.String())
		}
		if n > 1 {
			parts = append(parts, fmt.Sprintf("%d %ss", n, severity))
		}
	}
	return strings.Join(parts, ", ")
}

// write renders one problem: the sentence, the line, the caret.
func (p Problem) write(text *strings.Builder) {
	fmt.Fprintf(text, "%s:%d:%d: %s: %s", p.File, p.Line, p.Column, p.Severity, p.Words)
	if p.Remedy != "" {
		text.WriteString("; " + p.Remedy)
	}
	text.WriteByte('\n')
	if p.Source == "" {
		return
	}
	line, caret := window([]rune(p.Source), p.Column-1)
	fmt.Fprintf(text, "    %s\n    %s^\n", line, strings.Repeat(" ", caret))
}

// window cuts a long line so that the column at stays in sight.
func window(line []rune, at int) (string, int) {
	if len(line) <= maxWidth {
		return string(line), at
	}
	const dots = "..."
	from := max(0, min(at-maxWidth/2, len(line)-maxWidth))
	cut := string(line[from:min(len(line), from+maxWidth)])
	if from+maxWidth < len(line) {
		cut += dots
	}
	if from > 0 {
		return dots + cut, at - from + len(dots)
	}
	return cut, at
}

// report collects problems while the files are read.
type report struct {
	problems Problems
	errors   int
	others   int
}

func (r *report) add(p Problem) {
	count := &r.others
	if p.Severity == Error {
		count = &r.errors
	}
	*count++
	if *count <= maxKept {
		r.problems = append(r.problems, p)
	}
}

// keeps says that one more problem of that severity would be kept.
func (r *report) keeps(s Severity) bool {
	if s == Error {
		return r.errors < maxKept
	}
	return r.others < maxKept
}

// full says that further errors are not kept, so that looking for them is in vain.
func (r *report) full() bool { return r.errors >= maxKept }

// sorted returns the problems by file and position; of one place the worst first.
func (r *report) sorted() Problems {
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		for _, d := range []int{a.file - b.file, a.Line - b.Line, a.Column - b.Column, int(b.Severity - a.Severity)} {
			if d != 0 {
				return d
			}
		}
		return 0
	})
	return r.problems
}

// quote repeats a word of the user's in a message: short, and without
// characters that could play tricks on a terminal.
func quote(text string) string {
	if runes := []rune(text); len(runes) > maxQuoted {
		text = string(runes[:maxQuoted]) + "..."
	}
	return fmt.Sprintf("%q", text)
}
