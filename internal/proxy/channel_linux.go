package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

const (
	messageLimit    = 128 << 10 // bytes; two PEM files of pemLimit and the settings fit, and a socket's buffer holds it
	descriptorLimit = maxListeners + 2
	channelNumber   = 3 // the worker's first inherited descriptor
)

// order is what the supervisor tells a worker. The first carries the settings and every socket; later ones a new
// certificate or a new log. Descriptors come in the order: listeners, the socket of the status page, the log.
type order struct {
	Settings    *Settings `json:"settings,omitempty"`
	Certificate *keyPair  `json:"certificate,omitempty"`
	Log         bool      `json:"log,omitempty"` // the last descriptor is the access log
}

// word is what a worker tells its supervisor: that it accepts now, or why it cannot, or its last counters.
type word struct {
	Ready bool    `json:"ready,omitempty"`
	Fault string  `json:"fault,omitempty"`
	Last  *report `json:"last,omitempty"`
}

// channel is one end of the socket pair between supervisor and worker. Messages keep their bounds and may carry
// descriptors, which is how secrets and sockets reach the worker without a path or an argument.
type channel struct{ conn *net.UnixConn }

// newChannel returns the supervisor's end and the file that the worker inherits.
func newChannel() (*channel, *os.File, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a socket pair for the worker: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "supervisor's end"), os.NewFile(uintptr(pair[1]), "worker's end")
	c, err := channelFrom(ours)
	if err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return c, theirs, nil
}

// channelFrom takes the file over, also when it fails.
func channelFrom(f *os.File) (*channel, error) {
	conn, err := net.FileConn(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("take over the channel: %w", err)
	}
	c, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.New("take over the channel: not a unix socket"), conn.Close())
	}
	return &channel{c}, nil
}

func (c *channel) send(message any, descriptors ...int) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	if len(text) > messageLimit {
		return fmt.Errorf("message of %d bytes to the other process: at most %d fit", len(text), messageLimit)
	}
	var rights []byte
	if len(descriptors) > 0 {
		rights = unix.UnixRights(descriptors...)
	}
	_, _, err = c.conn.WriteMsgUnix(text, rights, nil)
	return err
}

// receive waits for the next message. io.EOF says that the other process is gone. The files are the caller's.
func (c *channel) receive(message any) ([]*os.File, error) {
	text, rights := make([]byte, messageLimit), make([]byte, unix.CmsgSpace(4*descriptorLimit))
	n, rightsN, flags, _, err := c.conn.ReadMsgUnix(text, rights)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, io.EOF
	}
	files, err := filesFrom(rights[:rightsN])
	if err != nil {
		return nil, err
	}
	if flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		closeAll(files)
		return nil, errors.New("a message from the other process was cut short")
	}
	if err := json.Unmarshal(text[:n], message); err != nil {
		closeAll(files)
		return nil, fmt.Errorf("read a message from the other process: %w", err)
	}
	return files, nil
}

func filesFrom(rights []byte) ([]*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for _, m := range messages {
		descriptors, err := unix.ParseUnixRights(&m)
		if err != nil {
			continue // not descriptors: nothing to own
		}
		for _, d := range descriptors {
			files = append(files, os.NewFile(uintptr(d), "inherited"))
		}
	}
	return files, nil
}

func (c *channel) close() error { return c.conn.Close() }

func closeAll[C io.Closer](closers []C) {
	for _, c := range closers {
		_ = c.Close()
	}
}
