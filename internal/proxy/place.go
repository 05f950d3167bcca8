package proxy

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
)

// socketPathLimit is what the kernel keeps of a unix socket's path, less its closing zero.
const socketPathLimit = 107

// Place says where the processes of a proxy meet and how the program starts itself for each.
type Place struct {
	Runtime    string       // directory for everything that lives as long as the processes, as /run/lubdub
	Supervisor []string     // arguments that make this program call RunDetached; default proxy --supervise
	Worker     []string     // arguments that make this program call RunWorker; default proxy --child
	Log        *slog.Logger // the supervisor's own lines; default standard error
}

func (p Place) supervisor() []string {
	if len(p.Supervisor) == 0 {
		return []string{"proxy", "--supervise"}
	}
	return p.Supervisor
}

func (p Place) worker() []string {
	if len(p.Worker) == 0 {
		return []string{"proxy", "--child"}
	}
	return p.Worker
}

func (p Place) log() *slog.Logger {
	if p.Log == nil {
		return slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return p.Log
}

// directory is where the files of one proxy are.
type directory string

func (p Place) directory(name string) directory {
	return directory(filepath.Join(p.Runtime, "proxy-"+name))
}

// make creates the directory, for its owner only: whoever can reach the control socket commands the proxy.
func (d directory) make() error {
	if longest := len(d.worker(1 << 30)); longest > socketPathLimit {
		return fmt.Errorf("runtime directory %s: its sockets' paths would have %d bytes, %d fit; use a shorter one", d, longest, socketPathLimit)
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fmt.Errorf("make the runtime directory: %w", err)
	}
	return os.Chmod(string(d), 0o700)
}

func (d directory) control() string        { return filepath.Join(string(d), "control.sock") }
func (d directory) supervisorLock() string { return filepath.Join(string(d), "supervisor.lock") }
func (d directory) processesLock() string  { return filepath.Join(string(d), "processes.lock") }
func (d directory) processes() string      { return filepath.Join(string(d), "processes.json") }

func (d directory) worker(number int) string {
	return filepath.Join(string(d), fmt.Sprintf("worker-%d.sock", number))
}

// sweep removes the sockets that workers of an earlier supervisor left.
func (d directory) sweep() {
	old, _ := filepath.Glob(filepath.Join(string(d), "worker-*.sock"))
	for _, path := range old {
		_ = os.Remove(path) // at worst it stays: numbers of sockets in use are freed before they are bound
	}
}
