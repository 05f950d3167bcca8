package proxy

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	farewell   = 300 * time.Millisecond // each answer says "Connection: close": clients that are active leave in peace
	statusPage = "/.lubdub/status"      // on the worker's own socket only
)

// worker is the process that serves.
type worker struct {
	settings    Settings
	channel     *channel
	front       *front
	pool        *pool
	transport   *http.Transport
	log         *accessLog // nil: none is kept
	certificate atomic.Pointer[tls.Certificate]
	plain, tls  []net.Listener
	private     net.Listener // the status page, for the supervisor
}

// RunWorker is the whole life of a worker process: it takes its settings and sockets from the supervisor that started
// it, serves, and ends when it is told to (SIGTERM, the context) or when the supervisor is gone. It is of no use
// without a supervisor.
func RunWorker(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	c, err := channelFrom(os.NewFile(channelNumber, "supervisor"))
	if err != nil {
		return fmt.Errorf("proxy worker: %w; it is started by the supervisor only", err)
	}
	defer c.close()
	w, err := newWorker(c)
	if err != nil {
		return errors.Join(err, c.send(word{Fault: err.Error()}))
	}
	return w.run(ctx)
}

func newWorker(c *channel) (*worker, error) {
	var first order
	files, err := c.receive(&first)
	if err != nil {
		return nil, fmt.Errorf("take the settings: %w", err)
	}
	if first.Settings == nil {
		closeAll(files)
		return nil, errors.New("take the settings: the first message has none")
	}
	w := &worker{settings: *first.Settings, channel: c}
	if err := w.takeFiles(files, first.Log); err != nil {
		return nil, err
	}
	if err := w.takeCertificate(first.Certificate); err != nil {
		return nil, err
	}
	w.transport = newTransport(w.settings)
	if w.pool, err = newPool(w.settings, w.transport); err != nil {
		return nil, err
	}
	w.front = newFront(w.settings, w.pool, w.log)
	return w, restrict(w.settings)
}

// takeFiles sorts the inherited descriptors: listeners, the status page, the log.
func (w *worker) takeFiles(files []*os.File, withLog bool) error {
	plain := len(w.settings.Listen)
	all := plain + len(w.settings.ListenTLS)
	want := all + 1
	if withLog {
		want++
	}
	if len(files) != want {
		closeAll(files)
		return fmt.Errorf("take the sockets: got %d descriptors, want %d", len(files), want)
	}
	if withLog {
		w.log = newAccessLog(files[want-1])
	}
	var listeners []net.Listener
	for _, f := range files[:all+1] {
		l, err := net.FileListener(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("take the sockets: %w", err)
		}
		listeners = append(listeners, l)
	}
	w.plain, w.tls, w.private = listeners[:plain], listeners[plain:all], listeners[all]
	return nil
}

func (w *worker) takeCertificate(pair *keyPair) error {
	if pair == nil {
		return nil
	}
	certificate, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		return fmt.Errorf("take the certificate: %w", err)
	}
	w.certificate.Store(&certificate)
	return nil
}

func (w *worker) publicServer() *http.Server {
	return &http.Server{
		Handler:           w.front,
		ReadHeaderTimeout: w.settings.HeaderTime,
		ReadTimeout:       w.settings.ReadTime,
		IdleTimeout:       w.settings.IdleTime,
		MaxHeaderBytes:    w.settings.HeaderLimit,
		ErrorLog:          quietLog(),
		TLSConfig: &tls.Config{
			MinVersion:     tls.VersionTLS12,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return w.certificate.Load(), nil },
		},
	}
}

func (w *worker) privateServer() *http.Server {
	pages := http.NewServeMux()
	pages.HandleFunc("GET "+statusPage, func(answer http.ResponseWriter, _ *http.Request) {
		r := w.report()
		r.BackEnds = w.pool.state()
		answer.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(answer).Encode(r) // the supervisor counts an answer it cannot read as none
	})
	return &http.Server{Handler: pages, ReadHeaderTimeout: time.Second, ErrorLog: quietLog()}
}

func (w *worker) report() report {
	r := report{Served: w.front.served.Load(), Failed: w.front.failed.Load()}
	if w.log != nil {
		r.LogLost = w.log.lost.Load()
	}
	return r
}

// run serves until it is told to stop, or until a listener fails: that is an end with an error, and the supervisor
// starts another worker.
func (w *worker) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	public, private := w.publicServer(), w.privateServer()
	faults := make(chan error, len(w.plain)+len(w.tls)+2) // each goroutine below says at most one thing
	for _, l := range w.plain {
		go func() { faults <- public.Serve(l) }()
	}
	for _, l := range w.tls {
		go func() { faults <- public.ServeTLS(l, "", "") }()
	}
	go func() { faults <- private.Serve(w.private) }()
	go w.obey(cancel)
	watched := make(chan struct{})
	go func() { defer close(watched); w.pool.watch(ctx) }()

	err := w.channel.send(word{Ready: true})
	if err == nil {
		select {
		case err = <-faults:
		case <-ctx.Done():
		}
	}
	w.drain(public)
	cancel()
	<-watched
	if w.log != nil {
		w.log.close()
	}
	last := w.report()
	_ = w.channel.send(word{Last: &last}) // fails when the supervisor is gone, and then nobody wants it
	return errors.Join(err, private.Close())
}

// obey follows later orders until the supervisor closes the channel or dies: then it calls stop.
func (w *worker) obey(stop func()) {
	defer stop()
	for {
		var next order
		files, err := w.channel.receive(&next)
		if err != nil {
			return
		}
		if next.Log && len(files) == 1 && w.log != nil {
			w.log.change(files[0])
			files = nil
		}
		closeAll(files)
		_ = w.takeCertificate(next.Certificate) // the supervisor has tried the pair before it sent it
	}
}

// drain ends the public side: no new connection, a moment in which every answer says that the connection ends, then
// the drain time for what still runs, streams and upgraded connections too.
func (w *worker) drain(public *http.Server) {
	w.front.closing.Store(true)
	closeAll(w.plain)
	closeAll(w.tls)
	ended := make(chan struct{})
	<-time.After(farewell)
	ctx, cancel := context.WithTimeout(context.Background(), w.settings.DrainTime)
	defer cancel()
	_ = public.Shutdown(ctx) // an error says only that the time is over
	go func() { w.front.running.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
		_ = public.Close()
	}
	w.transport.CloseIdleConnections()
}
