package daemon

import (
	"fmt"
	"io"
	"log/syslog"
	"os"
	"strings"
	"time"

	"lubdub/internal/api"
	"lubdub/internal/cluster"
	"lubdub/internal/config"
)

// logger writes each event as one line where ha.cf says, or to stderr. It is
// used by the record's goroutine alone, for a full disk or a slow syslog may wait.
type logger struct {
	settings config.Logging
	stderr   io.Writer
	journald bool // stderr goes to the journal: lines begin with <PRIORITY>
	syslog   *syslog.Writer
}

// facilities are syslog's, as ha.cf names them.
var facilities = map[string]syslog.Priority{
	"kern": syslog.LOG_KERN, "user": syslog.LOG_USER, "mail": syslog.LOG_MAIL, "daemon": syslog.LOG_DAEMON,
	"auth": syslog.LOG_AUTH, "syslog": syslog.LOG_SYSLOG, "lpr": syslog.LOG_LPR, "news": syslog.LOG_NEWS,
	"uucp": syslog.LOG_UUCP, "cron": syslog.LOG_CRON, "authpriv": syslog.LOG_AUTHPRIV, "ftp": syslog.LOG_FTP,
	"local0": syslog.LOG_LOCAL0, "local1": syslog.LOG_LOCAL1, "local2": syslog.LOG_LOCAL2, "local3": syslog.LOG_LOCAL3,
	"local4": syslog.LOG_LOCAL4, "local5": syslog.LOG_LOCAL5, "local6": syslog.LOG_LOCAL6, "local7": syslog.LOG_LOCAL7,
}

// openLogger connects to syslog where ha.cf asks for it. Without one it says so
// and logs to stderr.
func openLogger(settings config.Logging, stderr io.Writer) *logger {
	l := &logger{settings: settings, stderr: stderr, journald: os.Getenv("JOURNAL_STREAM") != ""}
	if facility, ok := facilities[settings.Facility]; ok {
		w, err := syslog.New(facility|syslog.LOG_INFO, "lubdub")
		if err != nil {
			fmt.Fprintf(stderr, "lubdub: no syslog: %v; the log goes to stderr\n", err)
		} else {
			l.syslog = w
		}
	}
	return l
}

func (l *logger) close() {
	if l.syslog != nil {
		l.syslog.Close()
	}
}

// event writes one event, what an agent printed below it.
func (l *logger) event(e api.Event) {
	l.line(e.Level, e.Time, eventLine(e))
	for _, out := range e.Lines {
		l.line(e.Level, e.Time, "  | "+out)
	}
}

func eventLine(e api.Event) string {
	var b strings.Builder
	b.WriteString(e.Words)
	if e.Rule != "" {
		fmt.Fprintf(&b, " (rule %s)", e.Rule)
	}
	fmt.Fprintf(&b, " [%s]", e.ID)
	return b.String()
}

// line writes one line. What cannot be written is lost: there is nobody to tell.
func (l *logger) line(level cluster.Level, at time.Time, words string) {
	written := false
	if l.syslog != nil {
		written = l.toSyslog(level, words) == nil
	}
	if l.settings.File != "" {
		written = l.toFile(level, at, words) == nil || written
	}
	if !written {
		l.toStderr(level, at, words)
	}
}

func (l *logger) toSyslog(level cluster.Level, words string) error {
	words = levelWord(level) + ": " + words
	switch level {
	case cluster.Alarm:
		return l.syslog.Crit(words)
	case cluster.Warning:
		return l.syslog.Warning(words)
	}
	return l.syslog.Info(words)
}

// toFile appends to the log file. It is opened for each line, so that a log that
// was rotated away is written anew; events are rare.
func (l *logger) toFile(level cluster.Level, at time.Time, words string) error {
	f, err := os.OpenFile(l.settings.File, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintf(f, "%s lubdub[%d]: %s: %s\n", at.Format("2006/01/02_15:04:05.000"), os.Getpid(), levelWord(level), words)
	return err
}

func (l *logger) toStderr(level cluster.Level, at time.Time, words string) {
	if l.journald {
		fmt.Fprintf(l.stderr, "<%d>%s: %s\n", levelPriority(level), levelWord(level), words)
		return
	}
	fmt.Fprintf(l.stderr, "%s %s: %s\n", at.Format("2006/01/02_15:04:05.000"), levelWord(level), words)
}

// levelWord is Heartbeat's word for a level.
func levelWord(level cluster.Level) string {
	switch level {
	case cluster.Alarm:
		return "CRIT"
	case cluster.Warning:
		return "WARN"
	}
	return "info"
}

func levelPriority(level cluster.Level) syslog.Priority {
	switch level {
	case cluster.Alarm:
		return syslog.LOG_CRIT
	case cluster.Warning:
		return syslog.LOG_WARNING
	}
	return syslog.LOG_INFO
}
