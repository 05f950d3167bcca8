package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"lubdub/internal/cluster"
)

const (
	maxPings     = 16 // a heartbeat has a bit for each
	maxPingHosts = 8  // of a group: each is asked as often as a ping node of its own
)

// Ping is a ping node: a neighbour of both nodes that is asked whether it is
// there. It is when any of its hosts answers.
type Ping struct {
	Name  string   // the text of ha.cf; Config.Pings has it, in the same order
	Hosts []string // addresses, or host names that are looked up once
	Six   bool     // a host name is looked up for IPv6: ping6
}

// pingNode is a Ping and where it is written.
type pingNode struct {
	Ping
	at    word
	hosts []word
}

// ping takes a line of ping and ping6: each word is a ping node.
func (h *haCF) ping(st statement) {
	for _, w := range st.args {
		if h.pingHost(st.key.text, w) {
			h.addPing(pingNode{Ping{w.text, []string{w.text}, st.key.text == "ping6"}, w, []word{w}})
		}
	}
}

// pingGroup takes a line of ping_group: one ping node with several hosts.
func (h *haCF) pingGroup(st statement) {
	name, hosts := st.args[0], st.args[1:]
	switch {
	case len(hosts) == 0:
		h.errorf(st.key, "write 'ping_group NAME ADDRESS ADDRESS'", "ping_group needs a name and its hosts")
		return
	case len(hosts) > maxPingHosts:
		h.errorf(hosts[maxPingHosts], "two or three that stand side by side are enough", "ping_group: more than %d hosts", maxPingHosts)
		return
	case len(name.text) > maxNodeName || !consistsOf(name.text, "-._:"):
		h.errorf(name, "use letters, digits, '-', '_', '.' and ':'", "ping_group: %s cannot be a name", quote(name.text))
		return
	case isIP(name.text):
		h.errorf(name, "write 'ping_group NAME ADDRESS ADDRESS'", "ping_group: the address %s stands where the name belongs", name.text)
		return
	}
	for _, w := range hosts {
		if !h.pingHost(st.key.text, w) {
			return
		}
	}
	h.addPing(pingNode{Ping{Name: name.text, Hosts: texts(hosts)}, name, hosts})
}

// pingHost checks who is to be asked.
func (h *haCF) pingHost(kind string, w word) bool {
	addr, err := netip.ParseAddr(w.text)
	if err != nil && (isHostNumber(w.text) || !consistsOf(w.text, "-._")) {
		h.errorf(w, "write an IP address that both nodes can ask, such as the router's", "%s: %s is no address", kind, quote(w.text))
		return false
	}
	if err != nil {
		h.warnf(w, "write the address", "%s: the host name %s must be looked up when lubdub starts; without an answer it does not start", kind, quote(w.text))
		return true
	}
	if wrong, remedy := wrongPing(kind, addr); wrong != "" {
		h.errorf(w, remedy, "%s: %s %s", kind, quote(w.text), wrong)
		return false
	}
	return h.pingZone(kind, addr.Zone(), w)
}

// wrongPing says why an address cannot be asked, or is asked by another word.
func wrongPing(kind string, addr netip.Addr) (wrong, remedy string) {
	everybody := netip.AddrFrom4([4]byte{255, 255, 255, 255})
	switch {
	case addr.Is4In6():
		return "is an IPv4 address in disguise", "write " + addr.Unmap().String()
	case addr.Is4() && kind == "ping6":
		return "is an IPv4 address", "write ping"
	case addr.IsUnspecified() || addr.IsMulticast() || addr.IsLoopback() || addr == everybody:
		return "is no address of a neighbour", "write the address of one neighbour, such as the router's"
	}
	local := addr.Is6() && addr.IsLinkLocalUnicast()
	switch {
	case local && addr.Zone() == "":
		return "may be there on every interface", "write it with the interface, as " + addr.String() + "%eth0"
	case !local && addr.Zone() != "":
		return "names an interface, which only an address that begins with fe80 needs", "write " + addr.WithZone("").String()
	}
	return "", ""
}

// pingZone checks the interface of a link-local address.
func (h *haCF) pingZone(kind, zone string, w word) bool {
	if zone == "" {
		return true
	}
	if wrong, remedy := isInterface(zone); wrong != "" {
		h.errorf(w, remedy, "%s: %s %s", kind, quote(zone), wrong)
		return false
	}
	if h.opts.Interfaces != nil && !present(h.opts.Interfaces, zone) {
		h.warnf(w, "see 'ip link' for the names", "%s: there is no interface %s now; until there is, nobody answers", kind, quote(zone))
	}
	return true
}

