package config

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lubdub/internal/cluster"
)

// maxWatched bounds the files whose digests are in each heartbeat.
const maxWatched = 8

// lubdubConf is the file while it is read.
type lubdubConf struct {
	*source
	groups *haresources
	known  map[string]entry
	good   []statement     // the lines without a fault
	set    map[string]word // monitor and timeout lines by what they are about

	strict, take bool
	keep         bool
	isolated     word // where the policy is written
	required     word // "watchdog required"
	fences       []fence
	fenceDelay   time.Duration
	proxies      []Proxy
	proxyAt      map[string]word
	execAt       map[string]word
	named        map[string]word // the names of groups, and where they are given
	point        []word
	watched      []word
	command      []string
	apiGroup     string
}

// readLubdubConf reads lubdub.conf and applies it to the groups.
func readLubdubConf(src *source, groups *haresources) *lubdubConf {
	c := &lubdubConf{source: src, groups: groups, known: map[string]entry{}, proxyAt: map[string]word{}, execAt: map[string]word{}, named: map[string]word{}, set: map[string]word{},
		command: []string{"ssh", "NODE"}, apiGroup: "haclient"}
	for _, e := range entries() {
		c.known[e.name] = e
	}
	var good []statement
	first := map[string]word{}
	for _, st := range statements(src) {
		if src.log.full() {
			break
		}
		e, ok := c.known[st.key.text]
		if !ok {
			c.errorf(st.key, didYouMean(st.key.text, slices.Sorted(maps.Keys(c.known)), "remove the line; the words are: "+list(slices.Sorted(maps.Keys(c.known)))), "unknown word %s", quote(st.key.text))
			continue
		}
		before, again := first[e.name]
		if again && e.once {
			c.warnf(st.key, "keep one of them", "%s is written again; this line counts, not line %d", e.name, before.line)
		}
		first[e.name] = st.key
		if c.wellFormed(e, st) {
			good = append(good, st)
		}
	}
	c.good = good
	c.applyAll(good)
	return c
}

// applyAll names the groups first, for other lines may use the names; what is
// said of a resource comes last, for it counts more than what is said of its group.
func (c *lubdubConf) applyAll(good []statement) {
	isName := func(st statement) bool { return st.key.text == "name" }
	isGroup := func(st statement) bool {
		return st.key.text == "monitor" && slices.ContainsFunc(c.groups.groups, func(l *line) bool { return l.known(st.args[0].text) })
	}
	apply := func(st statement) { c.known[st.key.text].apply(c, st) }
	var rest []statement
	for _, st := range good {
		if isName(st) {
			apply(st)
		}
	}
	c.groups.nameGroups()
	for _, st := range good {
		switch {
		case isName(st):
		case isGroup(st):
			apply(st)
		default:
			rest = append(rest, st)
		}
	}
	for _, st := range rest {
		apply(st)
	}
}

// wellFormed checks a statement against its entry.
func (c *lubdubConf) wellFormed(e entry, st statement) bool {
	plain, options := st.parts(e)
	before := c.log.errors
	switch {
	case len(plain) < e.fixed:
		c.errorf(st.key, "write '"+e.synopsis()+"'", "%s needs more words", e.name)
	case len(plain) > e.fixed && !e.more:
		c.errorf(plain[e.fixed], "write '"+e.synopsis()+"'", "%s is too much here", quote(plain[e.fixed].text))
	case (e.options != nil || e.free) && !e.bare && len(options) == 0:
		c.errorf(st.key, "write '"+e.synopsis()+"'", "%s needs key=value options", e.name)
	}
	seen := map[string]bool{}
	for _, w := range options {
		c.option(e, w, seen)
	}
	for _, o := range e.options {
		if o.need && !seen[o.name] && len(options) > 0 {
			c.errorf(st.key, "write '"+e.synopsis()+"'", "%s needs %s=", e.name, o.name)
		}
	}
	return c.log.errors == before
}

// option checks one key=value.
func (c *lubdubConf) option(e entry, w word, seen map[string]bool) {
	key, text, _ := strings.Cut(w.text, "=")
	var names []string
	for _, o := range e.options {
		names = append(names, o.name)
		if o.name != key {
			continue
		}
		if wrong, remedy := o.value(text); wrong != "" {
			c.errorf(w, remedy, "%s: %s %s", key, quote(text), wrong)
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
		c.errorf(w, didYouMean(key, names, "the options are: "+list(names)), "%s has no option %s", e.name, quote(key))
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

func (c *lubdubConf) watchfile(st statement) {
	for _, w := range st.args {
		if !filepath.IsAbs(w.text) {
			c.errorf(w, "begin it with /", "%s is not a full path", quote(w.text))
			continue
		}
		if _, ok := find(c.watched, w.text); ok {
			continue
		}
		if len(c.watched) == maxWatched {
			c.errorf(w, "their digests are in each heartbeat; choose those that matter", "more than %d files to watch", maxWatched)
			return
		}
		c.watched = append(c.watched, w)
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
