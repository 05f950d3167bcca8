package lab

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxOpen bounds the open HTTP requests: a pace of 1 ms and the usual patience of a second, twice over.
	maxOpen = 2000
	// maxBody is how much of an answer is read; more is no business of a probe.
	maxBody = 1 << 20
	// stampLen is the sequence number at the head of a datagram.
	stampLen = 8
)

// load is the load's process.
func load(ctx context.Context, c loadConfig, begin func() (*json.Encoder, error)) error {
	u, err := url.Parse(c.URL)
	if err != nil {
		return err
	}
	if u.Scheme == "udp" {
		return loadDatagrams(ctx, u.Host, c.Pace, begin)
	}
	return loadHTTP(ctx, c, begin)
}

// loadHTTP sends a request each tick, each in a goroutine, and reports them as they end.
func loadHTTP(ctx context.Context, c loadConfig, begin func() (*json.Encoder, error)) error {
	client := &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: !c.Pace.KeepAlive, MaxIdleConnsPerHost: maxOpen, DisableCompression: true,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the lab's certificates are its own
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	reports, err := begin()
	if err != nil {
		return err
	}
	results := make(chan Request, maxOpen)
	open := make(chan struct{}, maxOpen)
	var asking sync.WaitGroup
	go func() {
		defer close(results)
		tick := time.NewTicker(c.Pace.Every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				asking.Wait()
				return
			case <-tick.C:
			}
			select {
			case open <- struct{}{}:
				asking.Go(func() {
					results <- ask(client, c)
					<-open
				})
			default:
				results <- Request{At: Now(), Err: "the client has too many open requests"}
			}
		}
	}()
	for r := range results {
		if err := reports.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// ask sends one request and reads its answer.
func ask(client *http.Client, c loadConfig) Request {
	ctx, cancel := context.WithTimeout(context.Background(), c.Pace.Timeout)
	defer cancel()
	r := Request{At: Now()}
	fail := func(err error) Request {
		r.Latency, r.Err = Now()-r.At, plain(err)
		return r
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, nil)
	if err != nil {
		return fail(err)
	}
	answer, err := client.Do(request)
	if err != nil {
		return fail(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return fail(err)
	}
	if r.Server = answer.Header.Get(c.Pace.Header); r.Server == "" {
		line, _, _ := strings.Cut(string(body), "\n")
		r.Server = line[:min(len(line), 64)]
	}
	if answer.StatusCode >= http.StatusBadRequest {
		return fail(errors.New(answer.Status))
	}
	r.Latency = Now() - r.At
	return r
}

// plain is an error without the method and the URL that are the same for all.
func plain(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	return err.Error()
}

// echo is an answered datagram.
type echo struct {
	number uint64
	at     time.Duration
	server string
}

// loadDatagrams sends a numbered datagram each tick and waits for its echo.
func loadDatagrams(ctx context.Context, to string, pace Pace, begin func() (*json.Encoder, error)) error {
	conn, err := net.Dial("udp", to)
	if err != nil {
		return fmt.Errorf("load udp://%s: %w", to, err)
	}
	defer conn.Close()
	reports, err := begin()
	if err != nil {
		return err
	}
	echoes := make(chan echo, 256)
	reading := make(chan struct{})
	go func() { defer close(reading); readEchoes(conn, echoes) }()
	defer func() { conn.Close(); drain(echoes, reading) }()
	v := &volley{conn: conn, patience: pace.Timeout, open: map[uint64]time.Duration{}}
	tick := time.NewTicker(pace.Every)
	defer tick.Stop()
	for ctx.Err() == nil || len(v.open) > 0 {
		select {
		case e := <-echoes:
			v.match(e)
		case <-tick.C:
			if ctx.Err() == nil {
				v.send()
			}
			v.giveUp()
		}
		for _, r := range v.ended {
			if err := reports.Encode(r); err != nil {
				return err
			}
		}
		v.ended = v.ended[:0]
	}
	return nil
}

// volley is the datagrams that are on their way.
type volley struct {
	conn     net.Conn
	patience time.Duration
	open     map[uint64]time.Duration // when each was sent
	number   uint64                   // of the next
	oldest   uint64                   // none before it is open
	ended    []Request                // to be reported
}

// send sends the next datagram.
func (v *volley) send() {
	at := Now()
	_, err := v.conn.Write(binary.BigEndian.AppendUint64(nil, v.number))
	// "Connection refused" is about an earlier one: nobody listened. It is given up in time.
	if err != nil && !errors.Is(err, unix.ECONNREFUSED) {
		v.ended = append(v.ended, Request{At: at, Err: err.Error()})
	} else {
		v.open[v.number] = at
	}
	v.number++
}

// match ends the datagram that was answered. An echo of one given up comes too late.
func (v *volley) match(e echo) {
	if at, ok := v.open[e.number]; ok {
		delete(v.open, e.number)
		v.ended = append(v.ended, Request{At: at, Latency: e.at - at, Server: e.server})
	}
}

// giveUp ends the datagrams that have waited long enough.
func (v *volley) giveUp() {
	for ; v.oldest < v.number; v.oldest++ {
		at, ok := v.open[v.oldest]
		if ok && Now()-at < v.patience {
			return
		}
		if ok {
			delete(v.open, v.oldest)
			v.ended = append(v.ended, Request{At: at, Latency: v.patience, Err: "no answer in time"})
		}
	}
}

// readEchoes passes on echoes until the socket is closed.
func readEchoes(conn net.Conn, echoes chan<- echo) {
	buffer := make([]byte, maxFrame)
	for {
		n, err := conn.Read(buffer)
		at := Now()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n < stampLen {
			continue // "port unreachable" and the like: the datagram it is about will be given up in time
		}
		echoes <- echo{binary.BigEndian.Uint64(buffer), at, string(buffer[stampLen:n])}
	}
}

// drain takes what a sender still has until it is done.
func drain[T any](from <-chan T, done <-chan struct{}) {
	for {
		select {
		case <-from:
		case <-done:
			return
		}
	}
}
