package sim

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The text of a night: one line for each thing, times in ms. Lines that begin
// with a number are faults; # begins a comment.
//
//	seed 4711
//	keepalive 250ms
//	group web a ip0=192.0.2.100/24 httpd
//	boot a 100ms 300ms
//	calm 25000ms
//
//	12000ms links cut from=both for=1400ms
//	13000ms ambush node=a place=write count=2 then daemon frozen node=a for=900ms

// write writes the night as text.
func (n night) write(w io.Writer) {
	fmt.Fprintf(w, "seed %d\n", n.seed)
	for _, k := range n.setup.keys() {
		fmt.Fprintln(w, k)
	}
	fmt.Fprintf(w, "lag %s\n", millis(n.lag))
	if n.wired {
		fmt.Fprintln(w, "wired")
	}
	if n.peaceful {
		fmt.Fprintln(w, "peaceful")
	}
	for i, b := range n.boots {
		fmt.Fprintf(w, "boot %s %s %s\n", "ab"[i:i+1], millis(b.at), millis(b.start))
	}
	fmt.Fprintf(w, "calm %s\n\n", millis(n.calm))
	for i := range n.strikes {
		fmt.Fprintf(w, "%s %s\n", millis(n.strikes[i].at), n.strikes[i].text())
	}
}

func (n night) text() string {
	var s strings.Builder
	n.write(&s)
	return s.String()
}

// text is a fault without its time.
func (k *strike) text() string {
	var s strings.Builder
	s.WriteString(k.kind)
	for _, w := range k.words {
		fmt.Fprintf(&s, " %s=%s", w.name, w.value)
	}
	if k.then != nil {
		s.WriteString(" then " + k.then.text())
	}
	return s.String()
}

// parseNight reads what write wrote, or what somebody wrote by hand.
func parseNight(r io.Reader) (night, error) {
	var n night
	lines := bufio.NewScanner(r)
	for i := 1; lines.Scan(); i++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		if err := n.parseLine(words); err != nil {
			return night{}, fmt.Errorf("line %d: %w", i, err)
		}
	}
	if err := lines.Err(); err != nil {
		return night{}, err
	}
	slices.SortStableFunc(n.strikes, func(a, b strike) int { return cmp.Compare(a.at, b.at) })
	n.setup.monitored()
	return n, n.check()
}

// check plays no night that cannot be: each fault must find what it speaks of.
func (n night) check() error {
	switch s := n.setup; {
	case s.Keepalive <= 0 || s.DeadTime < s.Keepalive || s.Links < 1 || s.Links > 2 || len(s.Groups) == 0:
		return fmt.Errorf("keepalive, deadtime, links (1 or 2) and a group are needed")
	case n.lag <= 0:
		return fmt.Errorf("lag is needed: the longest scheduling delay")
	}
	s := newSchedule(New(n.seed, n.setup, Options{}))
	for i := range n.strikes {
		if _, err := s.read(&n.strikes[i]); err != nil {
			return fmt.Errorf("%s %w", millis(n.strikes[i].at), err)
		}
	}
	return nil
}

func (n *night) parseLine(words []string) (err error) {
	if words[0][0] >= '0' && words[0][0] <= '9' {
		return n.parseStrike(words)
	}
	switch words[0] {
	case "seed":
		if len(words) == 2 {
			n.seed, err = strconv.ParseUint(words[1], 10, 64)
		}
		return err
	case "wired":
		n.wired = true
	case "peaceful":
		n.peaceful = true
	case "lag":
		return parseTimes(words[1:], &n.lag)
	case "calm":
		return parseTimes(words[1:], &n.calm)
	case "boot":
		i := slices.Index([]string{"a", "b"}, strings.Join(words[1:2], ""))
		if i < 0 {
			return fmt.Errorf("boot: want a or b, when, and how long after that the daemon starts")
		}
		return parseTimes(words[2:], &n.boots[i].at, &n.boots[i].start)
	default:
		return n.setup.parse(words)
	}
	return nil
}

func parseTimes(words []string, times ...*time.Duration) (err error) {
	if len(words) != len(times) {
		return fmt.Errorf("want %d times as 1400ms, not %v", len(times), words)
	}
	for i, w := range words {
		if *times[i], err = parseMillis(w); err != nil {
			return fmt.Errorf("%s: %w", w, err)
		}
	}
	return nil
}

func (n *night) parseStrike(words []string) error {
	var k strike
	if err := parseTimes(words[:1], &k.at); err != nil {
		return err
	}
	k.parse(words[1:])
	n.strikes = append(n.strikes, k)
	return nil
}

// parse reads the kind, its parameters, and what comes then.
func (k *strike) parse(words []string) {
	var kind []string
	for i, w := range words {
		name, value, found := strings.Cut(w, "=")
		switch {
		case found:
			k.words = append(k.words, word{name, value})
		case w == "then":
			k.then = &strike{}
			k.then.parse(words[i+1:])
			k.kind = strings.Join(kind, " ")
			return
		default:
			kind = append(kind, w)
		}
	}
	k.kind = strings.Join(kind, " ")
}
