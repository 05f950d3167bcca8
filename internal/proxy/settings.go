package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Limits of what settings may ask for.
const (
	maxListeners   = 32               // each is a descriptor in one message; the kernel passes 253 at most
	maxBackEnds    = 64               // each costs a goroutine and a request per check
	maxHeaderLimit = 1 << 20          // bytes; more than this in a header is an attack
	maxDrain       = 60 * time.Second // a stop must end within an agent's time-out
	maxMove        = 1000             // rise and fall; more means "never"
)

// Settings says all that one proxy does. A zero field means its default; Complete fills it in.
type Settings struct {
	Name        string        `json:"name"`                   // letters, digits, - and _; names the runtime directory
	Listen      []string      `json:"listen,omitempty"`       // HTTP, as host:port; no host: every address
	ListenTLS   []string      `json:"listen_tls,omitempty"`   // HTTPS; needs Certificate and Key
	Certificate string        `json:"certificate,omitempty"`  // PEM file, leaf first
	Key         string        `json:"key,omitempty"`          // PEM file; read by the supervisor only
	BackEnds    []string      `json:"back_ends"`              // as http://10.0.0.11:8080 or https://web1.example.org
	Check       HealthCheck   `json:"check"`                  // how back ends are asked whether they live
	AccessLog   string        `json:"access_log,omitempty"`   // Combined log; empty: none
	User        string        `json:"user,omitempty"`         // whom the worker runs as; empty: lubdub-proxy, else nobody
	Node        string        `json:"node,omitempty"`         // sent as X-Lubdub-Node with each answer; empty: not sent
	Trust       bool          `json:"trust,omitempty"`        // keep incoming X-Forwarded-*; only behind another proxy
	HeaderLimit int           `json:"header_limit,omitempty"` // bytes of request line and headers; default 64 KiB
	HeaderTime  time.Duration `json:"header_time,omitempty"`  // for a request's headers to arrive; default 10 s
	ReadTime    time.Duration `json:"read_time,omitempty"`    // for a whole request; default none: it would cut long uploads and streams
	IdleTime    time.Duration `json:"idle_time,omitempty"`    // between requests of one connection; default 60 s
	DialTime    time.Duration `json:"dial_time,omitempty"`    // to connect to a back end; default 1 s
	AnswerTime  time.Duration `json:"answer_time,omitempty"`  // for a back end's headers to come; default 60 s
	DrainTime   time.Duration `json:"drain_time,omitempty"`   // what is still running at the end of a worker may take; default 5 s
}

// HealthCheck says how back ends are asked whether they live.
type HealthCheck struct {
	Path     string        `json:"path,omitempty"`     // default /; any status below 500 is good
	Interval time.Duration `json:"interval,omitempty"` // default 2 s
	Timeout  time.Duration `json:"timeout,omitempty"`  // default 1 s
	Rise     int           `json:"rise,omitempty"`     // good checks in a row until up; default 1
	Fall     int           `json:"fall,omitempty"`     // bad checks in a row until down; default 2
}

// Complete returns the settings with every default filled in, or an error that names all that is wrong with them.
func (s Settings) Complete() (Settings, error) {
	s.fill()
	var wrong []error
	add := func(err error) { wrong = append(wrong, err) }
	add(checkName(s.Name))
	add(s.checkListeners())
	add(s.checkBackEnds())
	add(s.checkTimes())
	if !strings.HasPrefix(s.Check.Path, "/") {
		add(fmt.Errorf("health check path %q: must begin with /", s.Check.Path))
	}
	if s.Check.Rise < 1 || s.Check.Fall < 1 || s.Check.Rise > maxMove || s.Check.Fall > maxMove {
		add(fmt.Errorf("health check rise %d, fall %d: each must be 1 to %d", s.Check.Rise, s.Check.Fall, maxMove))
	}
	if s.HeaderLimit < 1024 || s.HeaderLimit > maxHeaderLimit {
		add(fmt.Errorf("header limit %d: must be 1024 to %d bytes", s.HeaderLimit, maxHeaderLimit))
	}
	if strings.ContainsFunc(s.Node, func(r rune) bool { return r <= ' ' || r > '~' }) {
		add(fmt.Errorf("node %q: cannot be sent in a header; use letters, digits, dots", s.Node))
	}
	if err := errors.Join(wrong...); err != nil {
		return s, fmt.Errorf("proxy %s: %w", s.Name, err)
	}
	return s, nil
}

