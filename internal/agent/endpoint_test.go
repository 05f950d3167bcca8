package agent

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"lubdub/internal/cluster"
)

// served is a web server with every answer that a probe may meet.
func served(t *testing.T, secure bool) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("all is well")) })
	mux.HandleFunc("/gone", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/gone", http.StatusFound) })
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	s := httptest.NewUnstartedServer(mux)
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s.URL
}

func TestEndpoints(t *testing.T) {
	w := newWorld(t)
	w.ocf(t, "db", `exit ${OCF_RESKEY_code:-0}`)
	web, secure := served(t, false), served(t, true)
	shut, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := shut.Addr().String()
	if err := shut.Close(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		endpoint cluster.Endpoint
		result   cluster.Result
		words    string
	}{
		"tcp":             {cluster.Endpoint{URL: "tcp://" + strings.TrimPrefix(web, "http://")}, cluster.OK, "db runs"},
		"tcp, closed":     {cluster.Endpoint{URL: "tcp://" + closed}, cluster.Failed, "db runs as its agent says, but tcp://" + closed + " does not answer: connection refused: nothing listens on " + closed},
		"http":            {cluster.Endpoint{URL: web + "/ok"}, cluster.OK, "db runs"},
		"body":            {cluster.Endpoint{URL: web + "/ok", Body: "well"}, cluster.OK, "db runs"},
		"other body":      {cluster.Endpoint{URL: web + "/ok", Body: "ill"}, cluster.Failed, "db runs as its agent says, but the answer of " + web + `/ok does not contain "ill"`},
		"status":          {cluster.Endpoint{URL: web + "/gone", Status: 503}, cluster.OK, "db runs"},
		"bad status":      {cluster.Endpoint{URL: web + "/gone"}, cluster.Failed, "db runs as its agent says, but " + web + "/gone answers 503 Service Unavailable"},
		"other status":    {cluster.Endpoint{URL: web + "/ok", Status: 204}, cluster.Failed, "db runs as its agent says, but " + web + "/ok answers 200 OK, and not 204"},
		"not followed":    {cluster.Endpoint{URL: web + "/moved"}, cluster.OK, "db runs"},
		"refused":         {cluster.Endpoint{URL: "http://" + closed + "/"}, cluster.Failed, "db runs as its agent says, but http://" + closed + "/ does not answer: connection refused: nothing listens on " + closed},
		"https, long yet": {cluster.Endpoint{URL: secure + "/ok", Days: 14}, cluster.OK, "db runs"},
		"https, soon":     {cluster.Endpoint{URL: secure + "/ok", Days: 100000}, cluster.OK, "db runs; the certificate of " + secure + "/ok ends on 2084-01-29, in ..."},
		"hangs":           {cluster.Endpoint{URL: web + "/hang"}, cluster.TimedOut, "db monitor: ended after TIME: it did not answer when " + web + "/hang was asked"},
	} {
		q := request("db", cluster.Monitor)
		q.Resource.Endpoints = []cluster.Endpoint{c.endpoint}
		if c.result == cluster.TimedOut {
			w.hang(t, q, 500*time.Millisecond, c.words)
			continue
		}
		out := w.expect(t, q, c.result, c.words)
		if out.Degraded != (name == "https, soon") {
			t.Errorf("%s: degraded %v", name, out.Degraded)
		}
	}
	q := request("db", cluster.Monitor)
	q.Resource.Endpoints, q.Resource.Params = []cluster.Endpoint{{URL: web + "/gone"}}, []string{"code=7"}
	w.expect(t, q, cluster.NotRunning, "db does not run: exit code 7, and it said nothing") // the agent's word counts first
	q.Action, q.Resource.Params = cluster.Start, nil
	w.expect(t, q, cluster.OK, "db is started") // only monitor asks
}

func TestCertificateEnds(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	e := cluster.Endpoint{URL: "https://h/", Days: 14}
	for left, want := range map[time.Duration]string{
		-time.Hour:  "the certificate of https://h/ ended on 2029-12-31: renew it",
		3 * day:     "the certificate of https://h/ ends on 2030-01-04, in 3 days: renew it",
		14 * day:    "",
		10000 * day: "",
	} {
		if got := lasts(e, now.Add(left), now); got != want {
			t.Errorf("%v: got %q, want %q", left, got, want)
		}
	}
}
