package vip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// OpenLease opens the kernel's lease in the network namespace of the calling thread. It installs the gate; elements
// that run already, of a daemon before this one, keep running and can be renewed. Nothing is gated until Manage.
func OpenLease(opts LeaseOptions) (*Lease, error) {
	if opts.Ticket < minLife {
		return nil, fmt.Errorf("open the kernel's lease: ticket of %v is too short for the kernel's clock; use %v or more (keepalive of %v or more)", opts.Ticket, minLife, minLife*5/2)
	}
	if opts.Now == nil {
		opts.Now = Boottime
	}
	if opts.Report == nil {
		opts.Report = func(Result) {}
	}
	if opts.Undrained == nil {
		opts.Undrained = func(error) {}
	}
	if opts.dial == nil {
		opts.dial = dialNetfilter
	}
	opts.Interfaces = plainFronts(opts.Interfaces)
	nf, err := opts.dial()
	if err != nil {
		return nil, err
	}
	w := &leaseWriter{opts: opts, gate: gate{nf: nf}, box: newMailbox(), told: make(map[string]bool)}
	if err := w.open(); err != nil {
		return nil, errors.Join(err, nf.close())
	}
	l := &Lease{box: w.box, w: w, stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(l.done)
		w.loop(l.stop)
	}()
	return l, nil
}

// Remaining lists what the kernel grants at this moment; at start, what a daemon before this one left (rule B2).
func (l *Lease) Remaining() (map[netip.Addr]Held, error) {
	nf, err := l.w.opts.dial()
	if err != nil {
		return nil, err
	}
	g := gate{nf: nf}
	held, err := g.remaining()
	return held, errors.Join(err, nf.close())
}

// Remove ends the lease as Close does and takes our tables away: nothing is gated any more. Take the addresses
// off their interfaces first.
func (l *Lease) Remove() error {
	if err := l.Close(); err != nil {
		return err
	}
	nf, err := l.w.opts.dial()
	if err != nil {
		return err
	}
	g := gate{nf: nf}
	b := g.begin()
	b.putNoTable(unix.NFPROTO_INET, unix.NFPROTO_ARP)
	err = g.run(b)
	if err == nil {
		err = g.removeDrains()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("remove table %s: %w; remove it with nft delete table", tableName, err), nf.close())
	}
	return nf.close()
}

// remaining joins the sets into what each address may do. What may speak but not carry is of no use.
func (g *gate) remaining() (map[netip.Addr]Held, error) {
	held := make(map[netip.Addr]Held)
	for _, pair := range [][2]set{{carry4, speak4}, {carry6, speak6}} {
		carry, err := g.list(pair[0])
		if err != nil {
			return nil, err
		}
		speak, err := g.list(pair[1])
		if err != nil {
			return nil, err
		}
		for key, left := range carry {
			a, ok := netip.AddrFromSlice([]byte(key))
			if !ok {
				continue
			}
			_, loud := speak[key]
			held[a] = Held{Quiet: !loud, Left: left}
		}
	}
	return held, nil
}

// holding is an entitlement that the kernel has acknowledged.
type holding struct {
	quiet bool
	until int64
}

// stage is a place between two steps of a write, for the tests.
type stage int

const (
	ticketPut stage = iota + 1
	clockRead
)

// leaseWriter is the goroutine that writes; no other touches its fields.
type leaseWriter struct {
	opts    LeaseOptions
	box     *mailbox
	gate    gate
	watch   *nftWatch
	managed []netip.Addr
	held    map[netip.Addr]holding
	drains  map[netip.Addr]drain
	told    map[string]bool // interfaces whose lack of a drain was reported
}

// restoreDelay is the pause before the gate is put back again when the kernel refused.
const restoreDelay = 50 * time.Millisecond

// open installs the gate and learns what runs.
func (w *leaseWriter) open() error {
	if err := w.install(); err != nil {
		return err
	}
	watch, err := openWatch(w.gate.nf.port())
	if err != nil {
		return err
	}
	// Once more, for what another program removed before the watch began. It changes nothing otherwise.
	if err = w.install(); err == nil {
		err = w.learn()
	}
	if err == nil {
		err = w.learnDrains()
	}
	if err == nil {
		err = w.sweep()
	}
	if err != nil {
		return errors.Join(err, watch.close())
	}
	w.watch = watch
	return nil
}

// sweep removes elements that this program did not write.
func (w *leaseWriter) sweep() error {
	if len(w.held) > 0 {
		return w.tryRewrite()
	}
	b := w.gate.begin()
	b.putNothing()
	return w.gate.run(b)
}

func (w *leaseWriter) install() error {
	b := w.gate.begin()
	b.putGate(nil)
	if err := w.gate.run(b); err != nil {
		return explainInstall(err)
	}
	return nil
}

// explainInstall tells a kernel without the means from other trouble.
func explainInstall(err error) error {
	var r *refusal
	switch {
	case !errors.As(err, &r):
	case r.has(unix.EPERM):
		return fmt.Errorf("install the kernel's lease: %w; run as root or with CAP_NET_ADMIN", err)
	case r.has(unix.ENOMEM, unix.ENOBUFS, unix.EINTR):
	default:
		return fmt.Errorf("install the kernel's lease: %w: %w", err, ErrNoNftables)
	}
	return fmt.Errorf("install the kernel's lease: %w", err)
}

// learn reads what runs from the kernel. The clock is read first, so that an end is never taken for later than it is.
func (w *leaseWriter) learn() error {
	now := w.opts.Now()
	held, err := w.gate.remaining()
	if err != nil {
		return err
	}
	w.held = make(map[netip.Addr]holding, len(held))
	for a, h := range held {
		w.held[a] = holding{quiet: h.Quiet, until: now + int64(h.Left)}
	}
	return nil
}

func (w *leaseWriter) close() error {
	return errors.Join(w.watch.close(), w.gate.nf.close())
}

func (w *leaseWriter) loop(stop <-chan struct{}) {
	retry := time.NewTimer(restoreDelay)
	retry.Stop()
	defer retry.Stop()
	for {
		var err error
		select {
		case <-stop:
			return
		case <-w.watch.broken:
			err = w.restore()
		case <-retry.C:
			err = w.restore()
		case <-w.box.wake:
			err = w.work()
		}
		if err != nil {
			retry.Reset(restoreDelay)
		}
	}
}

// work does what the mailbox holds. Its error says that the gate could not be put back.
func (w *leaseWriter) work() error {
	for {
		switch r := w.box.take().(type) {
		case manageRequest:
			w.report(w.manage(r))
		case revokeRequest:
			w.report(w.revoke(r))
		case Grant:
			w.report(w.grant(r))
		default:
			return nil
		}
	}
}

func (w *leaseWriter) report(r Result) {
	r.At = w.opts.Now()
	w.opts.Report(r)
}

// ticketElement returns a ticket of its own: one that a writer before us left must never do for ours.
func ticketElement() element {
	return element{ticketSet, binary.NativeEndian.AppendUint32(nil, rand.Uint32())}
}
