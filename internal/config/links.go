package config

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

const (
	maxPort  = 65535
	maxHops  = 4  // as Heartbeat: links are not meant to cross routers
	maxLinks = 32 // a heartbeat has a bit for each
)

// Link is one path between the nodes, as ha.cf declares it.
type Link struct {
	Name      string // as an operator names it: the interface, and more where that is ambiguous
	Kind      string // bcast, ucast, ucast6, mcast or mcast6
	Interface string
	Address   string // ucast: the peer's address or host name; mcast: the group; empty for bcast
	Port      int
	TTL       int  // mcast: hops
	Loop      bool // mcast: hear oneself
}

// link is a Link and where it is written.
type link struct {
	Link
	at word
}

// number is the value of digits that were checked before.
func number(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

func isIP(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}

// bcast takes a line of interfaces to broadcast on.
func (h *haCF) bcast(st statement) {
	for _, w := range st.args {
		if h.onInterface("bcast", w) {
			h.addLink(Link{Kind: "bcast", Interface: w.text}, w)
		}
	}
}

// udp is Heartbeat's old name for bcast.
func (h *haCF) udp(st statement) {
	h.warnf(st.key, "write bcast", "udp is the old name of bcast")
	h.bcast(st)
}

// ucast takes a line with the address of a node, this one or the peer.
func (h *haCF) ucast(st statement) {
	kind := st.key.text
	if len(st.args) < 2 {
		h.errorf(st.key, "write '"+kind+" INTERFACE ADDRESS'", "%s needs an interface and the peer's address", kind)
		return
	}
	if !h.onInterface(kind, st.args[0]) {
		return
	}
	h.surplus(st, 2)
	w := st.args[1]
	addr, err := netip.ParseAddr(w.text)
	switch {
	case err != nil && (isHostNumber(w.text) || !consistsOf(w.text, "-._") || kind == "ucast6"):
		h.errorf(w, "write the peer's address on that link", "%s: %s is no address", kind, quote(w.text))
		return
	case err != nil:
		h.warnf(w, "write the address", "%s: the host name %s must be looked up; a heartbeat should not depend on that", kind, quote(w.text))
	case addr.Is4() != (kind == "ucast"):
		h.errorf(w, "ucast is for IPv4, ucast6 for IPv6", "%s: %s is an address of the other family", kind, quote(w.text))
		return
	case h.ours(addr):
		h.own = append(h.own, w)
		h.kinds = append(h.kinds, kind)
		return
	}
	h.addLink(Link{Kind: kind, Interface: st.args[0].text, Address: w.text}, st.args[0])
}

// isHostNumber says that text looks like an IPv4 address, whatever its numbers.
func isHostNumber(text string) bool { return strings.Trim(text, "0123456789.") == "" }

// ours says that the address is on one of this machine's interfaces.
func (h *haCF) ours(addr netip.Addr) bool {
	for _, i := range h.opts.Interfaces {
		for _, p := range i.Prefixes {
			if p.Addr() == addr.WithZone("") && (addr.Zone() == "" || addr.Zone() == i.Name) {
				return true
			}
		}
	}
	return false
}

// mcast takes a line with a multicast group.
func (h *haCF) mcast(st statement) {
	kind, hops := st.key.text, "TTL"
	if kind == "mcast6" {
		hops = "HOPS"
	}
	if len(st.args) < 5 {
		h.errorf(st.key, "write '"+kind+" INTERFACE GROUP PORT "+hops+" LOOP'", "%s needs five words, here are %d", kind, len(st.args))
		return
	}
	h.surplus(st, 5)
	ok := h.onInterface(kind, st.args[0])
	group, err := netip.ParseAddr(st.args[1].text)
	if err != nil || !group.IsMulticast() || group.Is4() != (kind == "mcast") {
		h.errorf(st.args[1], "write one as 239.0.0.43, or ff02::4:2 for mcast6", "%s: %s is no multicast group of that family", kind, quote(st.args[1].text))
		ok = false
	}
	for i, check := range []value{isNumber(1, maxPort), isNumber(0, maxHops), isOneOf("0", "1")} {
		w := st.args[2+i]
		if wrong, remedy := check(w.text); wrong != "" {
			h.errorf(w, remedy, "%s: %s %s", kind, quote(w.text), wrong)
			ok = false
		}
	}
	if !ok {
		return
	}
	l := Link{Kind: kind, Interface: st.args[0].text, Address: group.String(),
		Port: number(st.args[2].text), TTL: number(st.args[3].text), Loop: st.args[4].text == "1"}
	if l.TTL == 0 {
		h.warnf(st.args[3], "write 1", "%s: with 0 hops no heartbeat leaves this machine", kind)
	}
	h.addLink(l, st.args[0])
}

// surplus warns about words behind the last one that counts.
func (h *haCF) surplus(st statement, wanted int) {
	if len(st.args) > wanted {
		h.warnf(st.args[wanted], "remove it", "%s takes %d words; %s is ignored", st.key.text, wanted, quote(st.args[wanted].text))
	}
}

// onInterface checks an interface's name, and warns when there is none of that name now.
func (h *haCF) onInterface(kind string, w word) bool {
	if wrong, remedy := isInterface(w.text); wrong != "" {
		h.errorf(w, remedy, "%s: %s %s", kind, quote(w.text), wrong)
		return false
	}
	if h.opts.Interfaces == nil {
		return true
	}
	var names []string
	for _, i := range h.opts.Interfaces {
		names = append(names, i.Name)
	}
	if !slices.Contains(names, w.text) {
		h.warnf(w, didYouMean(w.text, names, "there are "+list(names)), "%s: there is no interface %s now; the link waits for it", kind, quote(w.text))
	}
	return true
}

// addLink keeps a link, unless it is there already.
func (h *haCF) addLink(l Link, at word) {
	for _, o := range h.links {
		if o.Link == l {
			h.warnf(at, "remove one of them", "this link is declared again, first on line %d", o.at.line)
			return
		}
	}
	if len(h.links) == maxLinks {
		h.errorf(at, "two or three on different cables are enough", "more than %d links", maxLinks)
		return
	}
	h.links = append(h.links, link{l, at})
	kind := l.Kind
	if l.Port != 0 {
		kind += " " + l.Address + " " + strconv.Itoa(l.Port)
	}
	h.kinds = append(h.kinds, kind)
}

// usualPort is the UDP port when ha.cf names none.
func (h *haCF) usualPort() int {
	if h.opts.Port != 0 {
		return h.opts.Port
	}
	return 694
}

// finishPort is the UDP port of all links that do not name their own.
func (h *haCF) finishPort() int {
	usual := h.usualPort()
	w, ok := h.last["udpport"]
	if !ok {
		return usual
	}
	port := number(w.text)
	for _, l := range h.links {
		if port != usual && l.Port == 0 && l.at.line < w.line {
			h.at(Notice, w, "the port counts for all links here; Heartbeat would keep "+strconv.Itoa(usual)+" for the links above", "put udpport first")
			break
		}
	}
	return port
}

// finishLinks gives the links their port and name, and says what they are worth.
func (h *haCF) finishLinks() []Link {
	port := h.finishPort()
	h.port = port
	out := make([]Link, len(h.links))
	for i := range h.links {
		out[i] = h.links[i].Link
		if out[i].Port == 0 {
			out[i].Port = port
		}
	}
	nameLinks(out)
	h.checkLinks()
	return out
}

// nameLinks names each link as shortly as is clear.
func nameLinks(links []Link) {
	forms := []func(Link) string{
		func(l Link) string { return l.Interface },
		func(l Link) string { return l.Interface + "/" + l.Kind },
		func(l Link) string { return l.Interface + "/" + l.Kind + "/" + l.Address },
		func(l Link) string {
			return l.Interface + "/" + l.Kind + "/" + l.Address + "/" + strconv.Itoa(l.Port)
		},
	}
	for i := range links {
		for _, form := range forms {
			links[i].Name = form(links[i])
			if !slices.ContainsFunc(links[:i], func(o Link) bool { return o.Name == links[i].Name }) {
				break
			}
		}
	}
}

// checkLinks says when there is no link, or only one cable.
func (h *haCF) checkLinks() {
	if !h.usable() {
		return
	}
	if len(h.links) == 0 {
		words := "there is no link to the other node"
		if len(h.own) > 0 {
			words += ": every ucast line points to this machine"
		}
		h.whole(Error, words, "add a line as 'bcast eth1' or 'ucast eth0 ADDRESS-OF-THE-PEER'")
		return
	}
	first := h.links[0]
	for _, l := range h.links[1:] {
		if l.Interface != first.Interface {
			return
		}
	}
	words := "a single link: one pulled cable is then the whole safety"
	if len(h.links) > 1 {
		words = "all links use " + first.Interface + ": one pulled cable is then the whole safety"
	}
	h.warnf(first.at, "add a link on another interface, such as the front network", "%s", words)
}

// checkCRC warns about links on which anybody could forge heartbeats.
func (h *haCF) checkCRC(pointToPoint []word) {
	warned := map[string]bool{}
	for _, l := range h.links {
		if _, ok := find(pointToPoint, l.Interface); ok || warned[l.Interface] {
			continue
		}
		warned[l.Interface] = true
		h.warnf(l.at, "use sha256 in authkeys, or write 'point-to-point "+l.Interface+"' into lubdub.conf if it is one cable between the two nodes",
			"crc does not authenticate: whoever is on the network of %s can forge heartbeats", l.Interface)
	}
}
