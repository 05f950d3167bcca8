package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"lubdub/internal/cluster"
)

const (
	// endpointTime bounds how long one endpoint may take: within the monitor action's own time, and not all of it.
	endpointTime = 10 * time.Second
	// maxBody is how much of an answer is searched for the text that must be there.
	maxBody = 1 << 20
	// leastBad is the lowest status of HTTP that is no success.
	leastBad = 400
	day      = 24 * time.Hour
)

// endpoints asks what lubdub.conf wants to be asked, when the agent says that the resource runs. A failure is never "does
// not run": while the address is mute the core does not count it.
func endpoints(ctx context.Context, q Request, out cluster.Outcome) cluster.Outcome {
	for _, e := range q.Resource.Endpoints {
		wrong, weak := ask(ctx, e)
		switch {
		case ctx.Err() != nil:
			over := q.unended(ctx.Err())
			over.Words += fmt.Sprintf(" when %s was asked", e.URL)
			return over
		case wrong != "":
			return cluster.Outcome{Result: cluster.Failed, Lines: out.Lines, Words: fmt.Sprintf("%s runs as its agent says, but %s", q.Resource.Name, wrong)}
		case weak != "":
			out.Degraded = true
			out.Words += "; " + weak
		}
	}
	return out
}

// ask asks one endpoint. wrong says why it does not serve, weak why it will not for long.
func ask(ctx context.Context, e cluster.Endpoint) (wrong, weak string) {
	at, err := url.Parse(e.URL)
	if err != nil {
		return fmt.Sprintf("%s cannot be asked: %v", e.URL, err), ""
	}
	whole := ctx
	ctx, free := context.WithTimeout(ctx, endpointTime)
	defer free()
	if at.Scheme == "tcp" {
		err = askTCP(ctx, at.Host)
	} else {
		wrong, weak, err = askHTTP(ctx, e)
	}
	if err != nil && whole.Err() == nil {
		wrong = fmt.Sprintf("%s does not answer: %s", e.URL, why(err, at))
	}
	return wrong, weak
}

func askTCP(ctx context.Context, host string) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", host)
	if err != nil {
		return err
	}
	return c.Close()
}

// askHTTP follows no redirect and goes through no proxy. Whether a certificate is trusted is for the clients: it is not
// judged here, only how long it lasts.
func askHTTP(ctx context.Context, e cluster.Endpoint) (wrong, weak string, err error) {
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.URL, nil)
	if err != nil {
		return "", "", err
	}
	request.Header.Set("User-Agent", "lubdub")
	answer, err := client.Do(request)
	if err != nil {
		return "", "", err
	}
	defer answer.Body.Close()
	switch {
	case e.Status == 0 && answer.StatusCode >= leastBad:
		return fmt.Sprintf("%s answers %s", e.URL, answer.Status), "", nil
	case e.Status != 0 && answer.StatusCode != e.Status:
		return fmt.Sprintf("%s answers %s, and not %d", e.URL, answer.Status, e.Status), "", nil
	}
	if e.Body != "" {
		text, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
		if err != nil {
			return "", "", err
		}
		if !strings.Contains(string(text), e.Body) {
			return fmt.Sprintf("the answer of %s does not contain %q", e.URL, e.Body), "", nil
		}
	}
	if answer.TLS != nil && len(answer.TLS.PeerCertificates) > 0 {
		weak = lasts(e, answer.TLS.PeerCertificates[0].NotAfter, time.Now())
	}
	return "", weak, nil
}

// lasts says when a certificate ends, if that is soon. A restart would not mend it: it is no failure.
func lasts(e cluster.Endpoint, end, now time.Time) string {
	left := end.Sub(now)
	switch {
	case left <= 0:
		return fmt.Sprintf("the certificate of %s ended on %s: renew it", e.URL, end.Format(time.DateOnly))
	case left < time.Duration(e.Days)*day:
		return fmt.Sprintf("the certificate of %s ends on %s, in %d days: renew it", e.URL, end.Format(time.DateOnly), left/day)
	}
	return ""
}

// why says in plain words why nobody answered.
func why(err error, at *url.URL) string {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	var unknown *net.DNSError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused: nothing listens on " + at.Host
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Sprintf("nothing came within %s", endpointTime)
	case errors.As(err, &unknown):
		return fmt.Sprintf("the name %s is not known", at.Hostname())
	}
	return err.Error()
}
