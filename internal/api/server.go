package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Source is what the server asks: the daemon.
type Source interface {
	// Status says how things stand.
	Status(context.Context) (Status, error)
	// Events are the recorded events behind the one with the ID after ("" for
	// all that are kept), and a channel that is closed when there is another.
	Events(after string) ([]Event, <-chan struct{})
	// Order carries an order out, or refuses it.
	Order(context.Context, Order) (Answer, error)
}

const (
	// maxOrder bounds the body of an order, in bytes.
	maxOrder = 4 << 10
	// answerTime is how long a caller waits for the daemon's loop, which takes
	// microseconds unless something is very wrong.
	answerTime = 5 * time.Second
	// readGroup may talk to the daemon besides root, as in Heartbeat.
	readGroup = "haclient"
)

// Listen opens the socket. Its directory is made for root and the group haclient.
func Listen(path string) (net.Listener, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make the directory of the control socket: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove the old control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	mode := os.FileMode(0o600)
	if g, err := user.LookupGroup(readGroup); err == nil {
		gid, err := strconv.Atoi(g.Gid)
		if err == nil && os.Chown(dir, -1, gid) == nil && os.Chown(path, -1, gid) == nil {
			mode = 0o660
		}
	}
	if err := errors.Join(os.Chmod(dir, 0o750), os.Chmod(path, mode)); err != nil {
		l.Close()
		return nil, fmt.Errorf("protect the control socket: %w", err)
	}
	return l, nil
}

// Serve answers on a listener of Listen until ctx ends.
func Serve(ctx context.Context, l net.Listener, s Source) error {
	srv := &http.Server{
		Handler:           handler(s),
		ReadHeaderTimeout: answerTime,
		ConnContext:       withCaller,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the control socket: %w", err)
	}
	return nil
}

// callerKey is the context key of the caller's user ID.
type callerKey struct{}

// withCaller notes who calls, as the kernel says.
func withCaller(ctx context.Context, c net.Conn) context.Context {
	uid := -1
	if u, ok := c.(*net.UnixConn); ok {
		if raw, err := u.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) {
				if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
					uid = int(cred.Uid)
				}
			})
		}
	}
	return context.WithValue(ctx, callerKey{}, uid)
}

// mayOrder says that the caller is root, or runs as the daemon itself does.
func mayOrder(ctx context.Context) bool {
	uid, ok := ctx.Value(callerKey{}).(int)
	return ok && (uid == 0 || uid == os.Geteuid())
}

func handler(s Source) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), answerTime)
		defer cancel()
		status, err := s.Status(ctx)
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		reply(w, status)
	})
	mux.HandleFunc("GET /v1/events", func(w http.ResponseWriter, r *http.Request) { sendEvents(w, r, s) })
	mux.HandleFunc("POST /v1/orders", func(w http.ResponseWriter, r *http.Request) { takeOrder(w, r, s) })
	return mux
}

func takeOrder(w http.ResponseWriter, r *http.Request, s Source) {
	if !mayOrder(r.Context()) {
		http.Error(w, "refused: only root may give orders", http.StatusForbidden)
		return
	}
	var o Order
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		http.Error(w, "the order cannot be read: "+err.Error(), http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()
	a, err := s.Order(ctx, o)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	reply(w, a)
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	// The caller may be gone: there is nobody to tell.
	_ = json.NewEncoder(w).Encode(v)
}

// sendEvents writes one event a line, and goes on while the caller follows.
func sendEvents(w http.ResponseWriter, r *http.Request, s Source) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	after, follow := r.URL.Query().Get("after"), r.URL.Query().Get("follow") != ""
	out, enc := http.NewResponseController(w), json.NewEncoder(w)
	for {
		events, more := s.Events(after)
		for _, e := range events {
			if enc.Encode(e) != nil {
				return
			}
			after = e.ID
		}
		if !follow || out.Flush() != nil {
			return
		}
		select {
		case <-more:
		case <-r.Context().Done():
			return
		}
	}
}
