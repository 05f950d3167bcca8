package sim

import (
	"fmt"
	"strings"
	"time"

	"lubdub/internal/cluster"
)

// maxLines bounds a transcript's memory; maxTail is how much of it before a
// violation is printed, beside all faults.
const (
	maxLines = 200_000
	maxTail  = 6 * time.Second
)

// line is one line of a transcript.
type line struct {
	at    time.Duration
	fault bool
	text  string
	plain string // for people; empty: worth nothing in a picture
}

// transcript keeps what happened, when it is on.
type transcript struct {
	on    bool
	w     *World
	lines []line
	film  film
}

func (t *transcript) add(fault bool, format string, args ...any) {
	if !t.on || len(t.lines) == maxLines {
		return
	}
	l := line{at: t.w.now, fault: fault, text: fmt.Sprintf(format, args...)}
	if fault {
		l.plain = l.text
	}
	t.lines = append(t.lines, l)
	t.film.shoot(t.w)
}

// note marks a fault, or an operator's order: from here on things may move.
func (w *World) note(format string, args ...any) {
	w.judge.upset = w.now
	w.log.add(true, format, args...)
}

func (t *transcript) input(d *daemon, in cluster.Input) {
	if in != nil {
		t.add(false, "%s < %s", d.n.name, inputText(in))
	}
}

func (t *transcript) output(d *daemon, out cluster.Output) {
	t.add(false, "%s > %s", d.n.name, outputText(out))
	if e, is := out.(cluster.Emit); is && t.on {
		t.lines[len(t.lines)-1].plain = fmt.Sprintf("%s: %s", d.n.name, e.Event.Words)
		if e.Event.Rule != "" {
			t.lines[len(t.lines)-1].plain += " (" + e.Event.Rule + ")"
		}
	}
}

// tell is the transcript as an operator of the simulator reads it: all faults,
// and everything of the last seconds.
func (t *transcript) tell(tail time.Duration) []string {
	if len(t.lines) == 0 {
		return nil
	}
	from := t.lines[len(t.lines)-1].at - tail
	var out []string
	for _, l := range t.lines {
		if l.fault || l.at >= from {
			sign := " "
			if l.fault {
				sign = "*"
			}
			out = append(out, fmt.Sprintf("%11.6f %s %s", l.at.Seconds(), sign, l.text))
		}
	}
	return out
}

func inputText(in cluster.Input) string {
	switch i := in.(type) {
	case cluster.Heard:
		return fmt.Sprintf("heard on %d: %s", i.Link, beatText(i.Beat))
	case cluster.Leased:
		return fmt.Sprintf("leased %s #%d %s %s", i.Group, i.Seq, [...]string{"granted", "void", "lapsed", "unwritten"}[i.State], i.Err)
	case cluster.Outcome:
		return fmt.Sprintf("outcome %d %s", i.ID, [...]string{"ok", "not running", "failed", "timed out", "unusable"}[i.Result])
	}
	return fmt.Sprintf("%T%+v", in, in)
}

func outputText(out cluster.Output) string {
	switch o := out.(type) {
	case cluster.Send:
		return "send " + beatText(o.Beat)
	case cluster.Entitle:
		return fmt.Sprintf("entitle %s #%d until %v fresh=%t quiet=%t notafter=%v announce=%t",
			o.Group, o.Seq, time.Duration(o.Until), o.Fresh, o.Quiet, time.Duration(o.NotAfter), o.Announce)
	case cluster.Run:
		return fmt.Sprintf("run %d %s/%s %s", o.ID, o.Group, o.Resource, o.Action)
	case cluster.Emit:
		return fmt.Sprintf("event %d (of %d) [%s %s] %s", o.Event.ID, o.Event.Cause, o.Event.Level, o.Event.Rule, o.Event.Words)
	case cluster.Save:
		return fmt.Sprintf("save %+v", o.Saved)
	}
	return fmt.Sprintf("%T%+v", out, out)
}

func beatText(b cluster.Beat) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s%d#%d echo %d#%d silence %v", b.Node, b.Incarnation%100000, b.Seq, b.Echo.Incarnation%100000, b.Echo.Seq, b.Echo.Silence)
	mark(&s, b.Standby, "standby")
	mark(&s, b.Left, "left")
	for _, g := range b.Groups {
		fmt.Fprintf(&s, " [%s %v e%d", g.Name, g.State, g.Epoch)
		mark(&s, g.Able, "able")
		mark(&s, g.Claim, "claim")
		mark(&s, g.Offer, "offer")
		mark(&s, g.Intent, "intent")
		mark(&s, g.Want, "want")
		s.WriteString("]")
	}
	return s.String()
}

func mark(s *strings.Builder, on bool, word string) {
	if on {
		s.WriteString(" " + word)
	}
}
