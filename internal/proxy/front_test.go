package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// testFront is a front without processes, on a server of its own.
func testFront(t testing.TB, s Settings, log *accessLog) (*front, *httptest.Server) {
	t.Helper()
	s.Name, s.Listen = "t", []string{":0"}
	s, err := s.Complete()
	if err != nil {
		t.Fatal(err)
	}
	transport := newTransport(s)
	p, err := newPool(s, transport)
	if err != nil {
		t.Fatal(err)
	}
	f := newFront(s, p, log)
	server := httptest.NewServer(f)
	t.Cleanup(func() { server.Close(); transport.CloseIdleConnections() })
	return f, server
}

func TestHeadersToBackEnd(t *testing.T) {
	got := make(chan *http.Request, 1)
	b := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r }))
	t.Cleanup(b.Close)
	sent := http.Header{
		"X-Forwarded-For":   {"6.6.6.6"},
		"X-Forwarded-Proto": {"https"},
		"X-Forwarded-Host":  {"evil.example"},
		"X-Forwarded-Port":  {"1"},
		"Forwarded":         {"for=6.6.6.6"},
		"Connection":        {"X-Private, keep-alive"},
		"X-Private":         {"hop by hop"},
		"Keep-Alive":        {"300"},
		"Proxy-Connection":  {"x"},
		"X-Other":           {"passes"},
	}
	tests := map[string]struct {
		trust bool
		want  map[string]string
	}{
		"claims are replaced": {false, map[string]string{
			"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "www.example.org",
			"X-Forwarded-Port": "", "Forwarded": "", "Connection": "", "X-Private": "", "Keep-Alive": "", "Proxy-Connection": "", "X-Other": "passes",
		}},
		"a trusted proxy's claims are kept": {true, map[string]string{
			"X-Forwarded-For": "6.6.6.6, 127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example",
			"X-Forwarded-Port": "1", "Forwarded": "", "Connection": "", "X-Private": "", "X-Other": "passes",
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, server := testFront(t, Settings{BackEnds: []string{b.URL}, Trust: test.trust}, nil)
			r, _ := http.NewRequest("GET", server.URL+"/path?q=1", nil)
			r.Host, r.Header = "www.example.org", sent.Clone()
			answer, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			arrived := <-got
			for header, want := range test.want {
				if is := strings.Join(arrived.Header[header], ", "); is != want {
					t.Errorf("%s: got %q, want %q", header, is, want)
				}
			}
			if arrived.Host != "www.example.org" || arrived.RequestURI != "/path?q=1" {
				t.Errorf("got %s%s", arrived.Host, arrived.RequestURI)
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	ok := backEndSaying(t, "good")
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(hangs.Close)
	cuts := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(cuts.Close)
	dead := func() string { return "http://" + closedAddress(t) }
	tests := map[string]struct {
		backEnds []string
		method   string
		body     string
		status   int
		retry    string
	}{
		"good":                          {[]string{ok.URL}, "GET", "", 200, ""},
		"one dead, repeatable":          {[]string{dead(), dead(), ok.URL, ok.URL + "/"}, "GET", "", 200, ""},
		"all dead":                      {[]string{dead(), dead()}, "GET", "", 503, "2"},
		"the only one is dead":          {[]string{dead()}, "GET", "", 503, "2"},
		"one dead, a body, not again":   {[]string{dead(), dead(), ok.URL}, "POST", "x", 0, ""},
		"no answer in time":             {[]string{hangs.URL}, "GET", "", 504, ""},
		"cut off before it answered":    {[]string{cuts.URL}, "POST", "x", 502, ""},
		"a tunnel is not what we offer": {[]string{ok.URL}, "CONNECT", "", 405, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			answerTime := patience
			if test.status == http.StatusGatewayTimeout {
				answerTime = 100 * time.Millisecond
			}
			f, server := testFront(t, Settings{BackEnds: test.backEnds, AnswerTime: answerTime, DialTime: patience, Node: "alpha"}, nil)
			seen := map[int]int{}
			for range 6 { // every back end has its turn
				r, _ := http.NewRequest(test.method, server.URL+"/", strings.NewReader(test.body))
				answer, err := server.Client().Transport.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				text, _ := io.ReadAll(answer.Body)
				answer.Body.Close()
				seen[answer.StatusCode]++
				if test.status != 0 && (answer.StatusCode != test.status || answer.Header.Get("Retry-After") != test.retry) {
					t.Fatalf("got %d, Retry-After %q", answer.StatusCode, answer.Header.Get("Retry-After"))
				}
				if answer.Header.Get("X-Lubdub-Node") != "alpha" {
					t.Error("no node in the answer")
				}
				for _, b := range test.backEnds {
					if u, _ := url.Parse(b); strings.Contains(string(text), u.Host) || strings.Contains(string(text), "refused") {
						t.Errorf("the page names something inside: %q", text)
					}
				}
			}
			if test.status == 0 && (seen[502] == 0 || seen[502] > 2 || seen[200]+seen[502] != 6) {
				t.Errorf("each dead one may cost one such request, got %v", seen)
			}
			if total := f.served.Load() + f.failed.Load(); total != 6 {
				t.Errorf("counted %d requests", total)
			}
			for _, b := range f.pool.backEnds {
				if n := b.running.Load(); n != 0 {
					t.Errorf("%d requests still counted on %s", n, b.url)
				}
			}
		})
	}
}

func TestPick(t *testing.T) {
	tests := map[string]struct {
		up      []bool
		running []int64
		except  int
		want    int
		wantUp  bool
	}{
		"fewest requests":         {[]bool{true, true, true}, []int64{3, 1, 2}, -1, 1, true},
		"up before fewest":        {[]bool{true, false, false}, []int64{9, 0, 0}, -1, 0, true},
		"not the one that failed": {[]bool{true, true}, []int64{0, 5}, 0, 1, true},
		"none up: fewest anyway":  {[]bool{false, false}, []int64{2, 1}, -1, 1, false},
		"nobody else":             {[]bool{true}, []int64{0}, 0, -1, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := &pool{}
			for i, up := range test.up {
				b := &backEnd{}
				b.condition.Store(&condition{up: up})
				b.running.Store(test.running[i])
				p.backEnds = append(p.backEnds, b)
			}
			var except, want *backEnd
			if test.except >= 0 {
				except = p.backEnds[test.except]
			}
			if test.want >= 0 {
				want = p.backEnds[test.want]
			}
			for range 2 * len(test.up) { // whoever's turn it is
				if got, up := p.pick(except); got != want || up != test.wantUp {
					t.Fatalf("got %p, up %t; want %p, up %t", got, up, want, test.wantUp)
				}
			}
		})
	}
}

func TestEqualsTakeTurns(t *testing.T) {
	p := &pool{}
	for range 3 {
		b := &backEnd{}
		b.condition.Store(&condition{up: true})
		p.backEnds = append(p.backEnds, b)
	}
	got := map[*backEnd]int{}
	for range 9 {
		b, _ := p.pick(nil)
		got[b]++
	}
	for _, b := range p.backEnds {
		if got[b] != 3 {
			t.Errorf("turns: %v", got)
		}
	}
}

func TestConditionAfter(t *testing.T) {
	check := HealthCheck{Rise: 2, Fall: 3}
	c := condition{up: true}
	for i, step := range []struct {
		fault string
		up    bool
	}{
		{"a", true}, {"a", true}, {"", true}, // a good one between starts the count anew
		{"b", true}, {"b", true}, {"c", false},
		{"", false}, {"d", false}, {"", false}, {"", true},
	} {
		c = c.after(step.fault, check, time.Unix(int64(i), 0))
		if c.up != step.up {
			t.Fatalf("step %d: up is %t, want %t", i, c.up, step.up)
		}
		if !c.up && c.reason == "" {
			t.Fatalf("step %d: down without a reason", i)
		}
	}
	if c.reason != "" || c.since != time.Unix(9, 0) {
		t.Errorf("at the end: %+v", c)
	}
}

func TestWebSocketUpgrade(t *testing.T) {
	b := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" || r.Header.Get("Sec-Websocket-Key") != "abc" {
			t.Errorf("upgrade headers did not arrive: %v", r.Header)
		}
		conn, buffer, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		io.Copy(conn, buffer) // an echo
	}))
	t.Cleanup(b.Close)
	f, server := testFront(t, Settings{BackEnds: []string{b.URL}}, nil)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: abc\r\n\r\n")
	in := bufio.NewReader(conn)
	answer, err := http.ReadResponse(in, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %v, %v", answer, err)
	}
	for _, words := range []string{"hello\n", strings.Repeat("x", 64<<10) + "\n"} {
		go io.WriteString(conn, words)
		if got, err := in.ReadString('\n'); err != nil || got != words {
			t.Fatalf("echo: got %d bytes of %d, %v", len(got), len(words), err)
		}
	}
	conn.Close()
	f.running.Wait()
	if f.served.Load() != 1 || f.failed.Load() != 0 {
		t.Errorf("served %d, failed %d", f.served.Load(), f.failed.Load())
	}
}

