package config

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// This file holds what is said to somebody whose slip is a common one: the habits of other files and programs.

// otherComment knows how other files begin a comment or a section.
func otherComment(text string) (remedy string, ok bool) {
	for _, mark := range []string{";", "//", "--", "/*", "!"} {
		if strings.HasPrefix(text, mark) {
			return "a comment begins with '#'", true
		}
	}
	if strings.HasPrefix(text, "[") || strings.HasPrefix(text, "<") || strings.HasSuffix(text, "{") || text == "}" {
		return "there are no sections here: each line says by itself what it is about", true
	}
	return "", false
}

// withoutSign takes apart KEY=VALUE and KEY: where a word that is known stands before the sign.
func withoutSign(text string, args []word, known func(string) bool) (remedy string, ok bool) {
	at := strings.IndexAny(text, "=:")
	if at < 0 || !known(strings.ToLower(text[:at])) {
		return "", false
	}
	words := []string{strings.ToLower(text[:at])}
	if rest := text[at+1:]; rest != "" {
		words = append(words, rest)
	}
	if words = append(words, texts(args)...); len(words) > 2 {
		words = []string{words[0], words[1], "..."} // what follows may be a secret
	}
	return "write '" + strings.Join(words, " ") + "': words are separated by blanks", true
}

// meant says what somebody who wrote this word into ha.cf most likely wants.
func (h *haCF) meant(st statement) string {
	text := st.key.text
	names := slices.Sorted(maps.Keys(h.known))
	isKnown := func(name string) bool { return slices.Contains(names, name) }
	if remedy, ok := otherComment(text); ok {
		return remedy
	}
	if remedy, ok := withoutSign(text, st.args, isKnown); ok {
		return remedy
	}
	if remedy := h.elsewhere(st); remedy != "" {
		return remedy
	}
	return didYouMean(text, names, "remove the line; 'man ha.cf' has the directives")
}

// elsewhere says what is another word here, or a word of another file; empty if it is none of that.
func (h *haCF) elsewhere(st statement) string {
	text := st.key.text
	others := map[string]string{"broadcast": "bcast", "unicast": "ucast", "multicast": "mcast", "interval": "keepalive", "failback": "auto_failback",
		"name": "node", "host": "node", "server": "node", "port": "udpport", "log": "logfile", "facility": "logfacility", "interface": "bcast"}
	if _, ours := vocabulary()[text]; ours && text != wordWatchdog {
		return text + " is a word of lubdub.conf: write it there"
	}
	if name := others[text]; name != "" {
		return "here it is '" + name + " " + h.known[name].form + "'"
	}
	if len(st.args) > 0 && (startsWithIP(st.args[0].text) || looksLikeIPv4(st.args[0].text)) {
		return "a resource group is written in haresources"
	}
	if text == "auth" {
		return "keys are written in authkeys"
	}
	return ""
}

// heartbeatTime is how a time of another notation is written in ha.cf; empty if it is no time.
func heartbeatTime(text string) string {
	d, ok := otherTime(text)
	if !ok || d <= 0 || d > maxTime {
		return ""
	}
	if d < time.Second {
		return fmt.Sprintf("%dms", d.Milliseconds())
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64)
}

