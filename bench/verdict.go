package main

import (
	"fmt"
	"slices"
	"time"

	"lubdub/internal/lab"
)

// verdict is what the judges saw in one night, or in several.
type verdict struct {
	watched   time.Duration
	nights    int
	faults    map[string]int
	failed    map[string]int // faults that could not be brought about or ended
	failovers int
	none      time.Duration
	two       time.Duration // all of it
	promised  time.Duration // of that, in cases in which it must not be
	twice     time.Duration // the storage ran on both nodes
	deaths    int
	worst     map[string]time.Duration   // the longest overlap, by kind; storms under several
	outages   map[string][]time.Duration // by kind
	broken    []breach

	spans, split []lab.Span // of one night: two answered; nothing could tell the nodes apart
}

// breach is a broken promise.
type breach struct {
	at    time.Duration
	words string
}

// several is the row of the storms, in which a gap has no single cause.
const several = "several"

// outageSlack is what a busy machine may add to an outage.
const outageSlack = 4 * time.Second

// allowed is how long the service may be away in the window of a fault that came alone.
func allowed(h happening) time.Duration {
	d := stormDead + outageSlack
	switch {
	case h.kind.name == kindPowerBoth || h.kind.name == kindPowerLate:
		return h.length + stormInitDead + d
	case h.kind.name == kindStranger:
		return h.length + recovery // the client's memory of the stranger
	case !h.kind.takes:
		return h.length + d
	}
	return d
}

// judge looks at a night that has ended.
func (n *night) judge() (verdict, []claim, error) {
	v := verdict{nights: 1, faults: map[string]int{}, failed: map[string]int{}, worst: map[string]time.Duration{}, outages: map[string][]time.Duration{}}
	whole := lab.Span{From: n.began, To: n.calm.To}
	v.watched, v.deaths = whole.Duration(), len(n.deaths)
	_, asker := n.lab.Host(client).Interface(front)
	all, err := readClaims(n.capture.File, asker, n.wall)
	if err != nil {
		return v, nil, err
	}
	macs := n.macs()
	seen := slices.DeleteFunc(slices.Clone(all), func(c claim) bool { return !c.question && macs[c.mac] == "" })
	for _, h := range n.happened {
		v.faults[n.row(h)]++
		if h.err != nil {
			v.failed[n.row(h)]++
		}
	}
	splits := undecidable(n.happened, n.setup.ping)
	two := overlaps(seen, false)
	v.spans, v.split = append(overlaps(seen, true), two...), splits
	v.failovers = max(0, len(changes(seen, two))-1)
	for _, s := range v.spans {
		n.judgeOverlap(&v, s, splits)
	}
	for _, s := range two {
		v.two += lengthOf(s)
	}
	n.judgeOutages(&v, seen)
	if err := n.judgeStorage(&v, splits); err != nil {
		return v, all, err
	}
	n.judgeCalm(&v, seen)
	return v, all, nil
}

// macs are the names of the nodes by their hardware addresses.
func (n *night) macs() map[string]string {
	names := map[string]string{}
	for _, node := range []string{owner, other} {
		_, mac := n.lab.Host(node).Interface(front)
		names[mac] = node
	}
	return names
}

func (n *night) judgeOverlap(v *verdict, s lab.Span, splits []lab.Span) {
	row := n.cause(s.From)
	v.worst[row] = max(v.worst[row], lengthOf(s))
	if excused(s, splits) {
		return
	}
	v.promised += lengthOf(s)
	v.broken = append(v.broken, breach{s.From, fmt.Sprintf("two nodes answered for %v", lengthOf(s).Round(time.Millisecond))})
}

// cause is the row of the table to which a moment belongs.
func (n *night) cause(at time.Duration) string {
	for i, w := range n.windows {
		if w.From <= at && at < w.To {
			return n.row(n.happened[i])
		}
	}
	return several
}

// withPing ends the name of a row in which a ping node was configured.
const withPing = " ping"

// row names the row of a fault: what silences the front is told apart by whether a ping node can show it.
func (n *night) row(h happening) string {
	if n.setup.ping && h.kind.drops == "all" && h.kind.harms[0].network == front {
		return h.kind.name + withPing
	}
	return h.kind.name
}

