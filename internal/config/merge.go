package config

import (
	"bytes"
	"slices"
	"strings"
)

// ownLinks are the words of ha.cf that name interfaces, which belong to one node.
const ownLinks = "bcast udp ucast ucast6 mcast mcast6"

// Merged is a file as it would be on the other node: the one from here, with
// the lines that belong to that node alone.
type Merged struct {
	Text   []byte
	Kept   []string // lines that the other node keeps, though this one's are others
	Left   []string // lines of this node that are not brought there
	Forced bool     // the links are not of the same kinds: this node's lines would replace the other's
}

// Merge makes of a node's file what belongs on the other node, whose file was
// there before; nil: there is none. Lines that may differ between the nodes stay
// as they are there: the links of ha.cf, as long as they are of the same kinds
// in the same order, for they name interfaces and the peer's address; and the
// words of lubdub.conf that are of one node.
func Merge(name string, from, there []byte) Merged {
	if there == nil || bytes.Equal(from, there) {
		return Merged{Text: from}
	}
	switch name {
	case "ha.cf":
		return mergeLinks(from, there)
	case "lubdub.conf":
		return mergeOwn(from, there)
	}
	return Merged{Text: from}
}

// stretch is a directive and the lines that it takes.
type stretch struct {
	key, said string // its first word; all of them
	from, to  int    // lines from 0, without the last
}

// stretches finds the directives of lubdub.conf, or of ha.cf.
func stretches(name string, data []byte) (lines []string, out []stretch) {
	lines = strings.SplitAfter(string(data), "\n")
	if n := len(lines); lines[n-1] == "" {
		lines = lines[:n-1]
	}
	if name == "ha.cf" {
		for i, l := range lines {
			if words := fields(word{withoutComment(l), i + 1, 0}, func(c byte) bool { return isBlankOrComma(c) || c == '\n' }); len(words) > 0 {
				out = append(out, stretch{words[0].text, strings.Join(texts(words), " "), i, i + 1})
			}
		}
		return lines, out
	}
	src := newSource(nameLubdubConf, "", name, data, &report{})
	for _, st := range statements(src) {
		first, last := st.key.line-1, st.key.line
		for i := first; i < len(src.lines); i++ {
			if _, joined, _ := quoted(src, i); !joined {
				break
			}
			last = min(i+2, len(src.lines))
		}
		out = append(out, stretch{st.key.text, strings.Join(append([]string{st.key.text}, texts(st.args)...), " "), first, last})
	}
	return lines, out
}

// of are the stretches with one of the words.
func of(all []stretch, words string) []stretch {
	return slices.DeleteFunc(slices.Clone(all), func(s stretch) bool { return !slices.Contains(strings.Fields(words), s.key) })
}

func said(all []stretch) (out []string) {
	for _, s := range all {
		out = append(out, s.said)
	}
	return out
}

// mergeOwn keeps the words of lubdub.conf that are of one node.
func mergeOwn(from, there []byte) Merged {
	lines, all := stretches("lubdub.conf", from)
	theirLines, theirs := stretches("lubdub.conf", there)
	mine, own := of(all, ofOneNode), of(theirs, ofOneNode)
	if slices.Equal(said(mine), said(own)) {
		return Merged{Text: from}
	}
	m := Merged{Kept: without(said(own), said(mine)), Left: without(said(mine), said(own))}
	at := len(lines)
	if len(mine) > 0 {
		at = mine[0].from
	}
	m.Text = replaced(lines, mine, at, taken(theirLines, own))
	return m
}

// mergeLinks keeps the links of ha.cf.
func mergeLinks(from, there []byte) Merged {
	lines, all := stretches("ha.cf", from)
	theirLines, theirs := stretches("ha.cf", there)
	mine, own := of(all, ownLinks), of(theirs, ownLinks)
	switch {
	case slices.Equal(said(mine), said(own)):
		return Merged{Text: from}
	case len(mine) == 0 || !sameKinds(mine, own):
		return Merged{Text: from, Forced: len(own) > 0}
	}
	m := Merged{Kept: without(said(own), said(mine)), Left: without(said(mine), said(own))}
	if len(mine) == len(own) { // one for the other, so that comments stay where they belong
		for i, s := range mine {
			lines[s.from] = ended(theirLines[own[i].from])
		}
		m.Text = []byte(strings.Join(lines, ""))
		return m
	}
	m.Text = replaced(lines, mine, mine[len(mine)-1].from, taken(theirLines, own))
	return m
}

// kindsOf are the kinds of links, as the digest of ha.cf has them. A link that is
// declared twice counts once there, and here makes that nothing is kept.
func kindsOf(links []stretch) (out []string, once bool) {
	seen := map[string]bool{}
	once = true
	for _, l := range links {
		words := strings.Fields(l.said)
		kind, args := words[0], words[1:]
		switch kind {
		case "bcast", "udp":
			for _, iface := range args {
				out = append(out, "bcast")
				once, seen["bcast "+iface] = once && !seen["bcast "+iface], true
			}
			continue
		case "mcast", "mcast6":
			if len(args) > 0 {
				words = append(words[:1:1], args[1:]...) // but for the interface
			}
			out = append(out, strings.Join(words, " "))
		default:
			out = append(out, kind)
		}
		once, seen[l.said] = once && !seen[l.said], true
	}
	return out, once
}

// sameKinds says that the links of two nodes are the same but for interfaces and addresses.
func sameKinds(a, b []stretch) bool {
	kinds, once := kindsOf(a)
	others, onceThere := kindsOf(b)
	return once && onceThere && slices.Equal(kinds, others)
}

// replaced leaves the stretches out of lines, and puts what is new before line at.
func replaced(lines []string, out []stretch, at int, fresh []string) []byte {
	var text strings.Builder
	put := func() {
		for _, l := range fresh {
			text.WriteString(ended(l))
		}
	}
	for i, l := range lines {
		if i == at {
			put()
		}
		if !slices.ContainsFunc(out, func(s stretch) bool { return i >= s.from && i < s.to }) {
			if at >= len(lines) {
				l = ended(l)
			}
			text.WriteString(l)
		}
	}
	if at >= len(lines) {
		put()
	}
	return []byte(text.String())
}

func taken(lines []string, all []stretch) (out []string) {
	for _, s := range all {
		out = append(out, lines[s.from:s.to]...)
	}
	return out
}

func ended(line string) string { return strings.TrimSuffix(line, "\n") + "\n" }

func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(text string) bool { return slices.Contains(b, text) })
}
