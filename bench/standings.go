package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// standing is a product with all its nights.
type standing struct {
	who contestant
	verdict
}

func (s *standing) add(v verdict) {
	if s.nights == 0 {
		s.verdict = v
		return
	}
	s.verdict.add(v)
}

// chaos prints the tables of docs/safety.md.
func (r report) chaos(ctx context.Context, w chaosWishes, all []standing) {
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		kernel = []byte("unknown")
	}
	r.printf("`go run ./bench chaos -minutes %d -seed %d -product %s`, %s; %d cores; Linux %s; load average %s at the end. %s.\n\n", w.minutes, w.seed, w.product,
		time.Now().UTC().Format("2006-01-02 15:04 MST"), runtime.NumCPU(), strings.TrimSpace(string(kernel)), loadAverage(), firstLine(ctx, w.binary, "version"))
	r.standings(all)
	for _, s := range all {
		r.outages(s)
	}
}

// standings prints a column for each product.
func (r report) standings(all []standing) {
	row := func(name string, cell func(standing) string) {
		r.printf("| %s |", name)
		for _, s := range all {
			r.printf(" %s |", cell(s))
		}
		r.printf("\n")
	}
	seconds := func(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
	row("", func(s standing) string { return s.who.title })
	r.printf("| --- |%s\n", strings.Repeat(" --- |", len(all)))
	row("minutes of chaos, nights", func(s standing) string { return fmt.Sprintf("%.1f, %d", s.watched.Minutes(), s.nights) })
	row("faults and orders (could not be done)", func(s standing) string { return fmt.Sprintf("%d (%d)", sum(s.faults), sum(s.failed)) })
	row("take-overs", func(s standing) string { return fmt.Sprint(s.failovers) })
	row("two nodes answered", func(s standing) string { return seconds(s.two) })
	row("of that, where something could tell the nodes apart", func(s standing) string { return "**" + seconds(s.promised) + "**" })
	row("longest time with two", func(s standing) string {
		longest := time.Duration(0)
		for _, d := range s.worst {
			longest = max(longest, d)
		}
		return seconds(longest)
	})
	row("nobody answered", func(s standing) string { return seconds(s.none) })
	row("the storage ran on both nodes", func(s standing) string { return seconds(s.twice) })
	row("daemons that ended by themselves, rebooted machines", func(s standing) string { return fmt.Sprint(s.deaths) })
	row("broken promises", func(s standing) string { return fmt.Sprint(len(s.broken)) })
}

func sum(of map[string]int) (total int) {
	for n := range maps.Values(of) {
		total += n
	}
	return total
}

// outages prints a row for each kind of fault.
func (r report) outages(s standing) {
	r.printf("\n### %s: what each fault did\n\n", s.who.title)
	r.printf("| fault | times | of them alone | longest gap for a client: p50 | p99 | max | two answered, longest |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, k := range kinds() {
		for _, ping := range []string{"", withPing} {
			name, words := k.name+ping, k.words
			if ping != "" {
				words += ", with a ping node"
			}
			if times := s.faults[name]; times > 0 {
				r.outage(words, fmt.Sprint(times), s.outages[name], s.worst[name])
			}
		}
	}
	if gaps, overlap := s.outages[several], s.worst[several]; len(gaps) > 0 || overlap > 0 {
		r.outage("faults that overlap: gaps above "+ms(lull)+" ms", "", gaps, overlap)
	}
}

// rank is the smallest of sorted values that so many of 100 do not exceed.
func rank(sorted []time.Duration, percent int) time.Duration {
	return sorted[max(0, (len(sorted)*percent+99)/100-1)]
}

func (r report) outage(words, times string, gaps []time.Duration, overlap time.Duration) {
	p50, p99, longest := "–", "–", "–"
	if slices.Sort(gaps); len(gaps) > 0 {
		at := func(percent int) string { return ms(rank(gaps, percent)) + " ms" }
		p50, p99, longest = at(50), at(99), at(100)
	}
	two := "–"
	if overlap > 0 {
		two = ms(overlap) + " ms"
	}
	r.printf("| %s | %s | %d | %s | %s | %s | %s |\n", words, times, len(gaps), p50, p99, longest, two)
}
