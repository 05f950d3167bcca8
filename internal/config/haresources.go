package config

import (
	"fmt"
	"strings"
	"time"

	"lubdub/internal/cluster"
)

// The limits of haresources. Each group is in each heartbeat, which must stay
// below one packet.
const (
	maxGroups    = 20
	maxResources = 64
)

// What holds for a resource when lubdub.conf does not say otherwise.
const (
	usualInterval = 10 * time.Second
	usualMonitor  = 20 * time.Second
	usualStart    = 60 * time.Second
	usualStop     = 60 * time.Second
)

// The classes of resources that are built in.
const (
	classAddress = "address"
	classProxy   = "proxy"
	classSystemd = "systemd"
	classExec    = "exec"
)

// line is one logical line of haresources: a group.
type line struct {
	node      word
	words     []word // the resources as written; the first is the group's key
	resources []resource
	name      string

	failback   cluster.Failback
	failbackAt statement // where lubdub.conf says so
}

// resource is a word of haresources and what it means.
type resource struct {
	cluster.Resource
	at      word
	address address
	asked   word // its line 'monitor' of lubdub.conf
	counted word // its line 'failures'
}

// haresources is the file while it is read.
type haresources struct {
	*source
	groups []*line
}

// readHaresources reads haresources. Lines are joined at '\', comments end at
// the line's end.
func readHaresources(src *source) *haresources {
	h := &haresources{source: src}
	var words []word
	for i, text := range src.lines {
		text = strings.TrimRight(withoutComment(text), " \t\r\f\v")
		joined := strings.HasSuffix(text, `\`)
		text = strings.TrimSuffix(text, `\`)
		words = append(words, fields(word{text, i + 1, 0}, isBlank)...)
		if joined && i+1 < len(src.lines) {
			continue
		}
		h.line(words)
		words = nil
	}
	return h
}

// line takes a logical line.
func (h *haresources) line(words []word) {
	switch {
	case len(words) == 0 || h.log.full():
		return
	case len(words) == 1:
		h.errorf(words[0], "write 'NODE RESOURCE RESOURCE...'", "the group of %s has no resource", quote(words[0].text))
		return
	case len(h.groups) == maxGroups:
		h.errorf(words[0], "join groups that always move together", "more than %d groups", maxGroups)
		return
	case len(words) > maxResources+1:
		h.errorf(words[maxResources+1], "split the group", "more than %d resources in a group", maxResources)
		return
	}
	l := &line{node: words[0], words: words[1:]}
	l.node.text = strings.ToLower(l.node.text)
	used := map[string]bool{}
	for _, w := range l.words {
		r, ok := h.resource(w)
		if !ok {
			continue
		}
		r.Name = numbered(r.Name, used)
		l.resources = append(l.resources, r)
	}
	h.groups = append(h.groups, l)
}

// numbered returns name, or name#2, name#3... when it is taken.
func numbered(name string, used map[string]bool) string {
	out := name
	for n := 2; used[out]; n++ {
		out = fmt.Sprintf("%s#%d", name, n)
	}
	used[out] = true
	return out
}

// usual is a resource of which lubdub.conf says nothing.
func usual(class string) cluster.Resource {
	return cluster.Resource{Class: class, Warm: class == classProxy, Interval: usualInterval,
		Timeouts: cluster.Timeouts{Start: usualStart, Stop: usualStop, Monitor: usualMonitor},
		Usual:    []cluster.Action{cluster.Start, cluster.Stop, cluster.Monitor},
		Limit:    cluster.UsualLimit, Window: cluster.UsualWindow}
}

// resource reads one word. An address is looked for first, for "::" is part of
// IPv6 addresses and parts arguments elsewhere.
func (h *haresources) resource(w word) (resource, bool) {
	r := resource{Resource: usual(""), at: w}
	if startsWithIP(w.text) || looksLikeIPv4(w.text) {
		r.Name, _, _ = strings.Cut(w.text, "/")
		return h.shared(r, w.text)
	}
	name, rest, _ := strings.Cut(w.text, "::")
	r.Name = name
	switch name {
	case "IPaddr", "IPaddr2", "IPv6addr":
		return h.shared(r, rest)
	case "lubdub-proxy":
		return h.proxy(r, rest)
	}
	if rest != "" || strings.HasSuffix(w.text, "::") {
		r.Args = strings.Split(rest, "::")
	}
	return r, h.agent(&r) && h.argumentsSafe(&r)
}

// shared reads the argument of a shared address.
func (h *haresources) shared(r resource, text string) (resource, bool) {
	r.Class, r.Type = classAddress, classAddress
	a, wrong, remedy := parseAddress(text)
	if wrong != "" {
		h.errorf(r.at, remedy, "the address %s %s", quote(text), wrong)
		return r, false
	}
	switch {
	case r.Name == "IPaddr" && a.addr.Is6():
		h.errorf(r.at, "write IPv6addr::"+text, "IPaddr is for IPv4")
		return r, false
	case r.Name == "IPv6addr" && a.addr.Is4():
		h.errorf(r.at, "write IPaddr::"+text, "IPv6addr is for IPv6")
		return r, false
	}
	r.address = a
	r.Label, r.Broadcast = a.label, a.broadcast
	return r, true
}

// proxy reads the name behind lubdub-proxy.
func (h *haresources) proxy(r resource, name string) (resource, bool) {
	r.Class, r.Type, r.Args, r.Warm = classProxy, name, []string{name}, true
	if !consistsOf(name, "-._") {
		h.errorf(r.at, "write lubdub-proxy::NAME, and 'proxy NAME ...' in lubdub.conf", "the proxy has no name that can be used")
		return r, false
	}
	return r, true
}

// agent finds class, provider and type in the name.
func (h *haresources) agent(r *resource) bool {
	class, rest, outright := strings.Cut(r.Name, ":")
	if !outright {
		return h.script(r)
	}
	r.Class, r.Type = class, rest
	known := []string{"ocf", "lsb", classSystemd, classExec}
	switch class {
	case classExec:
		switch {
		case !isAgentName(rest):
			h.errorf(r.at, "write exec:NAME, and 'exec NAME start=... stop=... monitor=...' in lubdub.conf", "%s does not name commands", quote(r.Name))
		case len(r.Args) > 0:
			h.errorf(r.at, "write the arguments into the commands of lubdub.conf", "a resource of plain commands takes no arguments")
		default:
			return true
		}
		return false
	case classSystemd:
		switch {
		case !isAgentName(rest):
			h.errorf(r.at, "write systemd:UNIT, as systemd:httpd", "%s does not name a unit", quote(r.Name))
		case len(r.Args) > 0:
			h.errorf(r.at, "write what it needs into the unit", "a unit of systemd takes no arguments")
		default:
			return true
		}
		return false
	case "ocf":
		provider, kind, ok := strings.Cut(rest, ":")
		if !ok || !isAgentName(provider) || !isAgentName(kind) {
			h.errorf(r.at, "write ocf:PROVIDER:TYPE, as ocf:heartbeat:apache", "%s does not name an OCF agent", quote(r.Name))
			return false
		}
		r.Provider, r.Type = provider, kind
		return true
	case "lsb":
		if !isAgentName(rest) {
			h.errorf(r.at, "write lsb:NAME, the name of a script in /etc/init.d", "%s does not name an init script", quote(r.Name))
			return false
		}
		return true
	}
	h.errorf(r.at, classMeant(class, rest, known), "there is no class of agents %s", quote(class))
	return false
}

// script checks a plain name, which is looked for when it is run.
func (h *haresources) script(r *resource) bool {
	r.Type = r.Name
	switch {
	case r.Name == "ocf" || r.Name == "lsb" || r.Name == classSystemd || r.Name == classExec:
		h.errorf(r.at, "write "+strings.Join(append([]string{r.Name}, r.Args...), ":")+", with one colon", "%s:: names no agent", r.Name)
	case isAgentName(r.Name):
		if words, remedy := h.hostlike(r); words != "" {
			h.warnf(r.at, remedy, "%s %s", quote(r.Name), words)
		}
		return true
	case strings.ContainsAny(r.Name, `"'`):
		h.errorf(r.at, "remove the quotes", "%s: haresources knows no quotes", quote(r.Name))
	case strings.Contains(r.Name, "/"):
		h.errorf(r.at, "write the name of a script in resource.d or init.d, and arguments behind '::'", "%s is a path", quote(r.Name))
	default:
		h.errorf(r.at, "write the name of a script in resource.d or init.d, and arguments behind '::'", "%s cannot be the name of a resource", quote(r.Name))
	}
	return false
}

// isAgentName says that text can be the name of a script or unit: never a path.
func isAgentName(text string) bool {
	return consistsOf(text, "-._@+") && text[0] != '.' && text[0] != '-'
}

// argumentsSafe warns about what Heartbeat's shell would have expanded.
func (h *haresources) argumentsSafe(r *resource) bool {
	for _, a := range r.Args {
		if strings.ContainsAny(a, "*?[$`") {
			h.warnf(r.at, "write it out", "the argument %s is taken as it is; Heartbeat's shell would expand it", quote(a))
		}
	}
	return true
}
