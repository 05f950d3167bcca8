package daemon

import (
	"context"
	"testing"
	"time"

	"lubdub/internal/agent"
	"lubdub/internal/cluster"
)

// held is a runner whose actions last until they are let go.
type held chan struct{}

func (h held) Run(context.Context, agent.Request) cluster.Outcome {
	<-h
	return cluster.Outcome{}
}

// Nothing is settled while something is being started; a monitor does not count.
func TestActionsSettle(t *testing.T) {
	h := held(make(chan struct{}))
	a, l := newActions(cluster.Config{}, h), newLoop(nil, now, nil, nil)
	a.start(t.Context(), l, cluster.Run{ID: 1, Action: cluster.Monitor}, 0)
	if !a.settled(t.Context()) {
		t.Error("not settled while there is a monitor alone")
	}
	a.start(t.Context(), l, cluster.Run{ID: 2, Action: cluster.Start}, 0)
	ctx, cancel := context.WithTimeout(t.Context(), 3*settleLook)
	defer cancel()
	if a.settled(ctx) {
		t.Error("settled in the midst of a start")
	}
	settled := make(chan bool, 1)
	go func() { settled <- a.settled(t.Context()) }()
	close(h)
	a.running.Wait()
	for range 2 {
		a.ended((<-l.inputs).(cluster.Outcome).ID)
	}
	select {
	case is := <-settled:
		if !is {
			t.Error("not settled, although all has ended")
		}
	case <-time.After(time.Minute):
		t.Error("never settled")
	}
}
