package agent

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

const (
	// maxProcesses bounds how many processes are looked at.
	maxProcesses = 50_000
	// maxNamed is how many processes of an action are named.
	maxNamed = 4
)

// listener is who listens on a port.
type listener struct {
	pid  int
	name string // of the program
	unit string // of systemd that it belongs to; empty: none
	boot bool   // the unit is started at boot
}

// listeners finds who listens on a TCP port; nobody when that cannot be seen.
type listeners func(port int) (listener, bool)

// listeners looks in /proc.
func (r *Runner) listeners(port int) (listener, bool) {
	sockets := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		listening(table, port, sockets)
	}
	if len(sockets) == 0 {
		return listener{}, false
	}
	best := listener{}
	eachProcess(func(pid int) {
		dir := fmt.Sprintf("/proc/%d/fd", pid)
		entries, err := os.ReadDir(dir)
		if err != nil || best.pid != 0 { // the first one is the parent of the others, most often
			return
		}
		for _, e := range entries {
			if target, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil && sockets[target] {
				unit := unitOf(pid)
				best = listener{pid, nameOf(pid), unit, unit != "" && atBoot(r.etcDir(), unit)}
				return
			}
		}
	})
	return best, best.pid != 0
}

// listening notes the sockets that listen on a port, as links of /proc/PID/fd name them.
func listening(table string, port int, sockets map[string]bool) {
	f, err := os.Open(table)
	if err != nil {
		return
	}
	defer f.Close()
	const listens = "0A" // TCP_LISTEN
	at := fmt.Sprintf(":%04X", port)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if w := strings.Fields(lines.Text()); len(w) > 9 && w[3] == listens && strings.HasSuffix(w[1], at) {
			sockets["socket:["+w[9]+"]"] = true
		}
	}
}

// eachProcess goes through the processes that are there.
func eachProcess(look func(pid int)) {
	f, err := os.Open("/proc")
	if err != nil {
		return
	}
	defer f.Close()
	names, err := f.Readdirnames(maxProcesses)
	if err != nil {
		return
	}
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			look(pid)
		}
	}
}

// nameOf is what a process runs, without its arguments: they may hold what is nobody's business.
func nameOf(pid int) string {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return "a program"
	}
	return clean(strings.TrimSpace(string(name)))
}

var unitInPath = regexp.MustCompile(`/([\w@.\\-]+\.(?:service|socket))(?:/|$)`)

// unitOf is the unit of systemd that a process belongs to, by its control group.
func unitOf(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return ""
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if m := unitInPath.FindStringSubmatch(line); m != nil && m[1] != "lubdub.service" {
			return m[1]
		}
	}
	return ""
}

func (r *Runner) etcDir() string { return cmp.Or(r.etc, filepath.Dir(r.initDir())) }

// atBoot says that a unit is started at boot: by a link, or by an init script's link of that name.
func atBoot(etc, unit string) bool {
	return wanted(etc, unit) || linked(etc, "rc[2-5].d/S[0-9][0-9]"+globSafe(strings.TrimSuffix(unit, ".service")))
}

// wanted says that another unit starts this one.
func wanted(etc, unit string) bool {
	return linked(etc, "systemd/system/*.wants/"+globSafe(unit)) || linked(etc, "systemd/system/*.requires/"+globSafe(unit))
}

func linked(etc, pattern string) bool {
	found, err := filepath.Glob(filepath.Join(etc, pattern))
	return err == nil && len(found) > 0
}

// doing says what the processes of a group do: their names, and that they wait in the kernel.
func doing(group int) string {
	var named []string
	eachProcess(func(pid int) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || len(named) > maxNamed {
			return
		}
		// PID (NAME) STATE PARENT GROUP ...: a name may hold blanks and brackets.
		words := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(words) < 3 || words[2] != strconv.Itoa(group) {
			return
		}
		one := fmt.Sprintf("%s (process %d)", nameOf(pid), pid)
		if words[0] == "D" {
			one += " waits in the kernel, for a disk or a file server"
		}
		named = append(named, one)
	})
	return strings.Join(named[max(0, len(named)-maxNamed):], ", ")
}
