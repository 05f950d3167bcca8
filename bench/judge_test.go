package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, test := range []struct{ in, want []time.Duration }{
		{[]time.Duration{7}, []time.Duration{7}},
		{[]time.Duration{9, 1, 5}, []time.Duration{5}},
		{[]time.Duration{8, 2, 4, 100}, []time.Duration{6}},
		{[]time.Duration{-1, 2, 4}, []time.Duration{4}},
		{[]time.Duration{-1, 2}, []time.Duration{-1}},
	} {
		if got := median(test.in); got != test.want[0] {
			t.Errorf("median of %v: got %v, want %v", test.in, got, test.want[0])
		}
	}
}

func TestFirstAfter(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(ms ...int) (all []time.Time) {
		for _, n := range ms {
			all = append(all, start.Add(time.Duration(n)*time.Millisecond))
		}
		return all
	}
	tests := []struct {
		name               string
		decided, announced []time.Time
		moment             time.Time
		want               time.Duration
	}{
		{"nothing", nil, nil, start, -1},
		{"plain", at(10), at(5, 12, 20), start, 2 * time.Millisecond},
		{"an earlier decision is another move's", at(10, 50), at(12, 53), at(40)[0], 3 * time.Millisecond},
		{"never announced", at(10), at(5), start, -1},
	}
	for _, test := range tests {
		if got := firstAfter(test.decided, test.announced, test.moment); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

func TestInto(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page")
	for _, test := range []struct{ name, page, want string }{
		{"first run", "head\n" + beginMark + endMark + "tail\n", "head\n" + beginMark + "\nnew\n\n" + endMark + "tail\n"},
		{"later run", "head\n" + beginMark + "old\n" + endMark, "head\n" + beginMark + "\nnew\n\n" + endMark},
		{"no place", "head\n" + beginMark, ""},
	} {
		if err := os.WriteFile(path, []byte(test.page), 0o600); err != nil {
			t.Fatal(err)
		}
		err := into(path, beginMark, endMark, "\nnew\n")
		if test.want == "" {
			if err == nil || !strings.Contains(err.Error(), "lacks the lines") {
				t.Errorf("%s: got %v, want what the page lacks", test.name, err)
			}
			continue
		}
		got, readErr := os.ReadFile(path)
		if err != nil || readErr != nil || string(got) != test.want {
			t.Errorf("%s: got %q, %v, %v; want %q", test.name, got, err, readErr, test.want)
		}
	}
}
