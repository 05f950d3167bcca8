package config

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Proxy is what lubdub.conf says about one built-in reverse proxy.
type Proxy struct {
	Name     string
	Listen   []string // each :PORT or ADDRESS:PORT
	Backends []string // URLs, in the order written
	Health   string   // the path that a backend must answer
	Cert     string   // files of the certificate and its key; empty: no TLS
	Key      string
	Log      string // its access log; empty: where the daemon logs
	User     string // whom it runs as
}

// proxy takes the settings of a proxy.
func (c *lubdubConf) proxy(st statement) {
	at := st.args[0]
	if name, ok := strings.CutPrefix(at.text, "lubdub-proxy::"); ok {
		c.errorf(at, "write 'proxy "+name+" ...': lubdub-proxy:: is for haresources", "%s is more than the name of a proxy", quote(at.text))
		return
	}
	if before, ok := c.proxyAt[at.text]; ok && before.node == st.node {
		c.errorf(at, "join the lines", "the proxy %s is already on line %d", quote(at.text), before.at.line)
		return
	}
	p := Proxy{Name: at.text, Listen: st.values("listen"), Backends: st.values("backend"), Health: st.value("health", "/"),
		Cert: st.value("cert", ""), Key: st.value("key", ""), Log: st.value("log", ""), User: st.value("user", "nobody")}
	if (p.Cert == "") != (p.Key == "") {
		c.errorf(at, "write both or none", "TLS needs cert= and key=")
	}
	c.proxyAt[p.Name] = settled{at, st.node}
	c.proxies = append(slices.DeleteFunc(c.proxies, func(before Proxy) bool { return before.Name == p.Name }), p)
}

// checkProxies looks for proxies without settings, and settings without a proxy.
func (c *lubdubConf) checkProxies() {
	used := map[string]bool{}
	names := slices.Sorted(maps.Keys(c.proxyAt))
	for _, l := range c.groups.groups {
		for _, r := range l.resources {
			if r.Class != classProxy {
				continue
			}
			used[r.Type] = true
			if _, ok := c.proxyAt[r.Type]; !ok {
				c.groups.errorf(r.at, didYouMean(r.Type, names, "add 'proxy "+r.Type+" listen=:80 backend=URL' there"), "lubdub.conf says nothing about the proxy %s", quote(r.Type))
			}
		}
	}
	for _, p := range c.proxies {
		if !used[p.Name] {
			c.warnf(c.proxyAt[p.Name].at, "add lubdub-proxy::"+p.Name+" to a group", "haresources does not run the proxy %s", quote(p.Name))
		}
	}
}

// isBackend accepts the address of a web server.
func isBackend(text string) (wrong, remedy string) {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "is no address of a web server", "write http://ADDRESS:PORT"
	}
	return "", ""
}
