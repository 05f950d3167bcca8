package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// maxOutput is how much of a process's output is given back; the whole of it is in the log file.
	maxOutput = 1 << 20
	// maxLine bounds one record of an instrument; they are some hundred bytes.
	maxLine = 64 << 10
)

// Process is a program that runs on a host, in a session of its own.
type Process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{}
	err  error // written before done is closed
}

// environment is what every program of a host starts with, whatever the caller's own is.
func environment() []string {
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb",
	}
	if dir := os.Getenv("GOCOVERDIR"); dir != "" {
		env = append(env, "GOCOVERDIR="+dir)
	}
	// A program built with the race detector would sleep a second before it ends.
	return append(env, "GORACE="+strings.TrimSpace("atexit_sleep_ms=10 "+os.Getenv("GORACE")))
}

// Start runs a program on the host. A name without a slash is looked up in the host's usual directories. Its output goes to a
// log in the lab's directory. It ends with the host at the latest.
func (h *Host) Start(program string, args ...string) (*Process, error) {
	cmd := &exec.Cmd{Path: program, Args: append([]string{program}, args...)}
	return h.start(filepath.Base(program), cmd)
}

func (h *Host) start(label string, cmd *exec.Cmd) (*Process, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.started++
	log := filepath.Join(h.lab.dir, fmt.Sprintf("%s-%03d-%s.log", h.name, h.started, label))
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s on %s: %w", label, h.name, err)
	}
	defer out.Close()
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = environment(), "/", out, out
	// A session of its own: Ctrl-C on the caller's terminal is not for the host's programs.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = h.do(func() error {
		if err := findProgram(cmd); err != nil {
			return err
		}
		return cmd.Start()
	})
	if err != nil {
		return nil, fmt.Errorf("start %s on %s: %w", label, h.name, err)
	}
	p := &Process{cmd: cmd, log: log, done: make(chan struct{})}
	// Every process is waited for, so that the init of its host can end.
	go func() { defer close(p.done); p.err = cmd.Wait() }()
	return p, nil
}

// findProgram completes a bare program name from the host's own search path.
func findProgram(cmd *exec.Cmd) error {
	if strings.Contains(cmd.Path, "/") {
		return nil
	}
	path, _ := strings.CutPrefix(environment()[0], "PATH=")
	for _, dir := range filepath.SplitList(path) {
		full := filepath.Join(dir, cmd.Path)
		if s, err := os.Stat(full); err == nil && s.Mode().IsRegular() && unix.Access(full, unix.X_OK) == nil {
			cmd.Path = full
			return nil
		}
	}
	return fmt.Errorf("%s: %w", cmd.Path, exec.ErrNotFound)
}

// Run runs a program on the host to its end and returns its output, standard error included. When the context ends first, the
// program and its process group are killed. The output is in the error too, when there is one.
func (h *Host) Run(ctx context.Context, program string, args ...string) (string, error) {
	p, err := h.Start(program, args...)
	if err != nil {
		return "", err
	}
	err = p.Wait(ctx)
	if ctx.Err() != nil {
		p.Kill()
	}
	out := p.Output()
	_ = os.Remove(p.log)
	if err != nil {
		return out, fmt.Errorf("run %s on %s: %w: %s", program, h.name, err, strings.TrimSpace(out))
	}
	return out, nil
}

// Pid returns the process's id as the caller sees it. Inside its host it has another.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends a signal to the process alone.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Wait waits until the process ends and returns how, as exec.Cmd.Wait does; or until the context ends, and returns its error.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Kill kills the process and its process group, and waits for the process's end.
func (p *Process) Kill() {
	_ = unix.Kill(-p.Pid(), unix.SIGKILL) // it may have ended already
	<-p.done
}

// Log returns the path of the file that holds all the process has written.
func (p *Process) Log() string { return p.log }

// Output returns what the process has written so far, the last MiB of it.
func (p *Process) Output() string {
	f, err := os.Open(p.log)
	if err != nil {
		return ""
	}
	defer f.Close()
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		_, _ = f.Seek(max(0, size-maxOutput), io.SeekStart)
	}
	text, _ := io.ReadAll(io.LimitReader(f, maxOutput))
	return string(text)
}

// stop asks the process to end and waits for it.
func (p *Process) stop() {
	_ = p.Signal(syscall.SIGTERM)
	<-p.done
}

// startTool runs one of the lab's own roles on the host and returns when it says that it is ready. What it reports after that,
// a JSON value a line, comes from the reader.
func (h *Host) startTool(role string, config any) (*Process, io.ReadCloser, error) {
	text, err := json.Marshal(config)
	if err != nil {
		return nil, nil, err
	}
	records, report, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	cmd := &exec.Cmd{Path: self, Args: []string{role, string(text)}, ExtraFiles: []*os.File{report}}
	p, err := h.start(strings.TrimPrefix(role, "lubdub-lab-"), cmd)
	report.Close()
	if err != nil {
		records.Close()
		return nil, nil, err
	}
	said := make([]byte, len(ready)+1)
	if _, err := io.ReadFull(records, said); err != nil {
		records.Close()
		p.Kill()
		return nil, nil, fmt.Errorf("start %s on %s: %s", role, h.name, strings.TrimSpace(p.Output()))
	}
	return p, records, nil
}

// tool makes a role of a function that takes its configuration as JSON and reports records as JSON lines. The function calls
// begin when it is set up, and returns when its context ends: on SIGTERM, or when nobody reads its records any more.
func tool[C any](run func(ctx context.Context, config C, begin func() (*json.Encoder, error)) error) func([]string) int {
	return func(args []string) int {
		report := os.NewFile(3, "report")
		unix.CloseOnExec(3)
		var config C
		if len(args) != 1 || json.Unmarshal([]byte(args[0]), &config) != nil {
			fmt.Fprintln(os.Stderr, "this is a role of the lab, not a command")
			return initFailed
		}
		ctx, stop := signalContext()
		defer stop()
		err := run(ctx, config, func() (*json.Encoder, error) {
			_, err := fmt.Fprintln(report, ready)
			return json.NewEncoder(report), err
		})
		if err != nil && !errors.Is(err, unix.EPIPE) {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
}

// scanLines calls each with every line of r, until its end.
func scanLines(r io.Reader, each func([]byte)) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, maxLine), maxLine)
	for lines.Scan() {
		each(lines.Bytes())
	}
}
