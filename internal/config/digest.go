package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"lubdub/internal/cluster"
)

// digestSize is enough to notice a difference; the digests are in each heartbeat.
const digestSize = 8

// missing is the digest of a watched file or tree that is not there.
const missing = "missing"

// digests sums up what must be equal on both nodes: the meaning, not the text,
// so comments, the order of lines and what belongs to one node do not count.
// There is none of authkeys: nodes with different keys do not hear each other
// at all, and a digest in a packet that everybody can read would help to guess
// a weak secret.
func digests(h *haCF, r *haresources, c *lubdubConf, loaded *Loaded) []cluster.Digest {
	out := []cluster.Digest{
		{File: "ha.cf", Sum: sum(h.meaning(loaded))},
		{File: "haresources", Sum: sum(r.meaning())},
		{File: "lubdub.conf", Sum: sum(c.meaning())},
	}
	return out
}

// sum is the digest of lines, whatever their order.
func sum(lines []string) string {
	return sumBytes([]byte(strings.Join(slices.Sorted(slices.Values(lines)), "\n")))
}

func sumBytes(data []byte) string {
	full := sha256.Sum256(data)
	return hex.EncodeToString(full[:digestSize])
}

// meaning is what must be equal of ha.cf. Interfaces and the peer's addresses
// belong to one node. The kinds of the links and their order must be equal,
// for a heartbeat names a link by its number. A ucast line counts whether or
// not this machine has its address yet.
func (h *haCF) meaning(l *Loaded) []string {
	cfg := l.Config
	return append(pingMeaning(l),
		"cluster "+cfg.Cluster,
		"node "+strings.Join(l.Nodes, " "),
		fmt.Sprint("keepalive ", cfg.Keepalive), fmt.Sprint("deadtime ", cfg.DeadTime),
		fmt.Sprint("warntime ", cfg.WarnTime), fmt.Sprint("initdead ", cfg.InitDead),
		fmt.Sprint("auto_failback ", cfg.AutoFailback), fmt.Sprint("udpport ", h.port),
		"links "+strings.Join(h.kinds, ", "),
	)
}

// meaning is each group as written, and its name where that comes from the
// order of the lines.
func (h *haresources) meaning() []string {
	var out []string
	for _, l := range h.groups {
		text := l.node.text + " " + strings.Join(texts(l.words), " ")
		if strings.HasPrefix(l.name, l.key()+"#") {
			text += " as " + l.name
		}
		out = append(out, text)
	}
	return out
}

// ofOneNode are the words of lubdub.conf that may differ between the nodes.
const ofOneNode = "point-to-point peer-command api-group"

// meaning is what the file says, line by line, whatever the order of its lines
// and of a line's options. It does not depend on haresources, nor on who reads
// it: a line of one node counts with that node.
func (c *lubdubConf) meaning() []string {
	lines := c.effective()
	varied := map[string]bool{}
	for _, st := range lines {
		for _, s := range c.said(st) {
			varied[s.about] = varied[s.about] || !s.usual
		}
	}
	var out []string
	for _, st := range lines {
		if text := c.changes(st, varied); text != "" {
			out = append(out, text)
		}
	}
	slices.Sort(out)
	return out
}

// effective are the lines that the nodes must agree on. Of a word that counts once
// it is the last one.
func (c *lubdubConf) effective() []statement {
	last := map[string]int{}
	for i, st := range c.good {
		last[st.node+" "+st.key.text] = i
	}
	var out []statement
	for i, st := range c.good {
		if slices.Contains(strings.Fields(ofOneNode), st.key.text) || c.known[st.key.text].once && last[st.node+" "+st.key.text] != i {
			continue
		}
		out = append(out, st)
	}
	return out
}

// saying is one word of a line as it counts in the digest.
type saying struct {
	text  string
	about string // the word and its option: what several lines may say differently
	usual bool   // it says what is so anyway
}

// said are the words of a line, behind its key.
func (c *lubdubConf) said(st statement) []saying {
	e := c.known[st.key.text]
	var out []saying
	for i, w := range st.args {
		s := saying{text: w.text, about: e.name, usual: e.initial != "" && w.text == e.initial}
		if e.name == wordWebhook && i == 0 {
			s.text = hookURL(w.text) // the rest may be a secret
		}
		key, value, isOption := strings.Cut(w.text, "=")
		if i >= e.fixed && isOption && (e.options != nil || e.free) {
			s.about += " " + key
			s.text, s.usual = e.saidOption(key, value)
		}
		out = append(out, s)
	}
	return out
}

// saidOption is an option as it counts, and whether it changes nothing.
func (e entry) saidOption(key, value string) (text string, usual bool) {
	at := slices.IndexFunc(e.options, func(o option) bool { return o.name == key })
	switch {
	case at >= 0:
		o := e.options[at]
		return key + "=" + o.normal(value), o.initial != "" && o.normal(value) == o.normal(o.initial)
	case e.name == wordFence && isSecret(key):
		return key + "=", false // a digest in a packet would help to guess it
	}
	return key + "=" + value, false
}

// normal is the value as it counts: 60s is 1m.
func (o option) normal(value string) string {
	// An option is a time if it takes one and refuses a plain word.
	wrong, _ := o.value("x")
	if refused, _ := o.value("1m"); wrong == "" || refused != "" {
		return value
	}
	if d, err := time.ParseDuration(value); err == nil {
		return d.String()
	}
	return value
}

// isOwn says that each line of a word is about something of its own.
func isOwn(name string) bool {
	return slices.Contains([]string{wordFence, wordHook, wordMail, wordWebhook}, name)
}

// changes is a line without what is so anyway, its words sorted; empty if nothing is left. What one
// line says as usual counts nevertheless when another one says otherwise, for both may be about the
// same resource; lines of fence devices, hooks and alerts never are.
func (c *lubdubConf) changes(st statement, varied map[string]bool) string {
	e := c.known[st.key.text]
	var kept []string
	says := e.bare // more than what the line is about
	for i, s := range c.said(st) {
		if st.node == "" && s.usual && (isOwn(st.key.text) || !varied[s.about]) {
			continue
		}
		kept = append(kept, s.text)
		says = says || i >= e.fixed || len(e.options) == 0
	}
	if _, options := st.parts(e); !says && (len(kept) == 0 || len(options) > 0) {
		return ""
	}
	slices.Sort(kept)
	text := st.key.text + " " + strings.Join(kept, " ")
	if st.node != "" {
		text = wordOn + " " + st.node + " " + text
	}
	return text
}
