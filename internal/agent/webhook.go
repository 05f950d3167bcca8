package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Webhook posts JSON.
type Webhook struct {
	Name    string   // as messages call it: without what may be secret in the URL
	URL     string   // or @/PATH: the first line of that file
	Headers []string // NAME:PATH each: the value is the first line of that file
	CA      string   // a file of certificates to trust; empty: those of the system
	Timeout time.Duration
}

// maxAnswer is how much of an answer is read: what it says first says why.
const maxAnswer = 4 << 10

// longPart is the shortest piece of an address that may be a token.
const longPart = 12

// Check says what would keep the post from being sent, as far as that can be seen without its server.
func (w Webhook) Check() []Problem {
	q, _, err := w.request(context.Background(), nil)
	if err != nil {
		return []Problem{{Words: err.Error()}}
	}
	if _, err := trusted(w.CA, q.URL.Host); err != nil {
		return []Problem{{Words: err.Error()}}
	}
	return nil
}

// request makes the request, and returns what is secret in it.
func (w Webhook) request(ctx context.Context, body []byte) (q *http.Request, secrets []string, err error) {
	address := w.URL
	if strings.HasPrefix(address, "@/") {
		if address, err = secretIn(address[1:]); err != nil {
			return nil, nil, fmt.Errorf("its URL cannot be read: %w", err)
		}
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, nil, errors.New("its URL is none") // which may be a secret
	}
	secrets = append(secrets, address, u.RequestURI())
	for part := range strings.FieldsFuncSeq(u.RequestURI(), func(c rune) bool { return strings.ContainsRune("/?&=", c) }) {
		if len(part) >= longPart {
			secrets = append(secrets, part)
		}
	}
	if q, err = http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body)); err != nil {
		return nil, nil, errors.New("its URL is none")
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("User-Agent", "lubdub")
	for _, h := range w.Headers {
		name, path, _ := strings.Cut(h, ":")
		value, err := secretIn(path)
		if err != nil {
			return nil, nil, fmt.Errorf("the header %s cannot be read: %w", name, err)
		}
		if value != clean(value) {
			return nil, nil, fmt.Errorf("the header %s: %s holds what cannot be in a header", name, path)
		}
		q.Header.Set(name, value)
		secrets = append(secrets, value)
	}
	return q, secrets, nil
}

// Post posts a body within the time-out. The error holds no secret.
func (w Webhook) Post(ctx context.Context, body []byte) error {
	ctx, free := context.WithTimeout(ctx, w.Timeout)
	defer free()
	q, secrets, err := w.request(ctx, body)
	if err != nil {
		return err
	}
	settings, err := trusted(w.CA, q.URL.Host)
	if err != nil {
		return err
	}
	settings.ServerName = q.URL.Hostname()
	client := http.Client{
		Transport: &http.Transport{TLSClientConfig: settings, DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true},
		// A token is for one server only.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(q)
	if err != nil {
		var wrapped *url.Error // which shows the URL
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s did not answer within %v", q.URL.Hostname(), w.Timeout)
		}
		return errors.New(redact(clean(err.Error()), secrets))
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, maxAnswer)) // what came says enough
	if answer.StatusCode/100 == 2 {
		return nil
	}
	words := "it answered " + answer.Status
	if lines := linesOf(redact(string(text), secrets)); len(lines) > 0 {
		words += ": " + shorten(lines[0], maxLine)
	}
	return errors.New(clean(words))
}
