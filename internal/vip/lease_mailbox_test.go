package vip

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestMailbox(t *testing.T) {
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	grant := func(key string, seq int64) Grant { return Grant{Key: key, Seq: seq} }
	fresh := func(key string, seq, notAfter int64) Grant {
		return Grant{Key: key, Seq: seq, Fresh: true, NotAfter: notAfter}
	}
	drained := func(key string, seq int64) Grant {
		return Grant{Key: key, Seq: seq, Drain: MAC{2}, DrainFor: time.Second}
	}
	quiet := func(key string, seq int64) Grant { return Grant{Key: key, Seq: seq, Quiet: true} }
	revoke := func(key string, seq int64, addrs ...netip.Addr) revokeRequest {
		return revokeRequest{key, seq, addrs}
	}
	tests := []struct {
		name string
		put  []any
		want []any
	}{
		{"nothing", nil, nil},
		{"newest grant of a key wins", []any{grant("x", 1), grant("y", 2), grant("x", 3)}, []any{grant("x", 3), grant("y", 2)}},
		{"a renewal keeps an unwritten fresh grant fresh", []any{fresh("x", 1, 7), grant("x", 2)}, []any{fresh("x", 2, 7)}},
		{"a fresh grant replaces a renewal", []any{grant("x", 1), fresh("x", 2, 7)}, []any{fresh("x", 2, 7)}},
		{"a newer fresh grant brings its own limit", []any{fresh("x", 1, 7), fresh("x", 2, 9)}, []any{fresh("x", 2, 9)}},
		{"a renewal keeps an unwritten drain", []any{drained("x", 1), grant("x", 2)}, []any{drained("x", 2)}},
		{"who gives away drains nothing", []any{drained("x", 1), quiet("x", 2)}, []any{quiet("x", 2)}},
		{"a revocation drops an older grant", []any{grant("x", 1), revoke("x", 2, a)}, []any{revoke("x", 2, a)}},
		{"a revocation stands before a newer grant", []any{revoke("x", 1, a), fresh("x", 2, 7)}, []any{revoke("x", 1, a), fresh("x", 2, 7)}},
		{"a fresh grant does not outlive the revocation", []any{fresh("x", 1, 7), revoke("x", 2, a), grant("x", 3)}, []any{revoke("x", 2, a), grant("x", 3)}},
		{"two revocations revoke all", []any{revoke("x", 1, b), grant("x", 2), revoke("x", 3, a)}, []any{revoke("x", 3, a, b)}},
		{"managing comes first, the newest", []any{grant("x", 1), manageRequest{2, nil}, manageRequest{3, nil}}, []any{manageRequest{3, nil}, grant("x", 1)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMailbox()
			for _, p := range tt.put {
				switch p := p.(type) {
				case Grant:
					m.putGrant(p)
				case revokeRequest:
					m.putRevoke(p)
				case manageRequest:
					m.putManage(p)
				}
			}
			if woken := len(m.wake) == 1; woken != (len(tt.put) > 0) {
				t.Errorf("woken %v", woken)
			}
			var got []any
			for r := m.take(); r != nil; r = m.take() {
				got = append(got, r)
			}
			opts := []cmp.Option{cmp.AllowUnexported(manageRequest{}, revokeRequest{}), cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()}
			if d := cmp.Diff(tt.want, got, opts...); d != "" {
				t.Error(d)
			}
		})
	}
}
