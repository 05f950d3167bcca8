package agent

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxLines = 20  // of an agent's output, kept with the outcome
	maxLine  = 200 // bytes of each
	maxWords = 400 // bytes of the line that is quoted in the outcome's sentence: Apache's need more than a line
)

// stamp is the date at the beginning of a line, in the forms of Heartbeat's shellfuncs and of resource-agents.
var stamp = regexp.MustCompile(`^(\d{4}/\d\d/\d\d_\d\d:\d\d:\d\d\s+|[A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d )`)

// linesOf returns the lines of an output without dates, control characters and empty ones.
func linesOf(output string) []string {
	var lines []string
	for line := range strings.SplitSeq(output, "\n") {
		line = stamp.ReplaceAllString(strings.TrimSpace(clean(line)), "")
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// clean makes text fit for a terminal and for JSON.
func clean(text string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\t':
			return ' '
		case !unicode.IsPrint(c), c == utf8.RuneError:
			return -1
		}
		return c
	}, text)
}

// lastLines returns the end of the output, bounded. A line that comes again is only counted: an agent that waits says so
// each second, and would push away what it waits for.
func lastLines(lines []string) []string {
	times := map[string]int{}
	var out []string
	for _, line := range lines {
		line = shorten(line, maxLine)
		if times[line]++; times[line] == 1 {
			out = append(out, line)
		}
	}
	out = out[max(0, len(out)-maxLines):]
	for i, line := range out {
		if n := times[line]; n > 1 {
			out[i] = fmt.Sprintf("%s (%d times)", line, n)
		}
	}
	return out
}

// shorten cuts at a rune.
func shorten(text string, limit int) string {
	const mark = "..."
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit-len(mark)], "") + mark
}

// besides are lines that say nothing of the service: how an agent looks whether a process is there, and what Pacemaker's
// commands say where no Pacemaker is. Some agents call them in passing, and go on without.
var besides = regexp.MustCompile(`command failed: .*kill -s 0 |\b(crm_(master|attribute|node|mon|resource|failcount|standby)|attrd_updater|cibadmin)\b|^error: Could not connect to (controller|launcher)`)

// reason returns what says best why an action failed: the reasons that an OCF agent gives, else its last error, else its
// last line. Of several reasons the first is most often the cause and the last what followed from it: all are said, each
// once.
func reason(lines []string) string {
	var reasons []string
	var wrong, last string
	for _, line := range lines {
		if besides.MatchString(line) {
			continue
		}
		last = line
		if text, ok := strings.CutPrefix(line, reasonPrefix); ok {
			if text = strings.TrimSpace(text); text != "" && !slices.Contains(reasons, text) {
				reasons = append(reasons, text)
			}
		}
		if strings.Contains(strings.ToLower(line), "error") {
			wrong = line
		}
	}
	for _, line := range []string{strings.Join(reasons, "; "), wrong, last} {
		if line != "" {
			return shorten(withoutLevel(line), maxWords)
		}
	}
	return ""
}

// withoutLevel takes the word ERROR from the beginning of a line.
func withoutLevel(line string) string {
	for _, level := range []string{"ERROR:", "CRIT:", "WARNING:", "INFO:"} {
		if text, ok := strings.CutPrefix(line, level); ok {
			return strings.TrimSpace(text)
		}
	}
	return line
}
