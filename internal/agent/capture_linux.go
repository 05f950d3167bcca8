package agent

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxOutput is how much of an action's output is kept, its end: more than any agent says, less than any harm.
const maxOutput = 64 << 10

// capture keeps the end of what a process and its children write.
//
// It outlives nobody: when the agent's own process has ended, [capture.finish] takes what is in the pipe and goes. A
// service that was started may hold the pipe for years. Were our end just closed, its first word would kill it
// (SIGPIPE); were it left open unread, the 65,537th byte would stop it for ever. So the writing end is one that also
// counts as a reader, and when we go it becomes non-blocking: what the service writes is lost and does no harm.
type capture struct {
	r, w *os.File
	done chan struct{}
	tail []byte
	// look is what is looked for in the output; seen is closed when it came.
	look *regexp.Regexp
	seen chan struct{}
}

func newCapture(look *regexp.Regexp) (*capture, error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make a pipe for the output: %w", err)
	}
	both, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", ends[1]), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the pipe for the output: %w", closeAll(err, ends[0], ends[1]))
	}
	if err := closeAll(nil, ends[1]); err != nil {
		return nil, closeAll(err, ends[0], both)
	}
	if err := unix.SetNonblock(ends[0], true); err != nil {
		return nil, closeAll(err, ends[0], both)
	}
	c := &capture{
		r:    os.NewFile(uintptr(ends[0]), "output"),
		w:    os.NewFile(uintptr(both), "output"),
		done: make(chan struct{}),
		look: look, seen: make(chan struct{}),
	}
	go c.listen()
	return c, nil
}

// closeAll closes descriptors and returns err, or what went wrong here.
func closeAll(err error, descriptors ...int) error {
	for _, d := range descriptors {
		if closing := unix.Close(d); err == nil {
			err = closing
		}
	}
	return err
}

// listen reads until finish ends it.
func (c *capture) listen() {
	defer close(c.done)
	piece := make([]byte, 4096)
	for {
		n, err := c.r.Read(piece)
		c.keep(piece[:n])
		if c.look != nil && c.look.Match(c.tail) {
			c.look = nil
			close(c.seen)
		}
		if err != nil {
			return
		}
	}
}

// keep appends, and drops the beginning when there is too much.
func (c *capture) keep(piece []byte) {
	c.tail = append(c.tail, piece...)
	if len(c.tail) > 2*maxOutput {
		c.tail = append(c.tail[:0], c.tail[len(c.tail)-maxOutput:]...)
	}
}

// finish takes the rest, lets go of the pipe and returns the end of the output.
func (c *capture) finish() (string, error) {
	err := c.r.SetReadDeadline(time.Unix(1, 0))
	if err != nil {
		return "", fmt.Errorf("end reading the output: %w", err) // cannot happen: a pipe has deadlines
	}
	<-c.done
	if err := c.drain(); err != nil {
		return "", fmt.Errorf("read the rest of the output: %w", err)
	}
	if err := unix.SetNonblock(int(c.w.Fd()), true); err != nil {
		return "", fmt.Errorf("let go of the output: %w", err)
	}
	if err := c.w.Close(); err != nil {
		return "", err
	}
	if err := c.r.Close(); err != nil {
		return "", err
	}
	return c.end(), nil
}

// end is what is kept of the output: whole lines, unless it is one endless line.
func (c *capture) end() string {
	if len(c.tail) <= maxOutput {
		return string(c.tail)
	}
	end := string(c.tail[len(c.tail)-maxOutput:])
	if _, whole, ok := strings.Cut(end, "\n"); ok {
		return whole
	}
	return end
}

// drain reads what is in the pipe now, at most what a pipe can hold: somebody may still be writing.
func (c *capture) drain() error {
	if err := c.r.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	raw, err := c.r.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Read(func(descriptor uintptr) bool {
		piece := make([]byte, maxOutput)
		for left := maxOutput; left > 0; {
			n, err := unix.Read(int(descriptor), piece[:left])
			if n <= 0 || err != nil {
				return true
			}
			c.keep(piece[:n])
			left -= n
		}
		return true
	})
}
