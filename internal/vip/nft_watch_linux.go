package vip

import (
	"bytes"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// watchBuffer holds the notifications of a large firewall's reload. When it overflows nothing is lost but
// the knowledge what changed, and the gate is put back to be sure.
const watchBuffer = 1 << 20

// nftWatch tells when another program changes something of ours.
type nftWatch struct {
	conn   *netlink.Conn
	own    uint32        // port of the connection whose writes are ours
	broken chan struct{} // one token: something of ours may be gone
	quit   chan struct{}
	done   chan struct{}
}

func openWatch(own uint32) (*nftWatch, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{Groups: 1 << (unix.NFNLGRP_NFTABLES - 1)})
	if err != nil {
		return nil, fmt.Errorf("watch nftables: %w", err)
	}
	// Root may pass the machine's limit for buffers; others get what the limit allows.
	if err := conn.SetReadBuffer(watchBuffer); err != nil {
		conn.Close()
		return nil, fmt.Errorf("watch nftables: %w", err)
	}
	w := &nftWatch{conn: conn, own: own, broken: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	go w.run()
	return w, nil
}

// run reads until close. An error means that the kernel had to drop notifications, so anything may be gone.
func (w *nftWatch) run() {
	defer close(w.done)
	for {
		msgs, err := w.conn.Receive()
		select {
		case <-w.quit:
			return
		default:
		}
		if err == nil && !w.harmful(msgs) {
			continue
		}
		select {
		case w.broken <- struct{}{}:
		default:
		}
	}
}

// harmful tells whether another program changed our tables: what it removed opens the gate, and what it added may be a lease
// that ended long ago, out of a saved rule set.
func (w *nftWatch) harmful(msgs []netlink.Message) bool {
	for _, m := range msgs {
		if m.Header.PID == w.own || uint16(m.Header.Type)>>8 != unix.NFNL_SUBSYS_NFTABLES {
			continue
		}
		switch uint16(m.Header.Type) & 0xff {
		case unix.NFT_MSG_NEWTABLE, unix.NFT_MSG_NEWCHAIN, unix.NFT_MSG_NEWRULE, unix.NFT_MSG_NEWSET, unix.NFT_MSG_NEWSETELEM,
			unix.NFT_MSG_DELTABLE, unix.NFT_MSG_DELCHAIN, unix.NFT_MSG_DELRULE, unix.NFT_MSG_DELSET, unix.NFT_MSG_DELSETELEM:
			if ofOurTable(m.Data) {
				return true
			}
		}
	}
	return false
}

// ofOurTable reads the table's name, which is attribute 1 in each of these messages.
func ofOurTable(body []byte) bool {
	const nfHeader = 4
	if len(body) < nfHeader {
		return false
	}
	ad, err := netlink.NewAttributeDecoder(body[nfHeader:])
	if err != nil {
		return true // cannot be read: rather put back too much
	}
	for ad.Next() {
		if ad.Type() == unix.NFTA_TABLE_NAME {
			return string(bytes.TrimRight(ad.Bytes(), "\x00")) == tableName
		}
	}
	return false
}

func (w *nftWatch) close() error {
	close(w.quit)
	err := w.conn.Close()
	<-w.done
	return err
}
