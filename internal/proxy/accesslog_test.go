package proxy

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

func TestCombinedLine(t *testing.T) {
	at := time.Date(2026, 3, 9, 4, 5, 6, 0, time.FixedZone("", 2*60*60))
	tests := map[string]struct {
		request http.Request
		status  int
		bytes   int64
		want    string
	}{
		"whole": {
			http.Request{RemoteAddr: "192.0.2.9:1234", Method: "GET", RequestURI: "/a?b=c", Proto: "HTTP/1.1",
				Header: http.Header{"Referer": {"http://www.example.org/"}, "User-Agent": {"curl/8"}}}, 200, 2326,
			`192.0.2.9 - - [09/Mar/2026:04:05:06 +0200] "GET /a?b=c HTTP/1.1" 200 2326 "http://www.example.org/" "curl/8"` + "\n",
		},
		"nothing sent, IPv6": {
			http.Request{RemoteAddr: "[2001:db8::1]:1", Method: "HEAD", RequestURI: "/", Proto: "HTTP/2.0"}, 304, 0,
			`2001:db8::1 - - [09/Mar/2026:04:05:06 +0200] "HEAD / HTTP/2.0" 304 - "-" "-"` + "\n",
		},
		"a forged line stays one line": {
			http.Request{RemoteAddr: "192.0.2.9:1", Method: "GET", RequestURI: "/", Proto: "HTTP/1.1",
				Header: http.Header{"User-Agent": {"x\" \\ \n\xff\x1b[2J"}}}, 499, 0,
			`192.0.2.9 - - [09/Mar/2026:04:05:06 +0200] "GET / HTTP/1.1" 499 - "-" "x\" \\ \x0a\xff\x1b[2J"` + "\n",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := string(appendCombined(nil, &test.request, at, test.status, test.bytes))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAccessLogIsCompleteAtTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	held := logFile{path: path}
	if _, err := held.reopen(); err != nil {
		t.Fatal(err)
	}
	l := newAccessLog(held.file)
	b := backEndSaying(t, "12345")
	_, server := testFront(t, Settings{BackEnds: []string{b.URL}}, l)
	for range 300 {
		mustFetch(t, server.URL)
	}
	server.Close()
	l.close()
	text := readFile(t, path)
	if n := strings.Count(text, `"GET / HTTP/1.1" 200 5 "-" "Go-http-client/1.1"`+"\n"); n != 300 {
		t.Errorf("%d lines of 300", n)
	}
	if l.lost.Load() != 0 {
		t.Errorf("%d lost", l.lost.Load())
	}
}

func TestFullDiskLosesLinesNotRequests(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here:", err)
	}
	l := newAccessLog(full)
	for range 1000 {
		l.write([]byte(strings.Repeat("x", 200) + "\n"))
		if len(l.lines) > logQueue/2 {
			time.Sleep(time.Millisecond)
		}
	}
	l.close()
	if lost := l.lost.Load(); lost != 1000 {
		t.Errorf("%d lines counted as lost, want 1000", lost)
	}
}

func TestLogFileFollowsItsName(t *testing.T) {
	dir := t.TempDir()
	l := logFile{path: filepath.Join(dir, "log")}
	defer l.close()
	for i, step := range []struct {
		before func()
		want   bool
	}{
		{func() {}, true}, {func() {}, false},
		{func() { os.Rename(l.path, l.path+".1") }, true}, {func() {}, false},
		{func() { os.Remove(l.path) }, true},
		{func() { os.Rename(l.path, l.path+".2"); os.WriteFile(l.path, nil, 0o600) }, true}, // logrotate's "create"
	} {
		step.before()
		if got, err := l.reopen(); got != step.want || err != nil {
			t.Errorf("step %d: reopened %t, %v", i, got, err)
		}
	}
}

// FuzzCombinedLine: whatever a client says, the line is one line of printable characters with its quotes in place.
func FuzzCombinedLine(f *testing.F) {
	f.Add("GET", "/", "ref", "agent")
	f.Add("\x00", "\"\\", "a\nb", "\xff\r\u2028")
	shape := regexp.MustCompile(`^192\.0\.2\.9 - - \[[^\]]+\] "((?:[^"\\]|\\.)*)" 200 7 "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"\n$`)
	f.Fuzz(func(t *testing.T, method, uri, referer, agent string) {
		r := &http.Request{RemoteAddr: "192.0.2.9:1", Method: method, RequestURI: uri, Proto: "HTTP/1.1",
			Header: http.Header{"Referer": {referer}, "User-Agent": {agent}}}
		line := string(appendCombined(nil, r, time.Unix(0, 0).UTC(), 200, 7))
		if !shape.MatchString(line) || strings.ContainsFunc(line[:len(line)-1], func(c rune) bool { return c < ' ' || c > '~' }) {
			t.Errorf("line: %q", line)
		}
	})
}
