package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lubdub/internal/cluster"
	"lubdub/internal/vip"
)

// tokenVariable is in the environment of every agent, and of what it starts. Its value names the action.
const tokenVariable = "LUBDUB_ACTION"

// underway is written down of each process of an agent while it runs: should the daemon be killed meanwhile, the agent
// goes on, and the daemon's next life finds it. Never two actions of one resource at once.
type underway struct {
	Action cluster.Action
	Token  string       // what tokenVariable says there
	Until  cluster.Time // when the action is given up
	// Program is the agent's, which its arguments hold. Empty: its service may have the same ones, as that of a plain command.
	Program string
	Pid     int    // 0: it was about to be started
	Began   uint64 // as in process: a number may be given again, to another process
}

// note is the file of an underway; nil writes nothing.
type note struct {
	path string
	is   underway
}

// notePath is where the action of a resource is written down; empty: nowhere. The name is never "." or "..".
func (r *Runner) notePath(q Request) string {
	if r.ActionDir == "" {
		return ""
	}
	return filepath.Join(r.ActionDir, url.QueryEscape(q.Group+"/"+q.Resource.Name))
}

// note writes down that an agent is about to be started. Where that cannot be done the action goes on all the same: a
// full disk is no reason to leave a service down.
func (r *Runner) note(ctx context.Context, q Request, p plan) *note {
	path := r.notePath(q)
	if path == "" {
		return nil
	}
	now := vip.Boottime()
	n := &note{path: path, is: underway{Action: q.Action, Token: fmt.Sprintf("%s@%d", filepath.Base(path), now)}}
	if p.class != classExec {
		n.is.Program = p.path
	}
	if end, ok := ctx.Deadline(); ok {
		n.is.Until = cluster.Time(now).Add(time.Until(end))
	}
	_ = os.MkdirAll(r.ActionDir, 0o700)
	n.write()
	return n
}

// write is one system call for the content: a reader finds the old one or the new one, which is never shorter.
func (n *note) write() {
	text, err := json.Marshal(n.is)
	if err != nil {
		return
	}
	f, err := os.OpenFile(n.path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.WriteAt(text, 0)
}

// begun writes down which process it is.
func (n *note) begun(pid int) {
	if n == nil {
		return
	}
	if p, ok := processOf(pid); ok {
		n.is.Pid, n.is.Began = pid, p.began
		n.write()
	}
}

// env is what the process is told.
func (n *note) env() []string {
	if n == nil {
		return nil
	}
	return []string{tokenVariable + "=" + n.is.Token}
}

// over takes the note away: the process has ended.
func (n *note) over() {
	if n != nil {
		_ = os.Remove(n.path) // a note of a process that is gone does no harm
	}
}

// await waits for the agent that an earlier life of the daemon left on the resource. A start or a stop has the time that
// it was given, and is ended then with its process group, as if that life still lived; or at once when the waiting
// action is cancelled. A start in a group that this life does not take over is ended at once, for the other node may
// start it, too. Whatever else is under way only looks, and is ended at once. It says whether a start was ended, which
// leaves nobody knows what.
func (r *Runner) await(ctx context.Context, q Request) (cut bool) {
	path := r.notePath(q)
	if path == "" {
		return false
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return false // the usual case: there is none
	}
	var was underway
	if json.NewDecoder(bytes.NewReader(text)).Decode(&was) == nil && was.Token != "" {
		cut = r.outlive(ctx, q, was)
	}
	_ = os.Remove(path)
	return cut
}

// outlive waits for the end of what was under way, and says whether that was a start and had to be ended.
func (r *Runner) outlive(ctx context.Context, q Request, was underway) bool {
	all := marked(was.Token)
	pipes := hear(all)
	agent, alive := was.leader(all)
	began, ended := time.Now(), false
	if alive {
		ended = !agent.awaited(ctx, r.patience(q, was))
	}
	var lines []string
	for _, c := range pipes {
		if text, err := c.finish(); err == nil {
			lines = append(lines, linesOf(text)...)
		}
	}
	cut := ended && was.Action == cluster.Start
	if !alive || r.Tell == nil || was.Action != cluster.Start && was.Action != cluster.Stop {
		return cut
	}
	words := fmt.Sprintf("%s: the %s that lubdub had begun before it was started anew was still under way: ", q.Resource.Name, was.Action)
	if ended {
		words += fmt.Sprintf("it was ended after %v", time.Since(began).Round(time.Millisecond))
	} else {
		words += fmt.Sprintf("it was waited for, %v", time.Since(began).Round(time.Millisecond))
	}
	r.Tell(q.Group, words, lastLines(lines))
	return cut
}

// patience is how long the agent may go on.
func (r *Runner) patience(q Request, was underway) time.Duration {
	if was.Action != cluster.Stop && (was.Action != cluster.Start || !r.Adopted[q.Group] && !q.Resource.Warm) {
		return 0
	}
	return max(0, was.Until.Sub(cluster.Time(vip.Boottime())))
}

// leader is the agent's own process, if it still runs. A daemon that was killed before it knew the number left the
// first of those that carry the token and run the agent's program: its service carries the token, too, and is not to be
// taken for it. Where nothing tells them apart there is none.
func (u underway) leader(all []process) (process, bool) {
	if u.Pid != 0 {
		p, ok := processOf(u.Pid)
		return p, ok && p.began == u.Began
	}
	all = slices.DeleteFunc(slices.Clone(all), func(p process) bool {
		return p.session != p.pid || u.Program == "" || !strings.Contains("\x00"+p.args, "\x00"+u.Program+"\x00")
	})
	if len(all) == 0 {
		return process{}, false
	}
	return slices.MinFunc(all, func(a, b process) int { return int(int64(a.began) - int64(b.began)) }), true
}

// process is one that runs on this machine.
type process struct {
	pid, session int
	began        uint64 // in ticks of the kernel since boot
	args         string // each with a zero byte behind it; only marked reads them
}

// The fields of /proc/PID/stat behind the name, as proc(5) numbers them, less 3.
const (
	statState   = 0
	statSession = 3
	statBegan   = 19
)

// processOf looks a process up; a zombie has ended.
func processOf(pid int) (process, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, false
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) <= statBegan || fields[statState] == "Z" || fields[statState] == "X" {
		return process{}, false
	}
	p := process{pid: pid}
	p.session, _ = strconv.Atoi(fields[statSession])
	p.began, err = strconv.ParseUint(fields[statBegan], 10, 64)
	return p, err == nil
}

