package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// fault is one bad thing that happens to a cluster, or one order of its operator. It is written as
//
//	12.300s for 4.100s: loss-front-out serving 40%
type fault struct {
	at, length time.Duration // since the storm began; how long it lasts
	kind       string
	target     string // serving, waiting, proxy01, proxy02, or both
	percent    int    // of the frames that are lost; 0: all
}

// The targets that are found out when the fault begins.
const (
	serving = "serving" // the node that answers the client
	waiting = "waiting" // the other one
	both    = "both"
)

func (f fault) String() string {
	text := fmt.Sprintf("%.3fs for %.3fs: %s %s", f.at.Seconds(), f.length.Seconds(), f.kind, f.target)
	if f.percent > 0 {
		text += fmt.Sprintf(" %d%%", f.percent)
	}
	return text
}

// parseFault reads a fault as String writes it.
func parseFault(line string) (f fault, err error) {
	wrong := fmt.Errorf("fault %q: want it as \"12.300s for 4.100s: kill serving\"", line)
	when, what, found := strings.Cut(line, ": ")
	times, words := strings.Fields(when), strings.Fields(what)
	if !found || len(times) != 3 || times[1] != "for" || len(words) < 2 || len(words) > 3 {
		return f, wrong
	}
	var at, length error
	f.at, at = time.ParseDuration(times[0])
	f.length, length = time.ParseDuration(times[2])
	f.kind, f.target = words[0], words[1]
	if err := errors.Join(at, length, f.check()); err != nil {
		return f, fmt.Errorf("%w: %w", wrong, err)
	}
	if len(words) == 3 {
		f.percent, err = strconv.Atoi(strings.TrimSuffix(words[2], "%"))
		if err != nil || f.percent < 1 || f.percent > 100 {
			return f, wrong
		}
	}
	return f, nil
}

// check says whether such a fault can be.
func (f fault) check() error {
	k, known := kindOf(f.kind)
	switch {
	case !known:
		return fmt.Errorf("there is no %s", f.kind)
	case !slices.Contains([]string{serving, waiting, owner, other, both}, f.target):
		return fmt.Errorf("nobody is called %s", f.target)
	case (f.target == both) != k.both:
		return fmt.Errorf("%s cannot hit %s", f.kind, f.target)
	}
	return nil
}

// parseFaults reads one fault a line; empty lines and lines that begin with # say nothing.
func parseFaults(text string) (all []fault, err error) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f, err := parseFault(line)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}

// harm is what a fault does to a network between the nodes: to the frames that its target sends, or to those it receives.
type harm struct {
	network string
	out, in bool
}

// kind is a sort of fault.
type kind struct {
	name  string
	words string // in tables
	both  bool   // it has no single target
	most  time.Duration
	claim string // what only one fault of a node may hold at a time
	harms []harm
	drops string // "all": frames are dropped as harms says; "some": a percentage of them; "beats": the heartbeats among them
	// apart says that the front shows the nodes to the client, and not to each other.
	apart bool
	// takes says that the other node can serve during the fault, so that the outage does not depend on its length.
	takes bool
	// stops says that the daemon of the target does not run, or that its machine is off.
	stops bool
	begin deed
}

// The names of the kinds that are asked for by name.
const (
	kindStranger  = "stranger"
	kindGateway   = "gateway"
	kindPowerBoth = "power-both"
	kindPowerLate = "power-late"
	kindFull      = "full"
	kindMove      = "move"
)

// The networks.
const front, cable = "front", "cable"

// Ways of the frames that a fault can hurt, seen from its target.
func frontOut() []harm  { return []harm{{front, true, false}} }
func frontIn() []harm   { return []harm{{front, false, true}} }
func frontBoth() []harm { return []harm{{front, true, true}} }
func cableOut() []harm  { return []harm{{cable, true, false}} }
func cableBoth() []harm { return []harm{{cable, true, true}} }
func allBoth() []harm   { return []harm{{front, true, true}, {cable, true, true}} }

