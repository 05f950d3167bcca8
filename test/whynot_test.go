package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lubdub/internal/lab"
)

// A liar says that it is started; a slow one never ends.
const (
	liar = `#!/bin/sh
case $1 in
start) echo "Starting the liar."; exit 0;;
stop) exit 0;;
esac
echo "liar is stopped"; exit 3
`
	slowpoke = `#!/bin/sh
case $1 in
start) echo "waiting for the licence server"; sleep 60;;
stop) exit 0;;
esac
echo "slowpoke is stopped"; exit 3
`
)

// whyNot is one way in which httpd does not start.
type whyNot struct {
	name  string
	more  string // of httpd's configuration
	envs  string // what httpd's environment file does: the agent runs it
	prep  string // on the host, before
	undo  string
	words []string // what why and status say
}

// nonlocal lets a service listen on an address that is not there.
const nonlocal = "echo 1 >/proc/sys/net/ipv4/ip_nonlocal_bind; "

// denied is what a kernel with SELinux writes, which none does here.
const denied = `4,1,1,-;audit: type=1400 audit(1700000000.123:456): avc:  denied  { open } for  pid=4711 comm="apache2" path="/srv/logs" ` +
	`dev="dm-0" ino=7 scontext=system_u:system_r:httpd_t:s0 tcontext=system_u:object_r:default_t:s0 tclass=dir permissive=0`

// confined is the same of AppArmor.
const confined = `4,2,2,-;audit: type=1400 audit(1700000000.124:457): apparmor="DENIED" operation="open" class="file" profile="/usr/sbin/apache2" ` +
	`name="/srv/logs" pid=4711 comm="apache2" requested_mask="ac" denied_mask="ac" fsuid=0 ouid=0`

func whyNots() []whyNot {
	return []whyNot{
		{name: "port taken", prep: "nginx -c /etc/other.conf", undo: "nginx -c /etc/other.conf -s stop",
			words: []string{"port 80 is taken by nginx (process", "stop it, or give one of the two another port", "AH00072"}},
		{name: "started by somebody else", prep: nonlocal + "apache2 -f " + apacheConf + " -c 'PidFile /run/boot.pid' -k start", undo: "kill $(cat /run/boot.pid); while pgrep -x apache2; do sleep 0.1; done",
			words: []string{"apache2 runs here already and has port 80 (process", "only lubdub may start it"}},
		{name: "syntax", more: "ProxyPast / http://nowhere/\n",
			words: []string{"its configuration is wrong in " + apacheConf + ", line", "Invalid command 'ProxyPast'", "mend that line"}},
		{name: "module not loaded", more: "SSLEngine on\n", words: []string{"SSLEngine in " + apacheConf, "belongs to mod_ssl, which is not loaded", "a2enmod ssl"}},
		{name: "module missing", more: "LoadModule x_module modules/mod_x.so\n", words: []string{"the module modules/mod_x.so of " + apacheConf, "is not there", "install its package"}},
		{name: "document root", more: "DocumentRoot /srv/none/www\n", words: []string{"its DocumentRoot /srv/none/www is not there"}},
		{name: "certificate", more: sslSite("/etc/www.pem", "/etc/www.pem"), words: []string{"its certificate or key /etc/www.pem is not there or empty"}},
		{name: "another key", prep: "for n in 1 2; do openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout /etc/k$n.pem -out /etc/c$n.pem -subj /CN=x -days 2 2>/dev/null; done",
			more:  sslSite("/etc/c1.pem", "/etc/k2.pem"),
			words: []string{"its key /etc/k2.pem does not belong to its certificate /etc/c1.pem", "-- /var/log/apache2/lab.log --", "AH02565"}},
		{name: "log's directory", more: "ErrorLog /srv/none/logs/error.log\n", words: []string{"/srv/none is not there"}},
		{name: "user missing", more: "User webby\n", words: []string{"it shall run as webby, and there is no such user"}},
		{name: "disk full", prep: "mkdir -p /srv/full; mount -t tmpfs -o nr_inodes=1 tmpfs /srv/full", undo: "umount /srv/full",
			more: "ErrorLog /srv/full/error.log\n", words: []string{"the disk with /srv/full has no inode left"}},
		{name: "SELinux", prep: "mkdir -p /srv/logs", more: "ErrorLog /srv/logs\n", envs: "echo '" + denied + "' >>/dev/kmsg\n",
			words: []string{"SELinux forbids apache2 to open /srv/logs, which has the label default_t", "restorecon -Rv /srv/logs", "-- the kernel's log --", "avc: denied { open }"}},
		{name: "AppArmor", more: "ErrorLog /srv/logs\n", envs: "echo '" + confined + "' >>/dev/kmsg\n",
			words: []string{"AppArmor forbids apache2 to open /srv/logs (ac), by the profile /usr/sbin/apache2"}},
		{name: "configuration missing", prep: "mv " + apacheConf + " /etc/gone.conf", words: []string{apacheConf + " is not there"}},
		{name: "program missing", prep: "mount -t tmpfs tmpfs /usr/sbin && ln -s /nowhere /usr/sbin/apache2", undo: "/bin/umount /usr/sbin",
			words: []string{"its program is not there: httpd"}},
	}
}

