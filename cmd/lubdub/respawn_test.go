package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"lubdub/internal/api"
)

func TestBeforeWords(t *testing.T) {
	at := time.Unix(1000000, 0)
	for _, c := range []struct {
		lived  time.Duration
		before api.Before
		want   string
	}{
		{time.Minute, api.Before{}, ""},
		{time.Minute, api.Before{Build: "0.3.0", Away: 180 * time.Millisecond}, ", back after 180ms"},
		{time.Minute, api.Before{Build: "0.2.0", Away: 3 * time.Second}, ", in place of 0.2.0, back after 3s"},
		{time.Minute, api.Before{Build: "0.2.0"}, ", in place of 0.2.0"},
		{2 * time.Hour, api.Before{Build: "0.2.0", Away: 3 * time.Second}, ""},
	} {
		s := api.Status{Build: "0.3.0", Before: c.before, At: at, Started: at.Add(-c.lived)}
		if got := beforeWords(s); got != c.want {
			t.Errorf("%+v after %v: %q, want %q", c.before, c.lived, got, c.want)
		}
	}
}

// A panic ends a Go program with status 2: it is started again.
func TestFinal(t *testing.T) {
	if got := final(); !slices.Equal(got, []int{exitDone, exitConfig}) || slices.Contains(got, 2) {
		t.Errorf("another start does not mend %v", got)
	}
}

// The unit says of restarts what the program means by its signals and statuses.
func TestUnitRestarts(t *testing.T) {
	text, err := os.ReadFile("../../dist/lubdub.service")
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			lines[name] = value
		}
	}
	for name, want := range map[string]string{
		"KillMode": "process", "SendSIGKILL": "no", "KillSignal": "SIGTERM", "RestartKillSignal": "SIGQUIT",
		"Restart": "on-failure", "RestartForceExitStatus": "7", "SuccessExitStatus": "7", "RestartPreventExitStatus": "6",
	} {
		if lines[name] != want {
			t.Errorf("%s=%s, want %s", name, lines[name], want)
		}
	}
	if exitAgain != 7 || exitConfig != 6 {
		t.Errorf("the unit knows the statuses 7 and 6, the program %d and %d", exitAgain, exitConfig)
	}
	if pause, err := time.ParseDuration(lines["RestartSec"]); err != nil || pause > 100*time.Millisecond {
		t.Errorf("RestartSec=%s leaves no time to start within 200 ms", lines["RestartSec"])
	}
}
