package agent

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxGrace is how long a process group has between SIGTERM and SIGKILL: enough to remove a lock file, too short
	// to hold up what waits for the action. With a short time-out it is half of that.
	maxGrace = 2 * time.Second
	// reapTime is how long a killed process may take to be gone. Longer takes one that waits in the kernel, for a
	// dead disk or file server; nothing can end that.
	reapTime = time.Second
	// lookTime is how often it is looked whether a process group is gone.
	lookTime = 10 * time.Millisecond
	// agentUmask is that of Heartbeat.
	agentUmask = 0o022
	// firstStray is the first descriptor after input, output and errors.
	firstStray = 3
)

// command is one process to run.
type command struct {
	argv     []string
	env      []string
	split    bool   // keep standard output apart
	input    string // what it reads, at most [maxInput]; empty: nothing
	grace    time.Duration
	as       *syscall.Credential // whom it runs as; nil: whoever we are
	hopeless *vain               // how it shows that it will never succeed: it is ended then. Nil: nothing is known
	begun    func(pid int)       // is told of the process as soon as it runs; nil: nobody is
}

// ending is how a process ended.
type ending struct {
	code     int
	signal   syscall.Signal // which ended it; 0: none
	leash    error          // it was ended because of this: the error of its context
	hopeless bool           // it was ended, for what it printed
	stuck    int            // its process id, when even SIGKILL did not end it
	doing    string         // what ran of it when its time was over
	output   string         // standard output, when kept apart
	all      string         // all that it wrote
}

// run runs the process until it exits or ctx ends it with its process group. An error means that it did not run.
func (c command) run(ctx context.Context) (ending, error) {
	if err := ctx.Err(); err != nil {
		return ending{leash: err}, nil
	}
	in, err := inputOf(c.input)
	if err != nil {
		return ending{}, err
	}
	if in != nil {
		defer in.Close()
	}
	rest, err := newCapture(c.looksFor())
	if err != nil {
		return ending{}, err
	}
	output := rest
	if c.split {
		if output, err = newCapture(nil); err != nil {
			_, closing := rest.finish()
			return ending{}, errors.Join(err, closing)
		}
	}
	cmd := exec.Command(c.argv[0], c.argv[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = c.env, "/", output.w, rest.w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: c.as}
	if in != nil {
		cmd.Stdin = in
	}
	e, err := c.wait(ctx, cmd, rest.seen)
	all, closing := rest.finish()
	e.all = all
	if c.split {
		var second error
		e.output, second = output.finish()
		e.all += e.output
		closing = errors.Join(closing, second)
	}
	return e, errors.Join(err, closing)
}

// looksFor is what is looked for in its output; nil: nothing.
func (c command) looksFor() *regexp.Regexp {
	if c.hopeless == nil {
		return nil
	}
	return c.hopeless.said
}

// maxInput is what fits into a pipe that nobody reads yet, so that writing never waits.
const maxInput = 64 << 10

// inputOf is a pipe that holds the text and ends behind it; none without a text.
func inputOf(text string) (*os.File, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > maxInput {
		return nil, fmt.Errorf("its input has %d bytes, more than %d", len(text), maxInput)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe for the input: %w", err)
	}
	_, err = w.WriteString(text)
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("write the input: %w", err), r.Close())
	}
	return r, nil
}

// wait starts the process and waits for its end.
func (c command) wait(ctx context.Context, cmd *exec.Cmd, seen <-chan struct{}) (ending, error) {
	started, done := launch(cmd)
	if err := <-started; err != nil {
		return ending{}, err
	}
	if c.begun != nil {
		c.begun(cmd.Process.Pid)
	}
	var e ending
	select {
	case <-done:
	case <-seen:
		// What it waits for is told first, and an agent that does notice ends by itself.
		e.hopeless = !within(ctx, c.hopeless.patience, done)
	case <-ctx.Done():
	}
	if !over(done) { // else it was faster
		if e.leash = ctx.Err(); e.leash != nil {
			e.hopeless, e.doing = false, doing(cmd.Process.Pid)
		}
		if !endGroup(cmd.Process.Pid, done, c.grace) {
			e.stuck = cmd.Process.Pid
			return e, nil
		}
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		e.signal = status.Signal()
	}
	e.code = cmd.ProcessState.ExitCode()
	return e, nil
}

// within waits for the end of a process, not longer than that.
func within(ctx context.Context, that time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(that)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

func over(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// launch starts the process with our umask, which belongs to the thread that starts it: that thread is the goroutine's
// alone and ends with it. The goroutine ends when the process does.
func launch(cmd *exec.Cmd) (started <-chan error, done <-chan struct{}) {
	begin, end := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(end)
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			begin <- err
			return
		}
		unix.Umask(agentUmask)
		// Whatever the daemon itself was given goes to no agent. Kernels before 5.11 cannot do that at once; what Go
		// opened stays here in any case.
		_ = unix.CloseRange(firstStray, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
		err := cmd.Start()
		begin <- err
		if err == nil {
			spareNoLonger(cmd.Process.Pid)
			_ = cmd.Wait() // what it has to say is in ProcessState
		}
	}()
	return begin, end
}

// spareNoLonger takes back that the kernel should spare a process when memory
// runs out: the daemon is spared, what it starts is not. A process that is gone
// already needs nothing.
func spareNoLonger(pid int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("0"), 0)
}

// endGroup ends a process group and says whether its first process is gone.
func endGroup(pid int, done <-chan struct{}, grace time.Duration) bool {
	look := time.NewTicker(lookTime)
	defer look.Stop()
	graceEnd := time.NewTimer(grace)
	defer graceEnd.Stop()
	signalGroup(pid, unix.SIGTERM)
	for waiting := true; waiting; {
		select {
		case <-graceEnd.C:
			waiting = false
		case <-look.C:
			waiting = signalGroup(pid, 0)
		}
	}
	signalGroup(pid, unix.SIGKILL)
	reap := time.NewTimer(reapTime)
	defer reap.Stop()
	select {
	case <-done:
		return true
	case <-reap.C:
		return false
	}
}

// signalGroup sends a signal to a process group and says whether there was one.
func signalGroup(pid int, signal syscall.Signal) bool {
	return !errors.Is(unix.Kill(-pid, signal), unix.ESRCH)
}