// scanTime is how long the environment of one process is waited for: to read it may take until a dead file server answers,
// which that process waits for.
const scanTime = 2 * time.Second

// marked are the processes whose environment holds the token: the agent, and what it started.
func marked(token string) []process {
	files, _ := filepath.Glob("/proc/[0-9]*/environ") // the pattern is right
	return markedIn(files, token, scanTime)
}

// markedIn looks through environments until one cannot be read within limit. Then it has those that were found before; the
// look that hangs is left behind.
func markedIn(files []string, token string, limit time.Duration) []process {
	read, stop := make(chan *process), make(chan struct{})
	defer close(stop)
	go func() {
		defer close(read)
		for _, f := range files {
			select {
			case read <- markedBy(f, token):
			case <-stop:
				return
			}
		}
	}()
	var all []process
	for {
		select {
		case p, more := <-read:
			if !more {
				return all
			}
			if p != nil {
				all = append(all, *p)
			}
		case <-time.After(limit):
			return all
		}
	}
}

// markedBy is the process of an environment that holds the token; nil if it does not.
func markedBy(file, token string) *process {
	text, err := os.ReadFile(file)
	if err != nil || !bytes.Contains(text, []byte(tokenVariable+"="+token+"\x00")) {
		return nil
	}
	dir := filepath.Dir(file)
	pid, _ := strconv.Atoi(filepath.Base(dir))
	p, ok := processOf(pid)
	if !ok {
		return nil
	}
	args, _ := os.ReadFile(filepath.Join(dir, "cmdline")) // it has just ended: no arguments
	p.args = string(args)
	return &p
}

// awaited waits for the end of a process that is not our child; when its time is over it ends its process group. It
// says whether the process ended by itself.
func (p process) awaited(ctx context.Context, patience time.Duration) bool {
	done, stop := make(chan struct{}), make(chan struct{})
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		look := time.NewTicker(lookTime)
		defer look.Stop()
		for {
			if now, ok := processOf(p.pid); !ok || now.began != p.began {
				close(done)
				return
			}
			select {
			case <-look.C:
			case <-stop:
				return
			}
		}
	}()
	defer func() { close(stop); <-gone }()
	if within(ctx, patience, done) {
		return true
	}
	endGroup(p.pid, done, maxGrace)
	return false
}

// hear takes over the pipes into which orphans write: nobody reads them since the daemon died, and a service that holds
// one would stop at its 65,537th byte (see capture). What cannot be taken over stays as it is.
func hear(orphans []process) []*capture {
	var all []*capture
	known := map[string]bool{}
	for _, p := range orphans {
		for descriptor := 1; descriptor <= 2; descriptor++ {
			path := fmt.Sprintf("/proc/%d/fd/%d", p.pid, descriptor)
			pipe, err := os.Readlink(path)
			if err != nil || !strings.HasPrefix(pipe, "pipe:") || known[pipe] {
				continue
			}
			if c := takeOver(p.pid, descriptor, path); c != nil {
				known[pipe] = true
				all = append(all, c)
			}
		}
	}
	return all
}

// takeOver makes a capture of a process's pipe: a reading end of our own, and the process's own writing end, which alone
// can be made non-blocking for it.
func takeOver(pid, descriptor int, path string) *capture {
	owner, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(owner)
	both, err := unix.PidfdGetfd(owner, descriptor, 0)
	if err != nil {
		return nil
	}
	r, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		_ = unix.Close(both)
		return nil
	}
	c := &capture{r: os.NewFile(uintptr(r), "output"), w: os.NewFile(uintptr(both), "output"), done: make(chan struct{})}
	go c.listen()
	return c
}
