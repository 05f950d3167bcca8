package cluster

import "time"

// Beat is a heartbeat: the sender's whole state. The next one says everything again.
type Beat struct {
	Plain       bool // signed by the key, but without our fields: a real Heartbeat sent it
	Protocol    int
	Cluster     string
	Node        string
	Incarnation uint64 // one life of a daemon ("hg")
	Seq         uint64 // counts from 1 in each life ("seq")
	Sent        Time   // the sender's boot clock: only the sender reads it, when it is echoed
	DeadTime    time.Duration
	Echo        Echo
	Standby     bool
	// Sight has a bit for each ping node that answers the sender; it counts when Looked.
	Sight   uint32
	Looked  bool // the sender has asked its ping nodes long enough to know
	Left    bool // everything is stopped here and the daemon ends
	MACs    []string
	Groups  []GroupBeat
	Digests []Digest
}

// Echo is the newest heartbeat that the sender received from us.
type Echo struct {
	Incarnation uint64
	Seq         uint64
	Sent        Time
	Links       uint32        // a bit for each link on which we were heard within the dead time
	Silence     time.Duration // since it was heard
}

// GroupBeat is what a node says about one group.
type GroupBeat struct {
	Name   string
	State  State
	Epoch  uint64
	Able   bool // could run it: not in standby, nothing failed, warm resources run
	Soon   bool // will be able in a moment: it is still starting
	Claim  bool // wants to start it (rule C1)
	Offer  bool // the other may take it at once
	Intent bool // is about to take it without being heard (rule S3)
	Want   bool // the operator asks to move it here
	Keep   bool // with Offer: the operator moves it there, it is not to fail back
	Failed bool // it failed there, and that still counts
	// Maintenance is what the sender holds of it.
	Maintenance Maintenance
}
