package agent

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/smtp"
	"net/textproto"
	"os"
	"strings"
	"time"
)

// Mail sends text by SMTP.
type Mail struct {
	Name     string // as messages call it
	To       []string
	From     string
	Server   string // HOST:PORT
	TLS      string // starttls, implicit or off
	User     string // to log in with; empty: nobody logs in
	Password string // the path of the file whose first line it is
	CA       string // a file of certificates to trust; empty: those of the system
}

// The ways to encrypt.
const (
	tlsStart    = "starttls"
	tlsImplicit = "implicit"
)

// Check says what would keep the mail from being sent, as far as that can be seen without its server.
func (m Mail) Check() []Problem {
	var out []Problem
	if m.Password != "" {
		if _, err := secretIn(m.Password); err != nil {
			out = append(out, Problem{Words: fmt.Sprintf("its password cannot be read: %v", err)})
		}
	}
	if _, err := trusted(m.CA, m.Server); err != nil {
		out = append(out, Problem{Words: err.Error()})
	}
	return out
}

// Send sends a mail from this node, and is over soon after ctx ends. The error holds no secret.
func (m Mail) Send(ctx context.Context, node, subject, text string) error {
	var password string
	if m.Password != "" {
		var err error
		if password, err = secretIn(m.Password); err != nil {
			return err
		}
	}
	if err := m.talk(ctx, node, password, m.letter(node, subject, text)); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("%s did not answer in time", m.Server)
		}
		// A server may repeat what it was sent, as it was sent.
		sent := base64.StdEncoding.EncodeToString([]byte("\x00" + m.User + "\x00" + password))
		secrets := []string{password, sent, base64.StdEncoding.EncodeToString([]byte(password))}
		words := fmt.Sprintf("%s: %s", m.Server, shorten(redact(clean(err.Error()), secrets), maxWords))
		var refused *Refused
		if errors.As(err, &refused) {
			return &Refused{Partly: refused.Partly, Err: errors.New(words)}
		}
		return errors.New(words)
	}
	return nil
}

// Refused is the answer of a server that would be the same for the same letter another time.
type Refused struct {
	Partly bool // some of those to whom it goes got it all the same
	Err    error
}

// Error says what the server said.
func (r *Refused) Error() string { return r.Err.Error() }

// Unwrap is what the server said.
func (r *Refused) Unwrap() error { return r.Err }

// forGood makes a refusal of an answer that says so.
func forGood(err error) error {
	var answer *textproto.Error
	if errors.As(err, &answer) && answer.Code/100 == 5 {
		return &Refused{Err: err}
	}
	return err
}

// talk is the conversation with the server.
func (m Mail) talk(ctx context.Context, node, password string, letter []byte) (err error) {
	settings, err := trusted(m.CA, m.Server)
	if err != nil {
		return err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", m.Server)
	if err != nil {
		return err
	}
	defer conn.Close()
	raw := conn
	over := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	defer over()
	if m.TLS == tlsImplicit {
		conn = tls.Client(conn, settings)
	}
	host, _, _ := net.SplitHostPort(m.Server)
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Hello(node); err != nil {
		return err
	}
	if m.TLS == tlsStart {
		if err := c.StartTLS(settings); err != nil {
			return fmt.Errorf("encrypt with STARTTLS: %w", err)
		}
	}
	if m.User != "" {
		_, offered := c.Extension("AUTH")
		if err := c.Auth(login(offered, m.User, password, host)); err != nil {
			return fmt.Errorf("log in as %s: %w", m.User, err)
		}
	}
	return m.deliver(c, letter)
}

// deliver hands the letter over to all whom the server takes; that it does not take one keeps no other from it.
func (m Mail) deliver(c *smtp.Client, letter []byte) error {
	if err := c.Mail(m.From); err != nil {
		return forGood(fmt.Errorf("from %s: %w", m.From, err))
	}
	var refused []error
	for _, to := range m.To {
		err := c.Rcpt(to)
		var answer *textproto.Error
		if err != nil {
			err = fmt.Errorf("to %s: %w", to, err)
			if !errors.As(err, &answer) {
				return err
			}
			refused = append(refused, err)
		}
	}
	words := joined(refused)
	if len(refused) == len(m.To) {
		return words
	}
	w, err := c.Data()
	if err != nil {
		return forGood(err)
	}
	_, err = w.Write(letter)
	if err = errors.Join(err, w.Close()); err != nil {
		return forGood(err)
	}
	_ = c.Quit() // it has the letter, whatever it says now
	if words != nil {
		return &Refused{Partly: true, Err: words}
	}
	return nil
}

// joined is one error of several, on one line. It is for good if the last one is.
func joined(errs []error) (all error) {
	for i, err := range errs {
		if i == 0 {
			all = forGood(err)
			continue
		}
		all = forGood(fmt.Errorf("%v; %w", all, err))
	}
	return all
}

// letter is the mail as it goes over the wire.
func (m Mail) letter(node, subject, text string) []byte {
	_, domain, _ := strings.Cut(m.From, "@")
	var b bytes.Buffer
	for _, h := range [][2]string{
		{"From", "<" + m.From + ">"}, {"To", "<" + strings.Join(m.To, ">, <") + ">"},
		{"Subject", mime.QEncoding.Encode("utf-8", clean(subject))},
		{"Date", time.Now().Format(time.RFC1123Z)}, {"Message-ID", "<" + rand.Text() + "." + node + "@" + domain + ">"},
		{"Auto-Submitted", "auto-generated"}, {"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"}, {"Content-Transfer-Encoding", "quoted-printable"},
	} {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	_, _ = io.WriteString(w, text) // a buffer takes all
	_ = w.Close()
	return b.Bytes()
}

// login chooses the best of the ways that a server offers.
func login(offered, user, password, host string) smtp.Auth {
	words := strings.Fields(strings.ToUpper(offered))
	has := func(way string) bool {
		for _, w := range words {
			if w == way {
				return true
			}
		}
		return false
	}
	switch {
	case has("PLAIN") || !has("LOGIN") && !has("CRAM-MD5"):
		return smtp.PlainAuth("", user, password, host) // refuses to speak in the clear
	case has("CRAM-MD5"):
		return smtp.CRAMMD5Auth(user, password)
	}
	return plainLogin{user, password}
}

// plainLogin is the way LOGIN, which some servers know alone.
type plainLogin struct{ user, password string }

// Start begins to log in.
func (l plainLogin) Start(s *smtp.ServerInfo) (string, []byte, error) {
	if !s.TLS && s.Name != "localhost" && !net.ParseIP(s.Name).IsLoopback() {
		return "", nil, errors.New("unencrypted connection")
	}
	return "LOGIN", nil, nil
}

// Next answers what the server asks.
func (l plainLogin) Next(asked []byte, more bool) ([]byte, error) {
	switch question := strings.ToLower(string(asked)); {
	case !more:
		return nil, nil
	case strings.HasPrefix(question, "user"):
		return []byte(l.user), nil
	case strings.HasPrefix(question, "pass"):
		return []byte(l.password), nil
	}
	return nil, errors.New("the server asks for something else than a user and a password")
}

// trusted are the settings for a server whose certificate must be good.
func trusted(file, server string) (*tls.Config, error) {
	host, _, _ := net.SplitHostPort(server)
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if file == "" {
		return c, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the certificates to trust: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return c, nil
}