func TestEventStreamArrivesAtOnce(t *testing.T) {
	release := make(chan struct{})
	b := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: one\n\n")
		w.(http.Flusher).Flush()
		<-release
		io.WriteString(w, "data: two\n\n")
	}))
	t.Cleanup(b.Close)
	_, server := testFront(t, Settings{BackEnds: []string{b.URL}}, nil)
	goOn := sync.OnceFunc(func() { close(release) })
	defer goOn() // also when the first bytes do not come
	answer, err := (&http.Client{Timeout: patience}).Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	first := make([]byte, len("data: one\n\n"))
	if _, err := io.ReadFull(answer.Body, first); err != nil { // would wait until the second event if nobody flushed
		t.Fatal(err)
	}
	goOn()
	rest, err := io.ReadAll(answer.Body)
	if diff := cmp.Diff("data: one\n\n|data: two\n\n", string(first)+"|"+string(rest)); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestInterimAnswerKeepsOurHeaders(t *testing.T) {
	b := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		io.WriteString(w, "done")
	}))
	t.Cleanup(b.Close)
	f, server := testFront(t, Settings{BackEnds: []string{b.URL}, Node: "beta"}, nil)
	f.closing.Store(true)
	answer, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != 200 || answer.Header.Get("X-Lubdub-Node") != "beta" || !answer.Close {
		t.Errorf("status %d, node %q, close %t", answer.StatusCode, answer.Header.Get("X-Lubdub-Node"), answer.Close)
	}
}

func TestHealthChecksMoveBackEnds(t *testing.T) {
	status := make(chan int, 1)
	status <- 200
	b := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code := <-status
		status <- code
		w.WriteHeader(code)
	}))
	t.Cleanup(b.Close)
	s := Settings{BackEnds: []string{b.URL}, Check: HealthCheck{Path: "/alive", Interval: 10 * time.Millisecond, Fall: 2}}
	f, _ := testFront(t, s, nil)
	done := make(chan struct{})
	ctx, cancel := contextOf(t)
	go func() { defer close(done); f.pool.watch(ctx) }()
	defer func() { cancel(); <-done }()
	for _, step := range []struct {
		code int
		up   bool
	}{{503, false}, {404, true}, {500, false}, {301, true}} {
		<-status
		status <- step.code
		eventually(t, fmt.Sprintf("status %d makes up=%t", step.code, step.up), func() bool {
			state := f.pool.state()[0]
			return state.Up == step.up && strings.Contains(state.Reason, fmt.Sprint(step.code)) == !step.up
		})
	}
}
