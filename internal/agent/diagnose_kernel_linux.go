package agent

import (
	"bytes"
	"cmp"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	usualKernelLog = "/dev/kmsg"
	// maxRecord is more than a record of the kernel's log can have.
	maxRecord = 8 << 10
	// maxRecords bounds one reading: a kernel that floods its log must not hold us.
	maxRecords = 20_000
	// maxKept is how many records that tell of a service's end are kept for those that ask later.
	maxKept = 64
	// priorities is the number of priorities of a facility; the kernel's own facility is the first.
	priorities = 8
)

// kernelSign finds what the kernel has to say about a service that does not run.
var kernelSign = regexp.MustCompile(`avc: +denied|apparmor="DENIED"|Out of memory|oom-kill:|[Oo]ut of memory: Killed process|segfault at|general protection fault|traps: |I/O error|not responding, |EXT4-fs error|XFS .*(error|corrupt)|blocked for more than`)

// kernelLog is the kernel's log, read for all resources together: from when the first action began, without waiting.
type kernelLog struct {
	mu         sync.Mutex // guards what stands below
	open       bool
	descriptor int
	kept       []string
	count      uint64 // of all that were ever kept
}

func (r *Runner) kernelPath() string { return cmp.Or(r.kernelLogPath, usualKernelLog) }

// end is the number of the last record that is worth keeping.
func (k *kernelLog) end(path string) uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drain(path)
	return k.count
}

// since are the records behind the one with that number, the last of them.
func (k *kernelLog) since(path string, number uint64) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drain(path)
	fresh := min(int(k.count-number), len(k.kept))
	return append([]string{}, k.kept[len(k.kept)-fresh:]...)
}

// drain reads what is there now.
func (k *kernelLog) drain(path string) {
	if !k.open {
		descriptor, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return // not every container has one
		}
		if _, err := unix.Seek(descriptor, 0, unix.SEEK_END); err != nil {
			_ = unix.Close(descriptor)
			return
		}
		k.open, k.descriptor = true, descriptor
	}
	piece := make([]byte, maxRecord)
	for range maxRecords {
		n, err := unix.Read(k.descriptor, piece)
		if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.EINTR) {
			continue // the oldest were overwritten: it goes on with what is there
		}
		if n <= 0 || err != nil {
			return
		}
		for record := range bytes.SplitSeq(piece[:n], []byte("\n")) {
			k.keep(string(record))
		}
	}
}

// keep keeps a record of the kernel's own that tells something.
func (k *kernelLog) keep(record string) {
	head, text, ok := strings.Cut(record, ";")
	priority, _, _ := strings.Cut(head, ",")
	if n, err := strconv.Atoi(priority); !ok || err != nil || n >= priorities {
		return
	}
	if text = clean(unescaped(text)); !kernelSign.MatchString(text) {
		return
	}
	k.count++
	k.kept = append(k.kept, text)
	k.kept = k.kept[max(0, len(k.kept)-maxKept):]
}

var escaped = regexp.MustCompile(`\\x[0-9a-f]{2}`)

// unescaped takes back what the kernel escapes; what cannot be printed falls to clean.
func unescaped(text string) string {
	return escaped.ReplaceAllStringFunc(text, func(e string) string {
		n, _ := strconv.ParseUint(e[2:], 16, 8)
		return string(rune(n))
	})
}
