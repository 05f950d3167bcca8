package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
)

// ErrNotRunning says that no daemon listens on the socket.
var ErrNotRunning = errors.New("lubdub does not run on this machine")

// Client talks to the daemon of this machine.
type Client struct {
	path string
	http *http.Client
}

// NewClient returns a client of the control socket at path.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	return &Client{path: path, http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Status asks how things stand.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	return s, c.call(ctx, http.MethodGet, "/v1/status", nil, func(body io.Reader) error {
		return json.NewDecoder(body).Decode(&s)
	})
}

// Order gives an order and returns what became of it.
func (c *Client) Order(ctx context.Context, o Order) (Answer, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return Answer{}, err
	}
	var a Answer
	return a, c.call(ctx, http.MethodPost, "/v1/orders", bytes.NewReader(text), func(body io.Reader) error {
		return json.NewDecoder(body).Decode(&a)
	})
}

// Events hands each recorded event behind the one with the ID after to each;
// with follow it goes on until ctx ends, the daemon ends, or each returns an error.
func (c *Client) Events(ctx context.Context, after string, follow bool, each func(Event) error) error {
	q := url.Values{"after": {after}}
	if follow {
		q.Set("follow", "1")
	}
	return c.call(ctx, http.MethodGet, "/v1/events?"+q.Encode(), nil, func(body io.Reader) error {
		d := json.NewDecoder(body)
		for {
			var e Event
			switch err := d.Decode(&e); {
			case errors.Is(err, io.EOF):
				return nil
			case err != nil:
				return err
			}
			if err := each(e); err != nil {
				return err
			}
		}
	})
}

func (c *Client) call(ctx context.Context, method, path string, body io.Reader, read func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://lubdub"+path, body)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.explain(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, maxOrder))
		return errors.New(strings.TrimSpace(string(text)))
	}
	return read(resp.Body)
}

// explain turns what the socket says into what an operator can act upon.
func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w (nothing listens on %s); start it: systemctl start lubdub", ErrNotRunning, c.path)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("may not talk to lubdub on %s: be root, or in the group %s", c.path, readGroup)
	}
	return err
}
