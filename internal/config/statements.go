package config

import "strings"

// statements reads the lines of lubdub.conf as words. A statement with a fault is left out as a whole, with the lines
// that continue it: what is wrong is said once.
func statements(src *source) []statement {
	var out []statement
	var words []word
	broken := false
	for i := range src.lines {
		found, joined, ok := quoted(src, i)
		// A line that is commented out in the midst of others leaves them joined.
		joined = joined || len(words) > 0 && len(found) == 0 && strings.HasSuffix(strings.TrimRight(src.lines[i], " \t\r\f\v"), `\`)
		words, broken = append(words, found...), broken || !ok
		if joined && i+1 < len(src.lines) {
			continue
		}
		if len(words) > 0 && !broken {
			out = append(out, statement{key: words[0], args: words[1:]})
		}
		words, broken = nil, false
	}
	return out
}

// quoted reads the words of a line, and whether the next one continues it.
// Quotes may stand anywhere in a word; inside them a backslash takes the next
// quote or backslash as it is.
func quoted(src *source, i int) (words []word, joined, ok bool) {
	text := strings.TrimRight(src.lines[i], " \t\r\f\v")
	for at := 0; at < len(text); {
		switch {
		case isBlank(text[at]):
			at++
		case text[at] == '#':
			ok := lastSlash(src, words)
			return words, !ok, ok
		case text[at:] == `\`:
			return words, true, true
		default:
			w, end, closed := quotedWord(text, word{"", i + 1, at})
			if !closed {
				src.errorf(w, `end the word with " on the same line`, "a quote without its end")
				return nil, strings.HasSuffix(text, `\`), false
			}
			words, at = append(words, w), end
		}
	}
	return words, false, true
}

// lastSlash refuses a backslash before a comment: it looks as if it continued the line, and does not.
func lastSlash(src *source, words []word) bool {
	if len(words) == 0 || words[len(words)-1].text != `\` {
		return true
	}
	src.errorf(words[len(words)-1], "move the comment to a line of its own", `'\' continues a line only as its last character`)
	return false
}

// quotedWord reads the word that begins at w.at.
func quotedWord(text string, w word) (out word, end int, closed bool) {
	var b strings.Builder
	inside := false
	at := w.at
	for ; at < len(text); at++ {
		c := text[at]
		switch {
		case c == '"':
			inside = !inside
			continue
		case inside && c == '\\' && at+1 < len(text) && (text[at+1] == '"' || text[at+1] == '\\'):
			at++
			c = text[at]
		case !inside && (isBlank(c) || text[at:] == `\`):
			w.text = b.String()
			return w, at, true
		}
		b.WriteByte(c)
	}
	w.text = b.String()
	return w, at, !inside
}
