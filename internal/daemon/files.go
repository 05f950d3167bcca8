package daemon

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"lubdub/internal/api"
	"lubdub/internal/cluster"
	"lubdub/internal/config"
)

const (
	// lookInterval is how often a watched tree is looked at without a reason. The
	// kernel's news make it sooner, and are not always to be had: on a network
	// file system, above their limit, for a file that is written and not closed.
	lookInterval = time.Minute
	// settleTime is how long a change is left alone: it seldom comes alone.
	settleTime = time.Second
	// restShare bounds what looking costs: after each look the tree is left alone
	// for so many times as long as that took.
	restShare = 20
	// unsettledLooks is how often a tree that changes while it is looked at is
	// looked at again before its digest is told all the same.
	unsettledLooks = 3
	// readRate is how many bytes of content are read in a second, for each tree: a
	// disk does much more, and has other work.
	readRate = 32 << 20
	// paceGrain is what a timer is worth waiting for.
	paceGrain = 10 * time.Millisecond
	// stuckLimit is how long the end of the daemon waits for a look. A network
	// file system that does not answer holds it up for ever.
	stuckLimit = 2 * time.Second
)

// scanner looks at one watched file or tree, in a goroutine of its own: a disk
// that does not answer holds up neither the loop nor the other trees.
type scanner struct {
	watch   config.Watch
	tell    func(cluster.Input)
	cache   config.Cache
	changes *changes
	state   atomic.Pointer[api.Watched]
	debt    time.Duration // reading that was not waited for yet
}

func newScanners(all []config.Watch, tell func(cluster.Input)) []*scanner {
	var out []*scanner
	for _, w := range all {
		one := &scanner{watch: w, tell: tell}
		one.state.Store(&api.Watched{Path: w.Path, Tree: w.Tree, Words: "it is looked at for the first time"})
		out = append(out, one)
	}
	return out
}

// run looks until ctx ends. It does not wait for ever for a look that is stuck.
func (w *scanner) run(ctx context.Context) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.look(ctx)
	}()
	<-ctx.Done()
	stuck := time.NewTimer(stuckLimit)
	defer stuck.Stop()
	select {
	case <-ended:
	case <-stuck.C:
	}
}

// look looks again and again, and tells what it finds.
func (w *scanner) look(ctx context.Context) {
	w.changes = listenForChanges()
	defer w.changes.close()
	unsettled := 0
	for ctx.Err() == nil {
		w.changes.begin(w.watch)
		began := time.Now()
		found, err := config.Scan{Cache: &w.cache, Pace: w.pace, Dir: w.changes.dir}.Run(ctx, w.watch)
		took := time.Since(began)
		if ctx.Err() != nil {
			return
		}
		if found.Unsettled {
			unsettled++
		} else {
			unsettled = 0
		}
		if unsettled == 0 || unsettled > unsettledLooks {
			w.report(found, err, took)
		}
		w.rest(ctx, restShare*took, unsettled > 0)
	}
}

// rest waits for the next reason to look, and at least for pause.
func (w *scanner) rest(ctx context.Context, pause time.Duration, soon bool) {
	if !soon {
		until := time.NewTimer(max(pause, lookInterval))
		defer until.Stop()
		select {
		case <-w.changes.news:
		case <-until.C:
		case <-ctx.Done():
		}
	}
	least := time.NewTimer(max(pause, settleTime))
	defer least.Stop()
	select {
	case <-least.C:
	case <-ctx.Done():
	}
}

// pace bounds how much is read in a second.
func (w *scanner) pace(ctx context.Context, bytes int) error {
	w.debt += time.Duration(bytes) * time.Second / readRate
	if w.debt < paceGrain {
		return nil
	}
	t := time.NewTimer(w.debt)
	defer t.Stop()
	w.debt = 0
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// report tells the loop a digest that is new, and an operator what is wrong when that begins.
func (w *scanner) report(found config.Scanned, err error, took time.Duration) {
	before := w.state.Load()
	s := &api.Watched{Path: w.watch.Path, Tree: w.watch.Tree, Sum: found.Sum, Entries: found.Entries, Bytes: found.Bytes,
		Looked: time.Now(), Took: took, Words: found.Trouble}
	if err != nil {
		s.Words = fmt.Sprintf("%v: it is not compared", err)
	}
	s.Slow = w.changes.limited
	w.state.Store(s)
	if s.Sum != before.Sum {
		w.tell(cluster.Digested{Digests: []cluster.Digest{{File: s.Path, Sum: s.Sum}}})
	}
	if s.Words != "" && (before.Words == "" || before.Looked.IsZero()) {
		w.tell(cluster.Noted{Level: cluster.Warning, Kind: "files", Words: complaint(s)})
	}
}

func complaint(s *api.Watched) string { return "a watched file or tree: " + s.Words }

// watched is what the scanners know, and what of it should be mended.
func (d *daemon) watched() (all []api.Watched, warnings []string) {
	for _, w := range d.scanners {
		s := w.state.Load()
		all = append(all, *s)
		if s.Words != "" && !s.Looked.IsZero() {
			warnings = append(warnings, complaint(s))
		}
	}
	return all, warnings
}
