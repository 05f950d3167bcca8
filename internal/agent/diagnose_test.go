package agent

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lubdub/internal/cluster"
)

// recorded is what services and kernels really printed, with the sentence that is made of it. The sentences stand on the page
// as they stand here.
type recorded struct {
	cause  string // its section
	res    string // the resource; empty: apache
	text   string // what the agent printed, or stood in a log
	kernel string // what the kernel logged
	want   string
}

func recordings() []recorded {
	return slices.Concat(recordedConfigs(), recordedSystems(), recordedKernels())
}

func recordedConfigs() []recorded {
	return []recorded{
		{cause: "Its configuration is wrong", text: `ERROR: AH00526: Syntax error on line 25 of /etc/httpd/conf/httpd.conf: Invalid command 'ProxyPast', perhaps misspelled or defined by a module not included in the server configuration`,
			want: "its configuration is wrong in /etc/httpd/conf/httpd.conf, line 25 (Invalid command 'ProxyPast', perhaps misspelled or defined by a module not included in the server configuration): mend that line"},
		{cause: "Its configuration is wrong", res: "nginx", text: `nginx: [emerg] unknown directive "lisen" in /etc/nginx/nginx.conf:12`,
			want: `its configuration is wrong in /etc/nginx/nginx.conf, line 12 (unknown directive "lisen"): mend that line`},
		{cause: "Its configuration is wrong", res: "haproxy", text: "[ALERT]    (1) : config : parsing [/etc/haproxy/haproxy.cfg:3] : unknown keyword 'lisen' in 'global' section",
			want: "its configuration is wrong in /etc/haproxy/haproxy.cfg, line 3 (unknown keyword 'lisen' in 'global' section): mend that line"},
		{cause: "Its configuration is wrong", res: "squid", text: "2026/01/02 03:04:05| FATAL: Bungled /etc/squid/squid.conf line 3: http_por 3128",
			want: "its configuration is wrong in /etc/squid/squid.conf, line 3 (http_por 3128): mend that line"},
		{cause: "Its configuration is wrong", res: "pgsql", text: `LOG:  syntax error in file "/etc/postgresql/postgresql.conf" line 3, near token "on"`,
			want: "its configuration is wrong in /etc/postgresql/postgresql.conf, line 3 (syntax error): mend that line"},
		{cause: "Its configuration is wrong", res: "named", text: "/etc/bind/named.conf:7: unknown option 'zon'",
			want: "its configuration is wrong in /etc/bind/named.conf, line 7 (unknown option 'zon'): mend that line"},
		{cause: "A module is missing", text: "ERROR: apache2: Syntax error on line 11 of /etc/httpd/conf/httpd.conf: Cannot load modules/mod_x.so into server: /etc/httpd/modules/mod_x.so: cannot open shared object file: No such file or directory",
			want: "the module modules/mod_x.so of /etc/httpd/conf/httpd.conf, line 11, is not there: install its package, as on the other node, or take it out of the configuration"},
		{cause: "A module is missing", text: "ERROR: AH00526: Syntax error on line 12 of /etc/httpd/conf/httpd.conf: Invalid command 'ProxyPass', perhaps misspelled or defined by a module not included in the server configuration",
			want: "ProxyPass in /etc/httpd/conf/httpd.conf, line 12, belongs to mod_proxy, which is not loaded: load it (Debian: a2enmod proxy; elsewhere a LoadModule line)"},
		{cause: "A module is missing", res: "redis", text: "/usr/bin/redis-server: error while loading shared libraries: libssl.so.3: cannot open shared object file: No such file or directory",
			want: "libssl.so.3 is not there: install its package, as on the other node, or take it out of the configuration"},
		{cause: "Its certificate or key is wrong", text: "ERROR: AH00526: Syntax error on line 14 of /etc/httpd/conf/httpd.conf: SSLCertificateFile: file '/etc/pki/www.pem' does not exist or is empty",
			want: "its certificate or key /etc/pki/www.pem is not there or empty: copy it from the other node, or correct its path"},
		{cause: "Its certificate or key is wrong", text: "[Mon Nov 23 01:47:02.889201 2026] [ssl:emerg] [pid 5333:tid 5333] AH02565: Certificate and private key localhost:443:0 from /etc/pki/www.pem and /etc/pki/www.key do not match",
			want: "its key /etc/pki/www.key does not belong to its certificate /etc/pki/www.pem: copy both from where they belong together"},
		{cause: "Its certificate or key is wrong", text: "[ssl:emerg] AH02562: Failed to configure certificate localhost:81:0 (with chain), check /etc/pki/www.pem",
			want: "its certificate or key /etc/pki/www.pem cannot be used: look at it with: openssl x509 -noout -text -in /etc/pki/www.pem"},
		{cause: "Its certificate or key is wrong", res: "nginx", text: `2026/11/23 01:47:21 [emerg] 6710#6710: cannot load certificate "/etc/pki/a.pem": BIO_new_file() failed (SSL: error:80000002:system library::No such file or directory:calling fopen(/etc/pki/a.pem, r))`,
			want: "its certificate or key /etc/pki/a.pem is not there or empty: copy it from the other node, or correct its path"},
		{cause: "Its DocumentRoot is missing", text: "ERROR: AH00526: Syntax error on line 11 of /etc/httpd/conf/httpd.conf: DocumentRoot '/srv/www/site' is not a directory, or is not readable",
			want: "its DocumentRoot /srv/www/site is not there: make it; if it lies on a file system of the group, that must stand before apache in haresources"},
		{cause: "A user is missing", text: "ERROR: AH00543: apache2: bad user name webby",
			want: "it shall run as webby, and there is no such user or group: add it as on the other node, or correct its configuration"},
	}
}

