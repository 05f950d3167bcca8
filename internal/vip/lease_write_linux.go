package vip

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// writeTries is how often one operation is tried anew after a ticket was too old, a signal interrupted the kernel
// or the gate had to be put back. Each reason is rare; who meets it this often in a row is told.
const writeTries = 8

// errBusy ends an operation that met too many obstacles.
var errBusy = errors.New("tried too often in vain; the machine is overloaded, or another program rewrites the firewall all the time")

// fate is what became of one try.
type fate int

const (
	written   fate = iota
	again          // nothing was written; begin anew with a new ticket
	undrained      // the same, and without the drain
	lapsed
	void
	failed
)

// grant writes one grant (rule K2).
func (w *leaseWriter) grant(g Grant) Result {
	r := Result{Op: OpGrant, Key: g.Key, Seq: g.Seq}
	if r.Err = checkLeased(g.Addresses); r.Err != nil {
		return r
	}
	for range writeTries {
		f, err := w.tryGrant(g)
		switch f {
		case again:
			continue
		case undrained:
			w.tell(w.fronts(g), fmt.Errorf("drain %s: %w", g.Key, err))
			g.Drain = MAC{}
			continue
		case written:
			r.OK = true
		case lapsed:
			// An end is final for all addresses of the grant, also where a part of them still ran.
			r.Lapsed = true
			r.Err = w.erase(g.Addresses)
		case void:
			r.Void = true
		case failed:
			r.Err = fmt.Errorf("grant %s: %w", g.Key, err)
		}
		return r
	}
	r.Err = fmt.Errorf("grant %s: %w", g.Key, errBusy)
	return r
}

// tryGrant is the three steps: ticket, clock, transaction.
func (w *leaseWriter) tryGrant(g Grant) (fate, error) {
	t, err := w.putTicket()
	if err != nil {
		return w.judge(err, g)
	}
	w.pause(ticketPut)
	now := w.opts.Now()
	w.pause(clockRead)
	left := time.Duration(g.Until - now)
	switch {
	case g.NotAfter != 0 && now > g.NotAfter:
		return void, nil
	case left < minLife && g.Fresh:
		return void, nil
	case left < minLife:
		return lapsed, nil
	}
	b := w.gate.begin()
	w.endDrains(b, g, now)
	drainLife := w.startDrains(b, g)
	for _, a := range g.Addresses {
		w.replace(b, a, g, left)
	}
	// The ticket comes last: on kernels that look at the clock for each message it is then the latest one that is
	// checked, after the new elements' time began to run.
	b.remove(t, forTicket)
	if err := w.gate.run(b); err != nil {
		return w.judge(err, g)
	}
	for _, a := range g.Addresses {
		w.held[a] = holding{quiet: g.Quiet, until: g.Until}
	}
	w.keepDrains(g, now, drainLife)
	return written, nil
}

// replace puts the messages for one address into the batch. Every deletion is of an element that must still run,
// and every element that is added must not be there: nothing revives what has ended.
func (w *leaseWriter) replace(b *batch, a netip.Addr, g Grant, left time.Duration) {
	carry, speak := element{carrySet(a), a.AsSlice()}, element{speakSet(a), a.AsSlice()}
	if !g.Fresh {
		b.remove(carry, forRunning)
		if h, ok := w.held[a]; ok && !h.quiet || !ok && !g.Quiet {
			b.remove(speak, forRunning)
		}
	}
	if !g.Quiet {
		b.add(speak, left, true) // first: it must not outlive carry
	}
	b.add(carry, left, true)
}

// judge reads the kernel's answer to a ticket or a grant.
func (w *leaseWriter) judge(err error, g Grant) (fate, error) {
	var r *refusal
	switch {
	case !errors.As(err, &r):
		// It is not known what the kernel did; look.
		return failed, errors.Join(err, w.learn())
	case r.has(unix.EINTR, unix.EAGAIN, unix.ERESTART):
		return again, nil
	case r.any(forAdding, unix.ENOENT):
		// Not an element but a whole set is gone.
		if err := w.restore(); err != nil {
			return failed, err
		}
		return again, nil
	case r.any(forRunning, unix.ENOENT):
		return lapsed, nil
	case r.any(forTicket, unix.ENOENT):
		return again, nil
	case g.Fresh && r.any(forAdding, unix.EEXIST):
		return failed, errors.New("an earlier grant still runs in the kernel; renew it or revoke it first")
	case r.touches(forDrainEnd):
		// It ended by itself a moment ago.
		for _, a := range g.Addresses {
			delete(w.drains, a)
		}
		return again, nil
	case r.touches(forDrain):
		return undrained, err
	}
	return failed, errors.Join(err, w.learn())
}

// putTicket puts a new ticket into the kernel. It ends by itself when no transaction takes it back.
func (w *leaseWriter) putTicket() (element, error) {
	t := ticketElement()
	b := w.gate.begin()
	b.add(t, w.opts.Ticket, true)
	return t, w.gate.run(b)
}

func (w *leaseWriter) pause(s stage) {
	if w.opts.pause != nil {
		w.opts.pause(s)
	}
}

// revoke removes what is granted; what has ended already needs no removal.
func (w *leaseWriter) revoke(q revokeRequest) Result {
	r := Result{Op: OpRevoke, Key: q.key, Seq: q.seq}
	if r.Err = checkLeased(q.addrs); r.Err != nil {
		return r
	}
	if err := w.erase(q.addrs); err != nil {
		r.Err = fmt.Errorf("revoke %s: %w", q.key, err)
		return r
	}
	r.OK = true
	return r
}

