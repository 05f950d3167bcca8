package agent

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"lubdub/internal/cluster"
)

const (
	maxLogs   = 3        // logs of a resource that are looked at
	maxTail   = 16 << 10 // bytes at the end of each
	maxFiles  = 64       // files of a service's configuration that are read for the place of its log
	maxConfig = 1 << 20  // bytes of each
)

// auditLog is where denials go instead of the kernel's log when auditd runs.
const auditLog = "/var/log/audit/audit.log"

// kind is a service that has several names, or whose logs are found without being told. The table of logs is in
// docs/my-service-does-not-start.md.
type kind struct {
	names    []string // of agents and units
	units    []string // further names of units, which are no agent's
	programs []string // of its processes
	logs     []string // where they usually are; those that are there are looked at
	config   []string // whose directives name the logs, for httpd
}

func kinds() []kind {
	return []kind{
		{names: []string{"apache", "apache2", "httpd"}, programs: []string{"apache2", "httpd"},
			config: []string{"/etc/apache2/apache2.conf", "/etc/httpd/conf/httpd.conf", "/etc/apache2/httpd.conf"}},
		{names: []string{"nginx"}, programs: []string{"nginx"}, logs: []string{"/var/log/nginx/error.log"}},
		{names: []string{"pgsql", "postgresql"}, programs: []string{"postgres"}, logs: []string{"/var/log/postgresql/*.log", "/var/lib/pgsql/data/log/*.log"}},
		{names: []string{"mysql", "mariadb", "mysqld"}, programs: []string{"mysqld", "mariadbd"},
			logs: []string{"/var/log/mysql/error.log", "/var/log/mariadb/mariadb.log", "/var/log/mysqld.log"}},
		{names: []string{"redis", "redis-server", "valkey"}, units: []string{"valkey-server"}, programs: []string{"redis-server", "valkey-server"},
			logs: []string{"/var/log/redis/redis-server.log", "/var/log/redis/redis.log", "/var/log/valkey/valkey.log"}},
		{names: []string{"squid", "Squid"}, units: []string{"squid3"}, programs: []string{"squid"}, logs: []string{"/var/log/squid/cache.log"}},
		{names: []string{"tomcat", "tomcat9", "tomcat10"}, programs: []string{"java"}, logs: []string{"/var/log/tomcat*/catalina.out"}},
		{names: []string{"slapd"}, programs: []string{"slapd"}},
		{names: []string{"named", "bind9"}, programs: []string{"named"}},
		{names: []string{"haproxy"}, programs: []string{"haproxy"}, logs: []string{"/var/log/haproxy.log"}},
		{names: []string{"postfix"}, programs: []string{"master"}, logs: []string{"/var/log/mail.log", "/var/log/maillog"}},
		{names: []string{"vsftpd"}, programs: []string{"vsftpd"}, logs: []string{"/var/log/vsftpd.log"}},
		{names: []string{"nfsserver", "exportfs"}, units: []string{"nfs-server", "nfs-kernel-server"}},
		{names: []string{"rabbitmq-cluster", "rabbitmq-server"}},
		{names: []string{"mongod", "mongodb"}, programs: []string{"mongod"}},
		{names: []string{"dhcpd", "isc-dhcp-server"}, programs: []string{"dhcpd"}},
		{names: []string{"rsyncd", "rsync"}, programs: []string{"rsync"}},
	}
}

func kindOf(name string) (kind, bool) {
	all := kinds()
	i := slices.IndexFunc(all, func(k kind) bool { return slices.Contains(k.names, name) })
	if i < 0 {
		return kind{}, false
	}
	return all[i], true
}

// logsOf are the paths of a resource's logs: those that lubdub.conf names, else those that are known of its kind.
func logsOf(res cluster.Resource) []string {
	if len(res.Logs) > 0 {
		return res.Logs
	}
	k, ok := kindOf(strings.TrimSuffix(res.Type, ".service"))
	if !ok {
		return nil
	}
	if s := httpdOf(res); s.errorLog != "" {
		return []string{s.errorLog}
	}
	if path := param(res.Params, "logfile"); filepath.IsAbs(path) {
		return []string{path}
	}
	var found []string
	for _, pattern := range k.logs {
		paths, _ := filepath.Glob(pattern) // the patterns are ours and well formed
		found = append(found, paths...)
	}
	if len(found) > maxLogs {
		found = newest(found)
	}
	return found
}

// newest are those that were written last.
func newest(paths []string) []string {
	written := func(path string) int64 {
		info, err := os.Stat(path)
		if err != nil {
			return 0
		}
		return info.ModTime().UnixNano()
	}
	slices.SortFunc(paths, func(a, b string) int { return int(min(1, max(-1, written(b)-written(a)))) })
	return paths[:maxLogs]
}

// httpd is what httpd's configuration says, as far as it tells why httpd does not run.
type httpd struct{ config, root, errorLog, user, documents string }

