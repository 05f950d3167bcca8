package daemon

import (
	"encoding/binary"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"lubdub/internal/config"
)

// maxListened bounds the directories of one tree that the kernel tells changes
// of: each costs it a kilobyte, and a user has 8192 of them on a small machine.
const maxListened = 4096

// changeMask is what may change a digest. Reading is not among it.
const changeMask = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_CLOSE_WRITE | unix.IN_ATTRIB |
	unix.IN_DELETE_SELF | unix.IN_MOVE_SELF

// changes is the kernel's news of the directories of one tree (inotify). They
// say only that it is time to look; what they miss is found a minute later.
type changes struct {
	news    chan struct{}
	fd      int
	file    *os.File
	ended   chan struct{}
	dirs    int  // of this look
	limited bool // not every directory is listened to
}

// listenForChanges begins to listen. Without news trees are looked at all the same.
func listenForChanges() *changes {
	c := &changes{news: make(chan struct{}, 1), ended: make(chan struct{})}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		c.limited = true
		close(c.ended)
		return c
	}
	c.fd, c.file = fd, os.NewFile(uintptr(fd), "inotify")
	go c.read()
	return c
}

// begin is the begin of a look: what happens from now on is news. A file is
// listened to through the directories of its name and of what that points to.
func (c *changes) begin(w config.Watch) {
	c.dirs = 0
	if c.file != nil {
		c.limited = false
	}
	select {
	case <-c.news:
	default:
	}
	if w.Tree {
		return // the scan tells its directories
	}
	c.dir(filepath.Dir(w.Path))
	if real, err := filepath.EvalSymlinks(w.Path); err == nil && real != w.Path {
		c.dir(filepath.Dir(real))
	}
}

// dir listens to a directory, which may be listened to already.
func (c *changes) dir(name string) {
	if c.file == nil {
		return
	}
	if c.dirs++; c.dirs > maxListened {
		c.limited = true
		return
	}
	if _, err := unix.InotifyAddWatch(c.fd, name, changeMask|unix.IN_ONLYDIR); err != nil && err != unix.ENOENT && err != unix.ENOTDIR {
		c.limited = true
	}
}

// read passes news on as one word, however many they are.
func (c *changes) read() {
	defer close(c.ended)
	buffer := make([]byte, 64<<10)
	for {
		n, err := c.file.Read(buffer)
		if err != nil {
			return
		}
		if !tells(buffer[:n]) {
			continue
		}
		select {
		case c.news <- struct{}{}:
		default: // it is to be looked at already
		}
	}
}

// tells says that there is more among the news than watches that ended.
func tells(b []byte) bool {
	for len(b) >= unix.SizeofInotifyEvent {
		if mask := binary.NativeEndian.Uint32(b[4:]); mask&unix.IN_IGNORED == 0 {
			return true
		}
		b = b[min(len(b), unix.SizeofInotifyEvent+int(binary.NativeEndian.Uint32(b[12:]))):]
	}
	return false
}

func (c *changes) close() {
	if c.file != nil {
		_ = c.file.Close() // ends the read
	}
	<-c.ended
}