func sslSite(certificate, key string) string {
	return fmt.Sprintf("LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so\nListen 8443\n<VirtualHost *:8443>\nSSLEngine on\nSSLCertificateFile %s\nSSLCertificateKeyFile %s\n</VirtualHost>\n", certificate, key)
}

// TestWhyNot breaks httpd in each way that is known, one after the other, and reads what status and why say. Beside it in the same
// cluster are a script that lies, one that takes too long, and an httpd that may not do what it has to.
func TestWhyNot(t *testing.T) {
	programs(t, "/usr/sbin/nginx", "/usr/bin/openssl", "/usr/lib/apache2/modules/mod_ssl.so")
	weak := "/etc/apache2/weak.conf"
	s := setup{times: quickTimes, resources: apacheLine + "\n" + one + " liar\n" + one + " slowpoke\n" + one + " 192.0.2.101 apache::" + weak,
		conf: "monitor liar interval=1s\nname 192.0.2.101 weak\ntimeout web/apache start=8s stop=20s\ntimeout weak/apache start=8s stop=20s\ntimeout slowpoke start=3s\nuser weak/apache www-data\n"}
	p := newApachePair(t, s, "")
	h := p.Host(one)
	must(t, h.WriteFile("/etc/ha.d/resource.d/liar", liar, 0o755))
	must(t, h.WriteFile("/etc/ha.d/resource.d/slowpoke", slowpoke, 0o755))
	must(t, h.WriteFile(weak, strings.ReplaceAll(httpd(one, ""), shared+":80", "192.0.2.101:8080"), 0o644))
	must(t, h.WriteFile("/etc/other.conf", "pid /run/other.pid;\nerror_log /run/other.log;\nevents {}\nhttp { access_log off; server { listen 80; } }\n", 0o644))
	must(t, h.WriteFile("/run/kmsg", "", 0o644))
	must(t, h.Bind("/run/kmsg", "/dev/kmsg"))
	p.run(one, "rm -f /etc/ha.d/resource.d/apache /var/log/apache2/lab.log")
	for i, w := range whyNots() {
		began := lab.Now()
		must(t, h.WriteFile(apacheConf, httpd(one, w.more), 0o644))
		must(t, h.WriteFile("/etc/apache2/envvars", w.envs, 0o644))
		if w.prep != "" {
			p.run(one, w.prep)
		}
		if i == 0 {
			p.start(one)
			p.hears(one)
		} else {
			p.order(one, "cleanup web")
		}
		p.tellsWhy("web", w.words...)
		t.Logf("%s: told after %v", w.name, round(lab.Now()-began))
		if i == 0 {
			p.besides()
		}
		if w.undo != "" {
			p.run(one, w.undo)
		}
	}
	t.Logf("the last of them:\n%s", p.run(one, lubdub+" why web"))
	must(t, h.WriteFile(apacheConf, httpd(one, ""), 0o644))
	p.order(one, "cleanup web")
	p.answered(one, lab.Now(), 10*second+busy)
	p.dies()
}

