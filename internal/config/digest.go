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

const (
	// ofOneNode are the words of lubdub.conf that may differ between the nodes.
	ofOneNode = "point-to-point peer-command api-group"
	// usualSaid are the values that change nothing when they are written.
	usualSaid = "interval=10s depth=0 compat stay yield optional"
	// usualFence is the same for fence devices, whose times are others.
	usualFence = "level=1 timeout=1m0s"
)

// meaning is what the file says, line by line, whatever the order of its lines
// and of a line's options. It does not depend on haresources.
func (c *lubdubConf) meaning() []string {
	var out []string
	for _, st := range c.good {
		said := changes(st)
		if len(said) == 0 || slices.Contains(strings.Fields(ofOneNode), st.key.text) {
			continue
		}
		out = append(out, st.key.text+" "+strings.Join(said, " "))
	}
	slices.Sort(out)
	return out
}

// changes are the words of a line that change something, sorted; none if the line
// says what is so anyway.
func changes(st statement) []string {
	var said []string
	usual := strings.Fields(usualSaid)
	if st.key.text == wordFence {
		usual = strings.Fields(usualFence)
	}
	for _, w := range st.args {
		text := w.text
		if key, value, ok := strings.Cut(text, "="); ok {
			if st.key.text == wordFence && isSecret(key) {
				text = key + "=" // a digest in a packet would help to guess it
			} else if d, err := time.ParseDuration(value); err == nil {
				text = key + "=" + d.String()
			}
		}
		if !slices.Contains(usual, text) {
			said = append(said, text)
		}
	}
	about := st.key.text == "monitor" || st.key.text == "timeout"
	if about && len(said) == 1 && len(st.args) > 1 {
		return nil
	}
	slices.Sort(said)
	return said
}
