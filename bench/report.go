package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report prints Markdown.
type report struct {
	out io.Writer
}

func (r report) printf(format string, args ...any) { fmt.Fprintf(r.out, format, args...) }

// machine says where this was measured.
func (r report) machine(ctx context.Context, w wishes) {
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		kernel = []byte("unknown")
	}
	r.printf("%s; %d cores; Linux %s; %s; %d repetitions.\n", time.Now().UTC().Format("2006-01-02 15:04 MST"), runtime.NumCPU(),
		strings.TrimSpace(string(kernel)), runtime.Version(), w.reps)
	r.printf("Measured: %s; %s; Heartbeat %s.\n\nLoad average (1, 5, 15 minutes) before each series:\n\n",
		firstLine(ctx, w.binary, "version"), firstLine(ctx, "/usr/sbin/keepalived", "--version"), firstLine(ctx, heartbeatProgram, "-V"))
}

// firstLine is the first line that a program prints, or that it is missing.
func firstLine(ctx context.Context, program string, args ...string) string {
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	line, _, _ := strings.Cut(string(out), "\n")
	if line == "" && err != nil {
		return program + " is missing"
	}
	return line
}

// begins notes the load before a series.
func (r report) begins(name string) { r.printf("- %s: %s\n", name, loadAverage()) }

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}

// moves prints a table for each scenario.
func (r report) moves(all []result) {
	for _, scenario := range scenarios() {
		here := chosen(all, func(x result) bool { return x.scenario == scenario })
		if len(here) == 0 {
			continue
		}
		r.printf("\n## %s\n\n", strings.ToUpper(scenario[:1])+scenario[1:])
		r.printf("| product | datagrams: silence at the switch, ms | median | longest gap (calm), ms | median | pages: longest gap (calm), ms | median | failed pages (calm) | lost datagrams (calm) | order to new owner's answer, ms |\n")
		r.printf("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
		for _, name := range names(here) {
			r.row(name, chosen(here, func(x result) bool { return x.series == name }))
		}
		r.troubles(here)
	}
}

// names are the series in the order in which they ran.
func names(all []result) []string {
	var out []string
	for _, x := range all {
		if !slices.Contains(out, x.series) {
			out = append(out, x.series)
		}
	}
	return out
}

// row prints what one series saw in one scenario.
func (r report) row(name string, all []result) {
	var served, silence []time.Duration
	for _, x := range all {
		served, silence = append(served, x.served), append(silence, x.silence)
	}
	r.printf("| %s | %s | **%s** | %s | %s | %s | %s | %s | %s | %s |\n", name, list(silence), list([]time.Duration{median(silence)}), gaps(all, datagrams), medianGap(all, datagrams), gaps(all, page), medianGap(all, page),
		lost(all, page), lost(all, datagrams), list(served))
}

// gaps lists each repetition's gap with that of its calm.
func gaps(all []result, of func(result) seen) string {
	var out []string
	for _, x := range all {
		if x.unseen {
			out = append(out, "none: failed")
			continue
		}
		out = append(out, fmt.Sprintf("%s (%s)", ms(of(x).gap), ms(of(x).calm)))
	}
	return strings.Join(out, ", ")
}

// medianGap is the median of the gaps, with that of the calms.
func medianGap(all []result, of func(result) seen) string {
	var gap, calm []time.Duration
	for _, x := range all {
		if !x.unseen {
			gap, calm = append(gap, of(x).gap), append(calm, of(x).calm)
		}
	}
	if len(gap) == 0 {
		return "none"
	}
	return fmt.Sprintf("**%s** (%s)", ms(median(gap)), ms(median(calm)))
}

// lost adds up what failed, with what failed in the calms.
func lost(all []result, of func(result) seen) string {
	failed, requests, calm := 0, 0, 0
	for _, x := range all {
		failed, requests, calm = failed+of(x).failed, requests+of(x).requests, calm+of(x).calmFailed
	}
	return fmt.Sprintf("%d of %d (%d)", failed, requests, calm)
}

// troubles says below a table why requests failed, and which steps did not end as they must.
func (r report) troubles(all []result) {
	first := true
	for _, name := range names(all) {
		why := map[string]int{}
		for _, x := range all {
			if x.series != name {
				continue
			}
			for cause, n := range x.page.why {
				why[cause] += n
			}
			if x.err != nil {
				why["STEP FAILED: "+x.err.Error()]++
			}
		}
		for _, cause := range slices.Sorted(maps.Keys(why)) {
			if first {
				r.printf("\n")
				first = false
			}
			r.printf("- %s: %d × %s\n", name, why[cause], strings.Join(strings.Fields(cause), " "))
		}
	}
}

// decisions prints how long lubdub took from its decision to the first announcement.
func (r report) decisions(all []result) {
	all = chosen(all, func(x result) bool { return x.decided >= 0 })
	if len(all) == 0 {
		return
	}
	r.printf("\n## From decided to the first announcement\n\nFrom the event that lubdub records (\"takes web\") to the first gratuitous ARP that tcpdump saw on the client's port.\n\n")
	r.printf("| series | scenario | ms | median |\n| --- | --- | --- | --- |\n")
	for _, name := range names(all) {
		for _, scenario := range scenarios() {
			var took []time.Duration
			for _, x := range all {
				if x.series == name && x.scenario == scenario {
					took = append(took, x.decided)
				}
			}
			if len(took) > 0 {
				r.printf("| %s | %s | %s | **%s** |\n", name, scenario, list(took), ms(median(took)))
			}
		}
	}
}

// list prints durations in milliseconds; a negative one never came, and with none there was nothing to come.
func list(all []time.Duration) string {
	var out []string
	for _, d := range all {
		switch {
		case d < 0:
			out = append(out, "never")
		case d == 0:
			out = append(out, "–")
		default:
			out = append(out, ms(d))
		}
	}
	return strings.Join(out, ", ")
}

// shorter orders durations; a negative one never came, and is the longest.
func shorter(a, b time.Duration) int {
	if (a < 0) != (b < 0) {
		return cmp.Compare(b, a)
	}
	return cmp.Compare(a, b)
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond)) }

// median of an even number is the mean of the two in the middle. What never came is longer than all that did.
func median(all []time.Duration) time.Duration {
	s := slices.SortedFunc(slices.Values(all), shorter)
	if s[(len(s)-1)/2] < 0 || s[len(s)/2] < 0 {
		return -1
	}
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
