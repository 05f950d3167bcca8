package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const lockPause = 10 * time.Millisecond // between two looks at a lock that another process holds

// lock opens a lock file and takes it; an error that wraps unix.EWOULDBLOCK says that another process has it.
func lock(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return f, nil
}

// gone waits until no process of the proxy is left.
func (d directory) gone(ctx context.Context) error {
	tick := time.NewTicker(lockPause)
	defer tick.Stop()
	for {
		f, err := lock(d.processesLock(), unix.LOCK_EX)
		switch {
		case err == nil:
			return f.Close()
		case errors.Is(err, os.ErrNotExist):
			return nil // never started here
		case !errors.Is(err, unix.EWOULDBLOCK):
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the proxy's processes to end: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// process names one process for good: a number alone may be another one's by now.
type process struct {
	ID      int    `json:"pid"`
	Started string `json:"started"` // in the kernel's ticks since boot
}

func processOf(id int) process { return process{id, startOf(id)} }

// startOf reads field 22 of the process's stat; empty when there is no such process.
func startOf(id int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the program's name may hold blanks, and ends in the last )
	if i := strings.LastIndex(string(text), ") "); i >= 0 {
		rest = string(text)[i+2:]
	}
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return ""
	}
	return fields[19]
}

// record keeps the processes for a Stop that finds the supervisor dead or mute.
func (d directory) record(list []process) error {
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	next := d.processes() + ".new"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return fmt.Errorf("record the proxy's processes: %w", err)
	}
	return os.Rename(next, d.processes())
}

// kill ends the recorded processes that still are the ones recorded. The supervisor comes first: it would restart
// the others.
func (d directory) kill() error {
	text, err := os.ReadFile(d.processes())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	var list []process
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	for _, p := range list {
		err = errors.Join(err, p.kill())
	}
	return err
}

func (p process) kill() error {
	held, err := os.FindProcess(p.ID) // a pidfd: whoever it is now, it stays the same one
	if err != nil {
		return err
	}
	defer held.Release()
	if p.Started == "" || startOf(p.ID) != p.Started {
		return nil
	}
	if err := held.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill process %d: %w", p.ID, err)
	}
	return nil
}
