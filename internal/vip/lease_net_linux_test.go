package vip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// leaseNet is two network namespaces with one cable: the owner's, whose kernel holds the lease, and a client's.
type leaseNet struct {
	t             testing.TB
	owner, client string
	mac           string // of the owner's interface v0
}

var leaseNets atomic.Int32

var (
	shared4 = netip.MustParseAddr("192.0.2.100")
	shared6 = netip.MustParseAddr("2001:db8::64")
)

func needLeaseNet(t testing.TB) *leaseNet {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to make network namespaces")
	}
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("needs the nft program, as the judge of our tables")
	}
	id := fmt.Sprintf("ldvip%dx%d", os.Getpid(), leaseNets.Add(1))
	n := &leaseNet{t: t, owner: id + "o", client: id + "c"}
	for _, ns := range []string{n.owner, n.client} {
		n.run("ip", "netns", "add", ns)
		t.Cleanup(func() { n.run("ip", "netns", "del", ns) })
		n.in(ns, "ip", "link", "set", "lo", "up")
		// No duplicate address detection: the tests begin at once.
		n.in(ns, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")
	}
	n.in(n.owner, "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", n.client)
	n.in(n.owner, "ip", "link", "set", "v0", "up")
	n.in(n.client, "ip", "link", "set", "v1", "up")
	n.in(n.owner, "ip", "addr", "add", "192.0.2.1/24", "dev", "v0")
	n.in(n.client, "ip", "addr", "add", "192.0.2.2/24", "dev", "v1")
	n.in(n.owner, "ip", "addr", "add", "2001:db8::1/64", "dev", "v0", "nodad")
	n.in(n.client, "ip", "addr", "add", "2001:db8::2/64", "dev", "v1", "nodad")
	n.listen(n.owner)
	n.listen(n.client)
	n.mac = strings.Fields(n.in(n.owner, "cat", "/sys/class/net/v0/address"))[0]
	return n
}

// addShared puts both shared addresses on the owner's interface.
func (n *leaseNet) addShared() {
	n.in(n.owner, "ip", "addr", "add", shared4.String()+"/24", "dev", "v0")
	n.in(n.owner, "ip", "addr", "add", shared6.String()+"/64", "dev", "v0", "nodad")
}

func (n *leaseNet) run(name string, args ...string) string {
	n.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		n.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func (n *leaseNet) in(ns, name string, args ...string) string {
	n.t.Helper()
	return n.run("ip", append([]string{"netns", "exec", ns, name}, args...)...)
}

// ok tells whether a command in a namespace succeeds.
func (n *leaseNet) ok(ns, name string, args ...string) bool {
	n.t.Helper()
	return exec.Command("ip", append([]string{"netns", "exec", ns, name}, args...)...).Run() == nil
}

// pings tells whether the client gets an answer from an address, with or without knowing its hardware address. Where one is
// wanted it asks again until there is: on a busy machine one may be late. Where none is wanted the first one counts.
func (n *leaseNet) pings(a netip.Addr, known, want bool) bool {
	n.t.Helper()
	return patient(want, func() bool {
		_ = exec.Command("ip", "-n", n.client, "neigh", "del", a.String(), "dev", "v1").Run()
		if known {
			n.run("ip", "-n", n.client, "neigh", "replace", a.String(), "lladdr", n.mac, "dev", "v1", "nud", "permanent")
		}
		return n.connects(n.client, netip.Addr{}, a)
	})
}

// patient asks once when no answer is wanted, else until there is one.
func patient(want bool, answered func() bool) bool {
	for end := time.Now().Add(patience); ; {
		if answered() {
			return true
		}
		if !want || time.Now().After(end) {
			return false
		}
	}
}

// echoPort is where every node of a leaseNet takes connections.
const echoPort = 7777

// listen takes connections to any address of a namespace.
func (n *leaseNet) listen(ns string) {
	n.t.Helper()
	n.within(ns, func() {
		l, err := net.Listen("tcp", fmt.Sprintf(":%d", echoPort))
		if err != nil {
			n.t.Fatal(err)
		}
		n.t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Close()
			}
		}()
	})
}

// reaches tells whether a connection from a namespace, and from this address if one is given, is answered, as pings does.
func (n *leaseNet) reaches(ns string, from, to netip.Addr, want bool) bool {
	n.t.Helper()
	return patient(want, func() bool { return n.connects(ns, from, to) })
}

// connects tries once.
func (n *leaseNet) connects(ns string, from, to netip.Addr) (ok bool) {
	n.t.Helper()
	n.within(ns, func() {
		d := net.Dialer{Timeout: 400 * time.Millisecond}
		if from.IsValid() {
			d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
		}
		c, err := d.Dial("tcp", netip.AddrPortFrom(to, echoPort).String())
		if err == nil {
			c.Close()
		}
		ok = err == nil
	})
	return ok
}

