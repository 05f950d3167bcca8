package config

import (
	"maps"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"lubdub/internal/cluster"
)

const (
	// maxEndpoints bounds what one monitor action asks: they are asked one after the other.
	maxEndpoints = 4
	// maxDays is more than any public certificate lasts.
	maxDays = 825
	// usualDays leave time to renew a certificate, and are fewer than its automatic renewal leaves.
	usualDays = 14
)

// exec takes the commands of a resource.
func (c *lubdubConf) exec(st statement) {
	at := st.args[0]
	if name, ok := strings.CutPrefix(at.text, classExec+":"); ok {
		c.errorf(at, "write 'exec "+name+" ...': exec: is for haresources", "%s is more than the name of commands", quote(at.text))
		return
	}
	if before, ok := c.execAt[at.text]; ok && before.node == st.node {
		c.errorf(at, "join the lines", "the commands of %s are already on line %d", quote(at.text), before.at.line)
		return
	}
	c.execAt[at.text] = settled{at, st.node}
	used := false
	for _, l := range c.groups.groups {
		for i := range l.resources {
			if r := &l.resources[i]; r.Class == classExec && r.Type == at.text {
				used = true
				r.Commands = cluster.Commands{Start: strings.Fields(st.value("start", "")), Stop: strings.Fields(st.value("stop", "")),
					Monitor: strings.Fields(st.value("monitor", ""))}
			}
		}
	}
	if !used {
		c.warnf(at, "add exec:"+at.text+" to a group", "haresources does not run the commands %s", quote(at.text))
	}
}

// checkExecs looks for resources of plain commands that have none.
func (c *lubdubConf) checkExecs() {
	names := slices.Sorted(maps.Keys(c.execAt))
	for _, l := range c.groups.groups {
		for _, r := range l.resources {
			if _, ok := c.execAt[r.Type]; r.Class == classExec && !ok {
				c.groups.errorf(r.at, didYouMean(r.Type, names, "add 'exec "+r.Type+" start=... stop=... monitor=...' there"), "lubdub.conf has no commands for %s", quote(r.Name))
			}
		}
	}
}

// user takes whom an agent runs as.
func (c *lubdubConf) user(st statement) {
	c.again(st)
	name := st.args[1]
	if wrong, remedy := isUser(name.text); wrong != "" {
		c.errorf(name, remedy, "%s %s", quote(name.text), wrong)
		return
	}
	for _, r := range c.resources(st.args[0], false) {
		if r.Class == classAddress || r.Class == classProxy || r.Class == classSystemd {
			c.errorf(st.args[0], "write it where the resource has its settings", "%s has no agent that could run as a user", quote(r.Name))
			continue
		}
		r.User = name.text
	}
}

// probe takes what is asked beside the agent.
func (c *lubdubConf) probe(st statement) {
	plain, options := st.parts(c.known[st.key.text])
	e, ok := c.endpoint(st, plain[1:], len(options) > 0)
	if !ok {
		return
	}
	e.Status, _ = strconv.Atoi(st.value("status", "0"))
	e.Body = st.value("body", "")
	if strings.HasPrefix(e.URL, "https:") {
		e.Days, _ = strconv.Atoi(st.value("days", strconv.Itoa(usualDays)))
	}
	for _, r := range c.resources(plain[0], false) {
		if len(r.Endpoints) == maxEndpoints {
			c.errorf(st.key, "choose those that matter", "more than %d probes of %s", maxEndpoints, quote(r.Name))
			continue
		}
		r.Endpoints = append(r.Endpoints, e)
	}
}

// endpoint reads what is to be asked: "tcp HOST:PORT", or a URL.
func (c *lubdubConf) endpoint(st statement, plain []word, options bool) (e cluster.Endpoint, ok bool) {
	const form = "write 'probe RESOURCE tcp HOST:PORT' or 'probe RESOURCE http://HOST:PORT/PATH'"
	w := plain[0]
	if w.text == "tcp" {
		switch {
		case len(plain) != 2 || !isHostPort(plain[1].text):
			c.errorf(plain[len(plain)-1], form, "the probe has no HOST:PORT")
		case options:
			c.errorf(st.key, "remove the options, or probe with http://", "a probe of tcp only connects")
		default:
			return cluster.Endpoint{URL: "tcp://" + plain[1].text}, true
		}
		return e, false
	}
	u, err := url.Parse(w.text)
	switch {
	case isHostPort(strings.TrimPrefix(w.text, "tcp://")):
		c.errorf(w, "write 'probe "+firstOf(st)+" tcp "+strings.TrimPrefix(w.text, "tcp://")+"'", "%s cannot be probed", quote(w.text))
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil:
		c.errorf(w, form, "%s cannot be probed", quote(w.text))
	case len(plain) > 1:
		c.errorf(plain[1], form, "%s is too much here", quote(plain[1].text))
	case u.Scheme == "http" && st.value("days", "") != "":
		c.errorf(st.key, "remove days=, or probe with https://", "there is no certificate without TLS")
	default:
		return cluster.Endpoint{URL: w.text}, true
	}
	return e, false
}

func isHostPort(text string) bool {
	host, port, err := net.SplitHostPort(text)
	if err != nil || host == "" || strings.ContainsAny(host, "/?#@ ") {
		return false
	}
	wrong, _ := isNumber(1, maxPort)(port)
	return wrong == ""
}

// isCommand accepts a full path and arguments.
func isCommand(text string) (wrong, remedy string) {
	words := strings.Fields(text)
	if len(words) == 0 || !filepath.IsAbs(words[0]) {
		return "does not begin with the full path of a program", `write it as "/usr/bin/PROGRAM ARGUMENT"`
	}
	if strings.ContainsAny(text, "|&;<>`") || strings.Contains(text, "$(") {
		return "is for a shell, and no shell reads it", "write a script, and its path here"
	}
	return "", ""
}
