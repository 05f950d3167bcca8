package config

import (
	"net/netip"
	"slices"

	"lubdub/internal/cluster"
)

// checkNodes looks for groups of unknown nodes.
func (h *haresources) checkNodes(nodes []word) {
	known := texts(nodes)
	if len(known) == 0 {
		return
	}
	for _, l := range h.groups {
		if _, ok := find(nodes, l.node.text); ok {
			continue
		}
		h.errorf(l.node, nodeMeant(l, known), "the node %s is not in ha.cf", quote(l.node.text))
	}
}

// checkKeys looks for keys that are not unique among all words: Heartbeat finds
// a group by searching for its key in every line. It returns the words that it
// refused.
func (h *haresources) checkKeys() map[word]bool {
	keys := map[string]word{}
	for _, l := range h.groups {
		if _, ok := keys[l.words[0].text]; !ok {
			keys[l.words[0].text] = l.words[0]
		}
	}
	refused := map[word]bool{}
	for _, l := range h.groups {
		for _, w := range l.words {
			key, ok := keys[w.text]
			if !ok || w == key {
				continue
			}
			refused[w] = true
			h.errorf(w, "a group is found by its first resource: write that nowhere else",
				"%s is already the key of the group on line %d", quote(w.text), key.line)
		}
	}
	return refused
}

// addresses returns the shared addresses, and refuses one that is there twice
// unless that is said already.
func (h *haresources) addresses(refused map[word]bool) map[netip.Addr]bool {
	first := map[netip.Addr]word{}
	shared := map[netip.Addr]bool{}
	for _, l := range h.groups {
		for _, r := range l.resources {
			if r.Class != classAddress {
				continue
			}
			a := r.address.addr
			if shared[a] && !refused[r.at] {
				h.errorf(r.at, "an address belongs to one group, once", "the address %s is already on line %d", a, first[a].line)
			}
			if !shared[a] {
				first[a], shared[a] = r.at, true
			}
		}
	}
	return shared
}

// place finds interface and mask of each address.
func (h *haresources) place(near []Interface, shared map[netip.Addr]bool) {
	for _, l := range h.groups {
		for i := range l.resources {
			r := &l.resources[i]
			if r.Class != classAddress {
				continue
			}
			device, prefix, ok := fit(r.address, near, shared)
			r.Interface, r.Addresses = device, []netip.Prefix{prefix}
			if words := edge(prefix); words != "" {
				h.warnf(r.at, "choose another one, or write its mask as ADDRESS/BITS", "%s is %s", prefix, words)
			}
			if ok || near == nil {
				continue
			}
			have := list(subnets(near, shared, prefix.Addr().Is4()))
			if r.address.device != "" && !present(near, r.address.device) {
				h.warnf(r.at, "the group waits for it", "the address %s wants %s, and there is no such interface now", prefix.Addr(), quote(r.address.device))
				continue
			}
			h.warnf(r.at, "check the address, or write it as ADDRESS/BITS/INTERFACE", "the address %s fits no interface now; the subnets are: %s", prefix.Addr(), have)
		}
	}
}

// checkOwn refuses a shared address that is this machine's own: to guard it would
// cut the machine off.
func (h *haresources) checkOwn(own []netip.Addr) {
	for _, l := range h.groups {
		for _, r := range l.resources {
			if r.Class == classAddress && slices.Contains(own, r.address.addr) {
				h.errorf(r.at, "choose a third address, one that no machine has", "%s is this machine's own address; a shared address belongs to neither node", r.address.addr)
			}
		}
	}
}

// nameGroups names the groups by their keys; those that lubdub.conf names have
// theirs already.
func (h *haresources) nameGroups() {
	used := map[string]bool{}
	for _, l := range h.groups {
		used[l.name] = l.name != ""
	}
	for _, l := range h.groups {
		if l.name != "" {
			continue
		}
		key := l.key()
		l.name = numbered(key, used)
		if l.name != key {
			h.at(Notice, l.words[0], "the group is called "+quote(l.name)+", because another one is called "+quote(key),
				"write 'name "+quote(l.words[0].text)+" NAME' into lubdub.conf to give it a better name")
		}
	}
}

// key is the group's first resource without its arguments; for an address, the
// address.
func (l *line) key() string {
	if len(l.resources) == 0 || l.resources[0].at != l.words[0] {
		return l.words[0].text
	}
	if r := l.resources[0]; r.Class != classAddress {
		return r.Name
	}
	return l.resources[0].address.addr.String()
}

// known says that text is a way to name the group.
func (l *line) known(text string) bool {
	return text != "" && (text == l.name || text == l.words[0].text || text == l.key())
}

// checkSize refuses groups that a heartbeat has no room for: it says something
// of each, and must fit one frame.
func (h *haresources) checkSize(cfg cluster.Config) {
	if size := cfg.BeatSize(); size > cluster.MaxBeat && len(h.groups) > 0 {
		last := h.groups[len(h.groups)-1]
		h.errorf(last.words[0], "use fewer groups, or give them shorter names in lubdub.conf ('name KEY NAME')",
			"these groups do not fit into a heartbeat: it would have %d bytes, at most %d fit", size, cluster.MaxBeat)
	}
}

// list returns the groups as the core wants them.
func (h *haresources) list() []cluster.Group {
	var out []cluster.Group
	for _, l := range h.groups {
		g := cluster.Group{Name: l.name, Preferred: l.node.text, Failback: l.failback}
		for _, r := range l.resources {
			g.Resources = append(g.Resources, r.Resource)
		}
		out = append(out, g)
	}
	return out
}