func (s *Settings) fill() {
	orText(&s.Check.Path, "/")
	orNumber(&s.Check.Interval, 2*time.Second)
	orNumber(&s.Check.Timeout, min(time.Second, s.Check.Interval))
	orNumber(&s.Check.Rise, 1)
	orNumber(&s.Check.Fall, 2)
	orNumber(&s.HeaderLimit, 64<<10)
	orNumber(&s.HeaderTime, 10*time.Second)
	orNumber(&s.IdleTime, 60*time.Second)
	orNumber(&s.DialTime, time.Second)
	orNumber(&s.AnswerTime, 60*time.Second)
	orNumber(&s.DrainTime, 5*time.Second)
}

func orText(field *string, otherwise string) {
	if *field == "" {
		*field = otherwise
	}
}

func orNumber[N ~int | ~int64](field *N, otherwise N) {
	if *field == 0 {
		*field = otherwise
	}
}

func checkName(name string) error {
	if !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$`).MatchString(name) {
		return fmt.Errorf("name %q: use up to 32 letters, digits, - and _", name)
	}
	return nil
}

func (s Settings) checkListeners() error {
	all := append(append([]string{}, s.Listen...), s.ListenTLS...)
	if len(all) == 0 || len(all) > maxListeners {
		return fmt.Errorf("%d listen addresses: give 1 to %d, as 192.0.2.100:80 or :80", len(all), maxListeners)
	}
	seen := map[string]bool{}
	for _, address := range all {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return fmt.Errorf("listen address %q: %w; write it as 192.0.2.100:80, [2001:db8::1]:80 or :80", address, err)
		}
		if seen[address] {
			return fmt.Errorf("listen address %q: given twice", address)
		}
		seen[address] = true
	}
	if len(s.ListenTLS) > 0 && (s.Certificate == "" || s.Key == "") {
		return errors.New("a TLS listen address needs a certificate and a key file")
	}
	return nil
}

func (s Settings) checkBackEnds() error {
	if len(s.BackEnds) == 0 || len(s.BackEnds) > maxBackEnds {
		return fmt.Errorf("%d back ends: give 1 to %d, as http://10.0.0.11:8080", len(s.BackEnds), maxBackEnds)
	}
	seen := map[string]bool{}
	for _, text := range s.BackEnds {
		u, err := url.Parse(text)
		switch {
		case err != nil:
			return fmt.Errorf("back end: %w; write it as http://10.0.0.11:8080", err)
		case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
			return fmt.Errorf("back end %q: write it as http://10.0.0.11:8080 or https://web1.example.org", text)
		case strings.Trim(u.Path, "/") != "", u.RawQuery != "", u.Fragment != "", u.User != nil:
			return fmt.Errorf("back end %q: no path, query, fragment or password; requests keep their own path", text)
		case seen[text]:
			return fmt.Errorf("back end %q: given twice", text)
		}
		seen[text] = true
	}
	return nil
}

func (s Settings) checkTimes() error {
	times := []time.Duration{s.Check.Interval, s.Check.Timeout, s.HeaderTime, s.ReadTime, s.IdleTime, s.DialTime, s.AnswerTime, s.DrainTime}
	for _, t := range times {
		if t < 0 {
			return fmt.Errorf("time %v: must not be negative", t)
		}
	}
	if s.Check.Timeout > s.Check.Interval {
		return fmt.Errorf("health check time-out %v is longer than its interval %v", s.Check.Timeout, s.Check.Interval)
	}
	if s.DrainTime > maxDrain {
		return fmt.Errorf("drain time %v: at most %v, for a stop must end in time", s.DrainTime, maxDrain)
	}
	return nil
}

// addresses lists all listen addresses, plain ones first: the order in which the sockets are handed over.
func (s Settings) addresses() []string {
	return append(append([]string{}, s.Listen...), s.ListenTLS...)
}