// besides are the other groups.
func (p *pair) besides() {
	p.t.Helper()
	p.tellsWhy("liar", `liar start: it says that it is started, and liar does not run ("liar is stopped")`)
	p.tellsWhy("slowpoke", "slowpoke start: ended after 3s: it did not answer", "waiting for the licence server", "it was busy with", "sleep (process",
		"write 'timeout slowpoke start=6s' in lubdub.conf")
	p.tellsWhy("weak", "apache start: it may not use /var/log/apache2", "belongs to root", "and it runs as www-data", "namei -l")
}

// hears waits until a daemon answers.
func (p *pair) hears(node string) {
	p.t.Helper()
	eventually(p.t, 10*second, "lubdub answers on "+node, func() bool { _, err := p.ask(node); return err == nil })
}

// dies: httpd is ended by the kernel and stopped by a signal; monitor actions say why.
func (p *pair) dies() {
	p.t.Helper()
	state := func(want string) func() bool {
		return func() bool { s, err := p.ask(one); return err == nil && s.Groups[0].State == want }
	}
	eventually(p.t, 20*second+busy, "httpd is mended", state("running"))
	p.run(one, "pid=$(cat "+apachePid+"); echo \"3,9,9,-;Out of memory: Killed process $pid (apache2) total-vm:1kB, anon-rss:1kB\" >>/dev/kmsg; pkill -9 -x apache2")
	p.tellsWhy("web", "apache does not run: the kernel killed apache2 (process", "for memory ran out")
}

// tellsWhy waits until both why and status on the first node have all these words.
func (p *pair) tellsWhy(group string, words ...string) {
	p.t.Helper()
	var why, status string
	for began := lab.Now(); lab.Now()-began < 30*second; time.Sleep(100 * time.Millisecond) {
		if why = p.run(one, lubdub+" why "+group); !containsAll(why, words...) {
			continue
		}
		if status = p.run(one, lubdub+" status"); containsAll(status, words...) {
			return
		}
	}
	p.t.Errorf("lubdub does not say %q of %s:\n%s\n%s", words, group, why, status)
}

// TestWhyNotOnStandby: what is warm runs on the node without the address too, where httpd cannot listen on it; and what is not
// warm was started at boot on both nodes.
func TestWhyNotOnStandby(t *testing.T) {
	s := setup{resources: apacheLine, conf: "warm apache\ntimeout apache start=8s stop=20s\n"}
	p := newApachePair(t, s, "")
	p.start(one, two)
	p.told(two, 30*second, "it listens on "+shared+", and this node does not have that address now", "net.ipv4.ip_nonlocal_bind=1 with sysctl on both nodes", "it is warm")
	p.says(two, "it listens on "+shared)
	for _, node := range []string{one, two} {
		p.run(node, nonlocal+"true")
	}
	p.order(two, "cleanup web")
	eventually(t, 30*second, "httpd runs on the standby", func() bool { return p.runsHere(two) })
	for _, node := range []string{one, two} {
		p.stop(node)
		s.conf = ""
		p.write(node, s)
		p.run(node, "apache2 -f "+apacheConf+" -k start") // as systemd does at boot
	}
	p.start(one, two)
	p.hears(two)
	var why string
	eventually(t, 30*second, "why says that it was started at boot", func() bool {
		why = p.why(two)
		return containsAll(why, "apache of web runs on "+two+" although nobody started it here", "if it is started at boot, disable that")
	})
	t.Logf("why, on the standby:\n%s", why)
}
