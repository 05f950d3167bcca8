package config

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// The time-out is the longest that resets this node before the other one takes
// over, in whole seconds, and never so short that one lost heartbeat resets it.
func TestWatchdogTimeout(t *testing.T) {
	const second, milli = time.Second, time.Millisecond
	tests := []struct {
		keepalive, deadtime string
		wanted              time.Duration
		quick               bool
	}{
		{"250ms", "2", second, true},
		{"250ms", "10", 9 * second, true},
		{"1", "30", 28 * second, true},
		{"250ms", "1250ms", second, false},
		{"250ms", "1450ms", second, true},
		{"250ms", "1427ms", second, true},  // to the millisecond: 1 s + 375 ms + 50 ms, and the clocks
		{"250ms", "1426ms", second, false}, // what is left is less than the clocks may differ
		{"500ms", "2", 2 * second, false},  // 1 s would be two keepalives
		{"500ms", "4", 3 * second, true},
		{"1", "5", 3 * second, true},
		{"2", "10", 6 * second, true},
	}
	for _, test := range tests {
		t.Run(test.keepalive+" "+test.deadtime, func(t *testing.T) {
			files := goodFiles()
			files.HaCF = fmt.Appendf(nil, "node alpha beta\nkeepalive %s\ndeadtime %s\nbcast eth1\nauto_failback off\nwatchdog /dev/watchdog\n", test.keepalive, test.deadtime)
			files.LubdubConf = []byte("watchdog required\n")
			l, problems := Parse(files, machine())
			if l == nil {
				t.Fatal(problems)
			}
			w := l.Watchdog
			if w.Wanted != test.wanted || w.Device != "/dev/watchdog" || !w.Required {
				t.Errorf("got %+v, want a time-out of %v", w, test.wanted)
			}
			h, d := l.Config.Keepalive, l.Config.DeadTime
			// Inequality 2 of docs/watchdog.md, in the words of the page.
			if quick := w.Wanted+3*h/2+50*milli <= d-d/1000; quick != test.quick {
				t.Errorf("a time-out of %v is quick enough: %v, want %v", w.Wanted, quick, test.quick)
			}
			if warned := strings.Contains(printed(problems), "no watchdog is quick enough"); warned == test.quick {
				t.Errorf("warned: %v, want %v", warned, !test.quick)
			}
		})
	}
	if l, _ := Parse(goodFiles(), machine()); l.Watchdog != (Watchdog{}) {
		t.Errorf("without a line: %+v", l.Watchdog)
	}
}
