package daemon

import (
	"context"
	"fmt"
	"time"

	"lubdub/internal/agent"
	"lubdub/internal/cluster"
	"lubdub/internal/config"
)

const (
	// firstTest is when the fence devices are tested first: after a boot the
	// network takes a moment. One that did not answer is asked again as soon.
	firstTest = time.Minute
	// testEach is the time between two tests: a device that broke is known long
	// before it is needed, and its log does not overflow.
	testEach = time.Hour
	// staleFence is the age at which an order to fence is not carried out: the
	// daemon was stopped meanwhile, and what the order was based on may have
	// changed. To end a test that is in the way takes less.
	staleFence = 10 * time.Second
)

// fencing runs the fence devices for the other node: one attempt at a time, and
// tests in between. A device may allow one login only, so an attempt ends a test first.
type fencing struct {
	fence   func(context.Context) cluster.Fenced
	test    func(context.Context) cluster.FenceTested
	orders  chan fenceOrder // room for the one that there can be
	attempt uint64          // that runs; the loop's alone, as is its leash
	cancel  context.CancelFunc
}

// fenceOrder is an attempt that the machine wants.
type fenceOrder struct {
	attempt uint64
	at      cluster.Time
	leash   context.Context // ends with the machine's Cancel
}

func newFencing(loaded *config.Loaded) *fencing {
	var devices []agent.FenceDevice
	for _, f := range loaded.Fences {
		devices = append(devices, agent.FenceDevice(f))
	}
	peer := loaded.Config.Peer
	return &fencing{
		fence:  func(ctx context.Context) cluster.Fenced { return agent.Fence(ctx, peer, devices) },
		test:   func(ctx context.Context) cluster.FenceTested { return agent.TestFence(ctx, peer, devices) },
		orders: make(chan fenceOrder, 1),
	}
}

// startFence begins an attempt, or answers at once that there is another.
func (d *daemon) startFence(o cluster.Fence) {
	if d.fencing.start(d.ctx, o.Attempt, now()) {
		return
	}
	refused := d.fencing.refused(o.Attempt)
	d.actions.running.Go(func() { d.loop.tell(d.ctx, refused) })
}

// start begins an attempt beside the loop, and says whether it did: while
// another one runs there is none.
func (f *fencing) start(ctx context.Context, attempt uint64, at cluster.Time) bool {
	if f.attempt != 0 {
		return false
	}
	f.attempt = attempt
	leash, cancel := context.WithCancel(ctx)
	f.cancel = cancel
	f.orders <- fenceOrder{attempt, at, leash}
	return true
}

// refused answers an attempt that was not begun.
func (f *fencing) refused(attempt uint64) cluster.Fenced {
	return cluster.Fenced{Attempt: attempt, Words: fmt.Sprintf("attempt %d is not over", f.attempt)}
}

// ended takes note that an attempt is over.
func (f *fencing) ended(attempt uint64) {
	if f.attempt == attempt {
		f.attempt = 0
		f.cancel()
	}
}

// end calls an attempt off; its Fenced still comes.
func (f *fencing) end(attempt uint64) {
	if f.attempt != 0 && f.attempt == attempt {
		f.cancel()
	}
}

// run carries attempts out, and tests the devices meanwhile, until ctx ends.
func (f *fencing) run(ctx context.Context, l *loop) {
	next := time.NewTimer(firstTest)
	defer next.Stop()
	for {
		select {
		case o := <-f.orders:
			f.act(ctx, l, o)
		case <-next.C:
			next.Reset(f.tested(ctx, l))
		case <-ctx.Done():
			return
		}
	}
}

// act carries one attempt out.
func (f *fencing) act(ctx context.Context, l *loop, o fenceOrder) {
	out := cluster.Fenced{}
	if age := l.now().Sub(o.at); age > staleFence {
		out.Words = fmt.Sprintf("the order is %v old, for the daemon was stopped: it is not carried out", age.Round(time.Second))
	} else {
		out = f.fence(o.leash)
	}
	out.Attempt = o.attempt
	l.tell(ctx, out)
}

// tested tests the devices once, unless an attempt comes first, and says when to
// do so again.
func (f *fencing) tested(ctx context.Context, l *loop) time.Duration {
	leash, end := context.WithCancel(ctx)
	defer end()
	found := make(chan cluster.FenceTested, 1)
	go func() { found <- f.test(leash) }()
	select {
	case t := <-found:
		l.tell(ctx, t)
		if t.OK {
			return testEach
		}
	case o := <-f.orders:
		end()
		<-found
		f.act(ctx, l, o)
	}
	return firstTest
}
