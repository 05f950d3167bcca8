package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"lubdub/internal/cluster"
	"lubdub/internal/config"
)

// watched says what is watched and how long the heartbeats become by it. Only
// the names themselves are looked at: a tree may be large.
func (c *checked) watched(loaded *config.Loaded) {
	file := filepath.Join(loaded.Dir, "lubdub.conf")
	for _, w := range loaded.Watched {
		kind := "file"
		if w.Tree {
			kind = "tree"
		}
		words := fmt.Sprintf("watched %s: %s", kind, w.Path)
		if len(w.Exclude) > 0 {
			words += ", without " + strings.Join(w.Exclude, " ")
		}
		c.Files = append(c.Files, words)
		switch info, err := os.Stat(w.Path); {
		case err != nil:
			c.add(config.Warning, file, fmt.Sprintf("%v; it counts as missing", err), "make it, or remove the line")
		case w.Tree && !info.IsDir():
			c.add(config.Warning, file, w.Path+" is not a directory: it is not compared", "write watchfile for it")
		case !w.Tree && !info.Mode().IsRegular():
			c.add(config.Warning, file, w.Path+" is not a plain file: it is not compared", "write watchtree for a directory")
		}
	}
	if len(loaded.Watched) > 0 {
		c.Files = append(c.Files, fmt.Sprintf("a heartbeat has at most %d bytes of %d with their digests", loaded.Config.BeatSize(), cluster.MaxBeat))
	}
}

// compared says what the daemon knows of the files that must be equal on both nodes.
func (w world) compared(ctx context.Context, runtime string, c *checked) {
	s, err := w.asker(runtime).status(ctx)
	if err != nil {
		return // it does not run, or not yet: that is no fault of the files
	}
	if words := differsWords(s.Differs); words != "" {
		c.add(config.Warning, "both nodes", words, "")
	} else if s.Peer.Membership == "up" {
		c.Live = append(c.Live, "files: those that must be equal are equal on "+s.Self+" and "+s.Peer.Name+", as far as known")
	}
}

// differsWords say which files differ between the nodes; empty: none is known to.
func differsWords(files []string) string {
	switch len(files) {
	case 0:
		return ""
	case 1:
		return files[0] + " differs between the nodes; to see where: lubdub sync --plan"
	}
	return strings.Join(files, ", ") + " differ between the nodes; to see where: lubdub sync --plan"
}
