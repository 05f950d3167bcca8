package cluster

import "time"

// Status is what the machine knows and intends, for people and programs: a deep copy.
type Status struct {
	Sentence    string // the first line: "web runs on proxy01 (preferred); proxy02 is ready to take over; both links up"
	Cluster     string
	Self        string
	Incarnation uint64
	Standby     bool
	Leaving     bool
	Level       string // of protection: "L0" to "L4", with its words in LevelWords
	LevelWords  string
	Limits      []string // what this level does not survive: a sentence each
	Peer        PeerStatus
	Links       []LinkStatus
	Pings       []PingStatus
	Fencing     FenceStatus
	Groups      []GroupStatus
	Differs     []string      `json:",omitempty"` // the files that differ between the nodes, as far as known
	Warnings    []string      // what an operator should mend, a sentence each
	Stall       time.Duration // the longest own stall seen
}

// PeerStatus is the other node as this one sees it.
type PeerStatus struct {
	Name        string
	Membership  string // unseen, up, down, left
	Words       string // why, with times
	Incarnation uint64
	Standby     bool
	Silence     time.Duration // since its last heartbeat
	Old         uint64        // its heartbeats that came behind a newer one and were ignored: late copies, or replays
	Since       Time          // of the membership
}

// LinkStatus is one path between the nodes.
type LinkStatus struct {
	Name   string
	Up     bool          // the peer was heard on it within the dead time
	Peer   bool          // the peer says it hears us on it
	Reason string        // why not
	Last   time.Duration // since the last heartbeat on it; negative: never
}

// PingStatus is one ping node as this node sees it.
type PingStatus struct {
	Name string
	Up   bool          // it answers
	Peer bool          // the other node says that it answers there
	Last time.Duration // since its last answer; negative: never
}

// FenceStatus says how fencing stands.
type FenceStatus struct {
	Configured bool
	Words      string // what it waits for or did; empty: nothing
	Tested     bool   // a self-test was made
	Works      bool   // and the devices answered
	TestWords  string
}

// GroupStatus is one resource group.
type GroupStatus struct {
	Name      string
	Preferred string
	State     string // of this node: a word of the table of states
	Words     string // the same, as a sentence
	Owner     string // the node that runs it, as far as known; empty: none
	Epoch     uint64
	Since     Time
	Cause     uint64   // the event that led to the state
	Entitled  string   // by which rule and until when: "confirmed", "alone", "left", or empty
	Until     Time     // the end of the lease; zero: none
	PeerState string   // what the peer's last heartbeat says
	Next      []string // what would move it, and what holds it: a sentence each
	Resources []ResourceStatus
	// InMaintenance says that it is left alone, until MaintenanceEnd: 0 until the operator ends it.
	InMaintenance  bool `json:",omitempty"`
	MaintenanceEnd Time `json:",omitempty"`
	// FailedUntil is until when this node does not run it because it failed here; 0: it may.
	FailedUntil Time `json:",omitempty"`
}

// ResourceStatus is one member of a group, on this node.
type ResourceStatus struct {
	Name      string
	State     string // unknown, stopped, starting, running, stopping, failed
	Since     Time
	Failures  int      // in the window that counts
	Limit     int      // so many of them move the group; 0: none ever does
	Forgotten Time     `json:",omitempty"` // when the last of them is forgotten
	Words     string   // of the last failure
	Lines     []string // what its agent printed then
	Took      time.Duration
	Degraded  string `json:",omitempty"` // it runs, but not as it should: why
}
