package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"lubdub/internal/cluster"
)

// maxDepth is more than any agent knows: theirs are 0, 10 and 20.
const maxDepth = 100

// maxGroupName bounds a name that is in each heartbeat.
const maxGroupName = 40

func (c *lubdubConf) name(st statement) {
	key, name := st.args[0], st.args[1]
	if len(name.text) > maxGroupName || !consistsOf(name.text, "-._:") {
		c.errorf(name, "use at most 40 letters, digits, '-', '_', '.' and ':'", "%s cannot be the name of a group", quote(name.text))
		return
	}
	if before, ok := c.named[name.text]; ok {
		c.errorf(name, "give each group its own", "the name %s is already given on line %d", quote(name.text), before.line)
		return
	}
	var found []*line
	var keys []string
	for _, l := range c.groups.groups {
		keys = append(keys, l.key())
		if l.words[0].text == key.text || l.key() == key.text {
			found = append(found, l)
		}
	}
	switch {
	case len(found) == 0 && slices.Contains(keys, name.text):
		c.errorf(key, "write 'name "+name.text+" "+key.text+"'", "no group begins with %s: the resource comes first, then the name", quote(key.text))
	case len(found) == 0:
		c.errorf(key, didYouMean(key.text, keys, "the groups begin with: "+list(keys)), "no group begins with %s", quote(key.text))
	case len(found) > 1:
		c.errorf(key, "write the first resource with its arguments, as "+quote(found[0].words[0].text), "%d groups begin with %s", len(found), quote(key.text))
	case found[0].name != "":
		c.errorf(key, "keep one of them", "this group is called %s already", quote(found[0].name))
	default:
		found[0].name = name.text
		c.named[name.text] = name
	}
}

// resources finds what a word means: a group's resources where groups are
// allowed, else one resource. Nothing found is reported.
func (c *lubdubConf) resources(w word, groups bool) []*resource {
	if c.log.full() {
		return nil
	}
	var found []*resource
	var names []string
	inGroup, text, qualified := strings.Cut(w.text, "/")
	for _, l := range c.groups.groups {
		if groups && l.known(w.text) {
			return pointers(l.resources)
		}
		if groups {
			names = append(names, l.name)
		}
		for i := range l.resources {
			r := &l.resources[i]
			names = append(names, r.Name)
			if r.Name == w.text || (qualified && r.Name == text && l.known(inGroup)) {
				found = append(found, r)
			}
		}
	}
	if len(found) > 1 {
		c.errorf(w, "write GROUP/"+w.text, "several groups have a resource %s", quote(w.text))
		return nil
	}
	if base, _, arguments := strings.Cut(w.text, "::"); arguments && slices.Contains(names, base) {
		c.errorf(w, "write "+quote(base)+", without its arguments", "%s is more than the resource's name", quote(w.text))
	} else if len(found) == 0 {
		c.errorf(w, resourceMeant(w.text, names), "haresources has no %s", quote(w.text))
	}
	return found
}

func pointers(resources []resource) []*resource {
	var out []*resource
	for i := range resources {
		out = append(out, &resources[i])
	}
	return out
}

// again warns about a second line about the same thing.
func (c *lubdubConf) again(st statement) {
	about := st.node + " " + st.key.text + " " + st.args[0].text
	if before, ok := c.set[about]; ok {
		c.warnf(st.key, "join the lines", "%s is written again for %s; this line counts where it differs from line %d", st.key.text, quote(st.args[0].text), before.line)
	}
	c.set[about] = st.key
}

func (c *lubdubConf) monitor(st statement) {
	c.again(st)
	for _, r := range c.resources(st.args[0], true) {
		st.duration("interval", &r.Interval)
		r.asked = st.key
		st.timeout("timeout", r, cluster.Monitor, &r.Timeouts.Monitor)
		if text := st.value("depth", ""); text != "" {
			r.Depth, _ = strconv.Atoi(text)
		}
		for _, text := range st.values("deeper") {
			look, _ := parseLook(text)
			r.Deeper = slices.DeleteFunc(r.Deeper, func(l cluster.Look) bool { return l.Depth == look.Depth })
			r.Deeper = append(r.Deeper, look)
		}
	}
}

