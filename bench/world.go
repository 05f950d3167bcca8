package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"lubdub/internal/lab"
)

// The hosts, and the shared address.
const (
	owner   = "proxy01" // the preferred node
	other   = "proxy02"
	client  = "client"
	backend = "web" // stands behind the built-in proxy

	shared = "192.0.2.100"
)

const (
	// patience is how long a cluster may take until it serves as it should: Heartbeat's fail-back needs seconds.
	patience = 30 * time.Second
	// glance is the time between two looks at who serves.
	glance = 50 * time.Millisecond
)

// plan is the tutorial's world: a front network and a cross-over cable.
func plan() []lab.Network {
	return []lab.Network{
		{Name: "front", Ports: []string{owner + " 192.0.2.11/24", other + " 192.0.2.12/24", client + " 192.0.2.50/24", backend + " 192.0.2.80/24"}},
		{Name: "cable", Ports: []string{owner + " 10.0.0.1/24", other + " 10.0.0.2/24"}, CrossOver: true},
	}
}

// world is one booted cluster under load.
type world struct {
	lab       *lab.Lab
	product   product
	proxied   bool          // the page comes from a proxy of the product's own
	delay     time.Duration // what a page takes
	settle    time.Duration // how long the service must have been steady before the next step
	daemons   map[string]*lab.Process
	page, udp *lab.Load
	capture   *lab.Capture
}

// newWorld boots the hosts, starts the product on both nodes, and the load.
func newWorld(ctx context.Context, dir string, s series) (w *world, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	l, err := lab.New(dir, plan()...)
	if err != nil {
		return nil, err
	}
	w = &world{lab: l, product: s.product, proxied: s.proxied, delay: s.delay, settle: s.settle, daemons: map[string]*lab.Process{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close())
		}
	}()
	if _, err := l.Host(backend).Serve("http://192.0.2.80:8080", w.delay); err != nil {
		return nil, err
	}
	for _, name := range []string{owner, other} {
		if err := w.product.prepare(l.Host(name), nodes{owner, other}); err != nil {
			return nil, err
		}
		if err := w.boot(ctx, name); err != nil {
			return nil, err
		}
	}
	c := l.Host(client)
	if w.capture, err = c.Capture("front", "arp"); err != nil {
		return nil, err
	}
	if w.page, err = c.Load("http://"+shared+":80", lab.Pace{Every: 5 * time.Millisecond}); err != nil {
		return nil, err
	}
	w.udp, err = c.Load("udp://"+shared+":7", lab.Pace{Every: 2 * time.Millisecond})
	return w, err
}

// boot starts on a node what its machine would start when it boots.
func (w *world) boot(ctx context.Context, name string) error {
	h := w.lab.Host(name)
	if _, err := h.Serve("udp://"+shared+":7", 0); err != nil {
		return err
	}
	if !w.proxied {
		if _, err := h.Serve("http://"+shared+":80", w.delay); err != nil {
			return err
		}
	}
	return w.start(ctx, name)
}

// start starts the product on a node.
func (w *world) start(ctx context.Context, name string) (err error) {
	w.daemons[name], err = w.product.start(ctx, w.lab.Host(name))
	return err
}

// stop stops the product on a node in its clean way.
func (w *world) stop(ctx context.Context, name string) error {
	return w.product.stop(ctx, w.lab.Host(name), w.daemons[name])
}

// close ends the load, so that every request is counted, and with all the rest of the world.
func (w *world) close() error { return w.lab.Close() }

// rest stops the instruments. What they recorded is complete then. A node without power gets it back, for its events are on its disk.
func (w *world) rest() error {
	w.page.Stop()
	w.udp.Stop()
	w.capture.Stop()
	return errors.Join(w.lab.Host(owner).PowerOn(), w.lab.Host(other).PowerOn())
}

// await waits until a node has served alone, and every page was answered, for as long as it takes to settle.
func (w *world) await(ctx context.Context, name string) error {
	for deadline := lab.Now() + patience; lab.Now() < deadline; {
		if err := pause(ctx, glance); err != nil {
			return err
		}
		now := lab.Now()
		u, p := w.udp.Summary(now-w.settle, now-glance), w.page.Summary(now-w.settle, now-glance)
		if u.Requests > 0 && p.Requests > 0 && u.Failed+p.Failed == 0 && len(u.Servers) == 1 && u.Servers[name] > 0 && u.Gap.Duration() < w.settle/2 {
			return nil
		}
	}
	return fmt.Errorf("%s does not serve steadily within %v", name, patience)
}

// pause waits, or returns the context's error.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
