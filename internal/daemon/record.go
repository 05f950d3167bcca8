package daemon

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"lubdub/internal/api"
	"lubdub/internal/cluster"
)

const (
	// keptEvents are served from memory: some days of a troubled cluster.
	keptEvents = 1000
	// maxEventFile bounds the event file; beside it stands one older one.
	maxEventFile = 4 << 20
	// readEvent is how much of each event file is read at start, in bytes: an owner's
	// lease runs out meanwhile.
	readEvent = 256 << 10
	// eventQueue is how many events wait for the disk and the log.
	eventQueue = 1024
	eventFile  = "events.jsonl"
)

// record keeps the events: the newest in memory, all in a bounded file, each as one line of the log.
type record struct {
	path     string
	life     uint64
	boot     func() cluster.Time
	snapshot atomic.Pointer[snapshot]
	queue    chan api.Event
	dropped  atomic.Uint64
	log      func(api.Event)
	trouble  func(error)
	file     *os.File
	size     int64
	broken   bool // the last write did not work: said once
}

// snapshot is never changed; next is closed when a newer one stands.
type snapshot struct {
	events []api.Event
	next   chan struct{}
}

// openRecord reads the newest events of earlier lives.
func openRecord(dir string, life uint64, boot func() cluster.Time) *record {
	r := &record{path: filepath.Join(dir, eventFile), life: life, boot: boot, queue: make(chan api.Event, eventQueue)}
	r.snapshot.Store(&snapshot{events: readEvents(r.path), next: make(chan struct{})})
	return r
}

func readEvents(path string) []api.Event {
	var events []api.Event
	for _, name := range []string{path + ".1", path} {
		b, err := readEnd(name, readEvent)
		if err != nil {
			continue
		}
		lines := bufio.NewScanner(bytes.NewReader(b))
		lines.Buffer(nil, readEvent)
		for lines.Scan() {
			var e api.Event
			if json.Unmarshal(lines.Bytes(), &e) == nil {
				events = append(events, e)
			}
		}
	}
	return slices.Clone(events[max(0, len(events)-keptEvents):])
}

// add records an event. It is called by the loop alone, and does not wait.
func (r *record) add(e cluster.Event) api.Event {
	out := api.Event{
		ID: r.name(e.ID), Cause: r.name(e.Cause), Time: time.Now().Add(-r.boot().Sub(e.At)), Level: e.Level, Kind: e.Kind,
		Group: e.Group, Resource: e.Resource, Node: e.Node, Words: e.Words, Lines: e.Lines, Rule: e.Rule,
	}
	old := r.snapshot.Load()
	events := append(slices.Clone(old.events[max(0, len(old.events)-keptEvents+1):]), out)
	r.snapshot.Store(&snapshot{events: events, next: make(chan struct{})})
	close(old.next)
	select {
	case r.queue <- out:
	default:
		r.dropped.Add(1)
	}
	return out
}

// readEnd reads the last bytes of a file.
func readEnd(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-most), most))
}

func (r *record) name(id uint64) string {
	if id == 0 {
		return ""
	}
	return fmt.Sprintf("%x.%d", r.life, id)
}

// after are the events behind the one with the given ID, and a channel that is
// closed when there is another. An unknown ID gives all.
func (r *record) after(id string) ([]api.Event, <-chan struct{}) {
	s := r.snapshot.Load()
	i := slices.IndexFunc(s.events, func(e api.Event) bool { return e.ID == id })
	return s.events[i+1:], s.next
}

// run writes and logs until ctx ends, and then what is still queued.
func (r *record) run(ctx context.Context) {
	defer func() {
		if r.file != nil {
			r.file.Close()
			r.file = nil
		}
	}()
	for {
		select {
		case e := <-r.queue:
			r.write(e)
			continue
		default:
		}
		select {
		case e := <-r.queue:
			r.write(e)
		case <-ctx.Done():
			return
		}
	}
}

func (r *record) write(e api.Event) {
	r.log(e)
	line, err := json.Marshal(e)
	if err == nil {
		err = r.append(append(line, '\n'))
	}
	if err != nil && !r.broken {
		r.trouble(fmt.Errorf("the events are no longer written: %w", err))
	}
	r.broken = err != nil
}

func (r *record) append(line []byte) error {
	if r.file == nil {
		f, err := os.OpenFile(r.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
		if err != nil {
			return err
		}
		info, err := f.Stat()
		if err != nil {
			return errors.Join(err, f.Close())
		}
		r.file, r.size = f, info.Size()
	}
	if r.size+int64(len(line)) > maxEventFile {
		if err := errors.Join(r.file.Close(), os.Rename(r.path, r.path+".1")); err != nil {
			r.file = nil
			return err
		}
		r.file = nil
		return r.append(line)
	}
	n, err := r.file.Write(line)
	r.size += int64(n)
	return err
}