func recordedSystems() []recorded {
	return []recorded{
		{cause: "The port is taken", text: "ERROR: (98)Address already in use: AH00072: make_sock: could not bind to address 192.0.2.100:80 no listening sockets available, shutting down AH00015: Unable to open logs",
			want: "port 80 is taken by nginx (process 4711 of nginx.service): systemctl stop nginx.service, or give one of the two another port"},
		{cause: "The port is taken", text: "(98)Address already in use: AH00072: make_sock: could not bind to address [::]:81",
			want: "port 81 is taken by nginx (process 4711 of nginx.service, which is started at boot): systemctl disable --now nginx.service, or give one of the two another port"},
		{cause: "The port is taken", res: "nginx", text: "nginx: [emerg] bind() to [::]:80 failed (98: Address already in use)",
			want: "nginx runs here already and has port 80 (process 4711 of nginx.service), and lubdub does not know it: systemctl stop nginx.service, on both nodes: only lubdub may start it"},
		{cause: "The port is taken", res: "pgsql", text: "could not bind IPv4 address \"0.0.0.0\": Address already in use\nHINT:  Is another postmaster already running on port 5432? If not, wait a few seconds and retry.",
			want: "port 5432 is taken: see who has it with: ss -ltnp 'sport = :5432'"},
		{cause: "The address is not there yet", text: "ERROR: (99)Cannot assign requested address: AH00072: make_sock: could not bind to address 192.0.2.100:80 no listening sockets available, shutting down",
			want: "it listens on 192.0.2.100, and this node does not have that address now: let it listen without an address (for httpd: Listen 80), or set net.ipv4.ip_nonlocal_bind=1 with sysctl on both nodes, or put the address before it in haresources"},
		{cause: "Only root may use that port", text: "(13)Permission denied: AH00072: make_sock: could not bind to address [::]:80",
			want: "only root may listen on port 80: start it as root (a 'user' line in lubdub.conf?), or with a port from 1024 on"},
		{cause: "System V semaphores are used up", text: "(28)No space left on device: AH00023: Couldn't create the ssl-cache mutex",
			want: "System V semaphores are used up (the disk is not full): see them with ipcs -s, remove those of services that are gone with ipcrm -s ID, or raise kernel.sem"},
		{cause: "The disk is full", res: "db", text: "write: No space left on device",
			want: "a disk that it writes to is full: find it with df -h and df -i (a quota also counts)"},
		{cause: "Out of file descriptors", text: "(24)Too many open files: AH00649: could not open transfer log file",
			want: "it is out of file descriptors: raise its limit (LimitNOFILE= of its unit, ulimit -n in its script), or let it open fewer files"},
		{cause: "Memory ran out", res: "db", text: "httpd.service: Failed with result 'oom-kill'.",
			want: "memory ran out: see who takes it with ps --sort=-rss aux and in the kernel's log; give the machine or its unit (MemoryMax=) more"},
		{cause: "It was started already", res: "db", text: "ERROR: db is already running (pid 12)",
			want: "it says that it runs already: db is already running (pid 12): stop it on both nodes and see that nothing but lubdub starts it"},
		{cause: "Its program is missing", text: "ocf-exit-reason:HTTPD /usr/sbin/httpd-none not found or is not an executable!",
			want: "its program is not there: /usr/sbin/httpd-none: install it as on the other node, or correct its path"},
		{cause: "Its program is missing", res: "db", text: "/etc/init.d/db: 12: dbd-none: not found",
			want: "its program is not there: dbd-none: install it as on the other node, or correct its path"},
		{cause: "Its program is missing", res: "queue", text: "queue.service: Main process exited, code=exited, status=203/EXEC",
			want: "systemd cannot execute its program: see ExecStart= with: systemctl cat queue.service"},
		{cause: "A file or directory is missing", text: "ERROR: (2)No such file or directory: AH02291: Cannot access directory '/var/log/none/logs/' for main error log AH00014: Configuration check failed",
			want: "/var/log/none is not there: make it, or correct its path; if it lies on a file system of the group, that must stand before apache in haresources"},
	}
}

