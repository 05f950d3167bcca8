package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A picture is wide enough for a terminal, and tells the newest of what was said.
const (
	pictureWidth = 90
	pictureLines = 40
)

// row is one line of a picture: what it shows, and which sign stands for what.
// Of two signs within one column the one that comes later in signs is drawn.
type row struct {
	name  string
	signs string
}

// The signs, plain ones first.
const (
	daemonSigns = "─_▒·" // runs, does not, is frozen, the machine is off
	answerSigns = " ░▒█" // nothing runs, silent, quiet, answers
	pathSigns   = "─╌╳"  // whole, lossy or late, cut
)

const legend = `daemon  ─ runs  _ does not run  ▒ frozen  · no power
group   █ answers  ▒ quiet  ░ runs, silent
path    ─ whole  ╌ lossy or late  ╳ cut; those not shown are whole
`

// film keeps what each row showed since when.
type film struct {
	rows   []row
	frames []frame
}

type frame struct {
	at    time.Duration
	signs []rune
}

// shoot takes a frame when something looks different from the last one.
func (f *film) shoot(w *World) {
	if f.rows == nil {
		f.rows = w.rows()
	}
	signs := w.look()
	if k := len(f.frames); k > 0 && slices.Equal(f.frames[k-1].signs, signs) {
		return
	}
	f.frames = append(f.frames, frame{w.now, signs})
}

// rows are what a picture of this world shows.
func (w *World) rows() []row {
	var rows []row
	for _, n := range w.nodes {
		rows = append(rows, row{n.name + " daemon", daemonSigns})
		for _, g := range w.setup.Groups {
			rows = append(rows, row{n.name + " " + g.Name, answerSigns})
		}
	}
	for i := range w.links {
		rows = append(rows, row{fmt.Sprintf("link %d a>b", i), pathSigns}, row{fmt.Sprintf("link %d b>a", i), pathSigns})
	}
	return append(rows, row{"front a>b", pathSigns}, row{"front b>a", pathSigns},
		row{"front a", pathSigns}, row{"front b", pathSigns})
}

// look is what each row shows now, in the order of rows.
func (w *World) look() []rune {
	var signs []rune
	for _, n := range w.nodes {
		signs = append(signs, n.look())
		for g := range w.setup.Groups {
			signs = append(signs, n.lookAt(g))
		}
	}
	for _, l := range w.links {
		for from := range l.way {
			signs = append(signs, lookPath(l.up(w, from), l.sound(w, from)))
		}
	}
	whole := w.front.loss == 0
	for i := range w.nodes {
		signs = append(signs, lookPath(w.front.up(i), whole))
	}
	for i := range w.nodes {
		signs = append(signs, lookPath(w.front.reaches(i), whole))
	}
	return signs
}

func (n *node) look() rune {
	switch {
	case !n.powered:
		return '·'
	case n.daemon == nil:
		return '_'
	case !n.live():
		return '▒'
	}
	return '─'
}

func (n *node) lookAt(g int) rune {
	switch e := n.kernel.leases[g]; {
	case n.answering(g):
		return '█'
	case n.powered && e.quiet && e.end > n.local():
		return '▒'
	case n.powered && slices.Contains(n.runs[g], true):
		return '░'
	}
	return ' '
}

func lookPath(up, whole bool) rune {
	switch {
	case !up:
		return '╳'
	case !whole:
		return '╌'
	}
	return '─'
}

// picture draws a played night: its faults, a row for each node, group and path,
// and what was said.
func (w *World) picture(n night) string {
	var s strings.Builder
	from, to := n.window(w)
	step := columnOf(to - from)
	if w.stop != nil {
		fmt.Fprintf(&s, "%v: %s: %s\n\n", w.stop.At, w.stop.Rule, w.stop.Words)
	}
	w.log.film.ruler(&s, n, from, to, step)
	for i, r := range w.log.film.rows {
		if line := w.log.film.line(i, from, to, step); r.signs != pathSigns || strings.Trim(line, "─") != "" {
			fmt.Fprintln(&s, strings.TrimRight(fmt.Sprintf("%-11s %s", r.name, line), " "))
		}
	}
	fmt.Fprintf(&s, "\n%s\n", legend)
	for i := range n.strikes {
		fmt.Fprintf(&s, "%c %10s %s\n", number(i), millis(n.strikes[i].at), n.strikes[i].text())
	}
	s.WriteString("\n")
	for _, l := range w.log.around(from, to) {
		fmt.Fprintln(&s, l)
	}
	return s.String()
}

// window is the time that a picture shows: from a dead time before the first
// fault on.
func (n night) window(w *World) (from, to time.Duration) {
	if len(n.strikes) > 0 {
		from = max(0, n.strikes[0].at-n.setup.DeadTime/2)
	}
	return from.Truncate(n.setup.Keepalive), max(w.now, from+n.setup.Keepalive)
}

// columnOf is a round time for a column, so that all fit the width.
func columnOf(span time.Duration) time.Duration {
	for unit := time.Millisecond; ; unit *= 10 {
		for _, k := range []time.Duration{1, 2, 5} {
			if span/(k*unit) < pictureWidth {
				return k * unit
			}
		}
	}
}

// ruler draws the times, and a number for each fault.
func (f *film) ruler(s *strings.Builder, n night, from, to, step time.Duration) {
	columns := int((to-from)/step) + 1
	marks := []rune(strings.Repeat(" ", columns))
	for i := range n.strikes {
		if at := int((n.strikes[i].at - from) / step); at >= 0 && at < columns {
			marks[at] = number(i)
		}
	}
	var times strings.Builder
	for c := 0; c < columns; c += 10 {
		fmt.Fprintf(&times, "%-10s", fmt.Sprintf("%.6gs", (from+time.Duration(c)*step).Seconds()))
	}
	for _, line := range []string{"            " + times.String(), "faults      " + string(marks)} {
		fmt.Fprintln(s, strings.TrimRight(line, " "))
	}
}

// number is how a picture calls a fault.
func number(i int) rune {
	const signs = "123456789abcdefghijklmnopqrstuvwxyz"
	if i < len(signs) {
		return rune(signs[i])
	}
	return '+'
}

// line draws one row.
func (f *film) line(i int, from, to, step time.Duration) string {
	var s strings.Builder
	k := 0
	for at := from; at <= to; at += step {
		best, rank := ' ', -1
		for ; k < len(f.frames) && f.frames[k].at < at+step; k++ {
			if k+1 < len(f.frames) && f.frames[k+1].at <= at {
				continue
			}
			if r := strings.IndexRune(f.rows[i].signs, f.frames[k].signs[i]); r > rank {
				best, rank = f.frames[k].signs[i], r
			}
		}
		if k > 0 {
			k-- // the newest one lasts into the next column
		}
		s.WriteRune(best)
	}
	return strings.TrimRight(s.String(), " ")
}

// around is what people would have read, the newest of it.
func (t *transcript) around(from, to time.Duration) []string {
	var out []string
	for _, l := range t.lines {
		if l.plain != "" && l.at >= from && l.at <= to {
			sign := " "
			if l.fault {
				sign = "*"
			}
			text := l.plain
			if utf8.RuneCountInString(text) > 2*pictureWidth {
				text = string([]rune(text)[:2*pictureWidth]) + "…"
			}
			out = append(out, fmt.Sprintf("%10.3fs %s %s", l.at.Seconds(), sign, text))
		}
	}
	return out[max(0, len(out)-pictureLines):]
}
