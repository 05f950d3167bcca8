package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"lubdub/internal/cluster"
)

// digestSize is enough to notice a difference; the digests are in each heartbeat.
const digestSize = 8

// missing is the digest of a watched file that cannot be read.
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
	return []string{
		"cluster " + cfg.Cluster,
		"node " + strings.Join(l.Nodes, " "),
		fmt.Sprint("keepalive ", cfg.Keepalive), fmt.Sprint("deadtime ", cfg.DeadTime),
		fmt.Sprint("warntime ", cfg.WarnTime), fmt.Sprint("initdead ", cfg.InitDead),
		fmt.Sprint("auto_failback ", cfg.AutoFailback), fmt.Sprint("udpport ", h.port),
		"links " + strings.Join(h.kinds, ", "),
	}
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

// settings are what lubdub.conf can change of a resource.
func (r resource) settings() string {
	return fmt.Sprintf("%v %v %v %q", r.Warm, r.Interval, r.Timeouts, slices.Sorted(slices.Values(r.Params)))
}

// meaning is what the file changes. point-to-point, peer-command and api-group
// belong to one node.
func (c *lubdubConf) meaning() []string {
	out := []string{fmt.Sprint("strict ", c.strict), fmt.Sprint("take ", c.take)}
	for _, w := range c.watched {
		out = append(out, "watch "+w.text)
	}
	for _, p := range c.proxies {
		out = append(out, fmt.Sprintf("proxy %q", p))
	}
	for _, l := range c.groups.groups {
		if _, ok := c.named[l.name]; ok {
			out = append(out, "name "+l.words[0].text+" "+l.name)
		}
		for _, r := range l.resources {
			if text := r.settings(); text != (resource{Resource: usual(r.Class)}).settings() {
				out = append(out, l.words[0].text+" "+r.Name+" "+text)
			}
		}
	}
	return out
}