func recordedKernels() []recorded {
	return []recorded{
		{cause: "SELinux forbids it", text: "(13)Permission denied: AH00072: make_sock: could not bind to address [::]:8081",
			kernel: `audit: type=1400 audit(1700000000.123:456): avc:  denied  { name_bind } for  pid=4711 comm="httpd" src=8081 scontext=system_u:system_r:httpd_t:s0 tcontext=system_u:object_r:transproxy_port_t:s0 tclass=tcp_socket permissive=0`,
			want:   "SELinux forbids httpd to listen on port 8081: allow it with: semanage port -a -t http_port_t -p tcp 8081 (http_port_t is for web servers: semanage port -l)"},
		{cause: "Its configuration is wrong", text: "ERROR: AH00526: Syntax error on line 3 of /etc/httpd/conf/httpd.conf: Invalid command 'Lisen', perhaps misspelled",
			kernel: `audit: avc:  denied  { getattr } for  pid=4711 comm="httpd" path="/proc/1" scontext=system_u:system_r:httpd_t:s0 tcontext=a:b:init_t:s0 tclass=dir permissive=0`,
			want:   "its configuration is wrong in /etc/httpd/conf/httpd.conf, line 3 (Invalid command 'Lisen', perhaps misspelled): mend that line"},
		{cause: "SELinux forbids it",
			kernel: `audit: type=1400 audit(1700000000.123:456): avc:  denied  { name_connect } for  pid=4711 comm="httpd" dest=8080 scontext=system_u:system_r:httpd_t:s0 tcontext=system_u:object_r:http_cache_port_t:s0 tclass=tcp_socket permissive=0`,
			want:   "SELinux forbids httpd to connect to port 8080: allow it with: setsebool -P httpd_can_network_connect on"},
		{cause: "SELinux forbids it",
			kernel: `type=AVC msg=audit(1700000000.123:457): avc:  denied  { read } for  pid=4711 comm="httpd" path="/srv/www/index.html" dev="dm-0" ino=1234 scontext=system_u:system_r:httpd_t:s0 tcontext=unconfined_u:object_r:default_t:s0 tclass=file permissive=0`,
			want:   "SELinux forbids httpd to read /srv/www/index.html, which has the label default_t: restorecon -Rv /srv/www/index.html; if the label is right, see: ausearch -m avc -ts recent | audit2why"},
		{cause: "AppArmor forbids it", res: "nginx",
			kernel: `audit: type=1400 audit(1700000000.123:45): apparmor="DENIED" operation="open" class="file" profile="/usr/sbin/nginx" name="/srv/site/nginx.conf" pid=4711 comm="nginx" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`,
			want:   "AppArmor forbids nginx to open /srv/site/nginx.conf (r), by the profile /usr/sbin/nginx: add it to the profile in /etc/apparmor.d/local and reload that; to see whether that is all: aa-complain /usr/sbin/nginx"},
		{cause: "Memory ran out",
			kernel: "Out of memory: Killed process 4711 (httpd) total-vm:204800kB, anon-rss:102400kB, file-rss:0kB, shmem-rss:0kB, UID:48 pgtables:200kB oom_score_adj:0",
			want:   "the kernel killed httpd (process 4711), for memory ran out: see who takes it with ps --sort=-rss aux; give the machine or its unit (MemoryMax=) more"},
		{cause: "It crashed",
			kernel: "httpd[4711]: segfault at 0 ip 00007f1a2b3c4d5e sp 00007ffc12345678 error 4 in mod_php.so[7f1a2b000000+1000]",
			want:   "httpd (process 4711) crashed in mod_php.so: look for a newer version of it, or do without what crashed; coredumpctl may know more"},
	}
}

