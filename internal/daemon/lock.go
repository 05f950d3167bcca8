package daemon

import (
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// networkLock is an abstract socket. It belongs to the network namespace, as do
// the addresses and the lease, and goes with the process.
const networkLock = "@lubdub"

// heldByRoot says that a program of root's, or of ours, listens on a unix socket.
func heldByRoot(name string) bool {
	c, err := net.Dial("unix", name)
	if err != nil {
		return false
	}
	defer c.Close()
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return false
	}
	mine := false
	err = raw.Control(func(fd uintptr) {
		cred, credErr := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		mine = credErr == nil && (cred.Uid == 0 || int(cred.Uid) == os.Geteuid())
	})
	return err == nil && mine
}

// takeLock makes sure that one daemon runs on this node.
func takeLock(dir string) (*os.File, error) { return lockFile(dir, "lock", ErrRunning) }

// lockFile takes a lock that goes with the process; taken is the error when another has it.
func lockFile(dir, name string, taken error) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make the runtime directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%w (it holds %s); see: lubdub status", taken, f.Name())
	}
	return f, nil
}
