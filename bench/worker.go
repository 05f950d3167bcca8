package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"lubdub/internal/lab"
)

// killWorker kills the built-in proxy's worker that belongs to a daemon: the one in the daemon's PID namespace.
func killWorker(daemon *lab.Process) error {
	pids, err := neighbours(daemon.Pid())
	if err != nil {
		return err
	}
	for _, pid := range pids {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && bytes.Contains(line, []byte("\x00proxy\x00--child\x00")) {
			return syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	return errors.New("kill the proxy's worker: there is none")
}

// neighbours lists the processes that share a host with one of its processes.
func neighbours(of int) ([]int, error) {
	home, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", of))
	if err != nil {
		return nil, err
	}
	all, err := filepath.Glob("/proc/[0-9]*/ns/pid")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, path := range all {
		if ns, err := os.Readlink(path); err != nil || ns != home {
			continue // another host's, or it has just ended
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, nil
}
