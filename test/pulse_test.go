package test

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"lubdub/internal/lab"
)

// pulse measures how busy the machine is: how much too late what should be done at a time is done, and how many wait for a core.
type pulse struct {
	mu          sync.Mutex // guards what follows
	worst       time.Duration
	ready, look int // how many were ready to run, all in all, and how often was looked
}

// newPulse beats until the test ends.
func newPulse(t *testing.T) *pulse {
	p := &pulse{}
	end := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		const pace = 10 * time.Millisecond
		tick := time.NewTicker(pace)
		defer tick.Stop()
		for last := lab.Now(); ; {
			select {
			case <-end:
				return
			case <-tick.C:
			}
			now := lab.Now()
			p.late(now - last - pace)
			last = now
			p.count()
		}
	})
	t.Cleanup(func() { close(end); ended.Wait() })
	return p
}

// late notes that something was done so much too late.
func (p *pulse) late(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.worst = max(p.worst, d)
}

// begin forgets what was before.
func (p *pulse) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.worst, p.ready, p.look = 0, 0, 0
}

// count looks how many are ready to run: the fourth word of the kernel's load.
func (p *pulse) count() {
	var load [3]float64
	var ready int
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return
	}
	if _, err := fmt.Sscanf(string(text), "%f %f %f %d/", &load[0], &load[1], &load[2], &ready); err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready += ready
	p.look++
}

// crowd is how many ready processes a core may have, on average, if a daemon is to start and to decide in its time.
const crowd = 3

// spoiled says why the machine was too busy for what is to be judged; empty: it was not.
func (p *pulse) spoiled() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if mean := p.ready / max(1, p.look); mean > crowd*runtime.NumCPU() {
		return fmt.Sprintf("the machine is too busy: %d processes wait for %d cores", mean, runtime.NumCPU())
	}
	if p.worst > blink {
		return fmt.Sprintf("the machine is too busy: it does things %v late", round(p.worst))
	}
	return ""
}
