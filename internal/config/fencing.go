package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"lubdub/internal/cluster"
)

// FenceDevice is what the files say about one fence device.
type FenceDevice struct {
	Name    string // as in lubdub.conf, or the place of its line in ha.cf
	Agent   string // fence_NAME or a full path: of fence-agents; stonith:TYPE: a plug-in of cluster-glue; meatware: the operator
	Target  string // the node that it ends
	Level   int
	Timeout time.Duration
	Delay   time.Duration
	Action  string   // off or reboot; empty: off where the device can
	Params  []string // NAME=VALUE; a VALUE of @/PATH is the first line of that file
	Hidden  []string // the names of those that hold secrets
	Line    string   // of stonith_host: the parameters by position
	File    string   // of stonith: the file that holds them
}

// fence is a device and where it is written.
type fence struct {
	FenceDevice
	from *source
	at   word
}

// The limits of fence devices.
const (
	usualFenceTime = time.Minute // a management board takes its time to log in, and to see the power go
	maxFences      = 16          // two nodes with four power supplies each, and a second level
	maxFenceLevel  = 9
	maxParams      = 32 << 10 // bytes of a device's parameters: they fit a pipe
	fenceDelays    = 2        // times the slowest time-out: what the node that gives way waits
)

const (
	meatware     = "meatware"
	pluginPrefix = "stonith:"
	actionReboot = "reboot"
	wordFence    = "fence"
)

// fenceEntries are the words of lubdub.conf about fencing.
func fenceEntries() []entry {
	return []entry{
		{name: wordFence, form: "NAME agent=AGENT target=NODE level=N timeout=TIME delay=TIME action=off|reboot PARAMETER=VALUE...", fixed: 1, free: true, apply: (*lubdubConf).fence, same: "target= says which node it ends, and both nodes read both lines",
			options: []option{{name: "agent", value: isFenceAgent, need: true}, {name: "target", value: isNodeName, need: true},
				{name: "level", value: isNumber(1, maxFenceLevel), initial: "1"}, {name: "timeout", value: isDuration, initial: "60s"}, {name: "delay", value: isDuration}, {name: "action", value: isOneOf("off", actionReboot)}},
			meaning: "A device that ends NODE when it is silent and its groups must be taken over. Without its success nothing is taken over. AGENT is a fence_* agent or a full path, stonith:TYPE for a plug-in of cluster-glue, or meatware for a person who says 'lubdub fence confirm NODE'. All devices of the lowest level must succeed, else those of the next are tried. The parameters are those of the agent; PARAMETER=@/PATH takes the first line of a file that only root may read. One line for each node that can be ended; both lines on both nodes.",
			usual:   "no fencing; level=1 timeout=60s, no delay, off where the device can", example: `fence ipmi-alpha agent=fence_ipmilan target=alpha ip=10.0.9.11 lanplus=1 \
    username=lubdub password=@/etc/ha.d/ipmi.secret
fence ipmi-beta agent=fence_ipmilan target=beta ip=10.0.9.12 lanplus=1 \
    username=lubdub password=@/etc/ha.d/ipmi.secret`},
		{name: "fence-delay", form: "TIME", fixed: 1, once: true, apply: (*lubdubConf).setFenceDelay, same: "it parts two nodes that would end each other",
			meaning: "How long the node that gives way waits before it fences, so that two nodes that lost sight of each other do not end each other: the one that serves fewer groups.",
			usual:   "twice the longest time-out of a fence device", example: "fence-delay 2m"},
	}
}

// isFenceAgent accepts the name of an agent.
func isFenceAgent(text string) (wrong, remedy string) {
	const want = "write fence_NAME, a full path, stonith:TYPE or meatware"
	name, plugin := strings.CutPrefix(text, pluginPrefix)
	switch {
	case strings.HasPrefix(text, "/"), text == meatware:
		return "", ""
	case plugin && name == "suicide":
		return "ends the node that runs it, never the other one", "name a device that reaches the other node's power"
	case text == "fence_ack_manual":
		return "only prints what to do", "write meatware: it waits for 'lubdub fence confirm NODE'"
	case plugin && consistsOf(name, "-_/"), strings.HasPrefix(text, "fence_") && consistsOf(text, "-_"):
		return "", ""
	}
	return "is no fence agent", want
}

// doubtful are agents that end nobody, or not always.
func doubtful(agent string) string {
	switch agent {
	case "fence_dummy", "fence_heuristics_ping", "stonith:null":
		return "ends nobody; it is for tests"
	case "stonith:ssh", "stonith:external/ssh":
		return "needs the help of the node that it ends: a dead or frozen one cannot give it"
	case "fence_scsi", "fence_mpath", "fence_brocade", "fence_sanbox2", "fence_cisco_mds", "fence_hds_cb":
		return "cuts a node off its storage; the node goes on answering for the address"
	}
	return ""
}

