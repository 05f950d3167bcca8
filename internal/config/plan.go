package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"lubdub/internal/cluster"
)

// Plan is the difference between a configuration that runs and another one, and
// how the daemon gets from one to the other without touching anything else.
type Plan struct {
	Steps   []Step
	Refused []string // what no reload can bring in, a sentence each
	Order   cluster.Reload
}

// Step is one difference, and what becomes of it.
type Step struct {
	What     string // added, removed, changed, restarted or moved
	Group    string // empty: it is of the whole node
	Resource string // empty: it is of the whole group
	Words    string
}

// The kinds of steps.
const (
	stepAdded     = "added"
	stepRemoved   = "removed"
	stepChanged   = "changed"
	stepRestarted = "restarted"
	stepMoved     = "moved"
)

// NewPlan makes the plan that leads from old, which runs, to next. Comments and
// the order of groups mean nothing, so they are no difference.
func NewPlan(old, next *Loaded) Plan {
	p := &Plan{Order: cluster.Reload{DeadTime: next.Config.DeadTime, Digests: next.Config.Digests,
		Watchdog: old.Watchdog.Device != next.Watchdog.Device}}
	p.identity(old, next)
	for _, s := range settings() {
		if before, after := s.text(old), s.text(next); before != after {
			p.add(stepChanged, "", "", fmt.Sprintf("%s: %s, and was %s", s.name, orNothing(after), orNothing(before)))
		}
	}
	if !reflect.DeepEqual(old.Hooks, next.Hooks) {
		p.add(stepChanged, "", "", "hook: other commands are run around starts, stops and moves")
	}
	if !reflect.DeepEqual(old.Alerts, next.Alerts) {
		p.add(stepChanged, "", "", "mail, webhook: others are told, or otherwise")
	}
	p.fences(old, next)
	p.keys(old, next)
	p.groups(old, next)
	if len(p.Steps)+len(p.Refused) == 0 && !slices.Equal(old.Config.Digests, next.Config.Digests) {
		p.add(stepChanged, "", "", "the files are written in another way and mean the same: nothing is touched")
	}
	return *p
}

func (p *Plan) add(what, group, resource, words string) {
	p.Steps = append(p.Steps, Step{what, group, resource, words})
}

// orNothing makes a value readable that may be missing.
func orNothing(text string) string {
	if text == "" {
		return "nothing"
	}
	return text
}

// identity refuses what makes another cluster of it: its nodes must agree on
// that from their first heartbeat on.
func (p *Plan) identity(old, next *Loaded) {
	for _, i := range []struct{ name, before, after string }{
		{"the cluster's name", old.Config.Cluster, next.Config.Cluster},
		{"the name of this node", old.Config.Self, next.Config.Self},
		{"the name of the other node", old.Config.Peer, next.Config.Peer},
	} {
		if i.before != i.after {
			p.Refused = append(p.Refused, fmt.Sprintf(
				"%s is %s now and was %s: two nodes that do not know each other would both serve; stop lubdub on both nodes, then start it on both", i.name, i.after, i.before))
		}
	}
}

// setting is something of the whole node that a person can read.
type setting struct {
	name string
	text func(*Loaded) string
}

func settings() []setting {
	list := func(texts []string) string { return strings.Join(texts, ", ") }
	choice := func(is bool, yes, no string) string { return map[bool]string{true: yes, false: no}[is] }
	return []setting{
		{"keepalive", func(l *Loaded) string { return l.Config.Keepalive.String() }},
		{"warntime", func(l *Loaded) string { return l.Config.WarnTime.String() }},
		{"deadtime", func(l *Loaded) string { return l.Config.DeadTime.String() }},
		{"initdead", func(l *Loaded) string { return l.Config.InitDead.String() }},
		{"auto_failback", func(l *Loaded) string { return choice(l.Config.AutoFailback, "on", "off") }},
		{"links", func(l *Loaded) string { return list(linkTexts(l)) }},
		{"ping nodes", func(l *Loaded) string { return list(pingTexts(l)) }},
		{"deadping", func(l *Loaded) string { return choice(len(l.Pings) > 0, l.Config.DeadPing.String(), "") }},
		{"policy coldstart", func(l *Loaded) string { return choice(l.Config.StrictStart, policyStrict, "compat") }},
		{"policy partition", func(l *Loaded) string { return choice(l.Config.TakeAnyway, policyTake, "stay") }},
		{"policy isolated", func(l *Loaded) string { return choice(l.Config.KeepIsolated, policyKeep, "yield") }},
		{"fence devices", func(l *Loaded) string { return list(fenceTexts(l)) }},
		{"fence-delay", func(l *Loaded) string { return choice(l.Config.Fencing, l.Config.FenceDelay.String(), "") }},
		{wordWatchdog, watchdogText},
		{"log", func(l *Loaded) string { return fmt.Sprintf("%+v", l.Log) }},
		{"env", func(l *Loaded) string { return list(l.Env) }},
		{"watched files and trees", func(l *Loaded) string { return list(watchTexts(l)) }},
		{"peer-command", func(l *Loaded) string { return strings.Join(l.PeerCommand, " ") }},
		{"api-group", func(l *Loaded) string { return l.APIGroup }},
		{"what scripts are told of ha.cf", otherDirectives},
	}
}

func linkTexts(l *Loaded) []string {
	var out []string
	for _, k := range l.Links {
		text := k.Name
		if k.Address != "" && !strings.Contains(text, k.Address) {
			text += " " + k.Address
		}
		out = append(out, fmt.Sprintf("%s port %d", text, k.Port)+map[bool]string{true: fmt.Sprintf(" ttl %d", k.TTL)}[k.TTL > 0])
	}
	return out
}

