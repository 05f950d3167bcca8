package link

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// lookEvery is how often a keeper looks at its interface unasked. It bounds the
// time that a link waits for an interface whose coming nobody reported. A look
// takes two netlink requests, some tens of microseconds.
const lookEvery = time.Second

// portKey names a receiving socket.
type portKey struct {
	name   string // of the interface
	number int
	six    bool
}

// port is the receiving socket of the links that share it, with their goroutines:
// the keeper, which looks at the interface and owns all below, and the reader,
// which holds the socket and its own list of links. While edit has stopped the
// keeper, all belongs to edit.
type port struct {
	key    portKey
	wanted chan struct{} // holds one wish for a look; more would not be seen sooner

	links  []*Link // replaced, never changed in place: the reader reads it too
	index  int     // of the interface that the sockets are bound to
	conn   *net.UDPConn
	groups map[netip.Addr]bool // joined on conn

	quit chan struct{} // closed to end the keeper; nil while there is none
	kept chan struct{} // closed when the keeper has ended
	read chan struct{} // closed when the reader has ended; nil while there is none
}

func newPort(key portKey) *port {
	return &port{key: key, wanted: make(chan struct{}, 1)}
}

// look wishes for a look at the interface and does not wait for it.
func (p *port) look() {
	select {
	case p.wanted <- struct{}{}:
	default:
	}
}

// edit lets change do with the port what it must, alone, and starts the goroutines
// anew unless no link is left. The keeper stands still meanwhile; the reader goes
// on with the links that it knows, for change may take long: the kernel has one
// lock for all interfaces, and somebody else may hold it.
func (p *port) edit(change func()) {
	if p.quit != nil {
		close(p.quit)
		<-p.kept
		p.quit = nil
	}
	change()
	if len(p.links) == 0 {
		p.closeSockets()
		return
	}
	p.stopReader()
	p.startReader()
	p.quit, p.kept = make(chan struct{}), make(chan struct{})
	go p.keep(p.quit, p.kept)
}

func (p *port) keep(quit <-chan struct{}, kept chan<- struct{}) {
	defer close(kept)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-quit:
			return
		case <-p.wanted:
		case <-tick.C:
		}
		p.examine()
		p.startReader()
	}
}

// examine looks at the interface and makes the sockets fit it.
func (p *port) examine() {
	f, err := lookAt(p.key.name, p.key.six)
	if errors.Is(err, errNoInterface) {
		p.wait(err.Error())
		return
	}
	if err != nil {
		// Could not look: what is open stays open, what is not says why.
		if p.conn == nil {
			p.wait(err.Error())
		}
		return
	}
	if p.conn != nil && (f.index != p.index || p.readerFailed()) {
		p.closeSockets()
	}
	if p.conn == nil {
		conn, err := listen(p.key)
		if err != nil {
			p.wait(err.Error())
			return
		}
		p.conn, p.index, p.groups = conn, f.index, make(map[netip.Addr]bool)
	}
	for _, l := range p.links {
		if err := p.equip(l, f); err != nil {
			p.release(l, err.Error())
		}
	}
}

// equip gives an open port's link what it needs to send and to be heard.
func (p *port) equip(l *Link, f face) error {
	if l.spec.Kind == Multicast && !p.groups[l.spec.Address] {
		if err := join(p.conn, l.spec.Address, f.index); err != nil {
			return fmt.Errorf("join group %s on %s: %w", l.spec.Address, f.name, err)
		}
		p.groups[l.spec.Address] = true
	}
	st := judge(l.spec, f)
	old := l.sender.Load()
	switch {
	case old == nil:
		s, err := openSender(l.spec, f.index, st.To)
		if err != nil {
			return err
		}
		l.sender.Store(s)
	case old.to != st.To:
		l.sender.Store(old.toward(st.To))
	}
	l.setState(st)
	return nil
}

// wait closes the sockets and has all links tell what they wait for.
func (p *port) wait(reason string) {
	p.closeSockets()
	for _, l := range p.links {
		p.release(l, reason)
	}
}

// release closes a link's sending socket and says why.
func (p *port) release(l *Link, reason string) {
	l.setState(State{Reason: reason})
	if s := l.sender.Swap(nil); s != nil {
		s.close()
	}
}

// closeSockets closes the receiving socket and the links' sending sockets, and
// waits for the reader.
func (p *port) closeSockets() {
	for _, l := range p.links {
		if s := l.sender.Swap(nil); s != nil {
			s.close()
		}
	}
	if p.conn == nil {
		return
	}
	p.conn.Close() // nothing is buffered in a datagram socket that closing could lose
	if p.read != nil {
		<-p.read
	}
	p.conn, p.read, p.groups, p.index = nil, nil, nil, 0
}

// leaveGroups leaves those groups that no link wants any more.
func (p *port) leaveGroups() {
	for group := range p.groups {
		wants := func(s Spec) bool { return s.Kind == Multicast && s.Address == group }
		if first(p.links, wants) != nil {
			continue
		}
		// An error means that the membership is gone already, with its interface.
		_ = leave(p.conn, group, p.index)
		delete(p.groups, group)
	}
}

// startReader starts the reader if there is a socket that nobody reads.
func (p *port) startReader() {
	if p.conn == nil || p.read != nil {
		return
	}
	p.read = make(chan struct{})
	go receive(p.conn, p.links, p.read)
}

// stopReader ends the reader and leaves the socket open: what arrives meanwhile
// waits in its buffer.
func (p *port) stopReader() {
	if p.read == nil {
		return
	}
	// An error means that the socket is closed, and then the reader ends as well.
	_ = p.conn.SetReadDeadline(time.Unix(1, 0))
	<-p.read
	_ = p.conn.SetReadDeadline(time.Time{})
	p.read = nil
}

// readerFailed says that the reader ended by itself: its socket is broken.
func (p *port) readerFailed() bool {
	if p.read == nil {
		return false
	}
	select {
	case <-p.read:
		return true
	default:
		return false
	}
}

// receive reads datagrams and hands them to the links until the socket is closed,
// its deadline passes, or it fails.
func receive(conn *net.UDPConn, links []*Link, done chan<- struct{}) {
	defer close(done)
	data := make([]byte, MaxDatagram)
	control := make([]byte, controlSpace)
	for {
		n, c, _, from, err := conn.ReadMsgUDPAddrPort(data, control)
		if err != nil {
			return
		}
		how, to, ok := destination(control[:c])
		if !ok {
			continue
		}
		if l := credit(links, how, from.Addr().WithZone(""), to); l != nil {
			l.deliver(data[:n], from, to, bootClock())
		}
	}
}
