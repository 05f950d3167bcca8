package test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestTLS asks the shared address by TLS before and after a power loss. One certificate, for the service's name, is on both nodes.
func TestTLS(t *testing.T) {
	asRoot(t)
	programs(t, "/usr/bin/openssl", "/usr/bin/curl", "/usr/lib/apache2/modules/mod_ssl.so")
	more := fmt.Sprintf("LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so\n"+
		"LoadModule socache_shmcb_module /usr/lib/apache2/modules/mod_socache_shmcb.so\n"+
		"Listen %s:443\n<VirtualHost %s:443>\n  SSLEngine on\n  SSLCertificateFile /etc/apache2/lab.pem\n  SSLCertificateKeyFile /etc/apache2/lab.key\n"+
		"  Header always set X-Node ${HOSTNAME}\n  ProxyPass / %s/\n</VirtualHost>\n", shared, shared, backEnd)
	p := newApachePair(t, apacheSetup(), "")
	p.run(client, "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=www.example.org "+
		"-addext subjectAltName=DNS:www.example.org -keyout /etc/lab.key -out /etc/lab.pem 2>&1")
	for _, node := range []string{one, two} {
		must(t, p.Host(node).WriteFile(apacheConf, httpd(node, "Define HOSTNAME "+node+"\n"+more), 0o644))
		for _, f := range []string{"lab.pem", "lab.key"} {
			text, err := p.Host(client).ReadFile("/etc/" + f)
			must(t, err)
			must(t, p.Host(node).WriteFile("/etc/apache2/"+f, text, 0o600))
		}
	}
	p.serve()
	load := p.asks("https://" + shared + "/")
	before := p.secure(one)
	at := p.off(one)
	p.within("power loss: the peer's page by TLS", p.servedBy(load, two, at, deadTime+apacheStart+busy)-at, deadTime+apacheStart)
	after := p.secure(two)
	t.Logf("TLS before: %s; after: %s", before, after)
	p.neverTwo()
}

// secure asks with curl, which checks the certificate and its name, and returns what it says of the connection.
func (p *pair) secure(node string) string {
	p.t.Helper()
	ask := "curl -sS --max-time 2 --cacert /etc/lab.pem --resolve www.example.org:443:" + shared +
		" -D - -o /dev/null -w '%{ssl_verify_result} %{http_version} %{time_total}' https://www.example.org/"
	var out string
	eventually(p.t, apacheStart+busy, "a page by TLS from "+node, func() bool {
		ctx, cancel := context.WithTimeout(p.t.Context(), 5*time.Second)
		defer cancel()
		var err error
		out, err = p.Host(client).Run(ctx, "sh", "-c", ask)
		return err == nil && containsAll(out, "200 OK", "X-Node: "+node)
	})
	return tail(out, 1)
}

// TestFilesDiffer gives the nodes files that differ: both say which.
func TestFilesDiffer(t *testing.T) {
	p := newPair(t, setup{})
	p.write(two, setup{more: "logfacility local3\n", resources: bareGroup + " 192.0.2.101", times: "keepalive 250ms\ndeadtime 3\nwarntime 1\ninitdead 10\n"})
	p.start(one, two)
	for _, node := range []string{one, two} {
		p.told(node, 10*second+busy, "haresources", "ha.cf")
		warnings := p.status(node).Warnings
		t.Logf("%s says: %v", node, warnings)
		if strings.Contains(strings.Join(warnings, " "), "lubdub.conf") {
			t.Errorf("%s names lubdub.conf, which is the same on both nodes", node)
		}
	}
}
