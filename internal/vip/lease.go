package vip

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// ErrNoNftables says that this kernel cannot hold the lease: nftables, its arp family or one of the
// expressions the gate needs is missing. The caller falls back to addresses with a life-time (rule K1).
var ErrNoNftables = errors.New("kernel has no usable nftables")

// Limits of a lease.
const (
	// maxLeased bounds the addresses that are gated, and so the size of one transaction: about 60 bytes
	// for each of at most four elements an address, well under a socket's default send buffer.
	maxLeased = 256
	// maxDrain bounds a drain: less than the minute for which the kernel remembers what began here.
	maxDrain = 30 * time.Second
	// minLife is the shortest time-out that is written: one jiffy where HZ is 100. The kernel rounds a
	// time-out down to jiffies, and takes zero for "never ends".
	minLife = 10 * time.Millisecond
)

// Grant entitles the addresses of one key until a point in time.
type Grant struct {
	Key       string       // the caller's name for these addresses
	Seq       int64        // the caller's number; it comes back in the Result
	Addresses []netip.Addr // all are written in one transaction, or none
	Quiet     bool         // IP passes, but ARP and neighbour solicitations are not answered
	Until     int64        // boot clock in nanoseconds at which the entitlement ends
	NotAfter  int64        // boot clock in nanoseconds; a later write is void (rule S6); 0: no such limit
	Fresh     bool         // a new entitlement: none may be running; false: a renewal, one must be running

	// Drain is the hardware address of the old owner in a planned move; zero: no drain begins. It is named once: a
	// renewal without it leaves a drain alone, and one with it begins the drain anew.
	Drain    MAC
	DrainFor time.Duration // how long the drain lasts, at most half a minute
}

// Op says what a Result is about.
type Op int

// The operations that are reported.
const (
	OpManage  Op = iota + 1 // the set of gated addresses was changed
	OpGrant                 // a Grant was handled
	OpRevoke                // a revocation was handled
	OpRestore               // another program removed the gate; it was put back
)

// String returns the operation's name.
func (o Op) String() string {
	switch o {
	case OpManage:
		return "manage"
	case OpGrant:
		return "grant"
	case OpRevoke:
		return "revoke"
	case OpRestore:
		return "restore"
	}
	return fmt.Sprintf("operation %d", int(o))
}

// Result is what became of one operation. One of OK, Lapsed, Void is true, or Err is set; a lapse may have an error
// beside it, when what was left of the grant could not be removed and runs to its own end.
type Result struct {
	Op     Op
	Key    string
	Seq    int64
	OK     bool  // the kernel has acknowledged it
	Lapsed bool  // a renewal found the entitlement ended; nothing runs any more (rule O5)
	Void   bool  // NotAfter (rule S6), or a fresh grant's Until, had passed; nothing was written
	Err    error // it could not be done; what ran before still runs until its own end
	At     int64 // boot clock after the kernel's answer
}

// Held is what the kernel grants an address at this moment.
type Held struct {
	Quiet bool
	Left  time.Duration
}

// LeaseOptions are the settings of a Lease.
type LeaseOptions struct {
	Ticket time.Duration // time-out of a ticket, at most 0.4 keepalive (rule K2)
	Now    func() int64  // the boot clock in nanoseconds; nil: the kernel's
	Report func(Result)  // called from the lease's goroutine, in order; it must not block

	// Interfaces tells on which interface an address is met, for drains. One that does not exist yet may come later.
	Interfaces map[netip.Addr]string
	// Undrained is told why drains are not possible on an interface, once until they are again. A lease does not
	// need them. It is called as Report is; nil: nobody is told.
	Undrained func(error)

	dial  func() (netfilter, error) // the tests' seam; nil: the real kernel
	pause func(stage)               // the tests' hook between the steps of a write; nil: none
}

