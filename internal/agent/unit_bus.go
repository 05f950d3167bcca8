package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"

	"lubdub/internal/cluster"
)

const (
	// busLook is how often it is looked whether the bus is still there: systemd and its bus may be restarted.
	busLook = time.Second
	// busPause is how long to wait before the bus is looked for again.
	busPause = 5 * time.Second
	// busQueue is how many changes of units may wait. When there are more, all units count as changed.
	busQueue = 256
)

// errBus says that the bus went away.
var errBus = errors.New("the connection to systemd ended: it or its bus was restarted")

// bus is systemd over D-Bus. A connection is for one action, so that none is in a state that nobody knows.
type bus struct{ *dbus.Conn }

func openBus(ctx context.Context) (bus, error) {
	conn, err := dbus.NewWithContext(ctx)
	return bus{conn}, err
}

func (b bus) close() { b.Close() }

func (b bus) state(ctx context.Context, unit string) (s unitState, err error) {
	all, err := b.GetUnitPropertiesContext(ctx, unit)
	if err != nil {
		return s, fmt.Errorf("ask systemd for %s: %w", unit, err)
	}
	text := func(name string) string { v, _ := all[name].(string); return v }
	s = unitState{load: text("LoadState"), active: text("ActiveState"), sub: text("SubState"), file: text("UnitFileState")}
	if s.active != unitFailed {
		return s, nil
	}
	if result, err := b.GetServicePropertyContext(ctx, unit, "Result"); err == nil { // only services have one
		s.result, _ = result.Value.Value().(string)
	}
	if status, err := b.GetServicePropertyContext(ctx, unit, "ExecMainStatus"); err == nil {
		s.status = fmt.Sprint(status.Value.Value())
	}
	return s, nil
}

func (b bus) job(ctx context.Context, a cluster.Action, unit string) (string, error) {
	begin := b.StartUnitContext
	if a == cluster.Stop {
		begin = b.StopUnitContext
	}
	ended := make(chan string, 1)
	if _, err := begin(ctx, unit, "replace", ended); err != nil {
		return "", fmt.Errorf("ask systemd to %s %s: %w", a, unit, err)
	}
	look := time.NewTicker(busLook)
	defer look.Stop()
	for {
		select {
		case result := <-ended:
			return result, nil
		case <-look.C:
			if !b.Connected() {
				return "", errBus
			}
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

func (b bus) restarts(ctx context.Context, unit string) string {
	again, err := b.GetServicePropertyContext(ctx, unit, "Restart")
	if err != nil { // it is no service
		return ""
	}
	text, _ := again.Value.Value().(string)
	return text
}

func (b bus) forget(ctx context.Context, unit string) { _ = b.ResetFailedUnitContext(ctx, unit) }

// WatchUnits calls changed for each of the units of systemd that is no longer active, as soon as systemd says so, until
// ctx ends. Without a bus it looks for one again and again: meanwhile monitor actions do their part.
func WatchUnits(ctx context.Context, names []string, changed func(name string)) {
	w := unitWatch{names: names, changed: changed}
	pause := time.NewTimer(0)
	defer pause.Stop()
	for again := false; ; {
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
		if w.listen(ctx, again) {
			again = true
		}
		pause.Reset(busPause)
	}
}

// unitWatch is what is watched for, and who is told.
type unitWatch struct {
	names   []string
	changed func(name string)
}

// listen listens to one connection until it ends, and says whether there was one. Who listens again has missed something.
func (w unitWatch) listen(ctx context.Context, again bool) bool {
	b, err := openBus(ctx)
	if err != nil {
		return false
	}
	defer b.Close()
	updates, trouble := make(chan *dbus.PropertiesUpdate, busQueue), make(chan error, 1)
	b.SetPropertiesSubscriber(updates, trouble)
	if err := b.Subscribe(); err != nil {
		return false
	}
	look := time.NewTicker(busLook)
	defer look.Stop()
	for {
		if again {
			w.all()
			again = false
		}
		select {
		case u := <-updates:
			w.updated(u)
		case <-trouble:
			again = true
		case <-look.C:
			if !b.Connected() {
				return true
			}
		case <-ctx.Done():
			return true
		}
	}
}

func (w unitWatch) updated(u *dbus.PropertiesUpdate) {
	now, ok := u.Changed["ActiveState"]
	if text, isText := now.Value().(string); !ok || !isText || text == unitActive {
		return
	}
	at := slices.IndexFunc(w.names, func(name string) bool { return unitName(name) == u.UnitName })
	if at >= 0 {
		w.changed(w.names[at])
	}
}

// all says that every unit may have changed.
func (w unitWatch) all() {
	for _, name := range w.names {
		w.changed(name)
	}
}
