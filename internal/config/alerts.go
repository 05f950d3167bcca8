package config

import (
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Alert is somebody who is told what happens: by mail, or by HTTP. One of the two is there.
type Alert struct {
	Level   string        // alarm, change, warning or info: the least that is told
	Every   time.Duration // between two tellings: what comes meanwhile is summed up
	Mail    *Mail
	Webhook *Webhook
}

// Mail is how mail is sent.
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

// Webhook is where events are posted.
type Webhook struct {
	Name    string   // as messages call it: without what may be secret in the URL
	URL     string   // or @/PATH: the first line of that file
	Headers []string // NAME:PATH each: the value is the first line of that file
	CA      string   // a file of certificates to trust; empty: those of the system
	Timeout time.Duration
}

const (
	wordMail    = "mail"
	wordWebhook = "webhook"
	// maxAlerts bounds the goroutines and connections that alarms cost.
	maxAlerts = 8
	// maxReaders bounds the addresses of one mail.
	maxReaders = 20
	// maxHeaders bounds the secrets of one webhook.
	maxHeaders = 8

	usualMailPause    = time.Minute // one mail a minute is as much as a person reads
	usualWebhookPause = 10 * time.Second
	usualWebhookTime  = 10 * time.Second

	usualLevel  = "change"
	tlsStart    = "starttls"
	tlsImplicit = "implicit"
	tlsOff      = "off"
)

// alertEntries are the words of lubdub.conf about mail and webhooks.
func alertEntries() []entry {
	level := option{name: "level", value: isOneOf("alarm", usualLevel, "warning", "info"), initial: usualLevel}
	every := func(usual string) option { return option{name: "every", value: isDuration, initial: usual} }
	ca := option{name: "ca", value: isPath}
	return []entry{
		{name: wordMail, form: "ADDRESS... server=HOST[:PORT] tls=WAY from=ADDRESS user=NAME password=@/PATH ca=/PATH level=LEVEL every=TIME",
			fixed: 1, more: true, bare: true, alone: true, apply: (*lubdubConf).mail,
			options: []option{{name: "server", value: isAny, initial: "localhost"}, {name: "tls", value: isOneOf(tlsStart, tlsImplicit, tlsOff)}, {name: "from", value: isMailbox}, {name: "user", value: isAny},
				{name: "password", value: isFirstLine}, ca, level, every("1m")},
			meaning: "Mails what happens. LEVEL is alarm: what needs somebody now; change: also every change of who is a member and who serves; warning: also every warning; info: all. What happens within 'every' is one mail. The password is the first line of a file that only root may read, and is sent only encrypted. WAY is starttls (port 587), implicit (465) or off (25); ca= is a file of certificates to trust instead of those of the system.",
			usual:   "no mail; server=localhost from=lubdub@NODE level=change every=1m; tls=off for localhost, else starttls", example: `mail admin@example.org
mail oncall@example.org server=smtp.example.org from=web@example.org \
    user=web password=@/etc/ha.d/mail.secret`},
		{name: wordWebhook, form: "URL|@/PATH header=NAME:@/PATH... ca=/PATH timeout=TIME level=LEVEL every=TIME", fixed: 1, bare: true, alone: true, apply: (*lubdubConf).webhook,
			options: []option{{name: "header", value: isSecretHeader, many: true}, ca, {name: "timeout", value: isDuration, initial: "10s"}, level, every("10s")},
			meaning: "Posts what happens as JSON: see docs/hooks.md. @/PATH takes the URL from the first line of a file that only root may read, for where the URL itself is the secret; so does a header for a token. What happens within 'every' is one post, and what cannot be posted is tried again. The certificate is verified. LEVEL and ca= as for mail.",
			usual:   "no webhook; level=change every=10s timeout=10s", example: `webhook https://alerts.example.org/hook header=Authorization:@/etc/ha.d/alerts.token`},
	}
}

// mail takes a line.
func (c *lubdubConf) mail(st statement) {
	plain, _ := st.parts(c.known[wordMail])
	m := &Mail{From: st.value("from", ""), TLS: st.value("tls", ""), User: st.value("user", ""), Password: st.secretPath("password"), CA: st.value("ca", "")}
	for _, w := range plain {
		if wrong, remedy := isMailbox(w.text); wrong != "" {
			c.errorf(w, remedy, "%s %s", quote(w.text), wrong)
			return
		}
		m.To = append(m.To, w.text)
	}
	m.Name = "mail to " + strings.Join(m.To, ", ")
	if !m.reach(st.value("server", "localhost")) {
		c.errorf(st.key, "write server=HOST or server=HOST:PORT", "server: %s is not a mail server", quote(st.value("server", "")))
		return
	}
	switch {
	case len(m.To) > maxReaders:
		c.errorf(plain[maxReaders], "write to a list", "more than %d addresses", maxReaders)
	case (m.User == "") != (m.Password == ""):
		c.errorf(st.key, "write both or none", "to log in takes user= and password=")
	case m.User != "" && m.TLS == tlsOff && !isLocal(m.Server):
		c.errorf(st.key, "write tls=starttls or tls=implicit", "the password would cross the network in the clear")
	default:
		c.addAlert(st, Alert{Every: usualMailPause, Mail: m})
	}
}

// reach sets server and encryption, and says whether text can be a server.
func (m *Mail) reach(text string) bool {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.Trim(text, "[]"), ""
	}
	if !consistsOf(host, "-._:") || port != "" && !isHostPort(net.JoinHostPort(host, port)) {
		return false
	}
	if m.TLS == "" {
		m.TLS = tlsStart
		if isLocal(net.JoinHostPort(host, "0")) {
			m.TLS = tlsOff
		}
	}
	if port == "" {
		port = map[string]string{tlsStart: "587", tlsImplicit: "465", tlsOff: "25"}[m.TLS]
	}
	m.Server = net.JoinHostPort(host, port)
	return true
}

