package config

import (
	"slices"
	"strings"
	"time"

	"lubdub/internal/cluster"
)

// lubdubConf is the file while it is read, by one node.
type lubdubConf struct {
	*source
	groups *haresources
	nodes  []word // of ha.cf
	self   string // who reads it
	known  map[string]entry
	good   []statement     // the lines without a fault, of both nodes
	set    map[string]word // lines that may be written once for each thing, by what they are about
	peer   *lubdubConf     // the same file as the other node reads it; nil if no line differs

	strict, take bool
	keep         bool
	isolated     word // where the policy is written
	required     word // "watchdog required"
	fences       []fence
	fenceDelay   time.Duration
	proxies      []Proxy
	proxyAt      map[string]settled
	execAt       map[string]settled
	named        map[string]word // the names of groups, and where they are given
	point        []word
	watching
	command  []string
	apiGroup string
	hooks    []Hook
	alerts   []Alert
}

// settled is where something is written, and whether for one node only.
type settled struct {
	at   word
	node string
}

func newLubdubConf(src *source, groups *haresources, nodes []word, self string) *lubdubConf {
	return &lubdubConf{source: src, groups: groups, nodes: nodes, self: self, known: vocabulary(), proxyAt: map[string]settled{}, execAt: map[string]settled{},
		named: map[string]word{}, set: map[string]word{}, command: []string{"ssh", "NODE"}, apiGroup: "haclient"}
}

// readLubdubConf reads lubdub.conf as the node self, and applies it to the groups.
func readLubdubConf(src *source, groups *haresources, nodes []word, self string) *lubdubConf {
	c := newLubdubConf(src, groups, nodes, self)
	first := map[string]word{}
	for _, st := range statements(src) {
		if src.log.full() {
			break
		}
		if c.odd(st) {
			continue
		}
		st, ok := c.ofNode(st)
		if !ok {
			continue
		}
		e, ok := c.known[st.key.text]
		if !ok {
			c.unknown(st)
			continue
		}
		before, again := first[st.node+" "+e.name]
		if again && e.once {
			c.warnf(st.key, "keep one of them", "%s is written again; this line counts, not line %d", e.name, before.line)
		}
		first[st.node+" "+e.name] = st.key
		if c.wellFormed(e, st) {
			c.good = append(c.good, st)
		}
	}
	c.peer = c.forPeer()
	c.applyAll()
	if c.peer != nil {
		c.peer.applyAll()
	}
	return c
}

// applyAll applies the lines that count for the reader. The groups are named first, for other lines may use the names.
// What is said of a resource counts more than what is said of its group, and then what is said for one node more
// than what holds on both: it comes later.
func (c *lubdubConf) applyAll() {
	rank := func(st statement) int {
		r := 0
		if st.node != "" {
			r = 1
		}
		if c.groups.called(firstOf(st)) == nil {
			r += 2
		}
		return r
	}
	for _, st := range c.good {
		if st.key.text == "name" {
			c.name(st)
		}
	}
	c.groups.nameGroups()
	var rest []statement
	for _, st := range c.good {
		if st.key.text != "name" && (st.node == "" || st.node == c.self) {
			rest = append(rest, st)
		}
	}
	slices.SortStableFunc(rest, func(a, b statement) int { return rank(a) - rank(b) })
	for _, st := range rest {
		if c.log.full() {
			return
		}
		c.known[st.key.text].apply(c, st)
	}
}

// firstOf is what a line is about.
func firstOf(st statement) string {
	if len(st.args) == 0 {
		return ""
	}
	return st.args[0].text
}

// wellFormed checks a statement against its entry.
func (c *lubdubConf) wellFormed(e entry, st statement) bool {
	plain, options := st.parts(e)
	before := c.log.errors
	early := e.earlyOption(st)
	switch {
	case early.text != "":
		c.errorf(early, "write '"+e.synopsis()+"'", "%s stands where it should say what the line is about", quote(early.text))
	case len(plain) < e.fixed:
		c.errorf(st.key, "write '"+e.synopsis()+"'", "%s needs more words", e.name)
	case len(plain) > e.fixed && !e.more:
		c.tooMuch(e, st, plain[e.fixed])
	case (e.options != nil || e.free) && !e.bare && len(options) == 0:
		c.errorf(st.key, "write '"+e.synopsis()+"'", "%s needs key=value options", e.name)
	}
	seen := map[string]bool{}
	for _, w := range options {
		c.option(e, w, seen)
	}
	for _, o := range e.options {
		if o.need && !seen[o.name] && len(options) > 0 && c.log.errors == before {
			c.errorf(st.key, "write '"+e.synopsis()+"'", "%s needs %s=", e.name, o.name)
		}
	}
	return c.log.errors == before
}

