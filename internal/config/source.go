package config

import (
	"bytes"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The limits of a file.
const (
	maxFile = 1 << 20 // a thousand times what a real file holds
	maxLine = 5119    // Heartbeat reads lines of less than 5120 bytes
)

// source is one file as lines, and the way to complain about a place in it.
type source struct {
	name   string      // ha.cf
	path   string      // as it is printed
	order  int         // its place among the files
	lines  []string    // without their ends; one that cannot be read is empty
	absent bool        // there is no such file
	broken bool        // not a text: rules across lines would only repeat that
	mode   fs.FileMode // on disk; 0: not known
	show   func(string) string
	log    *report
}

// word is a piece of a line and where it stands.
type word struct {
	text string
	line int // from 1
	at   int // bytes before it
}

// statement is a line as words: the first says what the rest means.
type statement struct {
	key  word
	args []word
	node string // of a line that counts on this node only
}

// newSource splits data into lines. Nil data is a file that does not exist.
func newSource(order int, dir, name string, data []byte, log *report) *source {
	s := &source{name: name, path: filepath.Join(dir, name), order: order, absent: data == nil, show: plain, log: log}
	switch order { // before anything is found wrong in it
	case nameAuthkeys:
		s.show = masked
	case nameHaCF:
		s.show = maskedPlugin
	case nameLubdubConf:
		s.show = maskedSettings
	}
	if len(data) > maxFile {
		s.broken = true
		s.whole(Error, fmt.Sprintf("the file has more than %d bytes", maxFile), "is it the right file?")
		return s
	}
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) || bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		s.broken = true
		s.whole(Error, "the file begins with a byte order mark", "save it as plain text in UTF-8 without one")
		return s
	}
	s.split(data)
	return s
}

func (s *source) split(data []byte) {
	if len(data) == 0 {
		return
	}
	for i, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		line = strings.TrimSuffix(line, "\r")
		s.lines = append(s.lines, line)
		if len(line) > maxLine {
			s.lines[i] = ""
			s.at(Error, word{line: i + 1}, fmt.Sprintf("the line has more than %d bytes", maxLine), "split it")
			continue
		}
		if nul := strings.IndexByte(line, 0); nul >= 0 && !s.broken {
			s.broken = true
			s.at(Error, word{line: i + 1, at: nul}, "a NUL byte", "this is not a plain text file; save it as UTF-8")
		}
	}
	if s.broken {
		s.lines = nil
	}
}

// at reports a problem with a word.
func (s *source) at(severity Severity, w word, words, remedy string) {
	if !s.log.keeps(severity) { // a file of garbage has a hundred thousand
		s.log.add(Problem{Severity: severity})
		return
	}
	p := Problem{Severity: severity, File: s.path, Line: w.line, Column: 1, Words: plain(words), Remedy: plain(remedy), file: s.order}
	if w.line >= 1 && w.line <= len(s.lines) {
		line := s.lines[w.line-1]
		p.Column = utf8.RuneCountInString(line[:min(w.at, len(line))]) + 1
		p.Source = s.show(line)
	}
	s.log.add(p)
}

func (s *source) errorf(w word, remedy, format string, args ...any) {
	s.at(Error, w, fmt.Sprintf(format, args...), remedy)
}

func (s *source) warnf(w word, remedy, format string, args ...any) {
	s.at(Warning, w, fmt.Sprintf(format, args...), remedy)
}

// whole reports a problem that has no place in the file, such as a line that is missing.
func (s *source) whole(severity Severity, words, remedy string) {
	s.log.add(Problem{Severity: severity, File: s.path, Line: 1, Column: 1, Words: words, Remedy: remedy, file: s.order})
}

// usable says that rules across the lines of the file make sense.
func (s *source) usable() bool { return !s.absent && !s.broken }

// plain shows a line with each character one column wide and harmless.
func plain(line string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\r':
			return ' '
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, line)
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v' }

func isBlankOrComma(c byte) bool { return isBlank(c) || c == ',' }

// fields splits text, which begins at w, at the bytes that are separators.
func fields(w word, separator func(byte) bool) []word {
	var out []word
	start := -1
	for i := 0; i <= len(w.text); i++ {
		if i == len(w.text) || separator(w.text[i]) {
			if start >= 0 {
				out = append(out, word{w.text[start:i], w.line, w.at + start})
			}
			start = -1
			continue
		}
		if start < 0 {
			start = i
		}
	}
	return out
}

// withoutComment ends a line at the first '#'.
func withoutComment(line string) string {
	text, _, _ := strings.Cut(line, "#")
	return text
}

// texts are the words without their places.
func texts(words []word) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = w.text
	}
	return out
}

// find returns the word that reads text.
func find(words []word, text string) (word, bool) {
	i := slices.IndexFunc(words, func(w word) bool { return w.text == text })
	if i < 0 {
		return word{}, false
	}
	return words[i], true
}