// isLocal says that what is sent to the server does not leave the machine.
func isLocal(server string) bool {
	host, _, _ := net.SplitHostPort(server)
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// webhook takes a line.
func (c *lubdubConf) webhook(st statement) {
	at := st.args[0]
	w := &Webhook{URL: at.text, CA: st.value("ca", ""), Timeout: usualWebhookTime, Name: wordWebhook + " " + hookURL(at.text)}
	st.duration("timeout", &w.Timeout)
	if wrong, remedy := isHookURL(at.text); wrong != "" {
		c.errorf(at, remedy, "the address of the webhook %s", wrong)
		return
	}
	for _, h := range st.values("header") {
		name, file, _ := strings.Cut(h, ":@")
		w.Headers = append(w.Headers, name+":"+file)
	}
	if len(w.Headers) > maxHeaders {
		c.errorf(st.key, "remove some", "more than %d headers", maxHeaders)
		return
	}
	if strings.HasPrefix(at.text, "http:") && len(w.Headers) > 0 && !isLocal(hostOf(at.text)) {
		c.errorf(at, "write https://", "the header would cross the network in the clear")
		return
	}
	c.addAlert(st, Alert{Every: usualWebhookPause, Webhook: w})
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return net.JoinHostPort(u.Hostname(), "0")
}

func (c *lubdubConf) addAlert(st statement, a Alert) {
	if len(c.alerts) == maxAlerts {
		c.errorf(st.key, "let one place tell the others", "more than %d lines of mail and webhook", maxAlerts)
		return
	}
	a.Level = st.value("level", usualLevel)
	st.duration("every", &a.Every)
	c.alerts = append(c.alerts, a)
}

// finishAlerts fills in what the other files know.
func (c *lubdubConf) finishAlerts(self string) []Alert {
	for _, a := range c.alerts {
		if a.Mail != nil && a.Mail.From == "" {
			a.Mail.From = "lubdub@" + self
		}
	}
	return c.alerts
}

// secretPath is the path behind key=@.
func (st statement) secretPath(key string) string { return strings.TrimPrefix(st.value(key, ""), "@") }

// hookURL is the address of a webhook without what may be secret in it: only where it goes.
func hookURL(text string) string {
	if strings.HasPrefix(text, "@") {
		return text
	}
	if u, err := url.Parse(text); err == nil && u.Host != "" {
		return u.Scheme + "://" + u.Host
	}
	return ""
}

func isHookURL(text string) (wrong, remedy string) {
	const want = "write https://HOST/PATH, or @/PATH for a file whose first line it is"
	if path, ok := strings.CutPrefix(text, "@"); ok {
		if wrong, _ := isPath(path); wrong != "" {
			return "is no file", want
		}
		return "", ""
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return "is none", want
	case u.User != nil:
		return "holds a name or a password", "write header=Authorization:@/PATH, and \"Basic ...\" into that file"
	}
	return "", ""
}

func isMailbox(text string) (wrong, remedy string) {
	a, err := mail.ParseAddress(text)
	if err != nil || a.Address != text || strings.ContainsAny(text, "\r\n<>") {
		return "is not a mail address", "write it as NAME@DOMAIN"
	}
	return "", ""
}

// isFirstLine accepts @/PATH.
func isFirstLine(text string) (wrong, remedy string) {
	if strings.HasPrefix(text, "@/") {
		return "", ""
	}
	return "is not taken from here", "write it into a file that only root may read, and @/PATH here"
}

// isSecretHeader accepts NAME:@/PATH.
func isSecretHeader(text string) (wrong, remedy string) {
	name, path, ok := strings.Cut(text, ":")
	if !ok || !consistsOf(name, "-_") {
		return "has no name", "write header=NAME:@/PATH"
	}
	if wrong, _ := isFirstLine(path); wrong != "" {
		return fmt.Sprintf("has no file behind %s:", name), "write header=" + name + ":@/PATH, and the value into that file"
	}
	return "", ""
}

// holdsSecret says that what stands behind an option may be a secret, or was meant to be one.
func holdsSecret(option string) bool { return option == "header" || isSecret(option) }

// secretAddress is where, on a line that may be a webhook's, what may be secret begins: behind the host. Less than
// 0: nowhere.
func secretAddress(line string) int {
	words := fields(word{line, 1, 0}, isBlank)
	var w word
	switch {
	case len(words) > 1 && strings.HasPrefix(words[0].text, "web"): // however it goes on
		w = words[1]
	case len(words) > 0 && strings.Contains(words[0].text, "://"): // the line before is continued
		w = words[0]
	}
	if w.text == "" || strings.HasPrefix(w.text, "@/") {
		return -1
	}
	host := 0
	if scheme, _, ok := strings.Cut(w.text, "://"); ok {
		host = len(scheme) + len("://")
	}
	end := strings.IndexAny(w.text[host:], "/?#")
	switch {
	case strings.Contains(w.text[host:], "@"):
		return w.at + host // a name and a password stand before the host
	case end < 0:
		return -1
	}
	return w.at + host + end
}
