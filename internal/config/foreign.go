package config

import (
	"slices"
	"strings"
)

// unknown reports a line whose first word is not in the vocabulary.
func (c *lubdubConf) unknown(st statement) {
	text := st.key.text
	c.errorf(st.key, c.meant(text, st.args), "unknown word %s", quote(text))
}

// meant says what somebody who wrote this line most likely wants.
func (c *lubdubConf) meant(text string, args []word) string {
	lower := strings.ToLower(text)
	bare := strings.TrimSuffix(lower, ":")
	e, spelled := c.known[dashed(bare)]
	if remedy, ok := otherComment(text); ok {
		return remedy
	}
	if remedy, ok := withoutSign(text, args, c.knows); ok {
		return remedy
	}
	if spelled {
		return "write " + quote(e.name)
	}
	node := strings.TrimPrefix(bare, wordOn+"-")
	if _, ok := find(c.nodes, node); ok {
		return "for a line of one node write 'on " + node + " WORD...'"
	}
	if key, _, ok := strings.Cut(text, "="); ok && c.isOption(key) {
		return "options stand behind the word they belong to; '\\' at the end of a line continues it"
	}
	for theirs, ours := range foreign() {
		if dashed(theirs) == dashed(bare) {
			return ours
		}
	}
	for _, d := range directives() {
		if d.name == bare {
			return d.name + " is a word of ha.cf: write it there"
		}
	}
	if best := nearest(text, c.words()); best != "" {
		return "did you mean " + quote(best) + "?"
	}
	return "remove the line; the words are: " + list(c.words())
}

// isOption says that some word has an option of this name.
func (c *lubdubConf) isOption(name string) bool {
	for _, e := range c.known {
		if slices.ContainsFunc(e.options, func(o option) bool { return o.name == name }) {
			return true
		}
	}
	return false
}

func (c *lubdubConf) knows(name string) bool {
	_, ok := c.known[name]
	return ok
}

// dashed is a word as it is compared: programs differ in their dashes and capitals.
func dashed(text string) string { return strings.ReplaceAll(strings.ToLower(text), "_", "-") }

// foreign are the words by which Heartbeat's neighbours and descendants call what is here another word.
func foreign() map[string]string {
	const (
		failures  = "here it is 'failures GROUP|RESOURCE limit=N within=TIME'"
		onFailure = "here it is 'on-failure GROUP|RESOURCE start=move|stay|ignore stop=block|ignore'"
		failback  = "here it is 'failback GROUP delay=TIME window=HH:MM-HH:MM', with auto_failback in ha.cf"
		nodes     = "'node' lines are in ha.cf, and the preferred node of a group begins its line in haresources"
		groups    = "groups, addresses and resources are written in haresources"
		links     = "links are written in ha.cf, as 'bcast eth1'"
		keys      = "keys are written in authkeys"
		fencing   = "here it is 'fence NAME agent=AGENT target=NODE ...'"
		monitor   = "here it is 'monitor GROUP|RESOURCE interval=TIME timeout=TIME'"
		probe     = "here it is 'probe RESOURCE http://...' beside its agent"
	)
	return map[string]string{
		"migration-threshold": failures, "failure-timeout": failures, "fall": failures, "rise": failures, "restart": failures, "retries": failures, "max-failures": failures,
		"StartLimitBurst": failures, "StartLimitIntervalSec": failures,
		"on-fail": onFailure, "onfail": onFailure, "start-failure-is-fatal": onFailure,
		"preempt": failback, "nopreempt": failback, "preempt_delay": failback, "resource-stickiness": failback, "stickiness": failback,
		"location": nodes, "priority": nodes, "state": nodes, "nodes": nodes,
		"group": groups, "primitive": groups, "resource": groups, "address": groups, "ip": groups, "ipaddr": groups, "ipaddr2": groups, "virtual_ipaddress": groups, "vrrp_instance": groups,
		"virtual_router_id": groups, "colocation": groups, "order": groups, "clone": "here it is 'warm RESOURCE': it runs on both nodes",
		"interface": links, "link": links, "links": links, "unicast_peer": links, "advert_int": "here it is 'keepalive TIME' in ha.cf",
		"authentication": keys, "auth": keys, "auth_pass": keys, "key": keys, "secret": keys,
		"stonith-enabled": fencing, "stonith_device": fencing, "fencing": fencing, "stonith": fencing,
		"op": monitor, "interval": monitor, "check": probe, "track_script": probe, "vrrp_script": probe, "health": probe, "http": probe,
		"no-quorum-policy": "here it is 'partition stay|take', and ping nodes in ha.cf", "quorum": "here it is 'partition stay|take', and ping nodes in ha.cf",
		"params": "here it is 'param RESOURCE NAME=VALUE'", "include": "there is one lubdub.conf, the same on both nodes; 'on NODE WORD...' is for what differs",
	}
}

// optionMeant says which option of a word was meant.
func (c *lubdubConf) optionMeant(e entry, key string) string {
	var names []string
	for _, o := range e.options {
		names = append(names, o.name)
	}
	same := map[string]string{"migration-threshold": "limit", "max": "limit", "count": "limit", "failures": "limit", "times": "limit", "fall": "limit", "retries": "limit",
		"failure-timeout": "within", "window": "within", "time": "within", "period": "within", "per": "within",
		"preempt_delay": "delay", "wait": "delay", "after": "delay", "between": "window", "hours": "window", "every": "interval", "level": "depth"}
	if ours := same[strings.ToLower(key)]; ours != "" && slices.Contains(names, ours) {
		return "here it is " + ours + "="
	}
	for _, other := range []string{"timeout", "monitor", "failures", "on-failure", "failback"} {
		for _, o := range c.known[other].options {
			if o.name == key && e.name != other {
				return "write '" + other + " RESOURCE " + key + "=...'; the options are: " + list(names)
			}
		}
	}
	if e.name == "timeout" && key == "monitor" {
		return "write 'monitor RESOURCE timeout=TIME'"
	}
	return didYouMean(key, names, "the options are: "+list(names))
}
