package demo

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// narrator writes for people. A figure stands in the same column in every step.
type narrator struct {
	out    io.Writer
	colour bool
}

const (
	bold  = "1"
	green = "32"
	red   = "31"
	faint = "2"

	// pageWidth is where sentences are broken.
	pageWidth = 100
	// labelWidth holds the longest word in front of a sentence.
	labelWidth = 8
	indent     = "     "
)

func (n *narrator) paint(colour, text string) string {
	if !n.colour {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// introduce shows the world, and the lines that differ from the tutorial's.
func (n *narrator) introduce() {
	fmt.Fprintf(n.out, `%s

     front       %s %s    %s %s
                 client 192.0.2.50    web server 192.0.2.80    shared address %s
     cross-over  %s eth1 ──── eth1 %s

Both run 'lubdub run' with the tutorial's files. These lines differ:

`, n.paint(bold, "lubdub demo: two nodes, one address and a client that never stops asking, on this machine alone"),
		nameA, addressA, nameB, addressB, shared, short(nameA), short(nameB))
	for _, f := range files("no") {
		name := f.name
		for _, l := range f.lines {
			if l.why == "" {
				continue
			}
			why := l.why
			if was := l.replaced(); was != "" {
				why = "was " + was + "; " + why
			}
			fmt.Fprintf(n.out, "%s%-12s %s\n", indent, name, l.now)
			n.sentence(indent+strings.Repeat(" ", 13)+"  ", n.colourOf(faint), why)
			name = ""
		}
	}
	fmt.Fprintf(n.out, `
A request every %v over a new connection, an ARP question every %v. The outage is the longest
time without an answer; 'calm' is the same figure of the second before, when nothing happened.
`, requestPace, probePace)
}

func (n *narrator) colourOf(c string) string {
	if n.colour {
		return c
	}
	return ""
}

// sentence breaks a text to the page, each line behind the margin.
func (n *narrator) sentence(margin, colour, text string) {
	for _, line := range wrap(text, pageWidth-utf8.RuneCountInString(margin)) {
		if colour != "" {
			line = n.paint(colour, line)
		}
		fmt.Fprintln(n.out, margin+line)
	}
}

// announce says what is about to happen.
func (n *narrator) announce(number int, s step) {
	fmt.Fprintf(n.out, "\n%3d  %s\n", number, n.paint(bold, s.title))
	for _, t := range s.tell {
		n.sentence(indent, n.colourOf(faint), t)
	}
}

// report says what came of a step.
func (n *narrator) report(e evidence, must outcome, words [][2]string, wrong []string) {
	n.client(fmt.Sprintf("outage %7s   calm %5s   failed %3d of %-4d   answered by %s",
		milliseconds(e.Gap.Duration()), milliseconds(e.calm), e.Failed, e.Requests, turns(e.path)))
	for _, w := range words {
		n.told(w[0], w[1])
	}
	if len(wrong) == 0 {
		fmt.Fprintf(n.out, "%s%s\n", indent, n.paint(green, "good"))
	}
	for _, w := range wrong {
		n.sentence(indent, n.colourOf(red), "WRONG: "+w)
	}
}

// told prints a sentence of lubdub's with the command that said it.
func (n *narrator) told(label, text string) {
	margin := indent + fmt.Sprintf("%-*s", labelWidth, label)
	for _, line := range wrap(text, pageWidth-utf8.RuneCountInString(margin)) {
		fmt.Fprintln(n.out, margin+line)
		margin = indent + strings.Repeat(" ", labelWidth)
	}
}

// client prints figures, as they are aligned.
func (n *narrator) client(figures string) {
	fmt.Fprintf(n.out, "%s%-*s%s\n", indent, labelWidth, "client", figures)
}

// conclude ends the demo.
func (n *narrator) conclude(steps int, took time.Duration) {
	fmt.Fprintf(n.out, "\n%s\nBoth nodes never answered ARP together for more than %v, which is as fine as the prober can tell.\n",
		n.paint(bold, fmt.Sprintf("All %d steps went as they must, in %s.", steps, age(took))), doubt)
}

// wrap breaks a sentence between words.
func wrap(text string, width int) []string {
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