// erase deletes the elements of these addresses. The kernel refuses the whole transaction when one of them has ended,
// so the rest is tried again without it. With each managed address goes an addition to the gate that changes
// nothing; it fails when the gate itself is gone, for then "it does not pass" would be untrue.
func (w *leaseWriter) erase(addrs []netip.Addr) error {
	var todo []element
	for _, a := range addrs {
		delete(w.held, a)
		todo = append(todo, element{speakSet(a), a.AsSlice()}, element{carrySet(a), a.AsSlice()})
		if d, ok := w.drains[a]; ok {
			todo = append(todo, d.elements(a)...)
			delete(w.drains, a)
		}
	}
	for range writeTries {
		b := w.gate.begin()
		for _, a := range addrs {
			if slices.Contains(w.managed, a) {
				b.putGated(a)
			}
		}
		for _, e := range todo {
			b.remove(e, forRunning)
		}
		if len(b.entries) == 0 {
			return nil
		}
		err := w.gate.run(b)
		var r *refusal
		switch {
		case err == nil:
			return nil
		case !errors.As(err, &r):
			return err
		case r.has(unix.EINTR, unix.EAGAIN, unix.ERESTART):
			continue
		case r.any(forAdding, unix.ENOENT):
			if err := w.restore(); err != nil {
				return err
			}
			continue
		case !r.any(forRunning, unix.ENOENT):
			return err
		}
		todo = r.without(unix.ENOENT)
	}
	return errBusy
}

// without returns the running elements that the kernel did not refuse with this error.
func (r *refusal) without(no unix.Errno) []element {
	var left []element
	for _, e := range r.entries {
		if e.why == forRunning && r.errnos[e.seq] != no {
			left = append(left, e.elem)
		}
	}
	return left
}

// manage makes these addresses the gated ones.
func (w *leaseWriter) manage(q manageRequest) Result {
	r := Result{Op: OpManage, Seq: q.seq}
	if r.Err = checkLeased(q.addrs); r.Err != nil {
		return r
	}
	w.managed = q.addrs
	for range writeTries {
		err := w.gate.run(w.managing())
		var refused *refusal
		switch {
		case err == nil:
			r.OK = true
			w.installDrains()
			return r
		case errors.As(err, &refused) && refused.has(unix.ENOENT):
			err = w.restore()
		case errors.As(err, &refused) && refused.has(unix.EINTR, unix.EAGAIN, unix.ERESTART):
			err = nil
		}
		if err != nil {
			r.Err = fmt.Errorf("gate %v: %w", q.addrs, err)
			return r
		}
	}
	r.Err = fmt.Errorf("gate %v: %w", q.addrs, errBusy)
	return r
}

func (w *leaseWriter) managing() *batch {
	b := w.gate.begin()
	for _, s := range []set{gated4, gatedARP, gated6} {
		b.empty(s)
	}
	for _, a := range w.managed {
		b.putGated(a)
	}
	return b
}

// restore puts the gate back, shut, and then what the kernel had acknowledged and what still runs, each until the
// end it had. It is no revival (rule O5): an entitlement that has ended is left out, and the ticket guards this
// write as any other.
func (w *leaseWriter) restore() error {
	select {
	case <-w.watch.broken: // what was noticed until now is put back by this very restore
	default:
	}
	err := w.tryRestore()
	w.report(Result{Op: OpRestore, OK: err == nil, Err: err})
	return err
}

func (w *leaseWriter) tryRestore() error {
	for range writeTries {
		b := w.gate.begin()
		b.putGate(w.managed)
		err := w.gate.run(b)
		if err == nil {
			err = w.rewrite()
		}
		var r *refusal
		switch {
		case err == nil:
			w.installDrains()
			return nil
		case !errors.As(err, &r):
			return fmt.Errorf("put table %s back: %w", tableName, err)
		case !r.has(unix.EINTR, unix.EAGAIN, unix.ERESTART, unix.ENOENT):
			return fmt.Errorf("put table %s back: %w; until then the shared addresses are not guarded", tableName, err)
		}
	}
	return fmt.Errorf("put table %s back: %w; until then the shared addresses are not guarded", tableName, errBusy)
}

// tryRewrite rewrites until no freeze comes between.
func (w *leaseWriter) tryRewrite() error {
	for range writeTries {
		err := w.rewrite()
		var r *refusal
		if err == nil || !errors.As(err, &r) || !r.has(unix.EINTR, unix.EAGAIN, unix.ERESTART) && !r.any(forTicket, unix.ENOENT) {
			return err
		}
	}
	return errBusy
}

// rewrite makes the elements those that should run, in one transaction: what should and is gone is put back, and what
// another program put there is removed.
func (w *leaseWriter) rewrite() error {
	t, err := w.putTicket()
	if err != nil {
		return err
	}
	w.pause(ticketPut)
	now := w.opts.Now()
	w.pause(clockRead)
	b := w.gate.begin()
	b.putNothing()
	for a, h := range w.held {
		left := time.Duration(h.until - now)
		if left < minLife {
			delete(w.held, a)
			continue
		}
		if !h.quiet {
			b.add(element{speakSet(a), a.AsSlice()}, left, false)
		}
		b.add(element{carrySet(a), a.AsSlice()}, left, false)
	}
	b.remove(t, forTicket)
	return w.gate.run(b)
}
