package proxy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

const pemLimit = 32 << 10 // bytes; a chain of five certificates is a quarter of it

// keyPair is a certificate chain and its key, as PEM: what the supervisor reads and the worker serves.
type keyPair struct {
	Certificate []byte `json:"certificate"`
	Key         []byte `json:"key"`
}

// keyFiles watches a certificate and its key. The worker cannot read a key that only root may read, so the
// supervisor does, and tells it.
type keyFiles struct {
	certificate, key string
	seen             *[2]stamp // as of the last look, whether good or bad; nil before the first
}

type stamp struct {
	changed time.Time
	size    int64
}

func stampOf(path string) stamp {
	st, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{st.ModTime(), st.Size()}
}

// load returns the pair if the files changed since the last load, else nil. A pair that does not fit together is an
// error, told once; the caller goes on with the old one.
func (k *keyFiles) load() (*keyPair, error) {
	if k.certificate == "" {
		return nil, nil
	}
	now := [2]stamp{stampOf(k.certificate), stampOf(k.key)}
	if k.seen != nil && *k.seen == now {
		return nil, nil
	}
	k.seen = &now
	certificate, err := readBounded(k.certificate)
	if err != nil {
		return nil, err
	}
	key, err := readBounded(k.key)
	if err != nil {
		return nil, err
	}
	if _, err := tls.X509KeyPair(certificate, key); err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w; install a pair that belongs together", k.certificate, k.key, err)
	}
	return &keyPair{certificate, key}, nil
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, pemLimit+1))
	if err == nil && len(text) > pemLimit {
		err = fmt.Errorf("read %s: more than %d bytes; is it a PEM file?", path, pemLimit)
	}
	return text, err
}

// logFile is the access log as the supervisor holds it. A file that was renamed is opened again under its name.
type logFile struct {
	path string
	file *os.File
}

// reopen opens the file if it is not, or no longer, the one that its path names. It says whether it did.
func (l *logFile) reopen() (bool, error) {
	if l.path == "" {
		return false, nil
	}
	if l.file != nil && l.current() {
		return false, nil
	}
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return false, fmt.Errorf("open the access log: %w", err)
	}
	old := l.file
	l.file = f
	if old != nil {
		_ = old.Close() // nothing was written through this descriptor
	}
	return true, nil
}

func (l *logFile) current() bool {
	named, err := os.Stat(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	held, heldErr := l.file.Stat()
	return err != nil || heldErr != nil || os.SameFile(named, held)
}

func (l *logFile) close() {
	if l.file != nil {
		_ = l.file.Close()
	}
}