// parseLook reads a deeper look, as 10:1m.
func parseLook(text string) (look cluster.Look, ok bool) {
	depth, every, _ := strings.Cut(text, ":")
	wrongDepth, _ := isNumber(1, maxDepth)(depth)
	wrongTime, _ := isDuration(every)
	look.Depth, _ = strconv.Atoi(depth)
	look.Every, _ = time.ParseDuration(every)
	return look, wrongDepth == "" && wrongTime == ""
}

// isLook accepts DEPTH:TIME.
func isLook(text string) (wrong, remedy string) {
	if _, ok := parseLook(text); !ok {
		return "is not a deeper look", fmt.Sprintf("write DEPTH:TIME, with a depth from 1 to %d, as 10:1m", maxDepth)
	}
	return "", ""
}

func (c *lubdubConf) timeout(st statement) {
	c.again(st)
	for _, r := range c.resources(st.args[0], false) {
		st.timeout("start", r, cluster.Start, &r.Timeouts.Start)
		st.timeout("stop", r, cluster.Stop, &r.Timeouts.Stop)
	}
}

func (c *lubdubConf) warm(st statement) {
	for _, w := range st.args {
		for _, r := range c.resources(w, false) {
			if r.Class == classAddress {
				c.errorf(w, "name the resource behind it", "an address is never warm: it is what moves")
				continue
			}
			r.Warm = true
		}
	}
}

func (c *lubdubConf) param(st statement) {
	for _, r := range c.resources(st.args[0], false) {
		if r.Class == classAddress || r.Class == classProxy || r.Class == "lsb" || r.Class == classSystemd || r.Class == classExec {
			c.errorf(st.args[0], "write it where the resource has its settings", "%s takes no parameters by name", quote(r.Name))
			continue
		}
		for _, w := range st.args[1:] {
			c.setParam(st, r, w)
		}
	}
}

// setParam gives a resource a parameter. A second value takes the place of the first.
func (c *lubdubConf) setParam(st statement, r *resource, w word) {
	name, _, _ := strings.Cut(w.text, "=")
	about := "parameter of " + st.args[0].text + " on " + st.node + ": " + name
	if before, ok := c.set[about]; ok {
		c.warnf(w, "keep one of them", "%s= is written again for %s; this value counts, not that on line %d", name, quote(st.args[0].text), before.line)
	}
	c.set[about] = w
	r.Params = append(slices.DeleteFunc(r.Params, func(p string) bool { return strings.HasPrefix(p, name+"=") }), w.text)
}

// values returns the texts behind key= in the order written.
func (st statement) values(key string) []string {
	var out []string
	for _, w := range st.args {
		if text, ok := strings.CutPrefix(w.text, key+"="); ok {
			out = append(out, text)
		}
	}
	return out
}

// value returns the text behind key=, or otherwise.
func (st statement) value(key, otherwise string) string {
	if v := st.values(key); len(v) > 0 {
		return v[len(v)-1]
	}
	return otherwise
}

// timeout sets the time-out of an action to the time behind key=, if there is one: no agent's advice changes it.
func (st statement) timeout(key string, r *resource, a cluster.Action, d *time.Duration) {
	if st.value(key, "") != "" {
		st.duration(key, d)
		r.Usual = slices.DeleteFunc(r.Usual, func(u cluster.Action) bool { return u == a })
	}
}

// duration sets d to the time behind key=, if there is one.
func (st statement) duration(key string, d *time.Duration) {
	if text := st.value(key, ""); text == "off" {
		*d = 0
	} else if text != "" {
		*d, _ = time.ParseDuration(text)
	}
}
