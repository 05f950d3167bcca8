package agent

import (
	"sync"
	"time"

	"lubdub/internal/cluster"
)

// looks is when a resource was looked at, by depth.
type looks struct {
	mu sync.Mutex // guards at; there is one action of a resource at a time, so nobody waits for it
	at map[int]time.Time
}

// due returns the deepest look whose time has come. What was never looked at since its start is due at once: a restart
// should show soon whether it mended what only a deep look sees.
func (l *looks) due(all []cluster.Look, now time.Time) (depth int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, look := range all {
		if at, ok := l.at[look.Depth]; look.Depth > depth && (!ok || now.Sub(at) >= look.Every) {
			depth = look.Depth
		}
	}
	return depth
}

// done notes a look. It counts for those that are not as deep, too.
func (l *looks) done(all []cluster.Look, depth int, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, look := range all {
		if look.Depth <= depth {
			l.at[look.Depth] = now
		}
	}
}

// deeper performs a monitor action at the depth that is due. One that finds something wrong is not done: the next look
// goes as deep.
func (r *Runner) deeper(q Request, monitor func(Request) cluster.Outcome) cluster.Outcome {
	all, now := q.Resource.Deeper, time.Now()
	known, found := r.looked.LoadOrStore(instance(q.Group, q.Resource), &looks{at: map[int]time.Time{}})
	l := known.(*looks)
	if !found { // the daemon is new, and asks what runs: that is to be known soon
		l.done(all, maxLook, now)
	}
	due := l.due(all, now)
	q.Resource.Depth = max(q.Resource.Depth, due)
	out := monitor(q)
	if due > 0 && out.Result == cluster.OK {
		l.done(all, due, now)
	}
	return out
}

// maxLook is deeper than any.
const maxLook = 1 << 10

// started forgets when a resource was looked at.
func (r *Runner) started(q Request) {
	if len(q.Resource.Deeper) > 0 {
		r.looked.Store(instance(q.Group, q.Resource), &looks{at: map[int]time.Time{}})
	}
}