// fence takes a line of lubdub.conf.
func (c *lubdubConf) fence(st statement) {
	at := st.args[0]
	if before := slices.IndexFunc(c.fences, func(f fence) bool { return f.Name == at.text }); before >= 0 {
		c.errorf(at, "give each its own name", "the fence device %s is already on line %d", quote(at.text), c.fences[before].at.line)
		return
	}
	if len(c.fences) == maxFences {
		c.errorf(at, "remove some", "more than %d fence devices", maxFences)
		return
	}
	level, _ := strconv.Atoi(st.value("level", "1"))
	agent := st.value("agent", "")
	if agent == pluginPrefix+meatware {
		agent = meatware
	}
	f := fence{from: c.source, at: at, FenceDevice: FenceDevice{Name: at.text, Agent: agent, Target: strings.ToLower(st.value("target", "")),
		Level: level, Timeout: usualFenceTime, Action: st.value("action", "")}}
	st.duration("timeout", &f.Timeout)
	st.duration("delay", &f.Delay)
	size := 0
	for _, w := range st.args[1:] {
		name, value, _ := strings.Cut(w.text, "=")
		if slices.ContainsFunc(c.known[wordFence].options, func(o option) bool { return o.name == name }) {
			continue
		}
		size += len(w.text)
		f.Params = append(f.Params, w.text)
		if isSecret(name) {
			f.Hidden = append(f.Hidden, name)
		}
		if mode := c.mode; mode&othersRead != 0 && isSecret(name) && !strings.HasPrefix(value, "@/") {
			c.errorf(w, fmt.Sprintf("chmod 600 %s, or write %s=@/PATH and put it into that file", c.path, name), "%s stands in a file that others may read (mode %04o)", name, mode)
		}
	}
	if size > maxParams {
		c.errorf(at, "shorten them", "the parameters have more than %d bytes", maxParams)
		return
	}
	c.fences = append(c.fences, f)
}

func (c *lubdubConf) setFenceDelay(st statement) {
	if wrong, remedy := isDuration(st.args[0].text); wrong != "" {
		c.errorf(st.args[0], remedy, "fence-delay: %s %s", quote(st.args[0].text), wrong)
		return
	}
	c.fenceDelay, _ = time.ParseDuration(st.args[0].text)
}

// othersRead are the bits of a mode that let others read.
const othersRead = 0o044

// stonith takes a line 'stonith TYPE FILE': a device of whichever node reads it.
func (h *haCF) stonith(st statement) {
	if len(st.args) != 2 {
		h.errorf(st.key, "write 'stonith TYPE FILE'", "stonith needs a type and a file")
		return
	}
	if wrong, remedy := isPath(st.args[1].text); wrong != "" {
		h.errorf(st.args[1], remedy, "stonith: %s %s", quote(st.args[1].text), wrong)
		return
	}
	h.addFence(st.args[0], "", FenceDevice{File: st.args[1].text})
}

// stonithHost takes a line 'stonith_host NODE|* TYPE PARAMETERS': a device that
// NODE can use, or every node.
func (h *haCF) stonithHost(st statement) {
	if len(st.args) < 2 {
		h.errorf(st.key, "write 'stonith_host NODE|* TYPE PARAMETERS'", "stonith_host needs a node and a type")
		return
	}
	words := texts(st.args[2:])
	h.fenceUsers = append(h.fenceUsers, st.args[0])
	h.addFence(st.args[1], strings.ToLower(st.args[0].text), FenceDevice{Line: strings.Join(words, " ")})
	if mode := h.mode; mode&othersRead != 0 && len(words) > 0 && !onlyHosts(st.args[1].text) {
		h.warnf(st.args[1], "chmod 600 "+h.path, "the parameters of %s stand in a file that others may read (mode %04o)", quote(st.args[1].text), mode)
	}
}

// onlyHosts says that a plug-in's only parameter is the list of nodes.
func onlyHosts(plugin string) bool {
	return slices.Contains([]string{meatware, "null", "ssh", "external/ssh"}, plugin)
}

// plugged is a device of ha.cf.
type plugged struct {
	fence
	user string // the node that may use it; "*": both; empty: whoever reads the line
}

func (h *haCF) addFence(kind word, user string, d FenceDevice) {
	agent := pluginPrefix + kind.text
	if wrong, remedy := isFenceAgent(agent); wrong != "" {
		h.errorf(kind, remedy, "stonith: %s %s", quote(kind.text), wrong)
		return
	}
	if kind.text == meatware {
		agent = meatware
	}
	if len(h.fences) == maxFences {
		h.errorf(kind, "remove some", "more than %d fence devices", maxFences)
		return
	}
	d.Name, d.Agent, d.Timeout = fmt.Sprintf("%s on line %d of ha.cf", kind.text, kind.line), agent, usualFenceTime
	h.fences = append(h.fences, plugged{fence{FenceDevice: d, from: h.source, at: kind}, user})
}

