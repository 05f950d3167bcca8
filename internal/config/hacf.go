package config

import (
	"strconv"
	"strings"
)

// haCF is ha.cf while it is read.
type haCF struct {
	*source
	opts  Options
	known map[string]directive
	first map[string]word // where each directive was written first
	last  map[string]word // the value that counts, of directives that have one

	nodes      []word // lower case, each once
	misnamed   bool   // there is one more, with a name that cannot be
	links      []link
	own        []word   // ucast lines that point to this machine: they let both files be equal
	kinds      []string // of all links in the order written, those to this machine included
	env        []string
	fences     []plugged
	fenceUsers []word // the nodes of stonith_host
	pings      []pingNode
	port       int // of all links that do not name their own
}

// readHaCF reads ha.cf line by line.
func readHaCF(src *source, opts Options) *haCF {
	h := &haCF{source: src, opts: opts, known: map[string]directive{}, first: map[string]word{}, last: map[string]word{}}
	for _, d := range directives() {
		h.known[d.name] = d
	}
	for i, line := range src.lines {
		text := word{withoutComment(line), i + 1, 0}
		words := fields(text, isBlank)
		if len(words) == 0 || src.log.full() {
			continue
		}
		key := words[0]
		d, ok := h.known[key.text]
		if !ok {
			h.unknown(statement{key: key, args: words[1:]})
			continue
		}
		st := statement{key: key, args: words[1:]}
		if !d.whole {
			after := key.at + len(key.text)
			st.args = fields(word{text.text[after:], i + 1, after}, isBlankOrComma)
		}
		h.statement(d, st)
	}
	return h
}

// unknown reports a word that is no directive.
func (h *haCF) unknown(st statement) {
	key := st.key
	lower := strings.ToLower(key.text)
	if _, ok := h.known[lower]; ok {
		h.errorf(key, "write "+quote(lower)+": upper and lower case count", "unknown directive %s", quote(key.text))
		return
	}
	switch key.text {
	case "tipc", "rds", "hbaping":
		h.errorf(key, "use bcast, ucast or mcast", "links of the kind %s are not known here", quote(key.text))
		return
	}
	h.errorf(key, h.meant(st), "unknown directive %s", quote(key.text))
}

// statement takes one line with a known directive.
func (h *haCF) statement(d directive, st statement) {
	first, again := h.first[d.name]
	if !again {
		h.first[d.name] = st.key
	}
	if len(st.args) == 0 {
		h.warnf(st.key, "write '"+d.name+" "+d.form+"' or remove the line", "%s without a value has no effect", d.name)
		return
	}
	if again && d.once {
		h.errorf(st.key, "keep one of them", "%s is written twice, first on line %d", d.name, first.line)
		return
	}
	if d.idle != "" && !again {
		h.at(Notice, st.key, d.name+" has no effect: "+d.idle, "")
	}
	if d.line != nil {
		d.line(h, st)
		return
	}
	for _, w := range st.args {
		h.single(d, w)
	}
}

// single takes a value of a directive of which the last one counts.
func (h *haCF) single(d directive, w word) {
	if wrong, remedy := d.value(w.text); wrong != "" {
		h.errorf(w, remedy, "%s: %s %s", d.name, quote(w.text), wrong)
		return
	}
	if before, ok := h.last[d.name]; ok {
		h.warnf(w, "keep one of them", "%s is written again; this value counts, not %s on line %d", d.name, quote(before.text), before.line)
	}
	h.last[d.name] = w
}

// node takes a line of node names.
func (h *haCF) node(st statement) {
	for _, w := range st.args {
		if wrong, remedy := isNodeName(w.text); wrong != "" {
			h.errorf(w, remedy, "node: %s %s", quote(w.text), wrong)
			h.misnamed = true
			continue
		}
		w.text = strings.ToLower(w.text)
		if before, ok := find(h.nodes, w.text); ok {
			h.warnf(w, "remove one of them", "node %s is named again, first on line %d; Heartbeat would count two nodes", w.text, before.line)
			continue
		}
		if len(h.nodes) == maxNodes {
			h.errorf(w, "name two", "more than %d nodes", maxNodes)
			return
		}
		h.nodes = append(h.nodes, w)
	}
}

// niceFailback warns: Heartbeat 3.0.6 takes the line as no line.
func (h *haCF) niceFailback(st statement) {
	h.warnf(st.key, "write auto_failback on or off", "nice_failback is obsolete and has no effect, as in Heartbeat 3.0.6")
}

// environment takes what scripts get as HA_NAME.
func (h *haCF) environment(st statement) {
	for _, w := range st.args {
		name, _, ok := strings.Cut(w.text, "=")
		if !ok || !isVariable(name) {
			h.errorf(w, "write 'env NAME=VALUE'", "env: %s is no variable with a value", quote(w.text))
			continue
		}
		h.env = append(h.env, w.text)
	}
}

// isVariable says that text can name a variable of a shell.
func isVariable(text string) bool {
	return consistsOf(text, "_") && (text[0] < '0' || text[0] > '9')
}

// serial checks what Heartbeat checks of a serial line.
func (h *haCF) serial(st statement) {
	for _, w := range st.args {
		if wrong, remedy := isPath(w.text); wrong != "" {
			h.errorf(w, remedy, "serial: %s %s", quote(w.text), wrong)
		}
	}
}

// program checks what Heartbeat checks of a program to run.
func (h *haCF) program(st statement) {
	if len(st.args) < 2 || !strings.HasPrefix(st.args[1].text, "/") {
		h.errorf(st.key, "write '"+st.key.text+" USER /PATH ARGUMENTS'", "%s needs a user and the full path of a program", st.key.text)
	}
}

// apiauth checks what Heartbeat checks of a client's rights.
func (h *haCF) apiauth(st statement) {
	listed := len(st.args) > 1
	for _, w := range st.args[1:] {
		listed = listed && (strings.HasPrefix(w.text, "uid=") || strings.HasPrefix(w.text, "gid="))
	}
	if !listed {
		h.errorf(st.key, "write 'apiauth CLIENT uid=a,b gid=c,d', one list or both", "apiauth needs a client and a list of users or groups")
	}
}

// text is the value that counts, or what scripts are told when none is written.
func (h *haCF) text(name string) string {
	if w, ok := h.last[name]; ok {
		return w.text
	}
	return h.known[name].initial
}

// recorded are the directives that scripts get as HA_directive: as written, or
// Heartbeat's defaults.
func (h *haCF) recorded() map[string]string {
	out := map[string]string{"udpport": strconv.Itoa(h.usualPort())}
	for name, d := range h.known {
		if text := h.text(name); text != "" && d.line == nil {
			out[name] = text
		}
	}
	return out
}

// logging is what ha.cf says about the log.
func (h *haCF) logging() Logging {
	l := Logging{File: h.text("logfile"), DebugFile: h.text("debugfile"), Facility: h.text("logfacility")}
	if w, ok := h.last["debug"]; ok {
		l.Debug = number(w.text)
	}
	if w, ok := h.last["use_logd"]; ok {
		l.UseLogd, _ = parseBoolean(w.text)
	}
	return l
}