// within runs a function on a thread in a namespace.
func (n *leaseNet) within(ns string, f func()) {
	n.t.Helper()
	if err := inNamespace(ns, f); err != nil {
		n.t.Fatal(err)
	}
}

func inNamespace(ns string, f func()) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		return err
	}
	defer home.Close()
	there, err := netns.GetFromName(ns)
	if err != nil {
		return err
	}
	defer there.Close()
	if err := netns.Set(there); err != nil {
		return err
	}
	f()
	return netns.Set(home)
}

// leaseUser is a caller of a Lease that waits for its answers.
type leaseUser struct {
	*Lease
	t       testing.TB
	results chan Result
	seq     int64
	until   int64 // of the last grant that was asked for
}

// open opens a lease in the owner's namespace.
func (n *leaseNet) open(opts LeaseOptions) *leaseUser {
	n.t.Helper()
	u := &leaseUser{t: n.t, results: make(chan Result, 1000)}
	if opts.Ticket == 0 {
		opts.Ticket = patience // most tests are not about it, and a busy machine is slow
	}
	opts.Report = func(r Result) { u.results <- r }
	dial := opts.dial
	if dial == nil {
		dial = dialNetfilter
	}
	opts.dial = func() (nf netfilter, err error) {
		if e := inNamespace(n.owner, func() { nf, err = dial() }); e != nil {
			return nil, e
		}
		return nf, err
	}
	n.within(n.owner, func() {
		l, err := OpenLease(opts)
		if err != nil {
			n.t.Fatal(err)
		}
		u.Lease = l
	})
	return u
}

// result waits for the next answer of this kind.
func (u *leaseUser) result(op Op) Result {
	u.t.Helper()
	for {
		select {
		case r := <-u.results:
			if r.Op == op {
				return r
			}
		case <-time.After(patience):
			u.t.Fatalf("no answer to %v", op)
		}
	}
}

// forget throws away the answers that have come.
func (u *leaseUser) forget() {
	for len(u.results) > 0 {
		<-u.results
	}
}

func (u *leaseUser) manage(addrs ...netip.Addr) {
	u.t.Helper()
	u.Manage(0, addrs)
	if r := u.result(OpManage); !r.OK {
		u.t.Fatalf("manage: %+v", r)
	}
}

// grant sets a grant for a time from now and returns its answer.
func (u *leaseUser) grant(g Grant, life time.Duration) Result {
	u.t.Helper()
	u.seq++
	u.until = Boottime() + int64(life)
	g.Seq, g.Until = u.seq, u.until
	if g.Key == "" {
		g.Key = "web"
	}
	u.Set(g)
	r := u.result(OpGrant)
	if r.Seq != g.Seq || r.Key != g.Key {
		u.t.Fatalf("answer %+v to grant %+v", r, g)
	}
	return r
}

func (u *leaseUser) mustGrant(g Grant, life time.Duration) {
	u.t.Helper()
	if r := u.grant(g, life); !r.OK {
		u.t.Fatalf("grant %+v: %+v", g, r)
	}
}

// granted grants for a short time, and again where the machine was too busy to write it before it was over. Nothing is
// entitled in between.
func (u *leaseUser) granted(g Grant, life time.Duration) {
	u.t.Helper()
	for end := time.Now().Add(patience); ; {
		r := u.grant(g, life)
		if r.OK {
			return
		}
		if !r.Void && !errors.Is(r.Err, errBusy) || time.Now().After(end) {
			u.t.Fatalf("grant %+v: %+v", g, r)
		}
	}
}

// awaitNothing waits until the kernel holds nothing for an address any more.
func (u *leaseUser) awaitNothing(a netip.Addr) {
	u.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if _, there := u.remaining()[a]; !there {
			return
		}
		if time.Now().After(end) {
			u.t.Fatalf("the kernel still holds %v", u.remaining())
		}
	}
}

func (u *leaseUser) revoke(addrs ...netip.Addr) {
	u.t.Helper()
	u.Revoke("web", 0, addrs)
	if r := u.result(OpRevoke); !r.OK {
		u.t.Fatalf("revoke: %+v", r)
	}
}

func (u *leaseUser) remaining() map[netip.Addr]Held {
	u.t.Helper()
	h, err := u.Remaining()
	if err != nil {
		u.t.Fatal(err)
	}
	return h
}

func (u *leaseUser) close() {
	u.t.Helper()
	if err := u.Close(); err != nil {
		u.t.Error(err)
	}
}

// deafKernel refuses every transaction with one error; with none it does not answer.
type deafKernel struct{ errno unix.Errno }

func (deafKernel) port() uint32 { return 1 }
func (deafKernel) close() error { return nil }

func (k deafKernel) exchange(request []byte) ([]reply, error) {
	if k.errno == 0 {
		return nil, nil
	}
	return []reply{{kind: unix.NLMSG_ERROR, seq: binary.NativeEndian.Uint32(request[8:]), errno: k.errno}}, nil
}
