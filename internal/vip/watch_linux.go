package vip

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

const (
	// relist is how often everything is listed again, though nothing seems lost: news can be lost unseen.
	relist = 3 * time.Second

	// resubscribe is the pause before the next try when the kernel refuses a subscription or a listing.
	resubscribe = 100 * time.Millisecond

	// newsBuffer holds the news of a few thousand changes, as a container host makes them at once.
	newsBuffer = 1 << 20
)

// Observer is told by [Watch] what changed. Its functions are called one at a time and must not block; nil ones are
// left out.
type Observer struct {
	Link    func(l Link, present bool)    // a link came, changed or went
	Address func(a Address, present bool) // an address came or went, by whomever
	Listed  func()                        // everything was listed: what has not been told is not there
	Trouble func(err error)               // news was lost or the kernel refused; all is listed again soon
}

// Watch tells o of all links and addresses, then of each change, until ctx ends. It needs one subscription for its whole
// life. It returns when no call to o is under way any more.
func Watch(ctx context.Context, o Observer) {
	w := watch{observer: o, links: make(map[int]Link), addresses: make(map[place]Address)}
	for ctx.Err() == nil {
		err := w.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		w.trouble(err)
		pause := time.NewTimer(resubscribe)
		select {
		case <-ctx.Done():
			pause.Stop()
		case <-pause.C:
		}
	}
}

// place is where the kernel keeps an address.
type place struct {
	index  int
	prefix netip.Prefix
}

// watch is what was told last. It is as large as the kernel's own tables.
type watch struct {
	observer  Observer
	links     map[int]Link
	addresses map[place]Address
	stale     bool // something came in that only a listing explains
}

// follow lives on one subscription until ctx ends or the subscription fails.
func (w *watch) follow(ctx context.Context) error {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR)
	if err != nil {
		return fmt.Errorf("subscribe to changes of addresses: %w", err)
	}
	// Closing the socket is what ends a Receive that waits.
	ended := context.AfterFunc(ctx, socket.Close)
	defer func() {
		if ended() {
			socket.Close()
		}
	}()
	if err := socket.SetReceiveBufferSize(newsBuffer, true); err != nil {
		// Without the capability to force it, take what the system allows; the listings make up for the rest.
		_ = socket.SetReceiveBufferSize(newsBuffer, false)
	}
	for ctx.Err() == nil {
		if err := w.list(); err != nil {
			return err
		}
		if err := w.receive(socket, time.Now().Add(relist)); err != nil {
			return err
		}
	}
	return nil
}

// receive takes news until it is time to list again.
func (w *watch) receive(socket *nl.NetlinkSocket, until time.Time) error {
	for {
		left := time.Until(until)
		if left <= 0 {
			return nil
		}
		timeout := unix.NsecToTimeval(int64(left + time.Microsecond)) // never 0, which is forever
		if err := socket.SetReceiveTimeout(&timeout); err != nil {
			return err
		}
		messages, from, err := socket.Receive()
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.ENOBUFS):
			w.trouble(errors.New("the kernel dropped news of addresses: list them again"))
			return nil
		case err != nil:
			return fmt.Errorf("receive changes of addresses: %w", err)
		}
		if from.Pid != nl.PidKernel {
			continue // another program may write to our socket; only the kernel is believed
		}
		for _, m := range messages {
			w.take(m)
		}
		if w.stale {
			return nil
		}
	}
}

// take applies one message.
func (w *watch) take(m syscall.NetlinkMessage) {
	switch m.Header.Type {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		if l, ok := parseLink(m.Data); ok {
			w.setLink(l, m.Header.Type == unix.RTM_NEWLINK)
		}
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		if e, ok := parseAddress(m.Data); ok {
			w.setAddress(e, m.Header.Type == unix.RTM_NEWADDR)
		}
	}
}

// list compares the kernel's tables with what was told.
func (w *watch) list() error {
	w.stale = false
	links, err := listLinks()
	if err != nil {
		return err
	}
	entries, err := listAddresses()
	if err != nil {
		return err
	}
	there := make(map[place]bool, len(entries))
	for _, e := range entries {
		there[e.place()] = true
	}
	for p := range w.addresses {
		if !there[p] {
			w.dropAddress(p)
		}
	}
	for index, l := range w.links {
		if _, stays := links[index]; !stays {
			w.setLink(l, false)
		}
	}
	for _, l := range links {
		w.setLink(l, true)
	}
	for _, e := range entries {
		w.setAddress(e, true)
	}
	if w.observer.Listed != nil {
		w.observer.Listed()
	}
	return nil
}

func (e entry) place() place { return place{e.index, e.Prefix} }

// setLink remembers l and tells of it if it is new, changed or gone.
func (w *watch) setLink(l Link, present bool) {
	old, known := w.links[l.Index]
	if known == present && (!known || old == l) {
		return
	}
	if known && (!present || old.Name != l.Name) {
		w.leave(old)
		w.stale = present // renamed: its addresses are to be told under the new name
	}
	if !present {
		return
	}
	w.links[l.Index] = l
	w.tellLink(l, true)
}

// leave tells that a link and its addresses are no longer to be found under its name.
func (w *watch) leave(l Link) {
	for p := range w.addresses {
		if p.index == l.Index {
			w.dropAddress(p)
		}
	}
	delete(w.links, l.Index)
	w.tellLink(l, false)
}

func (w *watch) setAddress(e entry, present bool) {
	p := e.place()
	if !present {
		w.dropAddress(p)
		return
	}
	link, known := w.links[e.index]
	if !known {
		w.stale = true
		return
	}
	e.Interface = link.Name
	if old, told := w.addresses[p]; told && old == e.Address {
		return
	}
	w.addresses[p] = e.Address
	if w.observer.Address != nil {
		w.observer.Address(e.Address, true)
	}
}

func (w *watch) dropAddress(p place) {
	a, told := w.addresses[p]
	if !told {
		return
	}
	delete(w.addresses, p)
	if w.observer.Address != nil {
		w.observer.Address(a, false)
	}
}

func (w *watch) tellLink(l Link, present bool) {
	if w.observer.Link != nil {
		w.observer.Link(l, present)
	}
}

func (w *watch) trouble(err error) {
	if err != nil && w.observer.Trouble != nil {
		w.observer.Trouble(err)
	}
}
