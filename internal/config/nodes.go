package config

import (
	"bytes"
	"strings"

	"lubdub/internal/cluster"
)

// ownName is what this node is called: the option, else the first line of
// nodeinfo, else the host name; in lower case.
func ownName(opts Options, nodeinfo *source, data []byte) (name, from string) {
	if opts.Node != "" {
		return strings.ToLower(opts.Node), "the command line"
	}
	if len(nodeinfo.lines) > 0 {
		if bytes.IndexByte(data, '\n') >= 0 {
			return strings.ToLower(strings.TrimSpace(nodeinfo.lines[0])), nodeinfo.path
		}
		nodeinfo.warnf(word{line: 1}, "end the line", "a first line without an end is ignored, as in Heartbeat")
	}
	return strings.ToLower(opts.Hostname), "uname -n"
}

// identify finds this node and the peer among the nodes.
func (h *haCF) identify(cfg *cluster.Config, name, from string) {
	cfg.Self = name
	for _, n := range h.nodes {
		if n.text != name && cfg.Peer == "" {
			cfg.Peer = n.text
		}
	}
	if !h.usable() {
		return
	}
	switch {
	case h.misnamed && len(h.nodes) < 2:
		return // that is said already
	case len(h.nodes) == 0:
		h.whole(Error, "no node is named", "add a line 'node NAME' for each of the two nodes, as 'uname -n' prints it there")
		return
	case len(h.nodes) == 1:
		h.errorf(h.nodes[0], "add a line 'node NAME' for the other one", "only one node is named")
	case len(h.nodes) > 2:
		h.errorf(h.nodes[2], "name two", "%d nodes are named; this version runs exactly two", len(h.nodes))
	}
	if name == "" {
		h.errorf(h.nodes[0], "write the name into nodeinfo", "this node's own name is not known")
		return
	}
	if _, ok := find(h.nodes, name); !ok {
		h.stranger(name, from)
	}
}

// stranger reports that this node is not among the nodes.
func (h *haCF) stranger(name, from string) {
	known := texts(h.nodes)
	remedy := "write a node line with that name, or the name of a node line into nodeinfo"
	meant := sameHost(name, known)
	if meant == "" {
		meant = nearest(name, known)
	}
	if meant != "" {
		remedy = "did you mean " + quote(meant) + "? Write 'node " + name + "' here, or " + meant + " into nodeinfo"
	}
	h.errorf(h.nodes[0], remedy, "this node is called %s (by %s), but ha.cf names %s", quote(name), from, list(known))
}

// sameHost finds a name that differs from text only in its domain.
func sameHost(text string, known []string) string {
	host, _, _ := strings.Cut(text, ".")
	for _, k := range known {
		if first, _, _ := strings.Cut(k, "."); first == host {
			return k
		}
	}
	return ""
}
