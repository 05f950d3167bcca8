package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lubdub/internal/lab"
)

// told is a line of the tale of a night.
type told struct {
	at   time.Duration
	text string
}

// tale tells what happened in a span: faults, who answered, who announced.
func (n *night) tale(all []claim, within lab.Span) string {
	lines := append(n.deedsTold(), n.claimsTold(all)...)
	slices.SortStableFunc(lines, func(a, b told) int { return cmp.Compare(a.at, b.at) })
	var b strings.Builder
	for _, l := range lines {
		if within.From <= l.at && l.at <= within.To {
			fmt.Fprintf(&b, "%9.3fs  %s\n", (l.at - n.began).Seconds(), l.text)
		}
	}
	return b.String()
}

// claimsTold tells from when to when each node answered, and when it announced.
func (n *night) claimsTold(all []claim) (lines []told) {
	names, runs := n.macs(), map[claim]lab.Span{}
	tell := func(run claim, at time.Duration, verb string) {
		who, family := names[run.mac], "IPv4"
		if who == "" {
			who = "a stranger, " + run.mac + ","
		}
		if run.six {
			family = "IPv6"
		}
		lines = append(lines, told{at, who + " " + verb + " " + family})
	}
	for _, c := range all {
		if c.question {
			continue
		}
		run := claim{mac: c.mac, six: c.six, announced: c.announced}
		s, on := runs[run]
		switch {
		case on && c.at-s.To < joined:
			runs[run] = lab.Span{From: s.From, To: c.at}
			continue
		case on && !c.announced:
			tell(run, s.To, "is silent for")
		}
		runs[run] = lab.Span{From: c.at, To: c.at}
		if c.announced {
			tell(run, c.at, "announces")
		} else {
			tell(run, c.at, "answers for")
		}
	}
	for run, s := range runs {
		if !run.announced && s.To < all[len(all)-1].at-joined { // else it goes on when the capture ends
			tell(run, s.To, "is silent for")
		}
	}
	return lines
}

// deedsTold tells when the faults began and ended.
func (n *night) deedsTold() (lines []told) {
	for _, h := range n.happened {
		text := h.kind.name + " " + h.node
		if h.percent > 0 {
			text += fmt.Sprintf(" %d%%", h.percent)
		}
		if h.err != nil {
			text += " (" + strings.Join(strings.Fields(h.err.Error()), " ") + ")"
		}
		lines = append(lines, told{h.from, "begins: " + text})
		if h.to > 0 {
			lines = append(lines, told{h.to, "ends:   " + text})
		}
	}
	return lines
}

// around is the part of a night that belongs to a broken promise.
func around(at time.Duration) lab.Span {
	const before, after = 12 * time.Second, 6 * time.Second
	return lab.Span{From: at - before, To: at + after}
}

// lastWords is how many lines of a daemon's log are printed.
const lastWords = 60

// words are the last words of both daemons.
func (n *night) words() string {
	var b strings.Builder
	for _, node := range []string{owner, other} {
		if d := n.daemons[node]; d != nil {
			lines := strings.Split(strings.TrimSpace(d.Output()), "\n")
			fmt.Fprintf(&b, "\nThe last words of %s (second 0 was %s):\n%s\n", node, n.wall.Add(n.began).UTC().Format("15:04:05.000"), strings.Join(lines[max(0, len(lines)-lastWords):], "\n"))
		}
	}
	return b.String()
}

// keep writes the whole night beside its logs.
func (n *night) keep(v verdict, all []claim) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Night %d of %s: %s. Second 0 was %s.\n\n", n.seed, n.who.title, n.setup, n.wall.Add(n.began).UTC().Format("15:04:05.000"))
	for _, f := range n.faults {
		fmt.Fprintf(&b, "%s\n", f)
	}
	fmt.Fprintf(&b, "\n%s\n", n.tale(all, lab.Span{From: 0, To: n.calm.To}))
	for _, s := range v.split {
		fmt.Fprintf(&b, "%.3fs to %.3fs: nothing could tell the nodes apart\n", (s.From - n.began).Seconds(), (s.To - n.began).Seconds())
	}
	for _, s := range v.spans {
		fmt.Fprintf(&b, "%.3fs to %.3fs: two nodes answered\n", (s.From - n.began).Seconds(), (s.To - n.began).Seconds())
	}
	for _, one := range v.broken {
		fmt.Fprintf(&b, "%.3fs: BROKEN: %s\n", (one.at - n.began).Seconds(), one.words)
	}
	return os.WriteFile(filepath.Join(n.dir, "night.txt"), []byte(b.String()), 0o644)
}
