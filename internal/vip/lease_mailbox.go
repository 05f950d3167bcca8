package vip

import (
	"net/netip"
	"slices"
	"sync"
)

type manageRequest struct {
	seq   int64
	addrs []netip.Addr
}

type revokeRequest struct {
	key   string
	seq   int64
	addrs []netip.Addr
}

// slot is what waits to be written for one key: a revocation, then a grant.
type slot struct {
	revoke *revokeRequest
	grant  *Grant
}

// mailbox keeps the newest request of each key until the writer takes it. It is a lock and not a channel
// because the caller must never wait while the writer is inside the kernel, and old requests must make way
// for new ones. It holds at most two requests a key.
type mailbox struct {
	wake chan struct{} // holds one token while there may be something to take

	mu     sync.Mutex
	manage *manageRequest   // guarded by mu
	order  []string         // guarded by mu; keys with a slot, the longest waiting first
	slots  map[string]*slot // guarded by mu
}

func newMailbox() *mailbox {
	return &mailbox{wake: make(chan struct{}, 1), slots: make(map[string]*slot)}
}

func (m *mailbox) putManage(r manageRequest) {
	m.mu.Lock()
	m.manage = &r
	m.mu.Unlock()
	m.ring()
}

func (m *mailbox) putGrant(g Grant) {
	m.mu.Lock()
	s := m.slot(g.Key)
	if old := s.grant; old != nil && old.Fresh && !g.Fresh {
		g.Fresh, g.NotAfter = true, old.NotAfter
	}
	if old := s.grant; old != nil && g.Drain == (MAC{}) && !g.Quiet {
		g.Drain, g.DrainFor = old.Drain, old.DrainFor
	}
	s.grant = &g
	m.mu.Unlock()
	m.ring()
}

func (m *mailbox) putRevoke(r revokeRequest) {
	m.mu.Lock()
	s := m.slot(r.key)
	if s.revoke != nil {
		r.addrs = plain(append(r.addrs, s.revoke.addrs...))
	}
	s.revoke, s.grant = &r, nil
	m.mu.Unlock()
	m.ring()
}

// slot returns the key's slot; the caller holds the lock.
func (m *mailbox) slot(key string) *slot {
	s, ok := m.slots[key]
	if !ok {
		s = &slot{}
		m.slots[key] = s
		m.order = append(m.order, key)
	}
	return s
}

func (m *mailbox) ring() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// take removes the next request: a manageRequest, a revokeRequest or a Grant; nil when there is none.
func (m *mailbox) take() any {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.manage; r != nil {
		m.manage = nil
		return *r
	}
	if len(m.order) == 0 {
		return nil
	}
	key := m.order[0]
	s := m.slots[key]
	if r := s.revoke; r != nil && s.grant != nil {
		s.revoke = nil
		return *r
	}
	m.order = slices.Delete(m.order, 0, 1)
	delete(m.slots, key)
	if s.revoke != nil {
		return *s.revoke
	}
	return *s.grant
}
