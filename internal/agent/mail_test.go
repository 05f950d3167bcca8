package agent

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// postOffice is a small SMTP server that keeps the conversations.
type postOffice struct {
	t        *testing.T
	listener net.Listener
	tls      *tls.Config
	implicit bool
	offers   string // of AUTH; empty: none
	noTLS    bool   // does not offer STARTTLS
	refuses  string // a command that it refuses
	silent   bool   // says nothing

	mu      sync.Mutex // guards what it heard
	heard   []string   // commands, a "(tls)" before those that came encrypted
	letters []string
	ended   sync.WaitGroup
}

// certificates are those of httptest: for 127.0.0.1 and example.com. The file holds the certificate to trust.
func certificates(t *testing.T) (*tls.Config, string) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: s.TLS.Certificates}, file
}

func (p *postOffice) open(t *testing.T) string {
	t.Helper()
	p.t = t
	var err error
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	p.ended.Go(func() {
		for {
			c, err := p.listener.Accept()
			if err != nil {
				return
			}
			p.ended.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() { p.listener.Close(); p.ended.Wait() })
	return p.listener.Addr().String()
}

func (p *postOffice) note(to *[]string, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*to = append(*to, text)
}

func (p *postOffice) serve(c net.Conn) {
	defer func() { c.Close() }()
	secure := ""
	if p.implicit {
		c, secure = tls.Server(c, p.tls), "(tls) "
	}
	r := bufio.NewReader(c)
	if p.silent {
		_, _ = r.ReadString('\n') // until the other side goes
		return
	}
	say := func(text string) { fmt.Fprintf(c, "%s\r\n", text) }
	say("220 here")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		verb, rest, _ := strings.Cut(line, " ")
		p.note(&p.heard, secure+line)
		switch {
		case p.refuses != "" && strings.HasPrefix(line, p.refuses):
			say("550 not here: " + line)
		case verb == "EHLO":
			say("250-here")
			if p.offers != "" {
				say("250-AUTH " + p.offers)
			}
			if secure == "" && !p.noTLS {
				say("250-STARTTLS")
			}
			say("250 8BITMIME")
		case verb == "STARTTLS" && p.noTLS:
			say("502 not known here")
		case verb == "STARTTLS":
			say("220 go on")
			c = tls.Server(c, p.tls)
			r, secure = bufio.NewReader(c), "(tls) "
		case verb == "AUTH" && rest == "LOGIN":
			for _, q := range []string{"Username:", "Password:"} {
				say("334 " + base64.StdEncoding.EncodeToString([]byte(q)))
				answer, _ := r.ReadString('\n')
				text, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(answer))
				p.note(&p.heard, secure+string(text))
			}
			say("235 welcome")
		case verb == "AUTH" && strings.HasPrefix(rest, "CRAM-MD5"):
			say("334 " + base64.StdEncoding.EncodeToString([]byte("<1@here>")))
			_, _ = r.ReadString('\n')
			say("235 welcome")
		case verb == "AUTH":
			say("235 welcome")
		case verb == "DATA":
			say("354 go on")
			var text strings.Builder
			for {
				l, err := r.ReadString('\n')
				if err != nil || l == ".\r\n" {
					break
				}
				text.WriteString(strings.TrimPrefix(l, "."))
			}
			p.note(&p.letters, text.String())
			say("250 taken")
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 fine")
		}
	}
}

func secretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text+"\nignored\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A mail arrives as it was written, by each way to encrypt and to log in.
func TestMail(t *testing.T) {
	settings, ca := certificates(t)
	const password = "hush-hush-hush"
	plain := "(tls) AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00web\x00"+password))
	for name, c := range map[string]struct {
		office *postOffice
		way    string
		login  bool
		want   []string // what must have been heard
	}{
		"off":      {&postOffice{}, "off", false, []string{"EHLO alpha", "MAIL FROM:<lubdub@alpha> BODY=8BITMIME", "RCPT TO:<a@example.org>", "RCPT TO:<b@example.org>", "DATA", "QUIT"}},
		"starttls": {&postOffice{offers: "LOGIN PLAIN"}, "starttls", true, []string{"STARTTLS", "(tls) EHLO alpha", plain, "(tls) DATA"}},
		"implicit": {&postOffice{offers: "PLAIN", implicit: true}, "implicit", true, []string{"(tls) EHLO alpha", plain, "(tls) DATA"}},
		"login":    {&postOffice{offers: "LOGIN"}, "starttls", true, []string{"(tls) AUTH LOGIN", "(tls) web", "(tls) " + password, "(tls) DATA"}},
		"cram":     {&postOffice{offers: "LOGIN CRAM-MD5"}, "starttls", true, []string{"(tls) AUTH CRAM-MD5", "(tls) DATA"}},
	} {
		t.Run(name, func(t *testing.T) {
			office := c.office
			office.tls = settings
			m := Mail{To: []string{"a@example.org", "b@example.org"}, From: "lubdub@alpha", Server: office.open(t), TLS: c.way, CA: ca}
			if c.login {
				m.User, m.Password = "web", secretFile(t, password)
			}
			if wrong := m.Check(); len(wrong) > 0 {
				t.Errorf("check: %v", wrong)
			}
			const text = "alpha is down \u2014 a line that is much longer than seventy-eight characters, as some of them are\n.\n.. and\n"
			if err := m.Send(t.Context(), "alpha", "beta took\r\nBcc: c@example.org web\u2026", text); err != nil {
				t.Fatal(err)
			}
			office.mu.Lock()
			defer office.mu.Unlock()
			for _, w := range c.want {
				if !slices.Contains(office.heard, w) {
					t.Errorf("the server did not hear %q; it heard:\n%s", w, strings.Join(office.heard, "\n"))
				}
			}
			if len(office.letters) != 1 {
				t.Fatalf("%d letters, want 1", len(office.letters))
			}
			got, err := mail.ReadMessage(strings.NewReader(office.letters[0]))
			if err != nil {
				t.Fatal(err)
			}
			subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
			if want := "beta tookBcc: c@example.org web\u2026"; err != nil || subject != want {
				t.Errorf("subject %q (%v), want %q", subject, err, want)
			}
			body, err := io.ReadAll(quotedprintable.NewReader(got.Body))
			if err != nil || strings.ReplaceAll(string(body), "\r\n", "\n") != text {
				t.Errorf("body %q (%v), want %q", body, err, text)
			}
			to, err := got.Header.AddressList("To")
			if _, undated := got.Header.Date(); err != nil || len(to) != 2 || undated != nil || got.Header.Get("Message-ID") == "" || got.Header.Get("Bcc") != "" {
				t.Errorf("headers %v", got.Header)
			}
		})
	}
}

