package agent

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"lubdub/internal/cluster"
)

// fakeAddresses is an interface with or without the address.
type fakeAddresses struct {
	there bool
	err   error
}

func (f *fakeAddresses) Add(cluster.Resource) error { f.there = f.err == nil; return f.err }
func (f *fakeAddresses) Remove(cluster.Resource) error {
	f.there = f.there && f.err != nil
	return f.err
}
func (f *fakeAddresses) Has(cluster.Resource) (bool, error) { return f.there, f.err }

func TestAddress(t *testing.T) {
	fake := &fakeAddresses{}
	w := newWorld(t)
	w.Addresses = fake
	res := cluster.Resource{Name: "192.0.2.100", Class: "address", Type: "address", Interface: "eth0",
		Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.100/24")}}
	do := func(a cluster.Action, result cluster.Result, words string) {
		t.Helper()
		w.expect(t, Request{Resource: res, Action: a, Timeout: patience}, result, words)
	}
	do(cluster.Monitor, cluster.NotRunning, "192.0.2.100/24 is not on eth0")
	do(cluster.Start, cluster.OK, "192.0.2.100/24 is on eth0")
	do(cluster.Start, cluster.OK, "192.0.2.100/24 is on eth0")
	do(cluster.Monitor, cluster.OK, "192.0.2.100/24 is on eth0")
	do(cluster.Stop, cluster.OK, "192.0.2.100/24 is no longer on eth0")
	do(cluster.Monitor, cluster.NotRunning, "192.0.2.100/24 is not on eth0")
	fake.err = errors.New("add 192.0.2.100/24 on eth0: no such device")
	do(cluster.Start, cluster.Failed, "192.0.2.100 start: add 192.0.2.100/24 on eth0: no such device")
	do(cluster.Monitor, cluster.Failed, "192.0.2.100 monitor: add 192.0.2.100/24 on eth0: no such device")
	res.Interface = ""
	do(cluster.Start, cluster.Unusable, "192.0.2.100 start: no interface fits 192.0.2.100: write it as ADDRESS/BITS/INTERFACE")
	res.Addresses = nil
	do(cluster.Start, cluster.Unusable, "192.0.2.100 start: no address is given: write it as ADDRESS/BITS/INTERFACE")
}

// fakeProxy is a proxy that hangs, fails, or does what it is told.
type fakeProxy struct {
	runs, hangs bool
	err         error
}

func (f *fakeProxy) set(ctx context.Context, runs bool) error {
	if f.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	f.runs = runs
	return f.err
}

func (f *fakeProxy) Start(ctx context.Context, _ string) error { return f.set(ctx, true) }
func (f *fakeProxy) Stop(ctx context.Context, _ string) error  { return f.set(ctx, false) }
func (f *fakeProxy) Monitor(ctx context.Context, _ string) (bool, error) {
	return f.runs, f.set(ctx, f.runs)
}

func TestProxy(t *testing.T) {
	fake := &fakeProxy{}
	w := newWorld(t)
	w.Proxy = fake
	timeout := patience
	do := func(a cluster.Action, result cluster.Result, words string) {
		t.Helper()
		res := cluster.Resource{Name: "lubdub-proxy", Class: "proxy", Type: "web"}
		w.expect(t, Request{Resource: res, Action: a, Timeout: timeout}, result, words)
	}
	do(cluster.Monitor, cluster.NotRunning, "the proxy web does not run")
	do(cluster.Start, cluster.OK, "the proxy web is started")
	do(cluster.Monitor, cluster.OK, "the proxy web runs")
	do(cluster.Stop, cluster.OK, "the proxy web is stopped")
	fake.err = errors.New("listen on 192.0.2.100:80: address already in use")
	do(cluster.Start, cluster.Failed, "lubdub-proxy start: listen on 192.0.2.100:80: address already in use")
	fake.hangs, timeout = true, 50*time.Millisecond
	do(cluster.Monitor, cluster.TimedOut, "lubdub-proxy monitor: ended after 50ms: it did not answer")
}