// addPing keeps a ping node, unless it or one of its hosts is there already.
func (h *haCF) addPing(p pingNode) {
	for i, w := range p.hosts {
		if before, ok := h.asked(w.text, p.hosts[:i]); ok {
			h.errorf(w, "remove one of them: each counts as one opinion", "%s is asked already by line %d", quote(w.text), before.line)
			return
		}
	}
	for _, o := range h.pings {
		if o.Name == p.Name {
			h.errorf(p.at, "give each its own", "a ping node is called %s already on line %d", quote(p.Name), o.at.line)
			return
		}
	}
	if len(h.pings) == maxPings {
		h.errorf(p.at, "one or three are enough", "more than %d ping nodes", maxPings)
		return
	}
	h.pings = append(h.pings, p)
}

// asked finds where a host is asked already.
func (h *haCF) asked(text string, same []word) (word, bool) {
	is := func(w word) bool { return sameAddress(w.text, text) }
	if i := slices.IndexFunc(same, is); i >= 0 {
		return same[i], true
	}
	for _, p := range h.pings {
		if i := slices.IndexFunc(p.hosts, is); i >= 0 {
			return p.hosts[i], true
		}
	}
	return word{}, false
}

// sameAddress says that both texts are one address, or one host name.
func sameAddress(a, b string) bool {
	if strings.EqualFold(a, b) {
		return true
	}
	left, leftErr := netip.ParseAddr(a)
	right, rightErr := netip.ParseAddr(b)
	return leftErr == nil && rightErr == nil && left == right
}

// finishPings looks at the ping nodes when all else is known: one that is not a
// third party proves nothing.
func (h *haCF) finishPings(cfg *cluster.Config, shared map[netip.Addr]bool) []Ping {
	var out []Ping
	for _, p := range h.pings {
		if _, ok := find(h.nodes, strings.ToLower(p.Name)); ok && len(p.hosts) > 1 {
			h.errorf(p.at, "choose another name", "the ping_group is called as the node %s", p.Name)
		}
		for _, w := range p.hosts {
			h.checkThird(w, shared)
		}
		cfg.Pings = append(cfg.Pings, p.Name)
		out = append(out, p.Ping)
	}
	if w, ok := h.last["deadping"]; ok && len(h.pings) == 0 {
		h.at(Notice, w, "deadping has no effect without a ping node", "write 'ping ADDRESS' with the address of the router")
	}
	if n := len(h.pings); n > 0 && n%2 == 0 {
		h.at(Notice, h.pings[n-1].at, fmt.Sprintf("a takeover needs answers of more than half of the ping nodes, here of %d of %d", n/2+1, n),
			"an odd number bears the loss of as many, or more; or join two in a ping_group")
	}
	return out
}

// checkThird looks for a host that is one of the two nodes, or moves between them.
func (h *haCF) checkThird(w word, shared map[netip.Addr]bool) {
	const remedy = "ask a third machine that both nodes reach, such as the router"
	addr, err := netip.ParseAddr(w.text)
	_, named := find(h.nodes, strings.ToLower(w.text))
	switch {
	case named:
		h.errorf(w, remedy, "%s is a node of this cluster, and cannot be its ping node", quote(w.text))
	case err != nil:
	case shared[addr]:
		h.errorf(w, remedy, "%s is a shared address: it answers from wherever the service is", addr)
	case h.ofNode(addr):
		h.errorf(w, remedy, "%s is the address of a node, by a ucast line", addr)
	case h.ours(addr) || slices.Contains(h.opts.Own, addr):
		h.warnf(w, remedy, "%s is this machine's own address: it always answers, and proves nothing", addr)
	}
}

// ofNode says that a ucast line has the address.
func (h *haCF) ofNode(addr netip.Addr) bool {
	_, own := find(h.own, addr.String())
	return own || slices.ContainsFunc(h.links, func(l link) bool {
		return strings.HasPrefix(l.Kind, "ucast") && sameAddress(l.Address, addr.String())
	})
}

// pingMeaning is what must be equal of the ping nodes: their order, for a
// heartbeat names one by its number, and who is asked. An interface belongs to one node.
func pingMeaning(l *Loaded) []string {
	if len(l.Pings) == 0 {
		return nil
	}
	var names []string
	for _, p := range l.Pings {
		var hosts []string
		for _, host := range p.Hosts {
			addr, _, _ := strings.Cut(host, "%")
			hosts = append(hosts, addr)
		}
		names = append(names, strings.Join(hosts, " "))
	}
	return []string{"deadping " + l.Config.DeadPing.String(), "pings " + strings.Join(names, ", ")}
}

// checkIsolated says that a policy about ping nodes has nothing to decide.
func (c *lubdubConf) checkIsolated(pings []Ping) {
	if c.isolated.line > 0 && len(pings) == 0 {
		c.at(Notice, c.isolated, "isolated has no effect without a ping node in ha.cf", "")
	}
}
