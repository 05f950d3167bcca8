package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"lubdub/internal/cluster"
)

// difference is the comparison of one group.
type difference struct {
	*Plan
	was, is *cluster.Group
	halt    map[string]bool // what is stopped, by name
}

// at is the place of a resource in a group; below 0: it is not there. An address
// is itself, however its word is written; other resources go by their names.
func at(g *cluster.Group, r cluster.Resource) int {
	return slices.IndexFunc(g.Resources, func(o cluster.Resource) bool { return calling(o) == calling(r) })
}

func calling(r cluster.Resource) string {
	if len(r.Addresses) > 0 {
		return sameness(r)
	}
	return r.Name
}

// stays says that a resource is never stopped for what stands before it: an
// address would only add to the outage, and what is warm serves both nodes.
func stays(r cluster.Resource) bool { return r.Class == classAddress || r.Warm }

// resource compares the resource at place i of the group as it will be.
func (d *difference) resource(i int, old, next *Loaded) {
	r, name := d.is.Resources[i], d.is.Name
	before := at(d.was, r)
	if before < 0 {
		d.fresh(r)
		d.add(stepAdded, name, r.Name, "it is started where the group runs"+d.silence(r))
		d.behind(d.is, i, r)
		return
	}
	was := d.was.Resources[before]
	switch words := unlike(essentials(), was, r); {
	case words != "":
		d.add(stepRestarted, name, r.Name, words+d.silence(r))
		d.halts(was)
		d.fresh(r)
		d.behind(d.was, before, was)
	case r.Class == classProxy && !reflect.DeepEqual(proxyOf(old, r.Type), proxyOf(next, r.Type)):
		d.add(stepChanged, name, r.Name, "it takes in its new settings and goes on")
		d.Order.Renew = append(d.Order.Renew, cluster.Member{Group: name, Resource: r.Name})
	}
	if words := unlike(details(), was, r); words != "" {
		d.add(stepChanged, name, r.Name, words+"; it goes on")
	}
	if was.Warm && !r.Warm {
		d.Order.Cold = append(d.Order.Cold, cluster.Member{Group: name, Resource: r.Name})
	}
}

func proxyOf(l *Loaded, name string) Proxy {
	if i := slices.IndexFunc(l.Proxies, func(p Proxy) bool { return p.Name == name }); i >= 0 {
		return l.Proxies[i]
	}
	return Proxy{}
}

// silence notes that the group's addresses do not answer until the new one was
// asked for on the network.
func (d *difference) silence(r cluster.Resource) string {
	if r.Class != classAddress {
		return ""
	}
	if !slices.Contains(d.Order.Silence, d.is.Name) {
		d.Order.Silence = append(d.Order.Silence, d.is.Name)
	}
	return "; all addresses of the group are silent until the network was asked for it, some tenths of a second"
}

func (d *difference) halts(r cluster.Resource) { d.halt[r.Name] = true }

// fresh notes what is to be started in the next life.
func (d *difference) fresh(r cluster.Resource) {
	d.Order.Fresh = append(d.Order.Fresh, cluster.Member{Group: d.is.Name, Resource: r.Name})
}

// behind stops what stands behind a resource that comes, goes or changes, for
// that is what the order of a group promises.
func (d *difference) behind(g *cluster.Group, i int, cause cluster.Resource) {
	if cause.Class == classAddress {
		return // what listens on it is the administrator's to say
	}
	for _, r := range g.Resources[i+1:] {
		before, after := at(d.was, r), at(d.is, r)
		if before < 0 || after < 0 || stays(r) || d.halt[r.Name] {
			continue
		}
		if unlike(essentials(), d.was.Resources[before], d.is.Resources[after]) == "" {
			d.halts(r)
			d.fresh(r)
			d.add(stepRestarted, d.is.Name, r.Name, fmt.Sprintf("it stands behind %s", cause.Name))
		}
	}
}

// order says when what is kept stands in another order. Nothing is stopped for that.
func (d *difference) order() {
	kept := func(g, other *cluster.Group) (names []string) {
		for _, r := range g.Resources {
			if at(other, r) >= 0 {
				names = append(names, calling(r))
			}
		}
		return names
	}
	if !slices.Equal(kept(d.was, d.is), kept(d.is, d.was)) {
		d.add(stepMoved, d.is.Name, "", fmt.Sprintf("its order is %s from the next start on; nothing is stopped for that", strings.Join(resourceNames(*d.is), ", ")))
	}
}

// finish writes what is stopped in the order of the group.
func (d *difference) finish() {
	for _, r := range d.was.Resources {
		if d.halt[r.Name] {
			d.Order.Halt = append(d.Order.Halt, cluster.Member{Group: d.was.Name, Resource: r.Name})
		}
	}
}

// aspect is something of a resource that can change.
type aspect struct {
	name  string
	value func(cluster.Resource) any
	shown bool // its value may be printed: it holds no secret
}

