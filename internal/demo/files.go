package demo

import (
	"crypto/rand"
	"strings"
	"time"
)

// The demo's times. The tutorial's are for a quiet life; these fit several
// power losses into a minute.
const (
	keepalive = 250 * time.Millisecond
	deadTime  = 2 * time.Second
)

// line is one line of a configuration file.
type line struct {
	was string // in the tutorial; empty: a new line
	now string
	why string // it differs; empty: it does not
}

// replaced is what the tutorial has in place of it, without the words that stayed.
func (l line) replaced() string {
	was, now := strings.Fields(l.was), strings.Fields(l.now)
	for len(was) > 0 && len(now) > 0 && was[0] == now[0] {
		was, now = was[1:], now[1:]
	}
	return strings.Join(was, " ")
}

// same is a line as the tutorial has it.
func same(text string) line { return line{was: text, now: text} }

// file is one file of a configuration, the same on both nodes.
type file struct {
	name  string
	lines []line
}

// configDir is where lubdub looks for its files.
const configDir = "/etc/ha.d/"

// secretMode is for all files, because one of them holds the secret.
const secretMode = 0o600

// files are the tutorial's, changed as little as a demo of a minute allows.
func files(failback string) []file {
	return []file{
		{"ha.cf", []line{
			same("bcast eth1"),
			{now: "bcast eth0", why: "a second link, over the front network: one pulled cable must not be the whole safety"},
			{was: "keepalive 2", now: "keepalive 250ms", why: "a heartbeat every quarter of a second"},
			{was: "warntime 10", now: "warntime 1", why: "in proportion"},
			{was: "deadtime 30", now: "deadtime 2", why: "a power loss is over in two seconds, not in thirty"},
			{was: "initdead 120", now: "initdead 10", why: "this switch needs no minutes to come up; and nobody waits when both nodes are there"},
			same("udpport 694"),
			same("crm no"),
			failbackLine(failback),
			same("node " + nameA),
			same("node " + nameB),
		}},
		{"haresources", []line{{
			was: nameA + " 192.0.2.100 apache::/etc/httpd/conf/httpd.conf",
			now: nameA + " 192.0.2.100 lubdub-proxy::web",
			why: "the built-in proxy: this machine may have no Apache",
		}}},
		{"authkeys", []line{
			same("auth 1"),
			{was: "1 crc", now: "1 sha256 SECRET", why: "the second link is no cable of two ends: heartbeats are signed there (the secret is made anew each time)"},
		}},
		{"lubdub.conf", []line{
			{now: "name 192.0.2.100 web", why: "a name for the group"},
			{now: "proxy web listen=192.0.2.100:80 backend=http://192.0.2.80:80", why: "what the built-in proxy does"},
			{now: "monitor web interval=1s", why: "asked each second whether all runs, not every ten"},
		}},
	}
}

func failbackLine(value string) line {
	l := line{was: "auto_failback no", now: "auto_failback " + value}
	if value != "no" {
		l.why = "the group goes home by itself"
	}
	return l
}

// text is the file as lubdub reads it.
func (f file) text(secret string) string {
	var b strings.Builder
	for _, l := range f.lines {
		b.WriteString(strings.ReplaceAll(l.now, "SECRET", secret) + "\n")
	}
	return b.String()
}

// newSecret is a key for authkeys that nobody can guess.
func newSecret() string { return rand.Text() }
