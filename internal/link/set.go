package link

import "slices"

// Set is the links of one program. It exists because links of one interface and
// port share a socket. Its methods, and Link.Close, are called by one goroutine.
type Set struct {
	links []*Link
	ports map[portKey]*port
}

// NewSet returns an empty set.
func NewSet() *Set {
	return &Set{ports: make(map[portKey]*port)}
}

// Open adds a link, whose datagrams go to receive. It does not fail: what the
// link waits for stands in its State. A channel that is full loses the datagram,
// so it wants a buffer; links with channels of their own do not suffer from a
// flood on another. The set never closes a channel. Open and Close ask the kernel
// about the interface and may wait some milliseconds while others change theirs.
func (s *Set) Open(spec Spec, receive chan<- Datagram) *Link {
	spec.Address = spec.Address.Unmap().WithZone("") // the interface is the zone
	l := &Link{spec: spec, receive: receive, set: s}
	l.setState(State{Reason: "not looked at yet"})
	s.links = append(s.links, l)
	if err := spec.check(); err != nil {
		l.setState(State{Reason: err.Error()})
		return l
	}
	key := portKey{name: spec.Interface, number: spec.Port, six: spec.six()}
	p := s.ports[key]
	if p == nil {
		p = newPort(key)
		s.ports[key] = p
	}
	l.port = p
	p.edit(func() {
		p.links = append(slices.Clone(p.links), l)
		p.examine()
	})
	return l
}

// Refresh makes every link look at its interface again. Call it when an interface
// or an address changed. It does not wait.
func (s *Set) Refresh() {
	for _, p := range s.ports {
		p.look()
	}
}

// Close closes all links and waits for their goroutines.
func (s *Set) Close() {
	for len(s.links) > 0 {
		s.links[0].Close()
	}
}

// Close ends the link. When it returns, the link's datagrams have ended and its
// goroutines too, unless other links share them. A second call does nothing.
func (l *Link) Close() {
	s := l.set
	if !slices.Contains(s.links, l) {
		return
	}
	s.links = without(s.links, l)
	if p := l.port; p != nil {
		p.edit(func() {
			p.links = without(p.links, l)
			p.release(l, "")
			p.leaveGroups()
		})
		if len(p.links) == 0 {
			delete(s.ports, p.key)
		}
	}
	l.setState(State{Reason: "the link is closed"})
}

// without returns a new slice: a reader may still hold the old one.
func without(links []*Link, l *Link) []*Link {
	return slices.DeleteFunc(slices.Clone(links), func(other *Link) bool { return other == l })
}