// usableFences are the devices of ha.cf that this node can use, each a level of
// its own behind the given one, as Heartbeat has no other word for them.
func (h *haCF) usableFences(cfg *cluster.Config, level int) (out []fence) {
	for _, w := range h.fenceUsers {
		if _, ok := find(h.nodes, strings.ToLower(w.text)); !ok && w.text != "*" && h.usable() {
			h.errorf(w, didYouMean(w.text, texts(h.nodes), "write the name of a node, or *"), "stonith_host: there is no node %s", quote(w.text))
		}
	}
	for _, f := range h.fences {
		if f.user != "" && f.user != "*" && f.user != cfg.Self {
			continue
		}
		kind := f.at.text
		if names := strings.FieldsFunc(strings.ToLower(f.Line), func(r rune) bool { return r == ' ' || r == ',' }); f.File == "" && onlyHosts(kind) && !slices.Contains(names, cfg.Peer) {
			h.errorf(f.at, "add "+cfg.Peer+" to its nodes", "the device %s does not name %s, so it ends nobody", quote(kind), quote(cfg.Peer))
			continue
		}
		level++
		f.Level, f.Target = level, cfg.Peer
		out = append(out, f.fence)
	}
	return out
}

// finishFences checks the devices of both files, and puts what they mean for
// decisions into the core's configuration.
func finishFences(h *haCF, c *lubdubConf, cfg *cluster.Config) []FenceDevice {
	all, level := c.fences, 0
	for _, f := range all {
		level = max(level, f.Level)
		if _, ok := find(h.nodes, f.Target); !ok && h.usable() {
			c.errorf(f.at, didYouMean(f.Target, texts(h.nodes), "the nodes are: "+list(texts(h.nodes))), "the fence device %s targets nobody: there is no node %s", quote(f.Name), quote(f.Target))
		}
	}
	all = append(slices.Clip(all), h.usableFences(cfg, level)...)
	var out []FenceDevice
	targets := map[string]bool{}
	for _, f := range all {
		if words := doubtful(f.Agent); words != "" {
			f.from.warnf(f.at, "choose a device that cuts the power", "%s %s", strings.TrimPrefix(f.Agent, pluginPrefix), words)
		}
		if f.Agent == "stonith:external/ipmi" {
			// Its own description: off is a polite request there, and only a reset is sure.
			f.Action = cmp.Or(f.Action, actionReboot)
		}
		targets[f.Target] = true
		cfg.Fencing = cfg.Fencing || f.Target == cfg.Peer
		if f.Agent != meatware {
			cfg.FenceDelay = max(cfg.FenceDelay, fenceDelays*f.Timeout)
		}
		out = append(out, f.FenceDevice)
	}
	if c.fenceDelay > 0 {
		cfg.FenceDelay = c.fenceDelay
	}
	if len(c.fences) > 0 && len(targets) == 1 && len(h.nodes) == 2 {
		missing := h.nodes[0].text
		if targets[missing] {
			missing = h.nodes[1].text
		}
		c.warnf(c.fences[0].at, "add a line 'fence NAME agent=AGENT target="+missing+"'", "no fence device ends %s: the other node takes over from it without fencing", missing)
	}
	return out
}

// isSecret says that a parameter of this name holds what nobody else may read.
func isSecret(name string) bool {
	return secretName.MatchString(name) && !strings.HasSuffix(name, "_script")
}

var (
	secretName  = regexp.MustCompile(`(?i)passw|secret|token|community|api_?key|^pwd$`)
	secretValue = regexp.MustCompile(`(?i)[a-z0-9_"\\]*(header|passw|secret|token|community|api_?key|pwd)[a-z0-9_"\\]*\s*[=:]`)
)

// maskedSettings shows a line of lubdub.conf without what stands behind the
// first parameter that is a secret.
func maskedSettings(line string) string {
	if from := secretAddress(line); from >= 0 {
		return starred(line, from)
	}
	if at := secretValue.FindStringIndex(line); at != nil {
		return starred(line, at[1])
	}
	return plain(line)
}

// maskedPlugin shows a line of ha.cf without the parameters of a stonith plug-in,
// which have no names.
func maskedPlugin(line string) string {
	words := fields(word{line, 1, 0}, isBlank)
	if len(words) > 3 && words[0].text == "stonith_host" && !onlyHosts(words[2].text) {
		return starred(line, words[3].at)
	}
	return plain(line)
}

// starred shows a line with stars from a byte on.
func starred(line string, from int) string {
	out := []rune(plain(line))
	for i := utf8.RuneCountInString(line[:from]); i < len(out); i++ {
		if out[i] != ' ' {
			out[i] = '*'
		}
	}
	return string(out)
}
