package cluster

import "time"

// Input is something that happened: one of the types of this file, or nil for
// "time has passed".
type Input interface{ input() }

// Heard is a heartbeat that arrived on a link and whose signature is right.
type Heard struct {
	Link int // index in Config.Links
	Beat Beat
}

// LinkChanged reports that a link can or cannot be used here.
type LinkChanged struct {
	Link   int
	Up     bool
	Reason string // why not: "interface eth1 does not exist"
}

// FrontChanged reports the interface that carries a shared address.
type FrontChanged struct {
	Interface string
	Carrier   bool
	MAC       string
}

// Probed is the answer to a Probe.
type Probed struct {
	Group   string
	Attempt uint64 // as in the Probe
	Began   Time   // when the first probe was sent
	// MAC of who answered for an address of the group; empty: nobody did.
	MAC string
	// Foreign is the MAC of a station seen probing for the same address
	// during ours or in the keepalive before; empty: none.
	Foreign string
	// Evidence says that the front carries frames: one came or a neighbour
	// answered during the probing, or no station but the peer was ever seen.
	Evidence  bool
	LastFrame Time // when another station's frame was last received; 0: never
	// Anything says that the answer proves nothing: whoever gave it answers for
	// an address that nobody uses too (proxy ARP, some clouds).
	Anything bool
	Err      string // the probe could not be made: why
}

// Sighted is a frame on the front in which somebody claims an address of the group.
type Sighted struct {
	Group string
	MAC   string
	Reply bool // it answered a question (a reply), else it announced or claimed by itself
}

// Pinged is an answer of a ping node.
type Pinged struct {
	Node int  // index in Config.Pings
	Sent Time // when the question went out: what it proves is of then
}

// Fenced is how a Fence ended.
type Fenced struct {
	Attempt uint64 // as in the Fence
	OK      bool   // the device says that the other node is off, and its state was read back where it can be
	Words   string // one sentence: what ended it, or why it did not
	Lines   []string
}

// FenceTested is what a self-test of the fence devices found.
type FenceTested struct {
	OK    bool
	Words string
}

// Outcome is how an action ended.
type Outcome struct {
	ID     uint64 // as in the Run
	Result Result
	Words  string   // one sentence: the agent's own reason, or ours
	Lines  []string // the last lines of the agent's output
	Took   time.Duration
	// Degraded says that it runs, but not as it should: Words say why.
	Degraded bool
}

// Suspected says that a resource may have failed: it is monitored now and not when it is due.
type Suspected struct{ Group, Resource string }

// Result says what an action found or did.
type Result uint8

// The results of an action.
const (
	OK         Result = iota // done; for monitor: it runs
	NotRunning               // monitor: it does not run
	Failed                   // the agent says so
	TimedOut                 // ended after its time-out
	Unusable                 // it can never work here: missing agent, wrong mode, bad arguments
)

// Leased is what the kernel answered to an Entitle.
type Leased struct {
	Group string
	Seq   uint64 // as in the Entitle
	State LeaseState
	Err   string
}

// LeaseState is how an Entitle ended.
type LeaseState uint8

// The ends of an Entitle.
const (
	Granted   LeaseState = iota // the kernel has it
	Void                        // it came too late: nothing was changed, and nothing is held
	Lapsed                      // the running lease had ended: the address is silent
	Unwritten                   // the kernel refused to write: what ran before runs on to its end
)

// Noted is something that an edge of the daemon saw and an operator should
// know. It decides nothing.
type Noted struct {
	Level Level
	Kind  string
	Group string
	Words string
	Lines []string
}

// TimeOfDay is the local time: whole minutes since midnight. It is told each minute where a
// group's failback has its hours.
type TimeOfDay struct{ Minute int }

// Command is an operator's order. The answer is a Reply with the same ID.
type Command struct {
	ID    uint64
	Verb  Verb
	Group string // for Move, Cleanup and maintenance
	Node  string // for Move: where to; empty: the other node. For FenceConfirm: who is off
	// Resource is what to restart, or to forget the failures of: its name, or GROUP/NAME.
	Resource string
	For      time.Duration // how long maintenance lasts; 0: until its end is ordered
	Force    bool
	Dry      bool // say what would happen, do nothing
}

// Verb is what an operator orders.
type Verb string

// The orders.
const (
	Standby Verb = "standby" // give everything up and take nothing
	Online  Verb = "online"  // the end of Standby; for policy strict: the operator's word
	Move    Verb = "move"    // one group, once
	Cleanup Verb = "cleanup" // forget the failures of a group or a resource, unblock it
	Leave   Verb = "leave"   // hand over and end: what SIGTERM means
	Restart Verb = "restart" // one resource and those behind it, in place
	// MaintenanceOn leaves a group alone, or all of them: on both nodes, until MaintenanceOff or its time is over.
	MaintenanceOn  Verb = "maintenance on"
	MaintenanceOff Verb = "maintenance off"
	// Reloading is not the core's to decide alone: the daemon makes a Reload of it.
	Reloading Verb = "reload"
	// FenceConfirm is the operator's word that the other node is off (rule S5).
	FenceConfirm Verb = "fence confirm"
)

func (Heard) input()        {}
func (LinkChanged) input()  {}
func (FrontChanged) input() {}
func (Probed) input()       {}
func (Sighted) input()      {}
func (Pinged) input()       {}
func (Fenced) input()       {}
func (FenceTested) input()  {}
func (Outcome) input()      {}
func (Suspected) input()    {}
func (Leased) input()       {}
func (Command) input()      {}
func (Reload) input()       {}
func (Noted) input()        {}
func (TimeOfDay) input()    {}
