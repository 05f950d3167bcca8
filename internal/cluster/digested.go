package cluster

import (
	"fmt"
	"slices"
	"strings"
)

// Digested brings what watched files and trees hold here now: those of
// Config.Digests whose names are paths. An empty sum is not known yet.
type Digested struct{ Digests []Digest }

func (Digested) input() {}

// absorbNews takes in what an edge saw beside the nodes and their resources.
func (m *Machine) absorbNews(in Input) {
	switch in := in.(type) {
	case Digested:
		m.absorbDigested(in)
	case Noted:
		m.emit(Event{Kind: in.Kind, Level: in.Level, Group: in.Group, Words: in.Words, Lines: in.Lines})
	}
}

// absorbDigested notes new digests. They are in the next heartbeat, which goes out at once.
func (m *Machine) absorbDigested(in Digested) {
	fresh := slices.Clone(m.cfg.Digests) // heartbeats on their way have the old ones
	for _, d := range in.Digests {
		if i := slices.IndexFunc(fresh, func(f Digest) bool { return f.File == d.File }); i >= 0 && isWatched(d.File) {
			fresh[i].Sum = d.Sum
		}
	}
	m.cfg.Digests = fresh
	if m.peer.beat.Seq > 0 {
		m.compareFiles()
	}
}

// isWatched says that a digest is of a file or tree that lubdub.conf names, and not of our own settings.
func isWatched(file string) bool { return strings.HasPrefix(file, "/") }

// settingsDiffer says that the nodes do not go by the same rules. What a
// watched file holds decides nothing but a failback: a tree that is being
// changed must not keep a group on a node that lost its front, and each node
// learns of the change at another moment.
func (m *Machine) settingsDiffer() bool {
	return slices.ContainsFunc(m.peer.differs, func(file string) bool { return !isWatched(file) })
}

// differing are the files that differ between the nodes. While a digest is not
// known on one of them, what was known before counts.
func (m *Machine) differing() []string {
	p := &m.peer
	var differs []string
	for _, mine := range m.cfg.Digests {
		i := slices.IndexFunc(p.beat.Digests, func(d Digest) bool { return d.File == mine.File })
		switch {
		case i >= 0 && isWatched(mine.File) && (mine.Sum == "" || p.beat.Digests[i].Sum == ""):
			if slices.Contains(p.differs, mine.File) {
				differs = append(differs, mine.File)
			}
		case i < 0 || p.beat.Digests[i].Sum != mine.Sum:
			differs = append(differs, mine.File)
		}
	}
	for _, theirs := range p.beat.Digests {
		if !slices.ContainsFunc(m.cfg.Digests, func(d Digest) bool { return d.File == theirs.File }) {
			differs = append(differs, theirs.File)
		}
	}
	return differs
}

// compareFiles notes which files differ between the nodes, and says when that
// begins and ends.
func (m *Machine) compareFiles() {
	p := &m.peer
	if !p.echoes {
		return
	}
	before, differs := p.differs, m.differing()
	if slices.Equal(differs, before) {
		return
	}
	p.differs = differs
	if ended := without(before, differs); len(ended) > 0 {
		verb := "is"
		if len(ended) > 1 {
			verb = "are"
		}
		m.emit(Event{Kind: "files", Words: fmt.Sprintf("%s %s the same on both nodes again", strings.Join(ended, ", "), verb)})
	}
	if begun := without(differs, before); len(begun) > 0 {
		m.emit(Event{Kind: "files", Level: Warning, Words: m.differWords(begun)})
	}
}

// without are the texts of a that are not in b.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(text string) bool { return slices.Contains(b, text) })
}

// differWords say which files differ, what that holds up, and what to do.
func (m *Machine) differWords(files []string) string {
	var settings, watched []string
	for _, f := range files {
		if isWatched(f) {
			watched = append(watched, f)
		} else {
			settings = append(settings, f)
		}
	}
	var parts []string
	for _, part := range []struct {
		files []string
		until string
	}{{settings, "to compare them: lubdub sync --plan; until they agree nothing moves by itself"},
		{watched, "to see where: lubdub sync --plan; until they agree no group goes back by itself"}} {
		verb := "differs from the one"
		if len(part.files) > 1 {
			verb = "differ from those"
		}
		if len(part.files) > 0 {
			parts = append(parts, fmt.Sprintf("%s %s on %s: %s", strings.Join(part.files, ", "), verb, m.cfg.Peer, part.until))
		}
	}
	return strings.Join(parts, "; and ")
}

// widest are the digests at the length that they have when they are known.
func widest(digests []Digest) []Digest {
	out := slices.Clone(digests)
	for i := range out {
		if len(out[i].Sum) < sumLength {
			out[i].Sum = strings.Repeat("0", sumLength)
		}
	}
	return out
}

// sumLength is how many digits the longest digest has.
const sumLength = 16

// parseDigest reads FILE=SUM. A path may hold a "=", too.
func parseDigest(item string) Digest {
	at := strings.LastIndexByte(item, '=')
	if at < 0 {
		return Digest{File: item}
	}
	return Digest{item[:at], item[at+1:]}
}
