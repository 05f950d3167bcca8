package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// servedBy is the header in which the web server tells its host's name.
const servedBy = "X-Served-By"

// serveConfig is what the server's process must know.
type serveConfig struct {
	URL   string
	Delay time.Duration
}

// Serve starts a small server on the host: http://ADDRESS:PORT answers every request with status 200 and the host's name, after
// the delay; udp://ADDRESS:PORT echoes every datagram with the name behind it. It listens when Serve returns. The address need
// not be there yet: a shared one may come and go.
func (h *Host) Serve(listen string, delay time.Duration) (*Process, error) {
	u, err := url.Parse(listen)
	if err != nil {
		return nil, fmt.Errorf("serve: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "udp" {
		return nil, fmt.Errorf("serve %s: want http or udp", listen)
	}
	p, reports, err := h.startTool(roleServe, serveConfig{listen, delay})
	if err != nil {
		return nil, err
	}
	return p, reports.Close() // it has nothing more to report
}

// serve is the server's process.
func serve(ctx context.Context, c serveConfig, begin func() (*json.Encoder, error)) error {
	u, err := url.Parse(c.URL)
	if err != nil {
		return err
	}
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	if u.Scheme == "udp" {
		return serveEchoes(ctx, u.Host, name, begin)
	}
	listener, err := anywhere().Listen(ctx, "tcp", u.Host)
	if err != nil {
		return fmt.Errorf("serve %s: %w", c.URL, err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(c.Delay):
		case <-r.Context().Done():
			return
		}
		w.Header().Set(servedBy, name)
		_, _ = io.WriteString(w, name+"\n") // a client that left is not our business
	})}
	if _, err := begin(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// serveEchoes answers datagrams.
func serveEchoes(ctx context.Context, address, name string, begin func() (*json.Encoder, error)) error {
	conn, err := anywhere().ListenPacket(ctx, "udp", address)
	if err != nil {
		return fmt.Errorf("serve udp://%s: %w", address, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if _, err := begin(); err != nil {
		return err
	}
	buffer := make([]byte, maxFrame)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			continue
		}
		_, _ = conn.WriteTo(append(buffer[:n:n], name...), from) // without a route there is no answer, as it should be
	}
}

// anywhere listens on addresses that are not there yet, too.
func anywhere() *net.ListenConfig {
	return &net.ListenConfig{Control: func(network, _ string, c syscall.RawConn) error {
		level, option := unix.SOL_IP, unix.IP_FREEBIND
		if network == "tcp6" || network == "udp6" {
			level, option = unix.SOL_IPV6, unix.IPV6_FREEBIND
		}
		var err error
		if e := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, 1) }); e != nil {
			return e
		}
		return err
	}}
}
