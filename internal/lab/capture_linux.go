package lab

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// captureStart is how long tcpdump may take until it listens.
const captureStart = 10 * time.Second

// Capture is a tcpdump that writes to a file.
type Capture struct {
	// File is the capture file, in the lab's directory.
	File    string
	process *Process
}

// Capture records the frames on the host's interface to a network, those that a tcpdump filter chooses, or all. It records when it
// returns. It needs root: in a user namespace of one user tcpdump cannot change its groups, and refuses to go on.
func (h *Host) Capture(network, filter string) (*Capture, error) {
	if mappedUser() {
		return nil, fmt.Errorf("capture on %s: tcpdump cannot run without root; run as root", h.name)
	}
	eth, _ := h.Interface(network)
	args := []string{"-i", eth, "-n", "-U", "--immediate-mode", "-Z", "root", "-w", ""}
	file, err := filepath.Abs(filepath.Join(h.lab.dir, fmt.Sprintf("%s-%s-%d.pcap", h.name, network, Now())))
	if err != nil {
		return nil, err
	}
	args[len(args)-1] = file
	if filter != "" {
		args = append(args, filter)
	}
	p, err := h.Start("tcpdump", args...)
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("capture: the program tcpdump is missing; install Debian's package tcpdump: %w", err)
	}
	if err != nil {
		return nil, err
	}
	for deadline := Now() + captureStart; !strings.Contains(p.Output(), "listening on"); time.Sleep(5 * time.Millisecond) {
		select {
		case <-p.done:
			return nil, fmt.Errorf("capture on %s: tcpdump ended: %s", h.name, strings.TrimSpace(p.Output()))
		default:
		}
		if Now() > deadline {
			p.Kill()
			return nil, fmt.Errorf("capture on %s: tcpdump does not listen after %v", h.name, captureStart)
		}
	}
	return &Capture{File: file, process: p}, nil
}

// Stop ends the capture; the file is then complete.
func (c *Capture) Stop() {
	_ = c.process.Signal(syscall.SIGINT) // tcpdump then writes what it holds
	<-c.process.done
}

// Fields asks tshark for fields of the captured frames that a display filter chooses: one row a frame, one column a field. Stop the
// capture first, or the last frame may be missing.
func (c *Capture) Fields(ctx context.Context, filter string, fields ...string) ([][]string, error) {
	args := []string{"-n", "-r", c.File, "-T", "fields"}
	if filter != "" {
		args = append(args, "-Y", filter)
	}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	cmd := exec.CommandContext(ctx, "tshark", args...)
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("the program tshark is missing; install Debian's package tshark: %w", err)
	}
	if err != nil && len(out) == 0 {
		return nil, fmt.Errorf("tshark: %w: %s", err, strings.TrimSpace(problems.String()))
	}
	var rows [][]string
	for line := range strings.Lines(string(out)) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	return rows, nil
}
