package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/syslog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lubdub/internal/cluster"
)

const (
	// shortLife is the life of a daemon below which its death counts with those before it.
	shortLife = 10 * time.Second
	// firstPause and maxPause bound the wait before a daemon that dies again and again is started again. The first
	// death is followed by a start at once. Trying never ends: what made it die may be mended.
	firstPause = 100 * time.Millisecond
	maxPause   = time.Minute
	// manyDeaths in a row are worth an alarm of their own.
	manyDeaths = 4
	// sayQueue is how many lines wait for a log that hangs; sayTime is how long the end waits for them.
	sayQueue = 16
	sayTime  = time.Second
	// killed is what a shell adds to the number of a signal that ended a process.
	killed = 128
	// whoseTime is how long a control socket that is there may take to be connected: it is on this machine.
	whoseTime = time.Second
)

// ErrSupervised says that a supervisor runs on this node already.
var ErrSupervised = errors.New("lubdub run --respawn runs on this node already")

// Supervisor keeps a daemon running where there is no systemd: it starts it as a child, and again when it died. The
// child outlives it: whoever loses the supervisor loses nothing that serves. One that is started then finds the daemon
// and watches it.
type Supervisor struct {
	Program    string   // started anew from this path each time: a binary that was installed meanwhile counts
	Args       []string // of the daemon
	RuntimeDir string   // the daemon's
	StateDir   string   // the daemon's
	Signals    <-chan os.Signal
	Stderr     io.Writer
	Final      []int // exit statuses that another start does not mend
	Again      int   // exit status that asks for a start at once

	lines chan line
	short int // deaths in a row after a short life
}

type line struct {
	level cluster.Level
	at    time.Time
	words string
}

// life is one of the daemon's lives.
type life struct {
	process *os.Process
	began   time.Time
	ended   chan int // its exit status, or 128 and the signal; unseen if it is not our child
	ours    bool
	file    os.FileInfo // what the life before it had left as lifeFile; nil: nothing
}

// unseen is the exit status of a process that was not ours.
const unseen = -1

// Run keeps a daemon running until it is told to end (SIGTERM, SIGINT: passed on, as all Signals are), until the daemon
// left the cluster, or ended with a Final status. It returns the daemon's exit status.
func (s *Supervisor) Run() (int, error) {
	lock, err := lockFile(s.RuntimeDir, "respawn.lock", ErrSupervised)
	if err != nil {
		return 0, err
	}
	defer lock.Close()
	s.lines = make(chan line, sayQueue)
	written := make(chan struct{})
	go func() { defer close(written); s.write() }()
	code := s.keep()
	close(s.lines)
	select {
	case <-written:
	case <-time.After(sayTime):
	}
	return code, nil
}

// keep starts one life after the other.
func (s *Supervisor) keep() int {
	for {
		l, err := s.begin()
		code := unseen
		if err == nil {
			var told bool
			if code, told = s.watch(l); told || s.final(l, code) {
				return s.farewell(code, told)
			}
		} else {
			s.say(cluster.Alarm, fmt.Sprintf("lubdub cannot be started: %v; it is tried again", err))
		}
		pause := s.rest(l, code)
		if l != nil {
			s.report(l, code, pause)
		}
		if pause > 0 && s.told(pause) {
			s.say(cluster.Alarm, "told to end while no lubdub ran: what it had started may still run, and its address is silent; lubdub run and a SIGTERM stop it")
			return 1
		}
	}
}

// begin starts a daemon, or finds the one that runs.
func (s *Supervisor) begin() (*life, error) {
	if l := s.find(); l != nil {
		s.say(cluster.Warning, fmt.Sprintf("lubdub runs here already, as process %d: it is watched, and started again when it dies", l.process.Pid))
		return l, nil
	}
	former, _ := os.Stat(filepath.Join(s.StateDir, lifeFile)) // nil if there is none
	// A session of its own: what happens to the supervisor's terminal does not happen to the daemon.
	p, err := os.StartProcess(s.Program, append([]string{s.Program}, s.Args...), &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return nil, err
	}
	l := &life{process: p, began: time.Now(), ended: make(chan int, 1), ours: true, file: former}
	first := os.Getpid() == 1 // of a container: what its children leave is ours to wait for
	go func() { l.ended <- reap(p.Pid, first) }()
	return l, nil
}

// find finds a daemon that runs here.
func (s *Supervisor) find() *life {
	pid := whose(filepath.Join(s.RuntimeDir, SocketName))
	if pid == 0 {
		return nil
	}
	watched, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		_ = unix.Close(watched)
		return nil
	}
	l := &life{process: p, began: time.Now(), ended: make(chan int, 1)}
	go func() {
		defer unix.Close(watched)
		for {
			_, err := unix.Poll([]unix.PollFd{{Fd: int32(watched), Events: unix.POLLIN}}, -1)
			if !errors.Is(err, unix.EINTR) {
				break
			}
		}
		l.ended <- unseen
	}()
	return l
}

