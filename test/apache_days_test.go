package test

import (
	"testing"
	"time"

	"lubdub/internal/lab"
)

// TestApacheNowhere breaks httpd's configuration on both nodes, and mends it: it is tried again, and said why not before.
func TestApacheNowhere(t *testing.T) {
	slow(t)
	s := apacheSetup()
	s.conf = "timeout apache start=2s stop=10s\n"
	p := newApachePair(t, s, "ProxyPast / http://nowhere/\n")
	load := p.asks("http://" + shared + "/")
	at := lab.Now()
	p.start(one, two)
	for _, node := range []string{one, two} {
		p.told(node, 20*second+busy, "Invalid command 'ProxyPast'")
	}
	time.Sleep(6 * second)
	tries := 0
	for _, e := range append(p.events(one), p.events(two)...) {
		if containsAll(e.Words, "did not start") {
			tries++
		}
	}
	t.Logf("broken on both nodes: %d tries in %v; %s", tries, round(lab.Now()-at), p.status(one).Sentence)
	if tries > 10 {
		t.Errorf("httpd was tried %d times in %v: that is no back-off", tries, round(lab.Now()-at))
	}
	mended := lab.Now()
	for _, node := range []string{one, two} {
		must(t, p.Host(node).WriteFile(apacheConf, httpd(node, ""), 0o644))
	}
	p.run(one, lubdub+" cleanup web")
	p.run(two, lubdub+" cleanup web")
	node := ""
	eventually(t, 20*second+busy, "a page after the mending", func() bool {
		for _, r := range load.Requests(mended, lab.Now()) {
			if r.Err == "" {
				node = r.Server
			}
		}
		return node != ""
	})
	t.Logf("mended, and cleanup ordered: page from %s after %v", node, round(lab.Now()-mended))
	p.neverTwo()
}