func TestCauses(t *testing.T) {
	for _, c := range recordings() {
		e := evidence{network: func(port int) (listener, bool) {
			return listener{4711, "nginx", "nginx.service", port == 81}, port == 80 || port == 81
		}}
		name := c.res
		if name == "" {
			name = "apache"
		}
		e.q = request(name, cluster.Start)
		e.out = cluster.Outcome{Result: cluster.Failed, Words: name + " start: exit code 1 (generic error)"}
		e.heard = linesOf(c.text)
		if c.kernel != "" {
			e.kernel = []string{clean(c.kernel)}
		}
		if got, want := e.conclude().Words, name+" start: "+c.want; got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.cause, got, want)
		}
	}
}

// What is not about the resource, or is not forbidden at all, is no cause.
func TestNoCause(t *testing.T) {
	e := evidence{q: request("apache", cluster.Start), heard: []string{"cat: /run/none.pid: No such file or directory", "cp: /dev/null: No such file or directory"},
		out: cluster.Outcome{Result: cluster.Failed, Words: "apache start: exit code 1"}}
	if p := e.cause(); p != nil {
		t.Errorf("got %s", p)
	}
	for _, line := range []string{
		`audit: avc:  denied  { read } for  pid=1 comm="sshd" path="/x" scontext=system_u:system_r:sshd_t:s0 tcontext=a:b:c_t:s0 tclass=file permissive=0`,
		`audit: avc:  denied  { read } for  pid=1 comm="httpd" path="/x" scontext=system_u:system_r:httpd_t:s0 tcontext=a:b:c_t:s0 tclass=file permissive=1`,
		`audit: apparmor="DENIED" operation="open" profile="/usr/bin/man" name="/x" comm="man" requested_mask="r"`,
		"Out of memory: Killed process 12 (firefox) total-vm:1kB",
	} {
		e := evidence{q: request("apache", cluster.Start), kernel: []string{line}, heard: []string{"INFO: waiting for apache", "apache not running"},
			out: cluster.Outcome{Result: cluster.Failed, Words: "apache start: exit code 1"}}
		if got := e.conclude(); got.Words != "apache start: exit code 1" || len(got.Lines) != 2 || got.Lines[1] != line {
			t.Errorf("%s: got %+v", line, got)
		}
	}
}

// page is the page of the docs that follows what is printed.
const page = "../../docs/my-service-does-not-start.md"

// TestPage holds the page to the table: each cause has its section, and each recorded sentence stands in it.
func TestPage(t *testing.T) {
	text := read(t, page)
	sections := map[string]string{}
	for _, s := range strings.Split(text, "\n## ")[1:] {
		title, body, _ := strings.Cut(s, "\n")
		sections[title] = strings.Join(strings.Fields(body), " ")
	}
	names := map[string]bool{causeTime: true, causeNothing: true, causeBoot: true}
	for _, c := range append(causes(), kernelCauses()...) {
		names[c.name] = true
	}
	for name := range names {
		if sections[name] == "" {
			t.Errorf("the page has no section %q", name)
		}
	}
	told := map[string]bool{}
	for _, c := range recordings() {
		if told[c.cause] = true; !names[c.cause] {
			t.Errorf("there is no cause %q", c.cause)
		}
		if !strings.Contains(sections[c.cause], c.want) {
			t.Errorf("the section %q does not have the sentence\n%s", c.cause, c.want)
		}
	}
	for name := range names {
		if !told[name] && !slices.Contains([]string{causeTime, causeNothing, causeBoot, "Its owner or mode is wrong"}, name) {
			t.Errorf("nothing was recorded for %q", name)
		}
	}
	for _, k := range kinds() {
		row := "| " + strings.Join(k.names, ", ") + " |"
		if len(k.logs)+len(k.config) > 0 && !strings.Contains(text, row) {
			t.Errorf("the page has no row %q in its table of logs", row)
		}
		for _, path := range append(k.logs, k.config...) {
			if !strings.Contains(text, path) {
				t.Errorf("the page does not name %s", path)
			}
		}
	}
	for name := range maps.Keys(sections) {
		if !names[name] && !strings.HasPrefix(name, "How ") && !strings.HasPrefix(name, "Where ") {
			t.Errorf("there is no cause %q", name)
		}
	}
}

