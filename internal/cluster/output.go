package cluster

import "time"

// Output is something that the machine wants done. Outputs are performed in
// the order given; none of them may be waited for by the loop.
type Output interface{ output() }

// Send sends a heartbeat on every link.
type Send struct{ Beat Beat }

// Entitle tells the kernel until when the group's addresses may be served
// (rules K1, K2). It is answered by a Leased with the same Seq, a refreshed
// one included. A newer Entitle of the group replaces an older one.
type Entitle struct {
	Group string
	Seq   uint64
	// Until is the end, absolute. Zero revokes: the address falls silent.
	Until Time
	// Fresh is a new grant; otherwise it prolongs the running lease, and is
	// refused by the kernel when that has ended (rule O5).
	Fresh bool
	// NotAfter is the latest moment at which a fresh grant may be written (rule S6); zero: any.
	NotAfter Time
	// Quiet passes IP but answers no ARP or ND.
	Quiet bool
	// Announce sends the first announcement with the grant.
	Announce bool
	// Drain is for how long packets of connections that this node has not seen
	// begin are passed on to the peer, who is quiet (rule M1); zero: not at all.
	Drain time.Duration
}

// Run starts an action. It is answered by an Outcome with the same ID.
type Run struct {
	ID       uint64
	Group    string
	Resource string
	Action   Action
	Timeout  time.Duration
	Epoch    uint64 // of the group: the agent's fencing token
}

// Action is what an agent is asked to do.
type Action string

// The actions.
const (
	Start   Action = "start"
	Stop    Action = "stop"
	Monitor Action = "monitor"
)

// Cancel ends a running action or fence; its Outcome or Fenced still comes.
type Cancel struct{ ID uint64 }

// Probe asks the front whether anybody has an address of the group (rule S4):
// three probes 20 ms apart. It is answered by a Probed with the same Attempt.
type Probe struct {
	Group   string
	Attempt uint64
}

// Ping sets how often each ping node is asked: now, and then at this interval.
// Each answer comes as a Pinged. The newest counts.
type Ping struct{ Interval time.Duration }

// Fence ends the other node by its fence devices, level by level. It is
// answered by a Fenced with the same Attempt, however long that takes. A Cancel
// with that number ends it, as it ends an action.
type Fence struct{ Attempt uint64 }

// Feed keeps the watchdog quiet for its time-out; the first one opens the device.
// One that comes too late is not done.
type Feed struct {
	// NotAfter is the latest moment at which it may be done: what it rests on is too old then.
	NotAfter Time
}

// Unleash closes the watchdog: nothing is served here any more.
type Unleash struct{}

// Announce tells the front that this node has the group's addresses.
type Announce struct{ Group string }

// Save writes what must outlive the daemon, beside the loop; the newest wins.
type Save struct{ Saved Saved }

// Reply answers a Command or a Reload, when what was saved before it is written.
type Reply struct {
	ID    uint64
	OK    bool
	Words string
	// Differs, for a Reload, are the files in which the peer is not known to run the same.
	Differs []string
}

// Emit records an event.
type Emit struct{ Event Event }

// Exit ends the daemon: the leave is complete; or, with Again, this life of it.
type Exit struct {
	Clean bool
	Again *Reload // the next life is to begin with its configuration; nil: there is none
}

func (Send) output()     {}
func (Entitle) output()  {}
func (Run) output()      {}
func (Cancel) output()   {}
func (Probe) output()    {}
func (Ping) output()     {}
func (Fence) output()    {}
func (Feed) output()     {}
func (Unleash) output()  {}
func (Announce) output() {}
func (Save) output()     {}
func (Reply) output()    {}
func (Emit) output()     {}
func (Exit) output()     {}