// otherTime reads a time as other programs write it: 5min, 90 s, 1d, 90sec, 00:05:00.
func otherTime(text string) (time.Duration, bool) {
	text = strings.ToLower(strings.TrimSpace(text))
	if d, err := time.ParseDuration(strings.ReplaceAll(text, " ", "")); err == nil {
		return d, true
	}
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyz ")
	units := map[string]time.Duration{"msec": time.Millisecond, "sec": time.Second, "secs": time.Second, "second": time.Second, "seconds": time.Second,
		"min": time.Minute, "mins": time.Minute, "minute": time.Minute, "minutes": time.Minute, "hr": time.Hour, "hour": time.Hour, "hours": time.Hour,
		"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour}
	f, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	unit, ok := units[strings.TrimSpace(text[len(digits):])]
	if err != nil || !ok || math.IsNaN(f) || f < 0 || f*float64(unit) > float64(maxTime) {
		return 0, false
	}
	return time.Duration(f * float64(unit)), true
}

// odd looks for marks that are no marks here: typographic or single quotes, and '=' with blanks around it. It repeats
// nothing of the line, for that may be a secret.
func (c *lubdubConf) odd(st statement) bool {
	for _, w := range append([]word{st.key}, st.args...) {
		if raw := c.lines[w.line-1][w.at:]; strings.ContainsFunc(w.text, isTypographic) {
			c.errorf(w, `write straight ones: "`, "typographic quotes or blanks are no quotes and blanks here")
			return true
		} else if key, value, option := strings.Cut(raw, "="); raw[0] == '\'' || option && isVariable(key) && strings.HasPrefix(value, "'") {
			c.errorf(w, `write double quotes: "`, "single quotes do not quote here")
			return true
		}
	}
	return c.lonely(st)
}

func isTypographic(r rune) bool {
	return unicode.In(r, unicode.Pi, unicode.Pf) || r == '„' || r == '‚' || r == '\u00a0'
}

// lonely looks for '=' with a blank before it.
func (c *lubdubConf) lonely(st statement) bool {
	at := slices.IndexFunc(st.args, func(w word) bool { return w.text == "=" || w.text == ":" || strings.HasPrefix(w.text, "=") })
	if at < 0 {
		return false
	}
	if e := c.known[st.key.text]; e.options != nil || e.free || st.key.text == wordOn {
		c.errorf(st.args[at], "write NAME=VALUE without blanks", "'=' with a blank before it")
	} else {
		c.errorf(st.args[at], "remove it: words are separated by blanks", "%s has no meaning here", quote(st.args[at].text[:1]))
	}
	return true
}

// tooMuch refuses a word that has no place in a line.
func (c *lubdubConf) tooMuch(e entry, st statement, w word) {
	at := slices.Index(st.args, w)
	if key, _, _ := strings.Cut(st.args[max(0, at-1)].text, "="); isSecret(key) {
		c.errorf(w, `a value with blanks needs quotes: `+key+`="..."`, "this word is too much here")
		return
	}
	c.errorf(w, e.fitting(st, at), "%s is too much here", quote(w.text))
}

// fitting says what to do with a word that has no place in a line.
func (e entry) fitting(st statement, at int) string {
	w := st.args[at]
	var fits []string
	for _, o := range e.options {
		anything, _ := o.value("\x01")
		if wrong, _ := o.value(w.text); wrong == "" && anything != "" {
			fits = append(fits, o.name+"="+w.text)
		}
		if w.text == o.name+":" || w.text == o.name {
			return "write " + o.name + "=VALUE, without blanks"
		}
	}
	key, value, option := strings.Cut(st.args[max(0, at-1)].text, "=")
	joined := value + " " + w.text
	switch _, isTruth := parseBoolean(w.text); {
	case w.text == wordOn && option:
		return "write 'on NODE' at the beginning of the line"
	case w.text == `\`:
		return `'\' continues a line only as its last character`
	case isTruth && e.name == "failback":
		return "whether groups return at all is auto_failback in ha.cf; here it is: failback " + e.form
	case len(fits) > 0 && len(fits) <= 2:
		return "write " + strings.Join(fits, " or ")
	case option && e.takes(key, joined):
		return fmt.Sprintf(`a value with blanks needs quotes: %s="%s"`, key, joined)
	}
	return "write '" + e.synopsis() + "'"
}

// takes says that an option may have this value.
func (e entry) takes(key, text string) bool {
	at := slices.IndexFunc(e.options, func(o option) bool { return o.name == key })
	if at < 0 {
		return e.free
	}
	wrong, _ := e.options[at].value(text)
	return wrong == ""
}

// resourceMeant says what is meant by a word that is neither a resource nor a group.
func resourceMeant(text string, names []string) string {
	switch {
	case text == "*" || text == "all" || text == "any":
		return "write a line for each of: " + list(unique(names))
	case strings.Contains(text, ","):
		return "write a line for each; haresources has: " + list(unique(names))
	}
	return didYouMean(text, names, "haresources has: "+list(unique(names)))
}

// hostlike says why a word of haresources is most likely not the name of an agent.
func (h *haresources) hostlike(r *resource) (words, remedy string) {
	unit, isUnit := strings.CutSuffix(r.Name, ".service")
	switch {
	case isUnit:
		return "is looked for among the scripts and OCF agents", "for the unit of systemd write systemd:" + unit
	case r.Name == "proxy":
		return "is looked for among the scripts and OCF agents", "for the built-in reverse proxy write lubdub-proxy::NAME"
	case strings.Count(r.Name, ".") >= 2 && len(r.Args) == 0:
		return "is looked for among the scripts and OCF agents", "if it is a host name, write its address"
	}
	return "", ""
}

// classMeant says what is meant by a word with one colon.
func classMeant(class, rest string, known []string) string {
	switch {
	case nearest(class, known) != "":
		return didYouMean(class, known, "")
	case class == "http" || class == "https":
		return "write the shared address alone; what answers behind it is a resource of its own"
	case class == "service" || class == "unit" || class == "systemctl":
		return "write systemd:" + rest
	case class == "init" || class == "init.d" || class == "sysv":
		return "write lsb:" + rest
	case isAgentName(class) && rest != "":
		return "write " + class + "::" + strings.ReplaceAll(rest, ":", "::") + " with two colons, or begin it with ocf:, lsb:, systemd: or exec:"
	}
	return "write ocf:PROVIDER:TYPE, lsb:NAME, systemd:UNIT, exec:NAME, or NAME::ARGUMENT with two colons"
}

// nodeMeant says what is meant by the first word of a line of haresources that is no node.
func nodeMeant(l *line, known []string) string {
	text := l.node.text
	parts := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '+' || r == '|' })
	switch {
	case startsWithIP(text) || looksLikeIPv4(text):
		return "begin the line with the node that should run the group, as '" + known[0] + " " + text + "'"
	case text == "node" || text == "group":
		return "leave out '" + text + "': a line begins with the name of a node"
	case len(parts) > 1 && slices.Contains(known, parts[0]):
		return "write " + parts[0] + " alone: the other node takes over by itself"
	}
	if meant := sameHost(text, known); meant != "" {
		return "did you mean " + quote(meant) + "? Names are compared with their domain"
	}
	return didYouMean(text, known, "write one of the nodes of ha.cf: "+list(known))
}

// edge says that an address is the first or the last one of its network, which no node can have.
func edge(p netip.Prefix) string {
	if !p.Addr().Is4() || p.Bits() > 30 {
		return ""
	}
	a, mask := p.Addr().As4(), uint32(math.MaxUint32)>>p.Bits()
	host := (uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3])) & mask
	switch host {
	case 0:
		return "the address of the network itself"
	case mask:
		return "the broadcast address of the network"
	}
	return ""
}
