package main

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"lubdub/internal/lab"
)

// seen is what one kind of client noticed in a window.
type seen struct {
	gap, calm        time.Duration // the longest time without an answer; the same in a calm as long
	requests, failed int
	calmFailed       int
	why              map[string]int // the errors, and how often
}

// result is one step of one repetition.
type result struct {
	scenario  string
	series    string
	page, udp seen
	served    time.Duration // from the order to the new owner's first answer; negative: never
	silence   time.Duration // that the first answer of the new owner ended; negative: it never came
	decided   time.Duration // from lubdub's decision to the first announcement; negative: not known
	err       error
	unseen    bool // the repetition did not get so far; err says why
}

// judge sets every step beside the calm.
func (w *world) judge(ctx context.Context, s series, calm time.Duration, marks []mark) ([]result, error) {
	wall := time.Now().Add(-lab.Now()) // the wall clock's time when the boot clock began
	announced, err := w.announcements(ctx)
	if err != nil {
		return nil, err
	}
	var results []result
	for _, m := range marks {
		r := result{
			scenario: m.scenario, series: s.name(), err: m.err, decided: -1,
			page: look(w.page, calm, m), udp: look(w.udp, calm, m),
		}
		if m.scenario != workerKilled { // nothing moves there
			r.served, r.silence = w.moved(m)
		}
		if _, isOurs := s.product.(ours); isOurs && m.err == nil {
			_, mac := w.lab.Host(m.to).Interface("front")
			times, err := decisions(w.lab.Host(m.to))
			if err != nil {
				return nil, err
			}
			r.decided = firstAfter(times, announced[mac], wall.Add(m.at))
		}
		results = append(results, r)
	}
	return results, nil
}

// look summarizes a load in the window of a step, and in the calm.
func look(l *lab.Load, calm time.Duration, m mark) seen {
	during, control := l.Summary(m.at, m.at+m.window), l.Summary(calm, calm+m.window)
	s := seen{gap: during.Gap.Duration(), calm: control.Gap.Duration(), requests: during.Requests, failed: during.Failed, calmFailed: control.Failed, why: map[string]int{}}
	for _, r := range l.Requests(m.at, m.at+m.window) {
		if r.Err != "" {
			s.why[r.Err]++
		}
	}
	return s
}

// moved finds the first datagram that the new owner answered: how long after the order that was, and how long nobody had
// answered before it. Both are negative when it never came.
func (w *world) moved(m mark) (served, silence time.Duration) {
	const before = time.Second // the last answer ahead of the order lies in it
	first, last := time.Duration(-1), time.Duration(-1)
	answered := w.udp.Requests(m.at-before, m.at+m.window)
	answered = slices.DeleteFunc(answered, func(r lab.Request) bool { return r.Err != "" })
	slices.SortFunc(answered, func(a, b lab.Request) int { return cmp.Compare(a.At+a.Latency, b.At+b.Latency) })
	for _, r := range answered {
		at := r.At + r.Latency
		if r.Server == m.to && at >= m.at {
			first = at
			break
		}
		last = at
	}
	if first < 0 || last < 0 {
		return -1, -1
	}
	return first - m.at, first - last
}

// announcements are the moments, by the wall clock, at which each MAC address announced the shared address to the client.
func (w *world) announcements(ctx context.Context) (map[string][]time.Time, error) {
	rows, err := w.capture.Fields(ctx, "arp.isgratuitous==1 && arp.src.proto_ipv4=="+shared, "frame.time_epoch", "eth.src")
	if err != nil {
		return nil, err
	}
	at := map[string][]time.Time{}
	for _, row := range rows {
		seconds, fraction, _ := strings.Cut(row[0], ".")
		s, err := strconv.ParseInt(seconds, 10, 64)
		if err != nil {
			return nil, err
		}
		ns, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
		if err != nil {
			return nil, err
		}
		at[row[1]] = append(at[row[1]], time.Unix(s, ns))
	}
	return at, nil
}

// firstAfter is the time from the first decision after a moment to the first announcement after that.
func firstAfter(decisions, announcements []time.Time, moment time.Time) time.Duration {
	for _, d := range decisions {
		if d.Before(moment) {
			continue
		}
		for _, a := range announcements {
			if !a.Before(d) {
				return a.Sub(d)
			}
		}
	}
	return -1
}