// Only what was written since the action began is shown, of the log as of the kernel, and what is secret is not.
func TestEvidence(t *testing.T) {
	w := newWorld(t)
	log := w.write(t, "service.log", "old: Address already in use: 127.0.0.1:1\n")
	w.kernelLogPath = w.write(t, "kmsg", "4,1,1,-;db[1]: segfault at 0 ip 0 sp 0 error 4 in old.so[1+1]\n")
	w.ocf(t, "db", `case $1 in
		start) printf 'connect to mysql://u:geheim@h/ with password=hunter2 and sesame\033[2J\n' >>`+log+`
			printf '6,2,2,-;eth0: link up\n12,3,3,-;db[9]: segfault at 0 in user.so[1+1]\n SUBSYSTEM=x\n4,4,4,-;db[7]: segfault at 0 ip 0 sp 0 error 4 in new.so[1+1]\n' >>`+w.kernelLogPath+`
			echo "ERROR: no way"; exit 1;;
		esac; exit 7`)
	q := request("db", cluster.Start)
	q.Resource.Logs = []string{log, "/nowhere"}
	q.Resource.Params = []string{"secret=sesame"}
	out := w.expect(t, q, cluster.Failed, "db start: db (process 7) crashed in new.so: look for a newer version of it, or do without what crashed; coredumpctl may know more")
	want := []string{"db start: exit code 1 (generic error): no way", "-- " + log + " --",
		"connect to mysql://u:***@h/ with password=*** and ***[2J", "-- the kernel's log --", "db[7]: segfault at 0 ip 0 sp 0 error 4 in new.so[1+1]"}
	if !slices.Equal(out.Lines, want) {
		t.Errorf("got  %q\nwant %q", out.Lines, want)
	}
	if again := w.Run(t.Context(), request("db", cluster.Stop)); len(again.Lines) != 0 {
		t.Errorf("a stop of what does not run has %q", again.Lines)
	}
}

// With auditd the denials stand in its log: it is the kernel that speaks there, not the service.
func TestAuditLog(t *testing.T) {
	const line = `type=AVC msg=audit(1700000000.1:2): avc: denied { name_bind } for pid=4711 comm="httpd" src=8081 scontext=a:b:httpd_t:s0 tcontext=a:b:c_t:s0 tclass=tcp_socket permissive=0`
	e := evidence{q: request("apache", cluster.Start), out: cluster.Outcome{Result: cluster.Failed, Words: "apache start: exit code 1"},
		logs: []source{{"/one.log", []string{"one"}}, {auditLog, []string{line}}}}
	e.kernel = e.denials()
	out := e.conclude()
	if !strings.HasPrefix(out.Words, "apache start: SELinux forbids httpd to listen on port 8081: ") ||
		!slices.Equal(out.Lines[1:], []string{"-- /one.log --", "one", "-- the kernel's log --", line}) {
		t.Errorf("got %q %q", out.Words, out.Lines)
	}
}

