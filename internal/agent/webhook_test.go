package agent

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestWebhook(t *testing.T) {
	_, ca := certificates(t)
	const token, place = "Bearer hush-hush-hush", "/hooks/T0000/a-secret-place?key=other-secret"
	var status int
	var got *http.Request
	var body string
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got, body = r, string(text)
		if status == http.StatusFound {
			http.Redirect(w, r, "/elsewhere", status)
			return
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "\n no "+r.Header.Get("Authorization")+" for "+r.URL.RequestURI()+" nor a-secret-place\nmore\n")
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // that a client does not trust it is no news
	s.StartTLS()
	defer s.Close()
	hook := Webhook{URL: "@" + secretFile(t, s.URL+place), Headers: []string{"Authorization:" + secretFile(t, token)}, CA: ca, Timeout: 20 * time.Second}
	if wrong := hook.Check(); len(wrong) > 0 {
		t.Errorf("check: %v", wrong)
	}
	for _, c := range []struct {
		status int
		want   string
	}{
		{http.StatusOK, ""},
		{http.StatusNoContent, ""},
		{http.StatusFound, "it answered 302 Found"},
		{http.StatusForbidden, "it answered 403 Forbidden: no **** for **** nor ****"},
	} {
		status, got = c.status, nil
		err := hook.Post(t.Context(), []byte(`{"a":1}`))
		if text := ""; err != nil || c.want != "" {
			if err != nil {
				text = err.Error()
			}
			if text != c.want {
				t.Errorf("%d: got %q, want %q", c.status, text, c.want)
			}
		}
		if got == nil {
			t.Fatalf("%d: nothing came", c.status)
		}
		if got.Method != http.MethodPost || got.URL.RequestURI() != place || body != `{"a":1}` || got.Header.Get("Content-Type") != "application/json" || got.Header.Get("Authorization") != token {
			t.Errorf("got %s %s %q %v", got.Method, got.URL, body, got.Header)
		}
	}

	distrustful := hook
	distrustful.CA = ""
	if err := distrustful.Post(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "failed to verify certificate") || strings.Contains(err.Error(), "T0000") {
		t.Errorf("an unknown certificate: %v", err)
	}
}

// Neither what is wrong with a webhook nor what its server does shows a secret.
func TestWebhookRefused(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer s.Close()
	defer close(release)
	nowhere := httptest.NewServer(nil)
	nowhere.Close()
	for name, c := range map[string]struct {
		hook Webhook
		want string
		bad  bool // Check sees it
	}{
		"hanging":      {Webhook{URL: s.URL + "/hush-hush", Timeout: 50 * time.Millisecond}, "127.0.0.1 did not answer within 50ms", false},
		"nobody":       {Webhook{URL: nowhere.URL + "/hush-hush", Timeout: 20 * time.Second}, "connection refused", false},
		"no file":      {Webhook{URL: "@/nowhere/url", Timeout: time.Second}, "its URL cannot be read: /nowhere: no such file or directory", true},
		"no URL":       {Webhook{URL: "@" + secretFile(t, "hush-hush hush"), Timeout: time.Second}, "its URL is none", true},
		"no header":    {Webhook{URL: s.URL, Headers: []string{"X-Key:/nowhere/key"}, Timeout: time.Second}, "the header X-Key cannot be read: /nowhere: no such file", true},
		"bad header":   {Webhook{URL: s.URL, Headers: []string{"X-Key:" + secretFile(t, "hush-hush\rX: y")}, Timeout: time.Second}, "holds what cannot be in a header", true},
		"no authority": {Webhook{URL: s.URL, CA: "/nowhere/ca.pem", Timeout: time.Second}, "read the certificates to trust", true},
	} {
		err := c.hook.Post(t.Context(), []byte("{}"))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hush-hush") {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
		if wrong := c.hook.Check(); len(wrong) > 0 != c.bad || strings.Contains(strings.Join(problemWords(wrong), " "), "hush-hush") {
			t.Errorf("%s: check: %v", name, wrong)
		}
	}
}

func problemWords(all []Problem) (out []string) {
	for _, p := range all {
		out = append(out, p.String())
	}
	return out
}
