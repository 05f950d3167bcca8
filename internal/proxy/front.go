package proxy

import (
	"context"
	"errors"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	idlePerBackEnd  = 1024             // kept connections; the default of 2 costs most of the speed
	copyBuffer      = 32 << 10         // bytes; what a back end sends in one go, and small enough to keep many
	idleBackEndTime = 60 * time.Second // a kept connection to a back end
	statusGone      = 499              // in the log only: the client left before the answer
)

// front answers requests: it is what the public listeners know.
type front struct {
	node    string
	pool    *pool
	proxy   *httputil.ReverseProxy
	log     *accessLog
	closing atomic.Bool // from now on each answer says "Connection: close"
	served  atomic.Uint64
	failed  atomic.Uint64
	running sync.WaitGroup // also of connections that were upgraded, which http.Server forgets
}

func newFront(s Settings, p *pool, accessLog *accessLog) *front {
	f := &front{node: s.Node, pool: p, log: accessLog}
	f.proxy = &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { rewrite(r, s.Trust) },
		Transport:    p,
		BufferPool:   newBuffers(),
		ErrorHandler: f.refuse,
		ErrorLog:     log.New(io.Discard, "", 0), // a fault is an answer, a counter and a line of the access log
	}
	return f
}

func newTransport(s Settings) *http.Transport {
	return &http.Transport{
		DialContext:           (&net.Dialer{Timeout: s.DialTime}).DialContext,
		MaxIdleConnsPerHost:   idlePerBackEnd,
		IdleConnTimeout:       idleBackEndTime,
		TLSHandshakeTimeout:   s.DialTime,
		ResponseHeaderTimeout: s.AnswerTime,
		DisableCompression:    true, // the client's Accept-Encoding decides, not ours
		ForceAttemptHTTP2:     false,
		ReadBufferSize:        copyBuffer,
	}
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.running.Add(1)
	defer f.running.Done()
	began, whole, a := time.Now(), false, &attempt{}
	answer := &recorder{ResponseWriter: w, front: f}
	defer func() { // also when the copy was cut and ReverseProxy panics to tell http.Server
		a.release()
		f.account(answer, r, began, whole)
	}()
	if r.Method == http.MethodConnect {
		sendPage(answer, http.StatusMethodNotAllowed)
	} else {
		f.proxy.ServeHTTP(answer, r.WithContext(context.WithValue(r.Context(), attemptKey{}, a)))
	}
	whole = true
}

func (f *front) account(answer *recorder, r *http.Request, began time.Time, whole bool) {
	if answer.status == 0 {
		answer.status = statusGone
	}
	gone := r.Context().Err() != nil
	if answer.fault || !whole && !gone {
		f.failed.Add(1)
	} else {
		f.served.Add(1)
	}
	if f.log != nil {
		f.log.write(appendCombined(nil, r, began, answer.status, answer.bytes))
	}
}

// rewrite makes the request that the back end gets. The client's Host stays; what it claims about proxies before us
// does not, unless the settings say that one stands there.
func rewrite(r *httputil.ProxyRequest, trust bool) {
	for name := range r.Out.Header {
		if !trust && strings.HasPrefix(name, "X-Forwarded-") {
			delete(r.Out.Header, name)
		}
	}
	if trust {
		r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
	}
	r.SetXForwarded()
	for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Proto"} {
		if said := r.In.Header[name]; trust && len(said) > 0 {
			r.Out.Header[name] = said
		}
	}
}

// refuse answers for a back end that did not.
func (f *front) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody is there to read it
	}
	status := http.StatusBadGateway
	timeout := net.Error(nil)
	_, up := f.pool.pick(nil)
	switch {
	case !up:
		status = http.StatusServiceUnavailable
		wait := max(1, math.Ceil(f.pool.check.Interval.Seconds()))
		w.Header().Set("Retry-After", strconv.Itoa(int(wait)))
	case errors.As(err, &timeout) && timeout.Timeout():
		status = http.StatusGatewayTimeout
	}
	if answer, ok := w.(*recorder); ok {
		answer.fault = true
	}
	sendPage(w, status)
}

// sendPage answers with a status and a sentence that names nothing inside.
func sendPage(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	text := strconv.Itoa(status) + " " + http.StatusText(status) + "\n"
	if status >= http.StatusInternalServerError {
		text += "\nThe service cannot answer just now. Please try again in a moment.\n"
	}
	_, _ = io.WriteString(w, text)
}

// buffers keeps copy buffers for reuse.
type buffers struct{ pool sync.Pool }

func newBuffers() *buffers {
	return &buffers{sync.Pool{New: func() any { return new([copyBuffer]byte) }}}
}

// Get returns a buffer; with Put it makes buffers a httputil.BufferPool.
func (b *buffers) Get() []byte { return b.pool.Get().(*[copyBuffer]byte)[:] }

// Put takes a buffer back.
func (b *buffers) Put(buffer []byte) {
	if len(buffer) == copyBuffer {
		b.pool.Put((*[copyBuffer]byte)(buffer))
	}
}