// A monitor action is told what was written since the last one that went well.
func TestEvidenceOfMonitor(t *testing.T) {
	w := newWorld(t)
	log := w.write(t, "service.log", "before\n")
	w.kernelLogPath = w.write(t, "kmsg", "")
	w.ocf(t, "db", "[ -e "+w.dir+"/up ] && exit 0; exit 7")
	w.write(t, "up", "")
	q := request("db", cluster.Monitor)
	q.Resource.Logs = []string{log}
	w.expect(t, q, cluster.OK, "db runs")
	appendTo(t, log, "between\n")
	w.expect(t, q, cluster.OK, "db runs")
	appendTo(t, log, "fatal: (24)Too many open files\n")
	if err := os.Remove(w.dir + "/up"); err != nil {
		t.Fatal(err)
	}
	out := w.expect(t, q, cluster.NotRunning, "db does not run: it is out of file descriptors...")
	if !slices.Contains(out.Lines, "fatal: (24)Too many open files") || slices.Contains(out.Lines, "between") {
		t.Errorf("got %q", out.Lines)
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// A log that floods, that was rotated, that is no file, or that leads elsewhere.
func TestMark(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("old\n")
	m := mark{path: path}
	m.renew()
	if lines := m.since(); len(lines) != 0 {
		t.Errorf("nothing was written: %q", lines)
	}
	write("old\n" + strings.Repeat("flood and flood\n", 1<<16) + "last\n")
	if lines := m.since(); len(lines) > maxTail/10 || lines[len(lines)-1] != "last" || lines[0] != "flood and flood" {
		t.Errorf("a flood: %d lines", len(lines))
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write("new\n")
	if lines := m.since(); !slices.Equal(lines, []string{"new"}) {
		t.Errorf("rotated: %q", lines)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if lines := m.since(); lines != nil {
		t.Errorf("a pipe: %q", lines)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("log.1", link); err != nil {
		t.Fatal(err)
	}
	m = mark{path: link}
	if os.Getuid() != 0 {
		return // only root's links are followed, and only root makes those
	}
	if lines := m.since(); len(lines) == 0 {
		t.Error("root's own link was not followed")
	}
	if err := os.Lchown(link, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	if lines := m.since(); lines != nil {
		t.Errorf("somebody's link was followed: %q", lines[:1])
	}
}

// A look that hangs holds up neither this action nor the next one.
func TestLookHangs(t *testing.T) {
	var tr trail
	stop, gone := make(chan struct{}), make(chan struct{})
	began := time.Now()
	if _, ok := tr.briefly(func() evidence { <-stop; close(gone); return evidence{} }); ok || time.Since(began) < diagnoseTime {
		t.Errorf("it came back after %v", time.Since(began))
	}
	if _, ok := tr.briefly(func() evidence { t.Error("a second look"); return evidence{} }); ok {
		t.Error("a look beside one that hangs")
	}
	close(stop)
	<-gone
	eventually(t, "the next look", func() bool { _, ok := tr.briefly(func() evidence { return evidence{} }); return ok })
}

// Who listens is found by the real kernel.
func TestListeners(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	var r Runner
	who, ok := r.listeners(port)
	if !ok || who.pid != os.Getpid() || who.name != "agent.test" {
		t.Errorf("got %+v, %v", who, ok)
	}
	e := evidence{q: request("db", cluster.Start), network: r.listeners, heard: []string{fmt.Sprintf("bind: 127.0.0.1:%d: Address already in use", port)},
		out: cluster.Outcome{Result: cluster.Failed, Words: "db start: exit code 1"}}
	if got := e.conclude().Words; !strings.HasPrefix(got, fmt.Sprintf("db start: port %d is taken by agent.test (process %d", port, os.Getpid())) {
		t.Errorf("got %s", got)
	}
}

// The part of the path that keeps a user out is named.
func TestOwner(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a", "b.log")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	e := evidence{q: request("apache", cluster.Start), heard: []string{"(13)Permission denied: AH00091: apache2: could not open error log file " + file + "."},
		out: cluster.Outcome{Result: cluster.Failed, Words: "apache start: exit code 1"}}
	if got := e.conclude().Words; !strings.HasPrefix(got, "apache start: it may not use "+file) || !strings.Contains(got, "with mode 0640") {
		t.Errorf("got %s", got)
	}
	if os.Getuid() != 0 {
		return
	}
	e.q.Resource.User = "nobody"
	if got := e.conclude().Words; !strings.Contains(got, ": "+dir) && !strings.Contains(got, ": "+filepath.Dir(dir)) || !strings.Contains(got, "and it runs as nobody: see owners and modes along the path with: namei -l "+file) {
		t.Errorf("got %s", got)
	}
}

// httpd's configuration says where its log is, whatever it includes.
func TestHTTPDConfiguration(t *testing.T) {
	w := newWorld(t)
	w.write(t, "envvars", "export APACHE_LOG_DIR=/var/log/apache9$SUFFIX\n")
	w.write(t, "sites/one.conf", "<VirtualHost *:80>\nErrorLog /var/log/one.log\nDocumentRoot /srv/one\n</VirtualHost>\nUser www\n")
	for text, want := range map[string]string{
		"ServerRoot \"" + w.dir + "\"\nErrorLog logs/error_log\n":                                 w.dir + "/logs/error_log",
		"ErrorLog ${APACHE_LOG_DIR}/error.log\n":                                                  "/var/log/apache9/error.log",
		"ServerRoot " + w.dir + "\nerrorlog /x.log\nIncludeOptional sites/*.conf\nInclude none\n": "/x.log",
		"ErrorLog |/usr/bin/rotatelogs /x 5M\n":                                                   "",
		"ErrorLog syslog:local1\n":                                                                "",
		"Include " + w.dir + "/httpd.conf\nErrorLog /loop.log\n":                                  "/loop.log",
	} {
		path := w.write(t, "httpd.conf", text)
		if s := httpdOf(request("apache", cluster.Start, path).Resource); s.errorLog != want || strings.Contains(text, "sites") && s.user != "www" {
			t.Errorf("%s: got %+v, want %s", text, s, want)
		}
	}
}

// A start that says it went well is looked at: at once, and for as long as a slow one may take.
func TestStartIsVerified(t *testing.T) {
	w := newWorld(t)
	w.heartbeat(t, "liar", `case $1 in start) echo "starting the liar"; exit 0;; status) echo stopped; exit 3;; esac`)
	q := request("liar", cluster.Start)
	q.Resource.Interval = 300 * time.Millisecond
	out := w.expect(t, q, cluster.Failed, `liar start: it says that it is started, and liar does not run ("stopped"): its log may say why; run it by hand`)
	if !slices.Equal(out.Lines, []string{"starting the liar", "stopped"}) {
		t.Errorf("got %q", out.Lines)
	}
	w.heartbeat(t, "slow", `case $1 in start) (sleep 0.5; touch `+w.dir+`/up) & exit 0;; status) [ -e `+w.dir+`/up ] && echo running || echo stopped;; esac`)
	w.expect(t, request("slow", cluster.Start), cluster.OK, "slow is started")
	q.Resource.Interval = 0 // nobody wants it asked
	w.expect(t, q, cluster.OK, "liar is started")
	// A look that hangs does not keep the start from being over: that is for its monitor action to tell.
	w.heartbeat(t, "hangs", `case $1 in start) touch `+w.dir+`/hung;; status) [ -e `+w.dir+`/hung ] || { echo stopped; exit 3; }; sleep 600;; esac`)
	q = request("hangs", cluster.Start)
	q.Timeout, q.Resource.Timeouts.Monitor = time.Hour, 500*time.Millisecond
	began := time.Now()
	w.expect(t, q, cluster.OK, "hangs is started")
	if took := time.Since(began); took > time.Minute {
		t.Errorf("a look that hangs held up the start for %v", took)
	}
}

// BenchmarkMark is what an action that goes well costs more, and BenchmarkExplained what one that fails does.
func BenchmarkMark(b *testing.B) {
	w := &world{dir: b.TempDir()}
	q := request("db", cluster.Monitor)
	q.Resource.Logs = []string{w.write(b, "one.log", ""), w.write(b, "two.log", "")}
	t := w.trailOf(q)
	for b.Loop() {
		w.mark(q, t)
	}
}

func BenchmarkExplained(b *testing.B) {
	w := &world{dir: b.TempDir()}
	q := request("db", cluster.Start)
	q.heard = &heard{}
	q.Resource.Logs = []string{w.write(b, "one.log", strings.Repeat("a line of a log, as long as they are: [core:error] [pid 1:tid 2] AH00000\n", 300)+"one\n")}
	t := w.trailOf(q)
	w.mark(q, t)
	t.logs[0].size = 0
	out := cluster.Outcome{Result: cluster.Failed, Words: "db start: exit code 1"}
	for b.Loop() {
		w.explained(q, t, out)
	}
}
