package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"lubdub/internal/cluster"
)

// Runner runs the actions of resources. There is one per daemon. Its fields are not changed while it is used; it may be
// used by many goroutines at once. A path that is left empty is the usual one.
type Runner struct {
	Node        string // this node, as in ha.cf
	ConfigDir   string // of ha.cf; usual: /etc/ha.d
	ResourceDir string // of Heartbeat's scripts; usual: /etc/ha.d/resource.d
	InitDir     string // of init scripts; usual: /etc/init.d
	OCFRoot     string // of OCF agents; usual: /usr/lib/ocf
	TempDir     string // where OCF agents keep their state until the machine restarts; usual: /run/resource-agents
	// Settings are NAME=VALUE: what ha.cf says, as written, and its env lines. Scripts get each as HA_NAME, so they
	// must hold no secret.
	Settings []string
	// ActionDir is where it is written down which agents are under way, for the daemon's next life; empty: nowhere. It
	// must not outlive the machine's restart.
	ActionDir string
	Adopted   map[string]bool // the groups that this life of the daemon takes over from an earlier one
	// Tell is told what is worth a line beside the outcomes. It may be called by many goroutines at once; nil: nobody is.
	Tell      func(group, words string, lines []string)
	Addresses Addresses
	Proxy     Proxy

	known  sync.Map // the metadata of OCF agents: path to described
	trails sync.Map // what is kept of resources between actions: GROUP/NAME to *trail
	kernel kernelLog
	// kernelLogPath is where the kernel's log is read; usual: /dev/kmsg.
	kernelLogPath string
	etc           string   // usual: /etc
	looked        sync.Map // when resources were looked at more deeply: instance to *looks
	untouched     sync.Map // the resources whose last start was not tried: instance to true
}

// Addresses puts the shared address of a resource of class "address" on its interface.
type Addresses interface {
	Add(r cluster.Resource) error // that it is there already is no error
	Remove(r cluster.Resource) error
	Has(r cluster.Resource) (bool, error)
}

// Proxy runs the built-in reverse proxy of that name.
type Proxy interface {
	Start(ctx context.Context, name string) error
	Stop(ctx context.Context, name string) error
	Monitor(ctx context.Context, name string) (running bool, err error)
}

// Request asks for one action.
type Request struct {
	Resource cluster.Resource
	Group    string
	Action   cluster.Action
	Timeout  time.Duration // longer if the agent advises that, and nobody wrote a time-out
	Epoch    uint64        // of the group; the agent gets it as LUBDUB_EPOCH
	Deadline cluster.Time  // of the group's lease at the start of the action; the agent gets it as LUBDUB_DEADLINE

	began time.Time
	heard *heard
}

// Problem is why a resource cannot be run here.
type Problem struct {
	Words  string
	Remedy string
}

// String returns words and remedy as one sentence.
func (p Problem) String() string {
	if p.Remedy == "" {
		return p.Words
	}
	return p.Words + ": " + p.Remedy
}

// The classes of resources.
const (
	classAddress   = "address"
	classProxy     = "proxy"
	classHeartbeat = "heartbeat"
	classLSB       = "lsb"
	classOCF       = "ocf"
	classSystemd   = "systemd"
	classExec      = "exec"
)

// Run performs an action and returns when it is over, at the latest [maxGrace] and a moment after its time-out. To
// cancel ctx ends it. The outcome has no ID.
func (r *Runner) Run(ctx context.Context, q Request) cluster.Outcome {
	return r.told(ctx, q)
}

func (r *Runner) run(ctx context.Context, q Request) cluster.Outcome {
	name := q.Resource.Name + " " + string(q.Action)
	switch q.Action {
	case cluster.Start, cluster.Stop, cluster.Monitor:
	default:
		return cluster.Outcome{Result: cluster.Unusable, Words: name + ": there is no such action"}
	}
	p, wrong := r.plan(q.Resource)
	if wrong != nil {
		return cluster.Outcome{Result: cluster.Unusable, Words: name + ": " + wrong.String()}
	}
	if cut := r.await(ctx, q); cut && q.Action == cluster.Monitor && ctx.Err() == nil {
		return cluster.Outcome{Result: cluster.Failed, Words: name + ": its start, begun before lubdub was started anew, had to be ended: what it left is to be stopped"}
	}
	if p.class == classOCF && len(q.Resource.Usual) > 0 {
		if m, err := r.metadata(ctx, p); err == nil { // without it the usual time-outs hold
			q.Timeout = m.advised(q)
		}
	}
	ctx, free := context.WithTimeout(ctx, q.Timeout)
	defer free()
	out := r.verified(ctx, q, p, r.perform(ctx, q, p))
	if q.Action == cluster.Monitor && out.Result == cluster.OK && len(q.Resource.Endpoints) > 0 {
		return endpoints(ctx, q, out)
	}
	return out
}

// perform does it as the resource's class wants it.
func (r *Runner) perform(ctx context.Context, q Request, p plan) cluster.Outcome {
	switch p.class {
	case classAddress:
		return r.address(q)
	case classProxy:
		return r.proxy(ctx, q)
	case classSystemd:
		return r.unit(ctx, q)
	case classExec:
		return r.exec(ctx, q, p)
	}
	return r.script(ctx, q, p)
}

// Check says why the resource cannot be run here; nothing if it can.
func (r *Runner) Check(resource cluster.Resource) []Problem {
	if _, wrong := r.plan(resource); wrong != nil {
		return []Problem{*wrong}
	}
	if resource.Class == classExec {
		if wrong := checkCommands(resource.Commands); wrong != nil {
			return []Problem{*wrong}
		}
	}
	return nil
}

// whole is the time that an action was given, for its words.
func (q Request) whole() string { return q.Timeout.String() }

// unended is the outcome of an action that its context ended.
func (q Request) unended(err error) cluster.Outcome {
	name := q.Resource.Name + " " + string(q.Action)
	if errors.Is(err, context.DeadlineExceeded) {
		return cluster.Outcome{Result: cluster.TimedOut, Words: fmt.Sprintf("%s: ended after %s: it did not answer", name, q.whole())}
	}
	return cluster.Outcome{Result: cluster.Failed, Words: name + ": cancelled"}
}
