package main

import (
	"fmt"
	"slices"
	"strings"

	"lubdub/internal/api"
)

// watched writes the files and trees that lubdub.conf wants to be equal, and whether they are.
func (p paint) watched(out *strings.Builder, s api.Status) {
	if len(s.Watched) == 0 {
		return
	}
	p.title(out, "Files that must be equal")
	var rows [][]cell
	for _, w := range s.Watched {
		state := cell{green, "equal"}
		switch {
		case slices.Contains(s.Differs, w.Path):
			state = cell{yellow, "differs"}
		case w.Sum == "" || s.Peer.Membership != "up":
			state = cell{plain, "not known"}
		}
		rows = append(rows, []cell{{plain, w.Path}, state, {plain, watchedWords(s, w)}})
	}
	p.columns(out, "  ", rows)
}

func watchedWords(s api.Status, w api.Watched) string {
	if w.Looked.IsZero() || w.Words != "" {
		return w.Words
	}
	words := size(w.Bytes)
	if w.Tree {
		words = number(w.Entries, "name") + ", " + words
	}
	words += ", looked at " + age(s.At.Sub(w.Looked)) + " ago"
	if w.Slow {
		words += "; not every change is noticed at once"
	}
	return words
}

// size is a number of bytes as people say it.
func size(bytes int64) string {
	const step = 1024
	value, unit := float64(bytes), 0
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	for value >= step && unit < len(units)-1 {
		value, unit = value/step, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d bytes", bytes)
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}
