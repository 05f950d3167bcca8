package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"lubdub/internal/api"
)

// The words and exit status of a Nagios plugin, from the Monitoring Plugins'
// development guidelines.
const (
	nagiosOK = iota
	nagiosWarning
	nagiosCritical
	nagiosUnknown
)

func nagiosWord(code int) string { return [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}[code] }

// nagios prints one line for a monitoring system.
func (w world) nagios(ctx context.Context, daemon asker) error {
	s, err := daemon.status(ctx)
	code, words := judge(s)
	switch {
	case errors.Is(err, api.ErrNotRunning):
		code, words = nagiosCritical, err.Error()
	case err != nil:
		code, words = nagiosUnknown, err.Error()
	}
	// A bar would end the words and begin the figures.
	if _, err := fmt.Fprintf(w.Stdout, "LUBDUB %s - %s\n", nagiosWord(code), strings.ReplaceAll(visible(words), "|", "/")); err != nil {
		return err
	}
	if code == nagiosOK {
		return nil
	}
	return exit{code: code}
}

// judge says how bad things are: critical when a group is not served, a warning
// when something should be mended before the next failure.
func judge(s api.Status) (int, string) {
	for _, g := range s.Groups {
		state := g.State
		if g.Owner == s.Peer.Name {
			state = g.PeerState
		}
		if g.Owner == "" || state == "mute" || state == "blocked" {
			return nagiosCritical, s.Sentence
		}
	}
	if len(s.Warnings) > 0 {
		return nagiosWarning, s.Sentence + "; " + strings.Join(s.Warnings, "; ")
	}
	if s.Peer.Membership != "up" || s.Peer.Standby {
		return nagiosWarning, s.Sentence
	}
	return nagiosOK, s.Sentence
}