// judgeOutages measures how long nobody answered: ARP for the sum, the client's connections for each fault.
func (n *night) judgeOutages(v *verdict, seen []claim) {
	var answers []time.Duration
	for _, c := range seen {
		if !c.question && !c.announced && !c.six {
			answers = append(answers, c.at)
		}
	}
	whole := lab.Span{From: n.began, To: n.calm.To}
	for _, s := range silences(answers, whole) {
		v.none += s.Duration() - askPace
	}
	if !n.setup.single {
		v.outages[several] = n.gaps(whole)
		return
	}
	for i, w := range n.windows {
		h := n.happened[i]
		longest := n.page.Summary(w.From, w.To).Gap
		v.outages[n.row(h)] = append(v.outages[n.row(h)], longest.Duration())
		if most := allowed(h); longest.Duration() > most {
			v.broken = append(v.broken, breach{longest.From, fmt.Sprintf("%s: no answer for %v, at most %v are allowed", h.fault, longest.Duration().Round(time.Millisecond), most)})
		}
	}
}

// gaps are the times without an answered request.
func (n *night) gaps(within lab.Span) (all []time.Duration) {
	var answers []time.Duration
	for _, r := range n.page.Requests(within.From-time.Second, within.To) {
		if r.Err == "" {
			answers = append(answers, r.At+r.Latency)
		}
	}
	slices.Sort(answers)
	for _, s := range silences(answers, within) {
		all = append(all, s.Duration())
	}
	return all
}

func (n *night) judgeStorage(v *verdict, splits []lab.Span) error {
	entries, err := readStorage(n.storageLog())
	if err != nil {
		return err
	}
	cutOff := undecidable(n.happened, false) // a ping node guards the address: a mute owner's resources run on for a while (O5)
	for _, s := range runsTwice(entries, n.calm.To) {
		v.twice += s.Duration()
		if !mayRunTwice(s, n.happened, cutOff) {
			v.broken = append(v.broken, breach{s.From, fmt.Sprintf("the storage ran on both nodes for %v", s.Duration().Round(time.Millisecond))})
		}
	}
	if !n.who.epochs {
		return nil
	}
	for _, e := range goesBack(entries) {
		if s := (lab.Span{From: e.at, To: e.at}); !excused(s, splits) {
			v.broken = append(v.broken, breach{e.at, fmt.Sprintf("%s starts the storage with epoch %d, which is not above all before it", e.node, e.epoch)})
		}
	}
	return nil
}

// judgeCalm demands exactly one owner at the end of the calm, and that every heal led back to service.
func (n *night) judgeCalm(v *verdict, seen []claim) {
	for _, after := range n.unserved {
		v.broken = append(v.broken, breach{n.calm.From, fmt.Sprintf("nobody serves steadily within %v after: %s", recovery, after)})
	}
	for _, d := range n.deaths {
		v.broken = append(v.broken, breach{n.calm.From, d})
	}
	who := map[string]bool{}
	for _, c := range seen {
		if !c.question && !c.six && c.at >= n.calm.To-calmEnd && c.at < n.calm.To {
			who[c.mac] = true
		}
	}
	if len(who) != 1 && len(n.unserved) == 0 {
		v.broken = append(v.broken, breach{n.calm.From, fmt.Sprintf("%d nodes answer in the calm, want 1", len(who))})
	}
}

// add adds another night's verdict to this one.
func (v *verdict) add(o verdict) {
	v.watched, v.nights, v.failovers = v.watched+o.watched, v.nights+o.nights, v.failovers+o.failovers
	v.none, v.two, v.promised, v.twice, v.deaths = v.none+o.none, v.two+o.two, v.promised+o.promised, v.twice+o.twice, v.deaths+o.deaths
	for name, times := range o.faults {
		v.faults[name] += times
	}
	for name, times := range o.failed {
		v.failed[name] += times
	}
	for name, d := range o.worst {
		v.worst[name] = max(v.worst[name], d)
	}
	for name, all := range o.outages {
		v.outages[name] = append(v.outages[name], all...)
	}
	v.broken = append(v.broken, o.broken...)
}