// essentials are what a running resource cannot take in.
func essentials() []aspect {
	return []aspect{
		{"agent", func(r cluster.Resource) any {
			return strings.Trim(strings.Join([]string{r.Class, r.Provider, r.Type}, ":"), ":")
		}, true},
		{"arguments", func(r cluster.Resource) any { return slices.Clone(r.Args) }, false},
		{"parameters", func(r cluster.Resource) any { return slices.Sorted(slices.Values(r.Params)) }, false},
		{"user", func(r cluster.Resource) any { return r.User }, true},
		{"start command", func(r cluster.Resource) any { return r.Commands.Start }, false},
		{"address", func(r cluster.Resource) any { return r.Addresses }, true},
		{"interface", func(r cluster.Resource) any { return r.Interface }, true},
		{"label", func(r cluster.Resource) any { return r.Label }, true},
		{"broadcast", func(r cluster.Resource) any { return r.Broadcast }, true},
	}
}

// details are what counts from the next action on, without a stop.
func details() []aspect {
	return []aspect{
		{"monitor interval", func(r cluster.Resource) any { return r.Interval }, true},
		{"time-out of start", func(r cluster.Resource) any { return r.Timeouts.Start }, true},
		{"time-out of stop", func(r cluster.Resource) any { return r.Timeouts.Stop }, true},
		{"time-out of monitor", func(r cluster.Resource) any { return r.Timeouts.Monitor }, true},
		{"limit of failures", func(r cluster.Resource) any { return r.Limit }, true},
		{"window of failures", func(r cluster.Resource) any { return r.Window }, true},
		{"what a failed start does", func(r cluster.Resource) any { return r.OnStart }, false},
		{"what a failed stop does", func(r cluster.Resource) any { return r.LetGo }, false},
		{"time-outs that the agent may advise", func(r cluster.Resource) any { return r.Usual }, true},
		{"depth", func(r cluster.Resource) any { return r.Depth }, true},
		{"deeper looks", func(r cluster.Resource) any { return r.Deeper }, true},
		{"stop command", func(r cluster.Resource) any { return r.Commands.Stop }, false},
		{"monitor command", func(r cluster.Resource) any { return r.Commands.Monitor }, false},
		{"warm", func(r cluster.Resource) any { return r.Warm }, true},
		{"endpoints", func(r cluster.Resource) any { return r.Endpoints }, false},
		{"logs", func(r cluster.Resource) any { return r.Logs }, true},
	}
}

// unlike says which of these aspects differ between two resources; empty: none.
func unlike(aspects []aspect, was, is cluster.Resource) string {
	var out []string
	for _, a := range aspects {
		before, after := a.value(was), a.value(is)
		switch same := reflect.DeepEqual(before, after) || fmt.Sprint(before) == "[]" && fmt.Sprint(after) == "[]"; {
		case same:
		case a.shown:
			out = append(out, fmt.Sprintf("%s: %s, and was %s", a.name, orNothing(strings.Trim(fmt.Sprint(after), "[]")), orNothing(strings.Trim(fmt.Sprint(before), "[]"))))
		default:
			out = append(out, "its "+a.name+" changed")
		}
	}
	return strings.Join(out, "; ")
}

// betweenGroups finds what stands in another group than before, as when a group
// gets another name. A node knows a group by its name alone: while the files of
// the nodes differ, each would run it in its own.
func (p *Plan) betweenGroups(old, next []cluster.Group) {
	was, is := holders(old), holders(next)
	var pairs [][2]string
	goes := map[[2]string][]string{}
	for _, g := range next {
		for _, r := range g.Resources {
			key := sameness(r)
			for _, from := range was[key] {
				pair := [2]string{from, g.Name}
				if r.Warm || slices.Contains(is[key], from) || slices.Contains(was[key], g.Name) {
					continue
				}
				if len(goes[pair]) == 0 {
					pairs = append(pairs, pair)
				}
				goes[pair] = append(goes[pair], r.Name)
			}
		}
	}
	for _, pair := range pairs {
		names := strings.Join(goes[pair], ", ")
		p.add(stepMoved, pair[1], "", fmt.Sprintf("%s comes from the group %s", names, pair[0]))
		p.Order.Moved = append(p.Order.Moved, fmt.Sprintf(
			"%s would stand in the group %s and stands in %s: while the other node has the old files both nodes would run it; stop lubdub there first (systemctl stop lubdub), reload here, and start it there with the new files; or keep the group's name with a line 'name KEY %s' in lubdub.conf",
			names, pair[1], pair[0], pair[0]))
	}
}

// sameness is what tells a resource from others, whatever group it is in.
func sameness(r cluster.Resource) string {
	if len(r.Addresses) > 0 {
		return r.Addresses[0].Addr().String()
	}
	return fmt.Sprintf("%q %q %q %q %q %q", r.Class, r.Provider, r.Type, r.Args, slices.Sorted(slices.Values(r.Params)), r.Commands.Start)
}

// holders are the groups of each resource.
func holders(groups []cluster.Group) map[string][]string {
	out := map[string][]string{}
	for _, g := range groups {
		for _, r := range g.Resources {
			out[sameness(r)] = append(out[sameness(r)], g.Name)
		}
	}
	return out
}
