package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	readyNumber = 3                        // the supervisor's descriptor on which it says that it is ready
	readyWord   = "ready"                  // what it says then; anything else is an error's text
	readyLimit  = 4 << 10                  // bytes of it
	killTime    = 2 * time.Second          // what a stop keeps back for killing
	politeTime  = maxDrain + 5*time.Second // the longest that a supervisor needs to end
)

// ErrNotRunning says that there is no proxy of that name here, as opposed to one that is sick.
var ErrNotRunning = errors.New("is not running")

// assignment is what Start tells the supervisor that it starts.
type assignment struct {
	Settings   Settings `json:"settings"`
	Runtime    string   `json:"runtime"`
	Supervisor []string `json:"supervisor"`
	Worker     []string `json:"worker"`
}

// Start starts the proxy as processes of their own and returns when it accepts connections. If it runs already, Start
// brings in the settings, without losing a request, where they differ, and returns when that is done.
func Start(ctx context.Context, settings Settings, place Place) error {
	settings, err := settings.Complete()
	if err != nil {
		return err
	}
	err = apply(ctx, settings, place)
	if errors.Is(err, ErrNotRunning) {
		err = launchDetached(ctx, settings, place)
	}
	if err != nil {
		return fmt.Errorf("start proxy %s: %w", settings.Name, err)
	}
	return nil
}

func apply(ctx context.Context, settings Settings, place Place) error {
	text, err := json.Marshal(settings)
	if err != nil {
		return err
	}
	return command(ctx, place.directory(settings.Name), http.MethodPut, pageSettings, text, nil)
}

// command asks the supervisor; ErrNotRunning if there is none.
func command(ctx context.Context, dir directory, method, page string, body []byte, into any) error {
	client := unixClient(dir.control())
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, method, "http://lubdub"+page, bytes.NewReader(body))
	if err != nil {
		return err
	}
	err = do(client, r, into)
	if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ENOENT) {
		return ErrNotRunning
	}
	return err
}

// launchDetached starts a supervisor that is nobody's child but init's, and waits until it is ready.
func launchDetached(ctx context.Context, settings Settings, place Place) error {
	text, err := json.Marshal(assignment{settings, place.Runtime, place.supervisor(), place.worker()})
	if err != nil {
		return err
	}
	said, say, err := os.Pipe()
	if err != nil {
		return err
	}
	defer said.Close()
	cmd := exec.Command("/proc/self/exe", place.supervisor()...)
	cmd.Stdin = bytes.NewReader(text)
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{say}
	cmd.Dir = "/"
	err = startConfined(cmd, supervisorRights())
	if err = errors.Join(err, say.Close()); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil { // the first of two: it ends as soon as the supervisor is started
		return fmt.Errorf("start the supervisor: %w", err)
	}
	stopWaiting := context.AfterFunc(ctx, func() { _ = said.SetReadDeadline(time.Now()) })
	defer stopWaiting()
	answer, err := io.ReadAll(io.LimitReader(said, readyLimit))
	switch {
	case err != nil:
		return errors.Join(fmt.Errorf("wait for the supervisor: %w", err), ctx.Err())
	case len(answer) == 0:
		return errors.New("the supervisor died before it was ready; its last words are in the log")
	case string(answer) != readyWord:
		return errors.New(strings.TrimPrefix(string(answer), "proxy "+settings.Name+": "))
	}
	return nil
}

// RunDetached is the process that Start starts. It starts itself once more in a session of its own, so that the
// supervisor is init's child and survives whoever called Start; the second one runs the supervisor.
func RunDetached(ctx context.Context) error {
	if err := forgetOOMScore(); err != nil {
		return fmt.Errorf("proxy supervisor: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(os.Stdin, settingsLimit))
	if err != nil {
		return fmt.Errorf("proxy supervisor: read what to do: %w", err)
	}
	var a assignment
	if err := json.Unmarshal(text, &a); err != nil {
		return fmt.Errorf("proxy supervisor: read what to do: %w; it is started by `lubdub proxy start` only", err)
	}
	say := os.NewFile(readyNumber, "ready")
	unix.CloseOnExec(readyNumber)
	if session, err := unix.Getsid(0); err != nil || session != os.Getpid() {
		return again(a, text, say)
	}
	signal.Ignore(syscall.SIGPIPE) // whoever read our log lines may be gone
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	place := Place{Runtime: a.Runtime, Supervisor: a.Supervisor, Worker: a.Worker}
	err = RunSupervisor(ctx, a.Settings, place, func() {
		_, _ = say.WriteString(readyWord) // who started us has gone if this fails
		_ = say.Close()
	})
	if err != nil {
		_, _ = say.WriteString(err.Error())
	}
	return err
}

// again starts this program in a session of its own, with the same input.
func again(a assignment, text []byte, say *os.File) error {
	input, feed, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd := exec.Command("/proc/self/exe", a.Supervisor...)
	cmd.Stdin = input
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{say}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return errors.Join(err, input.Close(), feed.Close())
	}
	_, err = feed.Write(text)
	return errors.Join(err, feed.Close(), input.Close(), cmd.Process.Release())
}

// Stop ends the proxy: no new connection, a moment for those that are there, then the end; and a kill when it does not
// come to that before the context's deadline. It returns nil when no process of the proxy is left, also if none ran.
func Stop(ctx context.Context, name string, place Place) error {
	if err := checkName(name); err != nil {
		return err
	}
	dir := place.directory(name)
	if _, err := os.Stat(string(dir)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	patience := politeTime
	if deadline, ok := ctx.Deadline(); ok {
		patience = min(patience, time.Until(deadline)-killTime)
	}
	polite, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := command(polite, dir, http.MethodPost, pageStop, nil, nil)
	if err == nil || errors.Is(err, ErrNotRunning) {
		// Workers whose supervisor died drain by themselves.
		if err = dir.gone(polite); err == nil {
			return nil
		}
	}
	killErr := dir.kill()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), killTime)
	defer cancel()
	if goneErr := dir.gone(last); goneErr != nil {
		return fmt.Errorf("stop proxy %s: %w", name, errors.Join(err, killErr, goneErr))
	}
	return nil
}

// workerLooks and workerPause give a worker that just died the time in which the
// supervisor starts the next one: some milliseconds, unless they die in a row.
const (
	workerLooks = 6
	workerPause = 50 * time.Millisecond
)

// rest waits, and says whether ctx still runs then.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Monitor asks the proxy how it is. It fails when none runs (ErrNotRunning), when the supervisor does not answer, or
// when no worker accepts. Back ends that are down are in the status and are no failure: the other node sees the same
// back ends, so moving the address there would not help.
func Monitor(ctx context.Context, name string, place Place) (Status, error) {
	var s Status
	if err := checkName(name); err != nil {
		return s, err
	}
	for look := range workerLooks {
		if look > 0 && !rest(ctx, workerPause) {
			break
		}
		s = Status{}
		if err := command(ctx, place.directory(name), http.MethodGet, pageStatus, nil, &s); err != nil {
			return s, fmt.Errorf("proxy %s: %w", name, err)
		}
		if s.Accepting || s.Worker != 0 {
			break
		}
	}
	if !s.Accepting {
		why := "the worker does not answer"
		if s.Worker == 0 {
			why = "no worker runs; the last one ended: " + s.LastExit
		}
		return s, fmt.Errorf("proxy %s: accepts no connection: %s", name, why)
	}
	return s, nil
}