// httpdOf reads httpd's configuration; nothing for anything else.
func httpdOf(res cluster.Resource) (s httpd) {
	k, ok := kindOf(strings.TrimSuffix(res.Type, ".service"))
	if !ok || len(k.config) == 0 {
		return s
	}
	paths := k.config
	if len(res.Args) > 0 && filepath.IsAbs(res.Args[0]) {
		paths = res.Args[:1]
	}
	if path := param(res.Params, "configfile"); filepath.IsAbs(path) {
		paths = []string{path}
	}
	for _, path := range paths {
		if _, err := os.Stat(path); err == nil {
			c := httpdReader{left: maxFiles, env: envOf(filepath.Join(filepath.Dir(path), "envvars"))}
			c.httpd.config = path
			c.read(path)
			return c.httpd
		}
	}
	return s
}

// httpdReader reads directives, file by file.
type httpdReader struct {
	httpd
	left int
	env  map[string]string
}

func (c *httpdReader) read(path string) {
	if c.left--; c.left < 0 {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, maxConfig))
	for inside := 0; lines.Scan(); {
		text := strings.TrimSpace(lines.Text())
		low := strings.ToLower(text)
		switch { // what stands for one virtual host only is not the server's
		case strings.HasPrefix(low, "</virtualhost"):
			inside--
		case strings.HasPrefix(low, "<virtualhost"):
			inside++
		}
		if name, value, ok := strings.Cut(text, " "); ok && inside == 0 {
			c.directive(strings.ToLower(name), c.expand(strings.Trim(strings.TrimSpace(value), `"`)))
		}
	}
}

func (c *httpdReader) directive(name, value string) {
	path := value
	if !filepath.IsAbs(path) {
		path = filepath.Join(c.root, path)
	}
	switch name {
	case "serverroot":
		c.root = value
	case "user":
		c.user = value
	case "documentroot":
		c.documents = path
	case "errorlog":
		if c.errorLog = path; strings.HasPrefix(value, "|") || strings.HasPrefix(value, "syslog") {
			c.errorLog = ""
		}
	case "include", "includeoptional":
		found, _ := filepath.Glob(path) // a bad pattern is httpd's to tell
		for _, file := range found {
			c.read(file)
		}
	}
}

var variable = regexp.MustCompile(`\$\{(\w+)\}`)

func (c *httpdReader) expand(text string) string {
	return variable.ReplaceAllStringFunc(text, func(v string) string {
		if value, ok := c.env[v[2:len(v)-1]]; ok {
			return value
		}
		return v
	})
}

// envOf reads the plain lines of Debian's envvars.
func envOf(path string) map[string]string {
	env := map[string]string{}
	text, err := os.ReadFile(path)
	if err != nil {
		return env
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "="); ok {
			env[name] = strings.ReplaceAll(value, "$SUFFIX", "")
		}
	}
	return env
}

// mark is how far a log has been read.
type mark struct {
	path  string
	inode uint64
	size  int64
	only  *regexp.Regexp // nil: all lines count
}

// marks are those of the logs, and of what auditd wrote.
func marks(paths []string) []mark {
	var all []mark
	for _, path := range paths[:min(len(paths), maxLogs)] {
		all = append(all, mark{path: path})
	}
	return append(all, mark{path: auditLog, only: kernelSign})
}

// renew moves the mark to the end.
func (m *mark) renew() {
	var stat unix.Stat_t
	if err := unix.Stat(m.path, &stat); err != nil {
		m.inode, m.size = 0, 0
		return
	}
	m.inode, m.size = stat.Ino, stat.Size
}

// since are the lines behind the mark, the last of them.
func (m *mark) since() []string {
	f := openLog(m.path)
	if f == nil {
		return nil
	}
	defer f.Close()
	var stat unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &stat); err != nil || stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil
	}
	from := m.size
	if stat.Ino != m.inode || stat.Size < from { // another file, or it was emptied
		from = 0
	}
	cut := stat.Size-from > maxTail
	if cut {
		from = stat.Size - maxTail
	}
	text := make([]byte, stat.Size-from)
	n, err := f.ReadAt(text, from)
	if err != nil && n == 0 {
		return nil
	}
	text = text[:n]
	if cut {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	lines := linesOf(string(text))
	if m.only != nil {
		lines = slices.DeleteFunc(lines, func(line string) bool { return !m.only.MatchString(line) })
	}
	return lines
}

// openLog opens a log. A service may change its own directory: a link there could lead to anything that root may read, and
// what is read here is shown to others. So only links that root made are followed.
func openLog(path string) *os.File {
	w := logWalk{walk{todo: strings.Split(path, "/"), at: "/"}}
	for len(w.todo) > 0 {
		if !w.step() {
			return nil
		}
	}
	how := &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_NONBLOCK | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
	descriptor, err := unix.Openat2(unix.AT_FDCWD, w.at, how)
	if err == unix.ENOSYS { // before Linux 5.6
		descriptor, err = unix.Open(w.at, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	}
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(descriptor), w.at)
}

// logWalk goes along a path as walk does, but minds only who made the links.
type logWalk struct{ walk }

func (w *logWalk) step() bool {
	name := w.todo[0]
	w.todo = w.todo[1:]
	next := filepath.Join(w.at, name)
	var stat unix.Stat_t
	if err := unix.Lstat(next, &stat); err != nil {
		return false
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFLNK {
		w.at = next
		return true
	}
	target, err := os.Readlink(next)
	if w.links++; err != nil || w.links > maxLinks || stat.Uid != 0 {
		return false
	}
	w.todo = append(strings.Split(target, "/"), w.todo...)
	if filepath.IsAbs(target) {
		w.at = "/"
	}
	return true
}
