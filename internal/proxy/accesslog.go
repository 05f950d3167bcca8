package proxy

import (
	"bufio"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	logBuffer = 64 << 10    // bytes kept before a write; some 300 lines
	logFlush  = time.Second // the longest a line waits
	logQueue  = 4096        // lines on their way to the log's goroutine: some 0.1 s of a full load
)

// accessLog writes lines to a file from one goroutine. A request never waits for the disk: when the queue is full
// or the disk is, lines are lost, and counted.
type accessLog struct {
	lines chan []byte
	files chan *os.File // the next file to write to
	end   chan struct{} // closed: write what is there and stop
	done  chan struct{} // closed: all is written
	lost  atomic.Uint64
}

func newAccessLog(f *os.File) *accessLog {
	l := &accessLog{make(chan []byte, logQueue), make(chan *os.File), make(chan struct{}), make(chan struct{}), atomic.Uint64{}}
	go l.run(f)
	return l
}

func (l *accessLog) write(line []byte) {
	select {
	case l.lines <- line:
	default:
		l.lost.Add(1)
	}
}

// change goes on with another file; the old one is completed and closed.
func (l *accessLog) change(f *os.File) {
	select {
	case l.files <- f:
	case <-l.done:
		_ = f.Close()
	}
}

// close writes what is there. Nothing may be written afterwards.
func (l *accessLog) close() {
	close(l.end)
	<-l.done
}

func (l *accessLog) run(f *os.File) {
	defer close(l.done)
	tick := time.NewTicker(logFlush)
	defer tick.Stop()
	out := &logWriter{bufio.NewWriterSize(f, logBuffer), f, 0, &l.lost}
	for {
		select {
		case line := <-l.lines:
			out.add(line)
		case <-tick.C:
			out.flush()
		case next := <-l.files:
			out.close()
			out = &logWriter{bufio.NewWriterSize(next, logBuffer), next, 0, &l.lost}
		case <-l.end:
			for len(l.lines) > 0 {
				out.add(<-l.lines)
			}
			out.close()
			return
		}
	}
}

// logWriter is the file with its buffer, and how many lines the buffer holds: those that are lost if it cannot be written.
type logWriter struct {
	buffer *bufio.Writer
	file   *os.File
	held   uint64
	lost   *atomic.Uint64
}

func (w *logWriter) add(line []byte) {
	if len(line) > w.buffer.Available() {
		w.flush() // so that a write always ends with a whole line
	}
	_, _ = w.buffer.Write(line) // an error stays in the buffer until flush
	w.held++
}

func (w *logWriter) flush() {
	if w.buffer.Flush() != nil {
		w.lost.Add(w.held)
		w.buffer.Reset(w.file) // try again with the next lines: the disk may have room by then
	}
	w.held = 0
}

func (w *logWriter) close() {
	w.flush()
	_ = w.file.Close()
}

// appendCombined writes one line of the Combined Log Format:
//
//	host - - [day/month/year:time zone] "request" status bytes "referer" "user agent"
func appendCombined(b []byte, r *http.Request, at time.Time, status int, bytes int64) []byte {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = "-"
	}
	b = append(b, host...)
	b = append(b, " - - ["...)
	b = at.AppendFormat(b, "02/Jan/2006:15:04:05 -0700")
	b = append(b, `] "`...)
	b = appendEscaped(b, r.Method)
	b = append(b, ' ')
	b = appendEscaped(b, r.RequestURI)
	b = append(b, ' ')
	b = append(b, r.Proto...)
	b = append(b, `" `...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	if bytes == 0 {
		b = append(b, '-')
	} else {
		b = strconv.AppendInt(b, bytes, 10)
	}
	b = appendQuoted(b, r.Referer())
	b = appendQuoted(b, r.UserAgent())
	return append(b, '\n')
}

func appendQuoted(b []byte, text string) []byte {
	if text == "" {
		text = "-"
	}
	b = append(b, ` "`...)
	b = appendEscaped(b, text)
	return append(b, '"')
}

// appendEscaped writes what a client said so that it cannot forge a line, as Apache does.
func appendEscaped(b []byte, text string) []byte {
	const hex = "0123456789abcdef"
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ' || c > '~':
			b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return b
}
