package lab

import (
	"encoding/json"
	"io"
	"sync"
	"time"
)

// maxRecords bounds what an instrument keeps; later records are dropped: more than an hour of datagrams each 2 ms, about 200 MB.
const maxRecords = 2_000_000

// Span is a stretch of boot time.
type Span struct{ From, To time.Duration }

// Duration returns how long the span is.
func (s Span) Duration() time.Duration { return s.To - s.From }

// feed collects what an instrument on a host reports, until it ends.
type feed[T any] struct {
	process *Process
	done    chan struct{}

	mu      sync.Mutex // guards what follows
	records []T
	ended   time.Duration // when it was told to stop; 0 while it runs
}

// newFeed starts to collect from reports.
func newFeed[T any](p *Process, reports io.ReadCloser) *feed[T] {
	f := &feed[T]{process: p, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		defer reports.Close()
		scanLines(reports, f.add)
	}()
	return f
}

func (f *feed[T]) add(line []byte) {
	var record T
	err := json.Unmarshal(line, &record)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil && len(f.records) < maxRecords {
		f.records = append(f.records, record)
	}
}

// choose returns a copy of the records that keep chooses.
func (f *feed[T]) choose(keep func(T) bool) []T {
	f.mu.Lock()
	defer f.mu.Unlock()
	var chosen []T
	for _, r := range f.records {
		if keep(r) {
			chosen = append(chosen, r)
		}
	}
	return chosen
}

// view calls look with all records so far, which it must not keep, and the time up to which they tell.
func (f *feed[T]) view(look func(records []T, until time.Duration)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	until := f.ended
	if until == 0 {
		until = Now()
	}
	look(f.records, until)
}

// stop ends the instrument and returns when all it recorded has arrived.
func (f *feed[T]) stop() {
	f.mu.Lock()
	if f.ended == 0 {
		f.ended = Now()
	}
	f.mu.Unlock()
	f.process.stop()
	<-f.done
}
