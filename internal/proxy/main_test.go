package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain lets the test binary be the program that the proxy starts.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "proxy" {
		os.Exit(beProcess(os.Args[2]))
	}
	goleak.VerifyTestMain(m)
}

func beProcess(part string) int {
	var err error
	switch part {
	case "--child":
		err = RunWorker(context.Background())
	case "--supervise":
		err = RunDetached(context.Background())
	case "--namespace":
		err = beInNamespace(os.Getenv("PROXY_TEST"))
	case "--restricted":
		arguments := strings.Fields(os.Getenv("PROXY_TEST"))
		err = beRestricted(arguments[0], arguments[1], arguments[2])
	default:
		err = fmt.Errorf("no such part: %s", part)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

const patience = 10 * time.Second // for anything that should happen at once

// eventually waits until the condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("not within %v: %s", patience, what)
}

// shortDir is a directory whose path leaves room for a socket's name.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ldprx")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func testPlace(t testing.TB) Place {
	t.Helper()
	return Place{Runtime: shortDir(t), Log: slog.New(slog.DiscardHandler)}
}

// backEndSaying answers each request with the words.
func backEndSaying(t testing.TB, words string) *httptest.Server {
	t.Helper()
	b := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, words) }))
	t.Cleanup(b.Close)
	return b
}

// closedAddress is one where nobody listens.
func closedAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// supervise runs a supervisor in this process, with workers of their own, until the test ends.
func supervise(t testing.TB, s Settings, place Place) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- RunSupervisor(ctx, s, place, func() { close(ready) }) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("supervisor: %v", err)
			}
		case <-time.After(patience):
			t.Error("supervisor does not end")
		}
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- nil
		t.Fatalf("supervisor ended: %v", err)
	case <-time.After(patience):
		t.Fatal("supervisor is not ready")
	}
}

func monitored(t testing.TB, name string, place Place) Status {
	t.Helper()
	var s Status
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); { // a worker on a busy machine may be asked in vain
		if s, err = Monitor(t.Context(), name, place); err == nil {
			return s
		}
	}
	t.Fatal(err)
	return s
}

// fetch gets a page over a connection of its own.
func fetch(url string) (status int, body string, err error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	r, err := client.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	return r.StatusCode, string(text), err
}

func mustFetch(t testing.TB, url string) string {
	t.Helper()
	status, body, err := fetch(url)
	if err != nil || status != http.StatusOK {
		t.Fatalf("%s: status %d, %v", url, status, err)
	}
	return body
}

func readFile(t testing.TB, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ESRCH) { // a thread may end between open and read
		t.Fatal(err)
	}
	return string(text)
}

// field finds "Name: value" in the text of a status file.
func field(text, name string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
