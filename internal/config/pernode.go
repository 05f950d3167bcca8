package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"lubdub/internal/cluster"
)

// wordOn begins a line that counts on one node.
const wordOn = "on"

// onEntry describes the lines of one node; others are all other words.
func onEntry(others []entry) entry {
	var may []string
	for _, e := range others {
		if e.alone {
			may = append(may, e.name)
		}
	}
	return entry{name: wordOn, form: "NODE WORD...", fixed: 2, more: true,
		meaning: "The rest of the line is a line of its own, and counts on that node only; where a line without 'on' says otherwise of the same thing, this one counts there. The file stays the same on both nodes all the same. WORD is one of: " +
			strings.Join(may, ", ") + ". The others must say the same on both nodes.",
		usual: "a line counts on both nodes", example: "on beta timeout apache start=3m"}
}

// ofNode takes 'on NODE' from the beginning of a line.
func (c *lubdubConf) ofNode(st statement) (statement, bool) {
	if st.key.text != wordOn {
		return st, true
	}
	form := "write 'on NODE " + "WORD...', as 'on " + cmp.Or(c.self, "alpha") + " timeout RESOURCE start=2m'"
	if len(st.args) < 2 {
		c.errorf(st.key, form, "on needs a node, and what holds there")
		return st, false
	}
	node, key := st.args[0], st.args[1]
	names := texts(c.nodes)
	node.text = strings.ToLower(node.text)
	if _, ok := find(c.nodes, node.text); !ok && len(c.nodes) > 0 {
		c.errorf(node, c.whichNode(node.text, names, form), "there is no node %s", quote(st.args[0].text))
		return st, false
	}
	e, ok := c.known[key.text]
	switch {
	case key.text == wordOn:
		c.errorf(key, "write a line for each node", "a line has one 'on'")
		return st, false
	case ok && !e.alone:
		c.errorf(key, "remove 'on "+st.args[0].text+"'", "%s must be the same on both nodes: %s", e.name, cmp.Or(e.same, "it is about both of them"))
		return st, false
	}
	return statement{key: key, args: st.args[2:], node: node.text}, true
}

// whichNode says which node is meant behind 'on'.
func (c *lubdubConf) whichNode(text string, names []string, form string) string {
	first, _, several := strings.Cut(text, ",")
	switch meant := sameHost(text, names); {
	case c.knows(text) || text == "node":
		return form
	case text == "all" || text == "both" || text == "*" || several && slices.Contains(names, first):
		return "leave out 'on " + text + "': a line without it counts on both nodes"
	case meant != "":
		return "did you mean " + quote(meant) + "?"
	}
	return didYouMean(text, names, "the nodes are: "+list(names))
}

// forPeer is the file as the other node reads it, if a line is of one node alone: what is wrong with it there is known
// before it is copied. It has groups and a report of its own.
func (c *lubdubConf) forPeer() *lubdubConf {
	at := slices.IndexFunc(c.nodes, func(n word) bool { return n.text != c.self })
	if at < 0 || !slices.ContainsFunc(c.good, func(st statement) bool { return st.node != "" }) {
		return nil
	}
	log := &report{}
	src, groups := *c.source, *c.groups.source
	src.log, groups.log = log, log
	peer := newLubdubConf(&src, c.groups.clone(&groups), c.nodes, c.nodes[at].text)
	peer.good = c.good
	return peer
}

// clone copies the groups as far as lubdub.conf changes them.
func (h *haresources) clone(src *source) *haresources {
	out := &haresources{source: src}
	for _, l := range h.groups {
		twin := *l
		twin.resources = slices.Clone(l.resources)
		for i := range twin.resources {
			r := &twin.resources[i]
			r.Usual, r.Params, r.Endpoints = slices.Clone(r.Usual), slices.Clone(r.Params), slices.Clone(r.Endpoints)
		}
		out.groups = append(out.groups, &twin)
	}
	return out
}

// finish checks the file across its lines and with the other files; what only the other node would find wrong, too.
func (c *lubdubConf) finish(h *haCF, cfg cluster.Config) {
	for _, as := range []*lubdubConf{c, c.peer} {
		if as == nil {
			continue
		}
		as.checkPoints(h.links)
		as.checkRequired(h)
		as.checkProxies()
		as.checkExecs()
		as.checkFailures()
		as.checkFailbacks(cfg)
	}
	if c.peer == nil {
		return
	}
	ofPeer := map[int]bool{}
	for _, st := range c.good {
		ofPeer[st.key.line] = st.node == c.peer.self
	}
	said := map[Problem]bool{}
	for _, p := range c.log.problems {
		said[p] = true
	}
	for _, p := range c.peer.log.problems {
		if said[p] {
			continue
		}
		if p.file != nameLubdubConf || !ofPeer[p.Line] {
			p.Words = "on " + c.peer.self + ": " + p.Words
		}
		c.log.add(p)
	}
}

// nodeLines says of each line that belongs to one node whether it counts here.
func (c *lubdubConf) nodeLines() []string {
	var out []string
	for _, st := range c.good {
		if st.node == "" {
			continue
		}
		about := st.key.text
		if len(st.args) > 0 && c.known[st.key.text].options != nil {
			about += " " + st.args[0].text
		}
		counts := "counts on " + st.node + " only, not here"
		if st.node == c.self {
			counts = "counts here"
		}
		out = append(out, fmt.Sprintf("%s line %d (on %s: %s) %s", c.path, st.key.line, st.node, plain(about), counts))
	}
	return out
}

// vocabulary is the words by their names.
func vocabulary() map[string]entry {
	out := map[string]entry{}
	for _, e := range entries() {
		out[e.name] = e
	}
	return out
}

// words are the names of the vocabulary.
func (c *lubdubConf) words() []string { return slices.Sorted(maps.Keys(c.known)) }