// earlyOption is an option that stands where the line should say what it is about.
func (e entry) earlyOption(st statement) word {
	for _, w := range st.args[:min(e.fixed, len(st.args))] {
		key, _, ok := strings.Cut(w.text, "=")
		if ok && slices.ContainsFunc(e.options, func(o option) bool { return o.name == key }) {
			return w
		}
	}
	return word{}
}

// option checks one key=value.
func (c *lubdubConf) option(e entry, w word, seen map[string]bool) {
	key, text, _ := strings.Cut(w.text, "=")
	for _, o := range e.options {
		if o.name != key {
			continue
		}
		if wrong, remedy := o.value(text); wrong != "" {
			shown := quote(text)
			if holdsSecret(key) {
				shown = "what stands here"
			}
			if bare := strings.TrimSuffix(text, ","); bare != text {
				if still, _ := o.value(bare); still == "" {
					remedy = "leave out the comma: words are separated by blanks"
				}
			}
			c.errorf(w, remedy, "%s: %s %s", key, shown, wrong)
		}
		if seen[key] && !o.many {
			c.errorf(w, "keep one of them", "%s= is written twice", key)
		}
		seen[key] = true
		return
	}
	switch {
	case e.free && !isVariable(key):
		c.errorf(w, "use letters, digits and '_'", "%s cannot be the name of a parameter", quote(key))
	case !e.free:
		c.errorf(w, c.optionMeant(e, key), "%s has no option %s", e.name, quote(key))
	}
}

// parts divides the words behind the key into plain ones and key=value.
func (st statement) parts(e entry) (plain, options []word) {
	for i, w := range st.args {
		if i >= e.fixed && (e.options != nil || e.free) && strings.Contains(w.text, "=") {
			options = append(options, w)
		} else {
			plain = append(plain, w)
		}
	}
	return plain, options
}

func (c *lubdubConf) policy(st statement) {
	w := st.args[0]
	words := map[string][]string{"coldstart": {"compat", policyStrict}, "partition": {"stay", policyTake}, "isolated": {"yield", policyKeep}}[st.key.text]
	if !slices.Contains(words, w.text) {
		c.errorf(w, didYouMean(w.text, words, "write "+strings.Join(words, " or ")), "%s: %s is not known here", st.key.text, quote(w.text))
		return
	}
	switch st.key.text {
	case "coldstart":
		c.strict = w.text == policyStrict
	case "partition":
		c.take = w.text == policyTake
	case "isolated":
		c.keep, c.isolated = w.text == policyKeep, st.key
	}
}

func (c *lubdubConf) pointToPoint(st statement) {
	c.point = append(c.point, st.args...)
	if len(c.point) > maxLinks {
		c.errorf(st.key, "name those that are one cable", "more than %d interfaces", maxLinks)
		c.point = c.point[:maxLinks]
	}
}

func (c *lubdubConf) peerCommand(st statement) {
	words := texts(st.args)
	if len(words) == 1 {
		words = strings.Fields(words[0])
	}
	if !slices.Contains(words, "NODE") {
		c.errorf(st.args[0], `write NODE where the other node's name belongs, as "ssh NODE"`, "the command does not say which node")
		return
	}
	c.command = words
}

func (c *lubdubConf) setGroup(st statement) {
	if wrong, remedy := isUser(st.args[0].text); wrong != "" {
		c.errorf(st.args[0], remedy, "%s %s", quote(st.args[0].text), wrong)
		return
	}
	c.apiGroup = st.args[0].text
}

// checkPoints looks for point-to-point lines about no link.
func (c *lubdubConf) checkPoints(links []link) {
	var names []string
	for _, l := range links {
		names = append(names, l.Interface)
	}
	for _, w := range c.point {
		if !slices.Contains(names, w.text) {
			c.warnf(w, didYouMean(w.text, names, "ha.cf has links on: "+list(unique(names))), "point-to-point: there is no link on %s", quote(w.text))
		}
	}
}

// policies puts what the file decides into the core's configuration.
func (c *lubdubConf) policies(cfg *cluster.Config) {
	cfg.StrictStart, cfg.TakeAnyway, cfg.KeepIsolated = c.strict, c.take, c.keep
}

func isUser(text string) (wrong, remedy string) {
	if !consistsOf(text, "-._") {
		return "cannot be the name of a user or group", "use a name of /etc/passwd or /etc/group"
	}
	return "", ""
}
