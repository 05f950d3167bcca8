package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lubdub/internal/api"
	"lubdub/internal/cluster"
)

func newRecord(t *testing.T, dir string) *record {
	t.Helper()
	r := openRecord(dir, 0xabc, func() cluster.Time { return 1000 })
	r.log = func(api.Event) {}
	r.trouble = func(err error) { t.Error(err) }
	return r
}

// drain writes what is queued, as run does at the end.
func drain(r *record) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r.run(ctx)
}

func TestEventsAreKeptAndRead(t *testing.T) {
	dir := t.TempDir()
	r := newRecord(t, dir)
	_, more := r.after("")
	r.add(cluster.Event{ID: 1, At: 900, Words: "first"})
	select {
	case <-more:
	default:
		t.Error("who follows was not told")
	}
	r.add(cluster.Event{ID: 2, Cause: 1, At: 950, Words: "second", Level: cluster.Alarm})
	drain(r)
	events, _ := newRecord(t, dir).after("abc.1")
	if len(events) != 1 || events[0].Words != "second" || events[0].Cause != "abc.1" {
		t.Errorf("behind the first: %+v, want the second", events)
	}
	if all, _ := newRecord(t, dir).after("unknown"); len(all) != 2 {
		t.Errorf("behind an unknown event: %d events, want all", len(all))
	}
}

func TestMemoryAndFileAreBounded(t *testing.T) {
	dir := t.TempDir()
	r := newRecord(t, dir)
	long := strings.Repeat("x", 8<<10)
	for i := range 3 * maxEventFile / len(long) {
		r.add(cluster.Event{ID: uint64(i + 1), Words: long})
		drain(r)
	}
	if events, _ := r.after(""); len(events) > keptEvents {
		t.Errorf("%d events in memory, want at most %d", len(events), keptEvents)
	}
	for _, name := range []string{eventFile, eventFile + ".1"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Size() > maxEventFile {
			t.Errorf("%s: %v bytes (%v), want at most %d", name, info.Size(), err, maxEventFile)
		}
	}
}

func TestAFullDiskIsSaidOnce(t *testing.T) {
	dir := t.TempDir()
	r := newRecord(t, dir)
	var said []error
	r.trouble = func(err error) { said = append(said, err) }
	r.path = filepath.Join(dir, "gone", eventFile)
	for i := range 5 {
		r.add(cluster.Event{ID: uint64(i + 1), Words: "x"})
		drain(r)
	}
	if len(said) != 1 || !errors.Is(said[0], os.ErrNotExist) {
		t.Errorf("said %v, want one complaint", said)
	}
	if events, _ := r.after(""); len(events) != 5 {
		t.Errorf("%d events in memory, want all 5", len(events))
	}
}
