package config

import (
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"lubdub/internal/cluster"
)

// Watch is a file or tree of lubdub.conf that must be equal on both nodes. Its
// digest is in each heartbeat, under its path.
type Watch struct {
	Path    string   // full and clean
	Tree    bool     // a directory and everything below it
	Exclude []string // of a tree: what does not count, see excludes
}

// maxWatched bounds the files and trees whose digests are in each heartbeat.
const maxWatched = 8

// watching are the lines about files and trees.
type watching struct {
	watches   []Watch
	watchedAt []word
}

// watchfile takes a line of files.
func (c *lubdubConf) watchfile(st statement) {
	for _, w := range st.args {
		c.watch(w, Watch{Path: w.text})
	}
}

// watchtree takes a line of trees, and what does not count in them.
func (c *lubdubConf) watchtree(st statement) {
	plain, _ := st.parts(c.known[st.key.text])
	for _, w := range plain {
		c.watch(w, Watch{Path: w.text, Tree: true, Exclude: st.values("exclude")})
	}
}

func (c *lubdubConf) watch(w word, one Watch) {
	one.Path = filepath.Clean(one.Path)
	switch wrong, remedy := isWatchable(w.text); {
	case wrong != "":
		c.errorf(w, remedy, "%s %s", quote(w.text), wrong)
		return
	case one.Tree && slices.Contains(strings.Fields("/ /dev /proc /run /sys"), one.Path):
		c.errorf(w, "name the directory that matters", "%s is not a tree that two machines have in common", quote(w.text))
		return
	}
	for i, before := range c.watches {
		if before.Path != one.Path {
			continue
		}
		if before.Tree != one.Tree || !slices.Equal(before.Exclude, one.Exclude) {
			c.errorf(w, "keep one of them", "%s is watched in another way on line %d", quote(one.Path), c.watchedAt[i].line)
		}
		return
	}
	if len(c.watches) == maxWatched {
		c.errorf(w, "their digests are in each heartbeat; choose those that matter, or a directory above several of them with watchtree", "more than %d files and trees to watch", maxWatched)
		return
	}
	c.watches, c.watchedAt = append(c.watches, one), append(c.watchedAt, w)
}

// isWatchable accepts full paths that can be printed and stand in a heartbeat.
func isWatchable(text string) (wrong, remedy string) {
	switch {
	case !filepath.IsAbs(text):
		return "is not a full path", "begin it with /"
	case strings.Contains(text, ",/"):
		return "are several paths", "separate the paths by blanks"
	case strings.ContainsFunc(text, func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) }):
		return "has a character that cannot be printed", "name the directory above it with watchtree"
	}
	return "", ""
}

// isGlob accepts the patterns of exclude=.
func isGlob(text string) (wrong, remedy string) {
	const want = `write a name as *.log, or a path below the tree as /cache/*.tmp; "*", "?" and "[a-z]" stand for characters, never for "/"`
	name := strings.TrimPrefix(text, "/")
	_, err := path.Match(name, "")
	if err != nil || name == "" || path.Clean(name) != name || strings.HasPrefix(name, "..") || strings.Contains(name, "**") || strings.Contains(name, `\`) {
		return "is no pattern for names", want
	}
	return "", ""
}

// excludes says that a name of the tree does not count, nor anything below it.
// A pattern without "/" is about names anywhere; one with "/" about the path
// from the tree's root.
func (w Watch) excludes(below string) bool {
	return slices.ContainsFunc(w.Exclude, func(glob string) bool {
		text := path.Base(below)
		if strings.Contains(glob, "/") {
			text, glob = below, strings.TrimPrefix(glob, "/")
		}
		ok, _ := path.Match(glob, text)
		return ok
	})
}

// watchDigests are those of the watched files and trees: none is known before it was looked at.
func (c *lubdubConf) watchDigests() (out []cluster.Digest) {
	for _, w := range c.watches {
		out = append(out, cluster.Digest{File: w.Path})
	}
	return out
}

// checkBeat refuses watched paths that a heartbeat has no room for.
func (c *lubdubConf) checkBeat(cfg cluster.Config) {
	if len(c.watches) == 0 {
		return
	}
	with := cfg.BeatSize()
	watched := len(c.watches)
	cfg.Digests = cfg.Digests[:len(cfg.Digests)-watched]
	if with <= cluster.MaxBeat || cfg.BeatSize() > cluster.MaxBeat {
		return // it fits, or the groups alone do not
	}
	c.errorf(c.watchedAt[watched-1], "watch fewer files, or a directory with a shorter path",
		"these paths do not fit into a heartbeat: it would have %d bytes, at most %d fit", with, cluster.MaxBeat)
}