// Lease is the kernel's lease on the managed addresses: "the address dies with its owner" (rules K1 to K3 of
// docs/protocol.md).
//
// An nftables table of ours drops IP packets to and from a managed address, and its ARP replies and neighbour
// advertisements, unless the address is in a timed set. Each grant writes the remaining time of the
// entitlement into the kernel, so an owner that is hung, stopped or killed falls silent by itself.
//
// A write that was decided before a freeze must not act after it (rule K2). So each grant is three steps:
// put a ticket with a short time-out into the kernel; read the clock; send one transaction that deletes the
// ticket, deletes the running element if the grant is a renewal, and adds the element with the time that
// remains. A frozen writer finds its ticket expired, and the kernel refuses the transaction as a whole. The
// clock is read after the ticket was put, so an element ends at most one ticket after Grant.Until.
// A running element that has expired refuses a renewal in the same way: that is a lapse, and final.
//
// One goroutine owns the one connection that writes. Its callers never wait: a newer grant for a key replaces
// one that was not yet written, and the kernel's answers come back through LeaseOptions.Report.
//
// "nft flush ruleset", as firewalls do at each reload, removes our table too, and without it the gate is open.
// The kernel tells us at once; the table is put back within milliseconds, and so is each element whose entitlement
// still runs, with the end it had. A firewall reload therefore neither frees a mute address for long nor mutes
// an owner. What another program adds to our tables is removed in the same way: a rule set that was saved while a lease
// ran must revive nothing.
//
// While this program is frozen or dead nobody puts the table back: then the life of the address itself is the second line,
// see the caller. The table is not owned by our socket (NFT_TABLE_F_OWNER), which would protect it from a flush. Such
// a table dies with the daemon before kernel 6.9. Later kernels keep it (NFT_TABLE_F_PERSIST), but anyone may flush it then;
// and while the daemon runs, every saved rule set that names the table is refused as a whole (EPERM), the machine's own
// firewall with it; nft 1.0.6 prints an orphan's flags in a form that it cannot read again.
//
// A grant with a Drain lets a planned move cut no connection. The old owner still serves, quietly; the
// frames of its connections come to this node, whose kernel knows nothing of them and would reset them. So for the drain
// time the kernel hands TCP packets of connections that it has not seen begin on to the old owner, on the same
// interface. It is in force with the grant, in one transaction, before the first announcement.
//
// The kernel counts an element's time on its monotonic clock: it stands still while the machine is suspended.
type Lease struct {
	box  *mailbox
	w    *leaseWriter
	stop chan struct{}
	done chan struct{}
}

// Manage sets the addresses that are gated from now on, and reports OpManage. An element that runs already
// keeps the time it has left. Wait for the report before you put an address on an interface.
func (l *Lease) Manage(seq int64, addrs []netip.Addr) {
	l.box.putManage(manageRequest{seq: seq, addrs: plain(addrs)})
}

// Set hands over a grant and returns at once; it reports OpGrant. The newest grant for a key wins: one that it
// replaces before it was written gets no report. A renewal that replaces an unwritten fresh grant takes over its
// Fresh and NotAfter, and any grant that is not quiet takes over an unwritten Drain.
func (l *Lease) Set(g Grant) {
	g.Addresses = plain(g.Addresses)
	l.box.putGrant(g)
}

// Revoke ends the grant of a key for these addresses, and reports OpRevoke when the kernel has removed it
// (rule K3). It drops a grant for the key that was not yet written, and stands before any later one.
func (l *Lease) Revoke(key string, seq int64, addrs []netip.Addr) {
	l.box.putRevoke(revokeRequest{key: key, seq: seq, addrs: plain(addrs)})
}

// Close ends the lease's goroutines and leaves the kernel as it is: what was granted runs until its end, and
// another Lease may renew it. Call Close or Remove, once.
func (l *Lease) Close() error {
	close(l.stop)
	<-l.done
	return l.w.close()
}

// plain returns the addresses as the kernel's sets know them: no zone, no IPv4 in IPv6, each once.
func plain(addrs []netip.Addr) []netip.Addr {
	out := make([]netip.Addr, 0, len(addrs))
	for _, a := range addrs {
		out = append(out, a.Unmap().WithZone(""))
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}

// checkLeased tells whether these addresses can be written in one transaction.
func checkLeased(addrs []netip.Addr) error {
	if len(addrs) > maxLeased {
		return fmt.Errorf("lease %d addresses: at most %d can be gated; use fewer shared addresses", len(addrs), maxLeased)
	}
	for _, a := range addrs {
		if !a.IsValid() {
			return errors.New("lease an address: it is empty; name an IPv4 or IPv6 address")
		}
	}
	return nil
}
