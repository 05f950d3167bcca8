package daemon

import (
	"strconv"
	"strings"

	"lubdub/internal/api"
	"lubdub/internal/cluster"
)

// The occasions on which hooks run, as lubdub.conf calls them.
const (
	beforeStart = "before-start"
	afterStart  = "after-start"
	beforeStop  = "before-stop"
	afterStop   = "after-stop"
	beforeMove  = "before-move"
	afterMove   = "after-move"
	// nodeStatus is when scripts of rc.d run: it is Heartbeat's word for the message.
	nodeStatus = "status"
)

// occasion is something that a command can be told.
type occasion struct {
	when     string
	event    api.Event
	reason   string // why, as far as the events say
	group    string
	epoch    uint64
	from, to string // the nodes between which it goes; empty: none, or not known

	node, state, info string // of nodeStatus: whom it is about, and Heartbeat's words for how it is
}

// watcher finds the occasions in what the machine records. It belongs to the loop.
type watcher struct {
	self, peer string
	member     string // the other node's status, as Heartbeat calls it
	pings      map[string]bool
	groups     map[string]*watched
}

// watched is how a group stood when it was last looked at.
type watched struct {
	state  string
	owner  string // who served it last
	from   string // who served it when our start began
	to     string // where it moves
	begun  bool   // a start that is not over
	ending bool   // a stop that is not over
}

func newWatcher(cfg cluster.Config, s cluster.Status) *watcher {
	w := &watcher{self: cfg.Self, peer: cfg.Peer, member: heartbeatWord(s.Peer.Membership), pings: map[string]bool{}, groups: map[string]*watched{}}
	for _, p := range s.Pings {
		w.pings[p.Name] = p.Up
	}
	for _, g := range s.Groups {
		w.groups[g.Name] = &watched{state: g.State, owner: g.Owner}
	}
	return w
}

// heard notes who serves what, as a heartbeat says.
func (w *watcher) heard(b cluster.Beat) {
	if b.Node != w.peer || b.Plain {
		return
	}
	for _, g := range b.Groups {
		if seen := w.groups[g.Name]; seen != nil && (g.State == cluster.Running || g.State == cluster.Starting) {
			seen.owner = w.peer
		}
	}
}

// see returns what an event means to those who want to be told. The status is asked for only when it matters.
func (w *watcher) see(e cluster.Event, status func() cluster.Status) []occasion {
	switch e.Kind {
	case "group":
		s := status()
		for _, g := range s.Groups {
			if g.Name == e.Group {
				return w.group(e, g)
			}
		}
	case "membership", "fence":
		return w.node(status().Peer.Membership)
	case "ping":
		return w.ping(status().Pings)
	}
	return nil
}

// movesTo finds where an event moves a group, and why. Only its sentence says so.
func movesTo(e cluster.Event, peer string) (why string, moves bool) {
	return strings.CutPrefix(e.Words, e.Group+" moves to "+peer+": ")
}

// group compares how a group stands with how it stood.
func (w *watcher) group(e cluster.Event, g cluster.GroupStatus) (out []occasion) {
	seen := w.groups[g.Name]
	if seen == nil {
		return nil
	}
	if why, moves := movesTo(e, w.peer); moves {
		seen.to = w.peer
		out = append(out, occasion{when: beforeMove, reason: why, from: w.self, to: w.peer})
	}
	if was := seen.state; was != g.State {
		seen.state = g.State
		out = append(out, seen.stops(was, w.self)...)
		out = append(out, seen.starts(was, w.self)...)
	}
	for i := range out {
		out[i].group, out[i].epoch = g.Name, g.Epoch
	}
	return out
}

// stops are the occasions of a stop that a change of state begins or ends.
func (g *watched) stops(was, self string) (out []occasion) {
	leaves := up(was) && !up(g.state)
	found := !up(was) && g.state == stopping // something ran although nobody started it, or did not stop before
	if !g.ending && (leaves || found) {
		g.begun, g.ending = false, true
		out = append(out, occasion{when: beforeStop, from: self, to: g.to})
	}
	if g.ending && (g.state == stopped || up(g.state)) {
		out = append(out, occasion{when: afterStop, from: self, to: g.to})
		g.ending, g.to = false, ""
	}
	return out
}

// starts are the occasions of a start that a change of state begins or ends. A restart in place is none, and an owner
// that was silent for a while did not start.
func (g *watched) starts(was, self string) (out []occasion) {
	if up(g.state) && !up(was) {
		g.begun, g.from = true, g.owner
		if g.from == self {
			g.from = "" // it comes back from nowhere
		}
		out = append(out, occasion{when: beforeStart, from: g.from, to: self})
	}
	if g.state == running && g.begun {
		g.begun, g.owner = false, self
		out = append(out, occasion{when: afterStart, from: g.from, to: self})
		if g.from != "" {
			out = append(out, occasion{when: afterMove, from: g.from, to: self})
		}
	}
	return out
}

// The names of states that the watcher looks for.
var (
	stopped  = cluster.Stopped.String()
	stopping = cluster.Stopping.String()
	blocked  = cluster.Blocked.String()
	running  = cluster.Running.String()
)

// up says that the node of this state has the group.
func up(state string) bool { return state != stopped && state != stopping && state != blocked }

// node is the other node's status, when Heartbeat would call it a change.
func (w *watcher) node(membership string) []occasion {
	word := heartbeatWord(membership)
	if w.member == word {
		return nil
	}
	w.member = word
	return []occasion{{when: nodeStatus, node: w.peer, state: word}}
}

// heartbeatWord is Heartbeat's word for a membership.
func heartbeatWord(membership string) string {
	switch membership {
	case "up":
		return "active"
	case "unseen":
		return "up" // if it is, it has not heard us
	}
	return "dead"
}

// ping is the status of ping nodes that changed.
func (w *watcher) ping(all []cluster.PingStatus) (out []occasion) {
	for _, p := range all {
		if was := w.pings[p.Name]; was == p.Up {
			continue
		}
		w.pings[p.Name] = p.Up
		state := "dead"
		if p.Up {
			state = "ping"
		}
		out = append(out, occasion{when: nodeStatus, node: p.Name, state: state, info: "ping"})
	}
	return out
}

// changesHands says that the occasion is about who serves.
func (o occasion) changesHands() bool {
	return o.when == afterStart || o.when == afterStop || o.when == beforeMove || o.when == afterMove
}

// vars are the variables of a hook.
func (o occasion) vars(cfg cluster.Config) []string {
	return []string{
		"LUBDUB_WHEN=" + o.when, "LUBDUB_GROUP=" + o.group, "LUBDUB_NODE=" + cfg.Self, "LUBDUB_PEER=" + cfg.Peer, "LUBDUB_CLUSTER=" + cfg.Cluster,
		"LUBDUB_FROM=" + o.from, "LUBDUB_TO=" + o.to, "LUBDUB_EPOCH=" + strconv.FormatUint(o.epoch, 10),
		"LUBDUB_EVENT=" + o.event.ID, "LUBDUB_WORDS=" + o.event.Words, "LUBDUB_REASON=" + o.reason,
	}
}

// message are the fields of Heartbeat's message, as its scripts get them.
func (o occasion) message() []string {
	out := []string{
		"HA_src=" + o.node, "HA_st=" + o.state, "HA_ts=" + strconv.FormatInt(o.event.Time.Unix(), 16),
		"LUBDUB_EVENT=" + o.event.ID, "LUBDUB_WORDS=" + o.event.Words,
	}
	if o.info != "" {
		out = append(out, "HA_info="+o.info)
	}
	return out
}