// kinds are all sorts of faults, in the order of the tables.
func kinds() []kind {
	const s = time.Second
	return append([]kind{
		{name: "kill", words: "daemon killed (SIGKILL), restarted later", most: 8 * s, claim: "life", takes: true, stops: true, begin: (*night).kill},
		{name: "hang", words: "daemon stopped (SIGSTOP)", most: 6 * s, claim: "life", takes: true, stops: true, begin: (*night).hang},
		{name: "pause", words: "all processes of a node frozen", most: 6 * s, claim: "life", takes: true, stops: true, begin: (*night).pause},
		{name: "power", words: "power loss of a node", most: 6 * s, claim: "life", takes: true, stops: true, begin: (*night).power},
		{name: kindPowerBoth, words: "power loss of both, both back at the same instant", both: true, most: 3 * s, claim: "life", stops: true, begin: (*night).powerBoth},
		{name: kindPowerLate, words: "power loss of both, one returns first", most: 10 * s, claim: "life", stops: true, begin: (*night).powerLate},
		{name: kindFull, words: "state directory full", most: 8 * s, claim: "disk", takes: true, begin: (*night).full},
		{name: "hog", words: "four CPU hogs", most: 5 * s, claim: "cpu", takes: true, begin: (*night).hog},
		{name: kindStranger, words: "a stranger takes the address", both: true, most: 4 * s, claim: kindStranger, begin: (*night).stranger},
		{name: kindGateway, words: "gateway dead", both: true, most: 6 * s, claim: kindGateway, begin: (*night).gateway},
		{name: "standby", words: "operator: standby, and online again", most: 5 * s, claim: "order", takes: true, begin: (*night).standby},
		{name: kindMove, words: "operator: move", most: s, claim: "order", takes: true, begin: (*night).move},
	}, networkKinds()...)
}

// networkKinds are the faults of cables and switches.
func networkKinds() []kind {
	const s = time.Second
	return []kind{
		{name: "unplug-front", words: "front: carrier lost", most: 6 * s, claim: front, harms: frontBoth(), takes: true, begin: unplug(front)},
		{name: "unplug-cable", words: "cross-over: carrier lost", most: 6 * s, claim: cable, harms: cableBoth(), takes: true, begin: unplug(cable)},
		{name: "down-front", words: "front: interface set down", most: 6 * s, claim: front, harms: frontBoth(), takes: true, begin: down(front)},
		{name: "down-cable", words: "cross-over: interface set down", most: 6 * s, claim: cable, harms: cableBoth(), takes: true, begin: down(cable)},
		{name: "cut-front", words: "front: silent, both ways", most: 6 * s, harms: frontBoth(), drops: "all"},
		{name: "cut-front-out", words: "front: cannot send", most: 6 * s, harms: frontOut(), drops: "all"},
		{name: "cut-front-in", words: "front: cannot receive", most: 6 * s, harms: frontIn(), drops: "all"},
		{name: "cut-cable", words: "cross-over: silent, both ways", most: 6 * s, harms: cableBoth(), drops: "all", takes: true},
		{name: "cut-cable-out", words: "cross-over: silent, one way", most: 6 * s, harms: cableOut(), drops: "all", takes: true},
		{name: "loss-front-out", words: "front: loses 5-90 % of what it sends", most: 6 * s, harms: frontOut(), drops: "some"},
		{name: "loss-front-in", words: "front: loses 5-90 % of what it receives", most: 6 * s, harms: frontIn(), drops: "some"},
		{name: "loss-cable-out", words: "cross-over: loses 5-90 %, one way", most: 8 * s, harms: cableOut(), drops: "some", takes: true},
		{name: "loss-all", words: "front and cross-over: lose 5-90 %", most: 6 * s, harms: allBoth(), drops: "some"},
		{name: "delay-cable", words: "cross-over: delays and reorders up to 1.5 s", both: true, most: 8 * s, claim: cable, harms: cableBoth(), takes: true, begin: (*night).delay},
		{name: "beats", words: "a firewall eats all heartbeats, and nothing else", most: 8 * s, harms: allBoth(), drops: "beats", takes: true},
		{name: "isolate", words: "front: the nodes do not see each other, the client sees both", both: true, most: 6 * s, claim: "switch", harms: frontBoth(), apart: true, takes: true, begin: (*night).isolate},
		{name: "alone", words: "a node cut off from everything", most: 6 * s, harms: allBoth(), drops: "all"},
		{name: "split", words: "front and cross-over cut between the nodes, the client sees both (undecidable)", both: true, most: 6 * s, claim: "switch", harms: allBoth(), apart: true, takes: true, begin: (*night).split},
	}
}

// kindOf finds a kind by its name.
func kindOf(name string) (kind, bool) {
	for _, k := range kinds() {
		if k.name == name {
			return k, true
		}
	}
	return kind{}, false
}