// whose is the process that listens on a unix socket; 0: none.
func whose(path string) int {
	c, err := net.DialTimeout("unix", path, whoseTime)
	if err != nil {
		return 0
	}
	defer c.Close()
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0
	}
	pid := 0
	err = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = int(cred.Pid)
		}
	})
	if err != nil {
		return 0
	}
	return pid
}

// reap waits for a child; with all, meanwhile, for whatever else has become our child.
func reap(child int, all bool) int {
	which := child
	if all {
		which = -1
	}
	for {
		var status unix.WaitStatus
		switch pid, err := unix.Wait4(which, &status, 0, nil); {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return unseen
		case pid != child:
		case status.Signaled():
			return killed + int(status.Signal())
		case status.Exited():
			return status.ExitStatus()
		}
	}
}

// watch passes signals on until the daemon ends; told says that it was told to.
func (s *Supervisor) watch(l *life) (code int, told bool) {
	for {
		select {
		case code := <-l.ended:
			return code, told
		case sig := <-s.Signals:
			told = told || sig == syscall.SIGTERM || sig == syscall.SIGINT
			_ = l.process.Signal(sig) // an error says that it has ended
		}
	}
}

// final says that the daemon is not to be started again.
func (s *Supervisor) final(l *life, code int) bool {
	for _, f := range s.Final {
		if code == f {
			return true
		}
	}
	// It left the cluster, although something may not have stopped. Of one that was not our child only this is known.
	var was lived
	path := filepath.Join(s.StateDir, lifeFile)
	info, err := os.Stat(path)
	if err != nil || l.file != nil && os.SameFile(l.file, info) && l.file.ModTime().Equal(info.ModTime()) {
		return false // it had no time to write one: what is there is that of a life before it, maybe with the same number
	}
	text, err := os.ReadFile(path)
	boot, _ := os.ReadFile(bootIDFile)
	return err == nil && json.Unmarshal(text, &was) == nil && was.Pid == l.process.Pid && was.Boot == strings.TrimSpace(string(boot)) && was.Ended == endedLeft
}

// farewell is the exit status of the supervisor.
func (s *Supervisor) farewell(code int, told bool) int {
	switch {
	case code == unseen:
		return 0
	case !told && code != 0:
		s.say(cluster.Alarm, fmt.Sprintf("lubdub ended with status %d and is not started again, for that would not mend it; see: lubdub check", code))
	case code > killed, code == s.Again && s.Again != 0:
		s.say(cluster.Alarm, fmt.Sprintf("lubdub was told to end and did so with status %d, without leaving: what it had started may still run", code))
	}
	return code
}

// rest is how long to wait before the next start.
func (s *Supervisor) rest(l *life, code int) time.Duration {
	switch {
	case l != nil && s.Again != 0 && code == s.Again:
		return 0
	case l != nil && time.Since(l.began) >= shortLife:
		s.short = 0
		return 0
	}
	s.short++
	return pauseAfter(s.short)
}

// pauseAfter is the pause after so many short lives in a row.
func pauseAfter(short int) time.Duration {
	if short <= 1 {
		return 0
	}
	return min(firstPause<<min(short-2, 20), maxPause)
}

// report says how a daemon ended.
func (s *Supervisor) report(l *life, code int, pause time.Duration) {
	lived := time.Since(l.began).Round(time.Millisecond)
	how := fmt.Sprintf("ended with status %d", code)
	switch {
	case code == s.Again && s.Again != 0:
		s.say(cluster.Info, "lubdub is started again, as it was told")
		return
	case code == unseen:
		how = "ended"
	case code > killed:
		how = fmt.Sprintf("was ended by signal %d (%v)", code-killed, syscall.Signal(code-killed))
	}
	words := fmt.Sprintf("lubdub %s after %v and is started again", how, lived)
	if pause > 0 {
		words += fmt.Sprintf(" in %v", pause)
	}
	if s.short >= manyDeaths {
		words += fmt.Sprintf("; it died %d times in a row: the other node should serve by now, look at the log", s.short)
	}
	s.say(cluster.Alarm, words)
}

// told waits for a pause, and says whether the supervisor was told to end. Any other signal ends the pause.
func (s *Supervisor) told(pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return false
	case sig := <-s.Signals:
		return sig == syscall.SIGTERM || sig == syscall.SIGINT
	}
}

// say logs a line. It never waits: a log that hangs must not keep the daemon down.
func (s *Supervisor) say(level cluster.Level, words string) {
	select {
	case s.lines <- line{level, time.Now(), words}:
	default:
	}
}

// write writes each line to stderr and to syslog, if that is there.
func (s *Supervisor) write() {
	to := logger{stderr: s.Stderr, journald: os.Getenv("JOURNAL_STREAM") != ""}
	for l := range s.lines {
		to.toStderr(l.level, l.at, l.words)
		if w, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, "lubdub"); err == nil {
			to.syslog = w
			_ = to.toSyslog(l.level, l.words) // it stands on stderr
			_ = w.Close()
		}
	}
}