func pingTexts(l *Loaded) []string {
	var out []string
	for _, n := range l.Pings {
		text := n.Name
		if !slices.Equal(n.Hosts, []string{n.Name}) {
			text += " (" + strings.Join(n.Hosts, " ") + ")"
		}
		out = append(out, text)
	}
	return out
}

func fenceTexts(l *Loaded) []string {
	var out []string
	for _, f := range l.Fences {
		out = append(out, fmt.Sprintf("%s (%s for %s, level %d)", f.Name, f.Agent, f.Target, f.Level))
	}
	return out
}

// fences compares what settings do not show, for some of it is secret.
func (p *Plan) fences(old, next *Loaded) {
	for _, f := range next.Fences {
		i := slices.IndexFunc(old.Fences, func(o FenceDevice) bool { return o.Name == f.Name })
		if i >= 0 && !reflect.DeepEqual(old.Fences[i], f) {
			p.add(stepChanged, "", "", fmt.Sprintf("fence device %s: its parameters", f.Name))
		}
	}
}

func watchdogText(l *Loaded) string {
	w := l.Watchdog
	if w.Device == "" {
		return ""
	}
	text := fmt.Sprintf("%s with %v", w.Device, w.Wanted)
	if w.Required {
		text += ", required"
	}
	return text
}

// otherDirectives are those of ha.cf that are shown nowhere else.
func otherDirectives(l *Loaded) string {
	const shown = " cluster keepalive deadtime warntime initdead auto_failback udpport deadping logfile debugfile logfacility debug use_logd watchdog node "
	var out []string
	for _, name := range slices.Sorted(maps.Keys(l.Directives)) {
		if !strings.Contains(shown, " "+name+" ") {
			out = append(out, name+" "+l.Directives[name])
		}
	}
	return strings.Join(out, ", ")
}

// keys compares authkeys. The other node has to understand what this one signs,
// and this one what that one does: one key must be on both sides of the change.
func (p *Plan) keys(old, next *Loaded) {
	for _, k := range next.Keys {
		if !slices.Contains(old.Keys, k) {
			p.add(stepChanged, "", "", fmt.Sprintf("authkeys: key %d is new", k.Number))
		}
	}
	for _, k := range old.Keys {
		if !slices.ContainsFunc(next.Keys, func(n Key) bool { return n.Number == k.Number }) {
			p.add(stepRemoved, "", "", fmt.Sprintf("authkeys: key %d", k.Number))
		}
	}
	if old.Sign != next.Sign {
		p.add(stepChanged, "", "", fmt.Sprintf("authkeys: key %d signs, and was %d", next.Sign, old.Sign))
	}
	signs := func(l *Loaded) Key {
		return l.Keys[slices.IndexFunc(l.Keys, func(k Key) bool { return k.Number == l.Sign })]
	}
	switch {
	case !slices.Contains(old.Keys, signs(next)):
		p.Order.Signs = fmt.Sprintf("key %d of authkeys is new and signs at once: the other node does not know it and would not hear us; add the key on both nodes first, reload both, and then let it sign", next.Sign)
	case !slices.Contains(next.Keys, signs(old)):
		p.Order.Signs = fmt.Sprintf("key %d of authkeys signed until now and is gone: the other node may sign with it still and would not be heard; let another key sign on both nodes first, and then remove it", old.Sign)
	}
}

func watchTexts(l *Loaded) (texts []string) {
	for _, w := range l.Watched {
		texts = append(texts, strings.Join(append([]string{w.Path}, w.Exclude...), " without "))
	}
	return texts
}

// groups compares the resource groups by their names.
func (p *Plan) groups(old, next *Loaded) {
	named := func(l *Loaded, name string) *cluster.Group {
		if i := slices.IndexFunc(l.Config.Groups, func(g cluster.Group) bool { return g.Name == name }); i >= 0 {
			return &l.Config.Groups[i]
		}
		return nil
	}
	for _, g := range next.Config.Groups {
		was := named(old, g.Name)
		if was == nil {
			p.add(stepAdded, g.Name, "", fmt.Sprintf("the group (%s) is started by the node that has the new files first; preferred: %s", strings.Join(resourceNames(g), ", "), g.Preferred))
			continue
		}
		p.group(was, &g, old, next)
	}
	for _, g := range old.Config.Groups {
		if named(next, g.Name) == nil {
			p.add(stepRemoved, g.Name, "", "the group is stopped if it runs here, and known no more")
			p.Order.Remove = append(p.Order.Remove, g.Name)
		}
	}
	p.betweenGroups(old.Config.Groups, next.Config.Groups)
}

func resourceNames(g cluster.Group) []string {
	var out []string
	for _, r := range g.Resources {
		out = append(out, r.Name)
	}
	return out
}

// group compares one group.
func (p *Plan) group(was, is *cluster.Group, old, next *Loaded) {
	if was.Preferred != is.Preferred {
		p.add(stepMoved, is.Name, "", fmt.Sprintf("its preferred node is %s, and was %s; it goes there when both nodes have the same files, and auto_failback is on", is.Preferred, was.Preferred))
	}
	d := &difference{Plan: p, was: was, is: is, halt: map[string]bool{}}
	for i := range is.Resources {
		d.resource(i, old, next)
	}
	for i, r := range was.Resources {
		if at(is, r) < 0 {
			p.add(stepRemoved, is.Name, r.Name, "it is stopped where it runs")
			d.halts(r)
			d.behind(was, i, r)
		}
	}
	d.order()
	d.finish()
	bare := func(g cluster.Group) cluster.Group {
		g.Resources, g.Preferred = nil, ""
		return g
	}
	if before, after := bare(*was), bare(*is); !reflect.DeepEqual(before, after) {
		p.add(stepChanged, is.Name, "", "when it fails back, or another rule of the group; nothing is touched")
	}
}
