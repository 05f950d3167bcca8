package main

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"lubdub/internal/daemon"
)

// respawn is what brings the daemon back where there is no systemd.
func (w world) respawn(o daemon.Options) error {
	if w.Getenv("NOTIFY_SOCKET") != "" {
		return misuse("--respawn is for machines without systemd: here systemd itself brings lubdub back, and has to see the daemon; take it out of ExecStart=")
	}
	program, err := installed()
	if err != nil {
		return err
	}
	// As in the unit of systemd: a node that is short of memory should lose anything else. Agents are not spared.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("-1000"), 0) // without the right to do so it is as others are
	ask := listen()
	defer signal.Stop(ask.signals)
	s := daemon.Supervisor{
		Program: program, RuntimeDir: o.RuntimeDir, StateDir: o.StateDir, Signals: ask.signals, Stderr: w.Stderr,
		// The daemon's arguments are ours, but for the flag that makes us its supervisor.
		Args:  slices.DeleteFunc(slices.Clone(w.Args), func(arg string) bool { return strings.HasPrefix(arg, "--respawn") }),
		Final: final(), Again: exitAgain,
	}
	code, err := s.Run()
	if err != nil || code == exitDone {
		return err
	}
	return exit{code, nil} // the daemon has said why
}

// final are the statuses that another start does not mend. exitMisuse is none of them: a Go program that panics ends with
// it, and the supervisor has read the same arguments before.
func final() []int { return []int{exitDone, exitConfig} }

// installed is the path from which this program was started, and not the file that it was then: whatever is installed
// there later is what is started next, also behind a symbolic link.
func installed() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	named, err := exec.LookPath(os.Args[0])
	if err != nil {
		return self, nil
	}
	if named, err = filepath.Abs(named); err != nil {
		return self, nil
	}
	a, errA := os.Stat(named)
	b, errB := os.Stat(self)
	if errA == nil && errB == nil && os.SameFile(a, b) {
		return named, nil
	}
	return self, nil
}
