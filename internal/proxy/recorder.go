package proxy

import (
	"bufio"
	"net"
	"net/http"
)

// recorder notes what became of an answer, and adds our own headers at the last moment: ReverseProxy clears the
// headers after an interim answer (1xx), so they cannot be set before.
type recorder struct {
	http.ResponseWriter
	front  *front
	status int
	bytes  int64
	fault  bool // the answer is ours, for want of one from a back end
}

// WriteHeader passes the status on.
func (r *recorder) WriteHeader(status int) {
	if status >= http.StatusOK && r.status == 0 {
		r.status = status
		r.addOurs()
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) addOurs() {
	if r.front.node != "" {
		r.Header().Set("X-Lubdub-Node", r.front.node)
	}
	if r.front.closing.Load() {
		r.Header().Set("Connection", "close")
	}
}

// Write passes bytes on and counts them.
func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// Hijack hands the connection over for an upgrade (WebSocket). What passes then is not counted.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffer, err := http.NewResponseController(r.ResponseWriter).Hijack()
	if err == nil {
		r.status = http.StatusSwitchingProtocols
	}
	return conn, buffer, err
}

// Unwrap lets http.ResponseController find Flush and the deadlines.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
