package config

import "strings"

// statements reads the lines of lubdub.conf as words.
func statements(src *source) []statement {
	var out []statement
	var words []word
	for i := range src.lines {
		found, joined := quoted(src, i)
		words = append(words, found...)
		if joined && i+1 < len(src.lines) {
			continue
		}
		if len(words) > 0 {
			out = append(out, statement{key: words[0], args: words[1:]})
		}
		words = nil
	}
	return out
}

// quoted reads the words of a line, and whether the next one continues it.
// Quotes may stand anywhere in a word; inside them a backslash takes the next
// quote or backslash as it is.
func quoted(src *source, i int) (words []word, joined bool) {
	text := strings.TrimRight(src.lines[i], " \t\r\f\v")
	for at := 0; at < len(text); {
		switch {
		case isBlank(text[at]):
			at++
		case text[at] == '#':
			return words, false
		case text[at:] == `\`:
			return words, true
		default:
			w, end, closed := quotedWord(text, word{"", i + 1, at})
			if !closed {
				src.errorf(w, `end the word with "`, "a quote without its end")
				return nil, false
			}
			words, at = append(words, w), end
		}
	}
	return words, false
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
