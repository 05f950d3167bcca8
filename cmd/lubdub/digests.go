package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"

	"lubdub/internal/config"
)

const (
	// peerTime is how long the other node may take to say what its files are: a
	// login over ssh takes a second or two.
	peerTime = 20 * time.Second
	// peerLines bounds what is read of its answer: a line for each file.
	peerLines = 100
)

// printDigests prints what the other node's files are compared with.
func printDigests(out io.Writer, loaded *config.Loaded) error {
	for _, d := range loaded.Config.Digests {
		if _, err := fmt.Fprintf(out, "%s %s\n", d.Sum, d.File); err != nil {
			return err
		}
	}
	return nil
}

// peerDigests has the other node print the digests of its files, as they are on its disk.
func peerDigests(ctx context.Context, command []string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, peerTime)
	defer cancel()
	words := append(slices.Clone(command), "lubdub", "check", "--digest")
	if len(command) == 0 {
		return nil, fmt.Errorf("there is no peer-command")
	}
	c := exec.CommandContext(ctx, words[0], words[1:]...)
	c.WaitDelay = time.Second // what it started may hold its output open
	var said strings.Builder
	c.Stderr = &said
	text, err := c.Output()
	if err != nil {
		// ssh complains on one, lubdub check of the files on the other.
		first, _, _ := strings.Cut(strings.TrimSpace(said.String()+string(text)), "\n")
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(words, " "), err, visible(first))
	}
	theirs := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if sum, file, ok := strings.Cut(strings.TrimSpace(line), " "); ok && len(theirs) < peerLines {
			theirs[file] = sum
		}
	}
	return theirs, nil
}