// Who is refused keeps nobody else from the mail, and that is said.
func TestMailPartly(t *testing.T) {
	office := &postOffice{refuses: "RCPT TO:<b@"}
	m := Mail{To: []string{"b@example.org", "a@example.org"}, From: "lubdub@alpha", Server: office.open(t), TLS: "off"}
	err := m.Send(t.Context(), "alpha", "subject", "text")
	var refused *Refused
	if !errors.As(err, &refused) || !refused.Partly || !strings.Contains(err.Error(), `to b@example.org: 550 "not here`) || strings.Contains(err.Error(), "a@example.org") {
		t.Errorf("got %v", err)
	}
	office.mu.Lock()
	letters := len(office.letters)
	office.mu.Unlock()
	if letters != 1 {
		t.Errorf("%d letters, want 1", letters)
	}
	m.To = []string{"b@example.org", "b@example.com"}
	if err := m.Send(t.Context(), "alpha", "subject", "text"); !errors.As(err, &refused) || refused.Partly || !strings.Contains(err.Error(), "to b@example.com: 550") {
		t.Errorf("got %v", err)
	}
}

// What goes wrong is said, and nothing secret with it; a password never crosses a network in the clear.
func TestMailRefused(t *testing.T) {
	settings, ca := certificates(t)
	const password = "hush-hush-hush"
	for name, c := range map[string]struct {
		office *postOffice
		change func(*Mail)
		want   string
	}{
		"no such reader":    {&postOffice{refuses: "RCPT"}, nil, `to a@example.org: 550 "not here: RCPT TO:<a@example.org>"`},
		"wrong password":    {&postOffice{offers: "PLAIN", refuses: "AUTH"}, nil, `log in as web: 550 "not here: AUTH PLAIN ****"`},
		"no encryption":     {&postOffice{noTLS: true}, nil, `encrypt with STARTTLS: 502 "not known here"`},
		"unknown authority": {&postOffice{}, func(m *Mail) { m.CA = "" }, "encrypt with STARTTLS: tls: failed to verify certificate"},
		"another name": {&postOffice{implicit: true}, func(m *Mail) {
			m.TLS = tlsImplicit
			m.Server = "localhost" + m.Server[strings.LastIndex(m.Server, ":"):]
		}, "failed to verify certificate"},
		"no certificate": {&postOffice{}, func(m *Mail) { m.CA = m.Password }, "holds no certificate"},
		"open password": {&postOffice{}, func(m *Mail) {
			if err := os.Chmod(m.Password, 0o644); err != nil {
				panic(err)
			}
		}, "can be read by others (mode 0644): chmod 600"},
	} {
		t.Run(name, func(t *testing.T) {
			office := c.office
			office.tls = settings
			m := Mail{To: []string{"a@example.org"}, From: "lubdub@alpha", Server: office.open(t), TLS: tlsStart, CA: ca, User: "web", Password: secretFile(t, password)}
			if c.change != nil {
				c.change(&m)
			}
			err := m.Send(t.Context(), "alpha", "subject", "text")
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), password) {
				t.Errorf("got %v, want ...%s...", err, c.want)
			}
			office.mu.Lock()
			defer office.mu.Unlock()
			for _, heard := range office.heard {
				if !strings.HasPrefix(heard, "(tls) ") && strings.HasPrefix(heard, "AUTH") {
					t.Errorf("in the clear: %s", heard)
				}
			}
			if len(office.letters) > 0 {
				t.Error("a letter was taken all the same")
			}
		})
	}
}

// A server that says nothing is left when the time is over.
func TestMailInTime(t *testing.T) {
	office := &postOffice{silent: true}
	m := Mail{To: []string{"a@example.org"}, From: "lubdub@alpha", Server: office.open(t), TLS: "off"}
	ctx, free := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer free()
	if err := m.Send(ctx, "alpha", "subject", "text"); err == nil || !strings.HasSuffix(err.Error(), "did not answer in time") {
		t.Errorf("got %v", err)
	}
}
