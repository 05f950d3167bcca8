package daemon

import (
	"context"
	"slices"
	"time"

	"lubdub/internal/cluster"
)

// tellTime tells the machine the local time each minute until ctx ends, where a
// group's failback has its hours.
func (d *daemon) tellTime(ctx context.Context) {
	if !slices.ContainsFunc(d.cfg.Groups, func(g cluster.Group) bool { return g.Failback.From != g.Failback.To }) {
		return
	}
	for {
		t := time.Now()
		d.loop.tell(ctx, cluster.TimeOfDay{Minute: t.Hour()*60 + t.Minute()})
		select {
		case <-time.After(t.Truncate(time.Minute).Add(time.Minute).Sub(t)):
		case <-ctx.Done():
			return
		}
	}
}
