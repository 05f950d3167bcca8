package api

import (
	"time"

	"lubdub/internal/cluster"
)

// Status is the cluster as this node's daemon sees it.
type Status struct {
	cluster.Status
	Version string
	Build   string // the version, and what it was made from
	Before  Before
	Started time.Time
	At      time.Time         // when this was said
	Boot    cluster.Time      // the same moment on the boot clock, to which Since and Until belong
	Lease   string            // what enforces the lease: "nftables" or "valid_lft"
	Refused map[string]uint64 // datagrams that were not accepted, by reason
	Dropped uint64            // datagrams and records lost because a queue was full
	Watched []Watched         `json:",omitempty"` // in the order of lubdub.conf
}

// Before is the life of the daemon before this one.
type Before struct {
	Build string        `json:",omitempty"` // which lubdub it was; empty: not known
	Ended string        `json:",omitempty"` // "left", or "again" to be started anew; empty: it was killed, or crashed
	Away  time.Duration `json:",omitempty"` // from its last sign of life to the start of this one; 0: not known
}

// Event is one record of what happened and why.
type Event struct {
	ID       string // INCARNATION.NUMBER: unique for the node
	Cause    string `json:",omitempty"` // the event that led to this one
	Time     time.Time
	Level    cluster.Level
	Kind     string
	Group    string   `json:",omitempty"`
	Resource string   `json:",omitempty"`
	Node     string   // whom it is about
	Words    string   // the sentence for people
	Lines    []string `json:",omitempty"` // what an agent printed
	Rule     string   `json:",omitempty"` // the rule of docs/protocol.md that decided
}

// Order is what an operator wants done.
type Order struct {
	Verb  cluster.Verb
	Group string `json:",omitempty"`
	Node  string `json:",omitempty"`
	// Resource is what to restart: its name, or GROUP/NAME.
	Resource string        `json:",omitempty"`
	For      time.Duration `json:",omitempty"` // how long maintenance lasts, ns; 0: until it is ended
	Force    bool          `json:",omitempty"`
	Dry      bool          `json:",omitempty"` // say what would happen, do nothing
	Plan     string        `json:",omitempty"` // of a reload: the Sum of the plan that was shown; another one is refused
}

// Answer is what became of an Order.
type Answer struct {
	OK    bool
	Words string
	Plan  *Plan `json:",omitempty"` // of a reload
}

// Plan is the difference between the configuration that runs and the files, and what a reload does about it.
type Plan struct {
	Steps       []Step
	Errors      []string         `json:",omitempty"` // of the files
	Digests     []cluster.Digest // of the files, as the other node must have them
	Differs     []string         `json:",omitempty"` // the files in which the other node is not known to run the same
	PeerCommand []string         // how a command is run on the other node
	Sum         string           // of all this
}

// Step is one difference.
type Step struct {
	What     string // added, removed, changed, restarted or moved
	Group    string `json:",omitempty"`
	Resource string `json:",omitempty"`
	Words    string
}

// Watched is a file or tree that must be equal on both nodes, as it is here.
type Watched struct {
	Path    string
	Tree    bool
	Sum     string // in the heartbeats; "missing" when it is not there; empty: not known
	Entries int
	Bytes   int64
	Looked  time.Time     // when it was last looked at; zero: not yet
	Took    time.Duration // that look
	Words   string        `json:",omitempty"` // what is wrong with it here
	Slow    bool          `json:",omitempty"` // the kernel does not tell all changes: they are found at the next look
}
