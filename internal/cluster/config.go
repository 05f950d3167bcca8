package cluster

import (
	"net/netip"
	"time"
)

// Config is what the three files say, as far as decisions depend on it. It is
// checked by package config; the core trusts it.
type Config struct {
	Cluster      string        // the cluster's name; beats of other clusters are not ours
	Self         string        // this node, lower case
	Peer         string        // the other node, lower case
	Links        []string      // the links as an operator names them, in the order of ha.cf
	Keepalive    time.Duration // the interval between heartbeats
	WarnTime     time.Duration // a gap that is worth a warning
	DeadTime     time.Duration // silence after which a node counts as down
	InitDead     time.Duration // the same for a node not heard since our start
	AutoFailback bool          // a group returns to its preferred node
	Groups       []Group       // in the order of haresources
	Digests      []Digest      // one for each file that must be equal on both nodes
	StrictStart  bool          // policy coldstart strict: after a boot, wait for the peer or the operator
	TakeAnyway   bool          // policy partition take: silence alone is enough, as in Heartbeat 3.0.6
	NoLease      bool          // the kernel has no nftables: level L0 below three seconds of dead time
	Pings        []string      // the ping nodes by name, in the order of ha.cf; rules S2 and O3
	DeadPing     time.Duration // silence after which a ping node counts as unreachable (deadping)
	KeepIsolated bool          // policy isolated keep: an owner that sees no ping node goes on (rule O4)
	Fencing      bool          // a fence device can end the other node: rule S5
	FenceDelay   time.Duration // how long the node that gives way waits before it fences
	// Watchdog is the time-out that the watchdog device really has; zero: none.
	Watchdog time.Duration
}

// Group is a resource group: started in order, stopped backwards, in one place.
type Group struct {
	Name      string
	Preferred string // the node that should run it
	Resources []Resource
	Failback  Failback
}

// Failback is when a group returns to its preferred node, where that is wanted at all.
type Failback struct {
	Delay time.Duration // for how long the preferred node must be up and able; below 2 D it is 2 D
	// From and To bound the time of day, as minutes of local time since midnight. Equal: any time. A From
	// after To goes over midnight.
	From, To int
}

// Resource is one member of a group.
type Resource struct {
	Name      string         // unique in its group: the word of haresources without arguments
	Class     string         // "address", "proxy", "exec", or where its agent is looked for: "", "heartbeat", "lsb", "ocf", "systemd"
	Provider  string         // the OCF provider, such as heartbeat
	Type      string         // the agent's name
	Args      []string       // its arguments by position
	Params    []string       // its parameters by name, each NAME=VALUE
	Addresses []netip.Prefix // the shared address; for class "address" only
	Interface string         // where the address is put; for class "address" only
	Label     string         // its label, as eth0:0; may be empty
	Broadcast netip.Addr     // its broadcast address; may be zero
	Warm      bool           // runs on both nodes; only the address moves
	Interval  time.Duration  // between two monitor actions; 0: not monitored
	Timeouts  Timeouts
	Limit     int           // failures within Window that move the group; 0: none ever does
	Window    time.Duration // in which failures count together, and after which they are forgotten
	OnStart   StartPolicy   // when it does not start
	LetGo     bool          // when it does not stop, it counts as stopped all the same
	Usual     []Action      // whose time-outs nobody wrote: a longer one that the agent itself advises counts
	Depth     int           // of its monitor action, for an OCF agent; 0: the quick look
	Deeper    []Look        // deeper ones now and then, in its place; the agent's edge keeps count of them
	User      string        // whom its agent runs as; empty: root
	Commands  Commands      // for class "exec" only
	Endpoints []Endpoint    // asked in each monitor action, beside the agent
	Logs      []string      // what the service writes to, shown when an action fails; none: as is usual for its kind
}

// StartPolicy says what is done when a resource does not start.
type StartPolicy uint8

// The policies for a failed start.
const (
	StartMove   StartPolicy = iota // the group is stopped, and the other node tries
	StartStay                      // it is tried again here, after a back-off; what stands before it stays up
	StartIgnore                    // the group goes on without it
)

// The usual limit for failures: so many in this window move a group.
const (
	UsualLimit  = 3
	UsualWindow = 10 * time.Minute
)

// Commands are the plain commands of a resource of class "exec": a full path and its arguments.
type Commands struct{ Start, Stop, Monitor []string }

// Endpoint is where a service must answer when its resource is monitored.
type Endpoint struct {
	URL    string // tcp://HOST:PORT, http://... or https://...
	Status int    // of HTTP; 0: any below 400
	Body   string // that the answer must contain
	Days   int    // before the end of its certificate from which on it is degraded
}

// Look is a deeper monitor action of an OCF agent: the first one that is due after so much time.
type Look struct {
	Depth int
	Every time.Duration
}

// Timeouts bound the actions of a resource.
type Timeouts struct{ Start, Stop, Monitor time.Duration }

// Digest names a file that must be equal on both nodes and what it holds here.
type Digest struct{ File, Sum string }

// Saved is what outlives the daemon: read once at start.
type Saved struct {
	Incarnation uint64                // of this life: above every earlier one
	Clock       uint64                // seconds of the wall clock at start: a group's very first epoch
	Standby     bool                  // the operator's wish
	PeerMACs    []string              // the peer's hardware addresses, as last heard
	PeerLife    uint64                // the peer's newest incarnation: older ones are not listened to
	Groups      map[string]SavedGroup // by name
	SameBoot    bool                  // the machine has not been restarted since Groups was saved
	Before      *Machine              // the life that a reload ended, in the same process; else nil
}

// SavedGroup is what a node remembers about a group.
type SavedGroup struct {
	Epoch uint64
	Owner bool // it was owner here
	// Maintenance is the version of what is known of it; MaintenanceEnd is on the wall clock, in seconds: 0 without an end.
	Maintenance    uint64
	InMaintenance  bool
	MaintenanceEnd uint64
	// Until is the end of the lease that the kernel still holds: zero without one.
	Until Time
	// Quiet says that the kernel passes IP for the address but answers no ARP or ND.
	Quiet bool
}

const classAddress = "address"

// isAddress says that the resource is a shared address.
func (r Resource) isAddress() bool { return r.Class == classAddress }

// warm says that only addresses of the group ever move.
func (g Group) warm() bool {
	for _, r := range g.Resources {
		if !r.isAddress() && !r.Warm {
			return false
		}
	}
	return true
}

// addressed says that the group has a shared address at all.
func (g Group) addressed() bool {
	for _, r := range g.Resources {
		if r.isAddress() {
			return true
		}
	}
	return false
}
