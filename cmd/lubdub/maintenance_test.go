package main

import (
	"strings"
	"testing"
	"time"
)

func TestSpanUntil(t *testing.T) {
	now := time.Date(2026, 3, 1, 22, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"22:30": 30 * time.Minute, "22:00": 24 * time.Hour, "06:00": 8 * time.Hour, "00:00": 2 * time.Hour,
	} {
		if got, err := spanUntil(text, now); err != nil || got != want {
			t.Errorf("%s: got %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "6", "25:00", "tomorrow", "06:00:00"} {
		if _, err := spanUntil(text, now); err == nil || !strings.Contains(err.Error(), "06:00") {
			t.Errorf("%q: got %v, want an error that shows how it is written", text, err)
		}
	}
}
