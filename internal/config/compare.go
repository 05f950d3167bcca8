package config

import (
	"fmt"
	"slices"
	"strings"
)

// Difference is one name of a tree that is not the same on two nodes.
type Difference struct {
	Path       string
	From, Onto *Entry // nil: it is not there
}

// Compare finds the names that differ between two trees, each as Scan told it,
// sorted by their path: a directory stands before what is in it.
func Compare(from, onto []Entry) []Difference {
	byPath := func(a, b Entry) int { return strings.Compare(a.Path, b.Path) }
	from, onto = slices.SortedFunc(slices.Values(from), byPath), slices.SortedFunc(slices.Values(onto), byPath)
	var out []Difference
	for len(from)+len(onto) > 0 {
		order := 0
		switch {
		case len(from) == 0:
			order = 1
		case len(onto) == 0:
			order = -1
		default:
			order = strings.Compare(from[0].Path, onto[0].Path)
		}
		var d Difference
		if order <= 0 {
			d.Path, d.From = from[0].Path, &from[0]
			from = from[1:]
		}
		if order >= 0 {
			d.Path, d.Onto = onto[0].Path, &onto[0]
			onto = onto[1:]
		}
		if d.From == nil || d.Onto == nil || !d.From.equals(*d.Onto) {
			out = append(out, d)
		}
	}
	return out
}

// equals says that all that counts is equal.
func (e Entry) equals(o Entry) bool {
	e.Size, e.Modified, o.Size, o.Modified = 0, 0, 0, 0
	return e == o
}

// Retyped says that the name is something else on the two nodes: the one has to go
// before the other can come.
func (d Difference) Retyped() bool {
	return d.From != nil && d.Onto != nil && d.From.Kind != d.Onto.Kind
}

// Words say what differs, in the names of the two nodes.
func (d Difference) Words(from, onto string) string {
	switch {
	case d.Onto == nil:
		return "only on " + from
	case d.From == nil:
		return "only on " + onto
	case d.Retyped():
		return fmt.Sprintf("%s on %s, %s on %s", kindWord(d.From.Kind), from, kindWord(d.Onto.Kind), onto)
	}
	var parts []string
	add := func(a, b string, format string) {
		if a != b {
			parts = append(parts, fmt.Sprintf(format, a, from, b, onto))
		}
	}
	if d.From.Sum != d.Onto.Sum {
		parts = append(parts, map[byte]string{'f': "content", 'l': "where it points to"}[d.From.Kind])
		if parts[0] == "" {
			parts[0] = "device number"
		}
	}
	add(fmt.Sprintf("%04o", d.From.Mode), fmt.Sprintf("%04o", d.Onto.Mode), "mode %s on %s, %s on %s")
	add(d.From.Owner, d.Onto.Owner, "owner %s on %s, %s on %s")
	add(d.From.Group, d.Onto.Group, "group %s on %s, %s on %s")
	return strings.Join(parts, "; ")
}

func kindWord(kind byte) string {
	switch kind {
	case 'f':
		return "file"
	case 'd':
		return "directory"
	case 'l':
		return "symlink"
	case 'p':
		return "pipe"
	case 's':
		return "socket"
	}
	return "device"
}

// The limits of a difference between texts.
const (
	diffContext = 2
	diffCells   = 4 << 20 // of the table that finds the longest common lines: above it a changed part is shown as a whole
)

// Diff shows what makes the one text of a configuration file into the other, as
// diff -u does. Secrets are masked.
func Diff(name string, before, after []byte) []string {
	show := map[string]func(string) string{"ha.cf": maskedPlugin, "lubdub.conf": maskedSettings, "authkeys": masked}[name]
	if show == nil {
		show = plain
	}
	split := func(data []byte) []string {
		if len(data) == 0 {
			return nil
		}
		return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	}
	edits := edit(split(before), split(after))
	var out []string
	for i, end := 0, 0; i < len(edits); i = end {
		for i < len(edits) && edits[i].mark == ' ' {
			i++
		}
		if i == len(edits) {
			break
		}
		last := i
		for end = i + 1; end < len(edits) && end-last <= 2*diffContext+1; end++ {
			if edits[end].mark != ' ' {
				last = end
			}
		}
		from, to := max(0, i-diffContext), min(len(edits), last+1+diffContext)
		out = append(out, fmt.Sprintf("@@ line %d @@", edits[from].line))
		for _, e := range edits[from:to] {
			out = append(out, string(e.mark)+show(e.text))
		}
		end = last + 1
	}
	return out
}

// edited is a line of a difference: kept, taken away or put in.
type edited struct {
	mark byte
	text string
	line int // in the text that comes out, from 1
}

// edit finds the fewest lines to change.
func edit(a, b []string) []edited {
	var head, tail []edited
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		head = append(head, edited{' ', a[0], len(head) + 1})
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		tail = append(tail, edited{' ', a[len(a)-1], len(head) + len(b)})
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	slices.Reverse(tail)
	return slices.Concat(head, middle(a, b, len(head)+1), tail)
}

// middle is the part between what is equal at both ends; at is its first line.
func middle(a, b []string, at int) (out []edited) {
	width := len(b) + 1
	var common []int32 // the most lines in common of a[i:] and b[j:]
	if (len(a)+1)*width <= diffCells {
		common = make([]int32, (len(a)+1)*width)
		for i := len(a) - 1; i >= 0; i-- {
			for j := len(b) - 1; j >= 0; j-- {
				if common[i*width+j] = max(common[(i+1)*width+j], common[i*width+j+1]); a[i] == b[j] {
					common[i*width+j] = common[(i+1)*width+j+1] + 1
				}
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case common != nil && i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, edited{' ', a[i], at + j})
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || common == nil || common[(i+1)*width+j] >= common[i*width+j+1]):
			out = append(out, edited{'-', a[i], at + j})
			i++
		default:
			out = append(out, edited{'+', b[j], at + j})
			j++
		}
	}
	return out
}
