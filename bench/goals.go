package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The aims, in milliseconds as a client sees them.
const (
	aimPlanned   = 5 * time.Millisecond
	aimOverhead  = 20 * time.Millisecond // over the dead time, at a power loss
	aimAnnounced = 5 * time.Millisecond
	aimWorker    = 100 * time.Millisecond
)

// goals sets what was measured beside what was wanted. Moves are judged by the silence at the switch: what the move itself costs.
func (r report) goals(all []result) {
	mine := chosen(all, func(x result) bool { return strings.HasPrefix(x.series, "lubdub "+usualSetting) })
	if len(mine) == 0 {
		return
	}
	r.printf("\n## Goals\n\n| goal | measured | reached |\n| --- | --- | --- |\n")
	moved := chosen(mine, func(x result) bool { return x.scenario != powerLoss && x.scenario != workerKilled })
	broken := len(chosen(moved, func(x result) bool { return x.err != nil || x.page.failed > 0 }))
	r.goal(fmt.Sprintf("no failed page in %d planned warm moves", len(moved)), lost(moved, page)+fmt.Sprintf(" pages; moves with a failure: %d", broken), broken == 0)
	for _, scenario := range []string{planned, cleanStop, plannedBack, stopBack, powerBack} {
		r.ahead(all, mine, "", scenario)
	}
	r.ahead(all, mine, "Heartbeat "+usualSetting, powerLoss)
	r.ahead(all, chosen(all, func(x result) bool { return strings.HasPrefix(x.series, "lubdub 25 ms / 100 ms") }), "Heartbeat 20 ms / 100 ms", powerLoss)
	r.within("planned moves", moved, aimPlanned, silenceOf)
	r.within("power loss at "+usualSetting, chosen(mine, func(x result) bool { return x.scenario == powerLoss }), usual().dead+aimOverhead, silenceOf)
	r.within("from decided to the first announcement", chosen(mine, func(x result) bool { return x.decided >= 0 }), aimAnnounced, func(x result) time.Duration { return x.decided })
	r.within("dead proxy worker", chosen(mine, func(x result) bool { return x.scenario == workerKilled }), aimWorker, func(x result) time.Duration { return x.page.gap })
}

func (r report) goal(what, measured string, reached bool) {
	r.printf("| %s | %s | %s |\n", what, measured, map[bool]string{true: "yes", false: "**no**"}[reached])
}

// ahead compares the medians of one scenario with those of each peer, or of the one that is named.
func (r report) ahead(all, mine []result, peer, scenario string) {
	here := func(x result) bool { return x.scenario == scenario && !x.unseen }
	ours, others := chosen(mine, here), chosen(all, func(x result) bool {
		return here(x) && strings.HasPrefix(x.series, peer) && !strings.HasPrefix(x.series, "lubdub ")
	})
	if len(ours) == 0 || len(others) == 0 {
		return
	}
	own := medianOf(ours, silenceOf)
	text, reached := ours[0].series+": "+list([]time.Duration{own}), true
	for _, name := range names(others) {
		theirs := medianOf(chosen(others, func(x result) bool { return x.series == name }), silenceOf)
		text += fmt.Sprintf("; %s: %s", name, list([]time.Duration{theirs}))
		reached = reached && shorter(own, theirs) < 0
	}
	r.goal("ahead of the peers' medians: "+scenario, text, reached)
}

// within compares a median with an aim.
func (r report) within(what string, all []result, aim time.Duration, of func(result) time.Duration) {
	all = chosen(all, func(x result) bool { return !x.unseen })
	if len(all) == 0 {
		return
	}
	longest := of(slices.MaxFunc(all, func(a, b result) int { return shorter(of(a), of(b)) }))
	m := medianOf(all, of)
	r.goal(fmt.Sprintf("%s: %s ms", what, ms(aim)), fmt.Sprintf("median %s, longest %s", list([]time.Duration{m}), list([]time.Duration{longest})), m >= 0 && m <= aim)
}

func page(x result) seen               { return x.page }
func datagrams(x result) seen          { return x.udp }
func silenceOf(x result) time.Duration { return x.silence }

func chosen(all []result, which func(result) bool) []result {
	return slices.DeleteFunc(slices.Clone(all), func(x result) bool { return !which(x) })
}

func medianOf(all []result, of func(result) time.Duration) time.Duration {
	var values []time.Duration
	for _, x := range all {
		values = append(values, of(x))
	}
	return median(values)
}
