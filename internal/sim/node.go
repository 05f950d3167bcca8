package sim

import (
	"time"

	"lubdub/internal/cluster"
)

// node is one machine: power, a kernel that runs on when the daemon does not,
// a disk that survives, and the truth about what runs.
type node struct {
	w        *World
	id       int
	name     string
	mac      string
	powered  bool
	boots    int
	clock    clock
	ppm      int64
	wall     time.Duration // how much its wall clock is wrong
	still    pause
	dog      watchdog
	device   device        // what fences this node
	sockets  int           // faults that leave no descriptor for a new socket
	refuses  int           // faults that let netlink refuse what is asked of it
	slow     time.Duration // how much longer each of its netlink operations takes
	jumped   time.Duration // how much the boot clock is ahead of the kernel's timers
	kernel   kernel
	runs     [][]bool // by group and resource: it runs here; for an address: it is there
	daemon   *daemon  // nil: none
	lives    int
	disk     disk
	moods    [][]mood
	lied     [][]bool      // its agent said stopped, and it was not: no core can know
	back     time.Duration // how long after an exit the supervisor starts the daemon again
	stripped time.Duration // when another program last removed an address
	standby  bool          // an operator's wish that the core has confirmed
}

// disk is what the daemon saved.
type disk struct {
	saved       cluster.Saved
	incarnation uint64
	boot        int // the boot in which saved was written
	full        bool
}

func newNode(w *World, id int) *node {
	n := &node{w: w, id: id, name: "ab"[id : id+1]}
	n.mac = "mac-" + n.name
	n.stripped = never
	n.ppm = w.plan.Int64N(maxDrift+1) - maxDrift/2
	if w.plan.IntN(8) == 0 {
		n.ppm *= 2
	}
	n.kernel.open(len(w.setup.Groups))
	for _, g := range w.setup.Groups {
		n.runs = append(n.runs, make([]bool, len(g.Resources)))
		n.moods = append(n.moods, make([]mood, len(g.Resources)))
		n.lied = append(n.lied, make([]bool, len(g.Resources)))
	}
	return n
}

func (n *node) peer() *node { return n.w.nodes[1-n.id] }

// local is what the boot clock of the machine shows.
func (n *node) local() cluster.Time {
	if n.still.on {
		return n.clock.at(n.still.began)
	}
	return n.clock.at(n.w.now)
}

// ticks is the time by which the kernel's time-outs run.
func (n *node) ticks() cluster.Time { return n.local().Add(-n.jumped) }

// boot switches the machine on. Its boot clock begins anew.
func (n *node) boot() {
	if n.powered {
		return
	}
	n.w.change(func() { n.powered = true })
	n.boots++
	took := between(n.w.plan, time.Second, 20*time.Second)
	n.clock, n.jumped = clock{zero: n.w.now, base: cluster.Time(took), ppm: n.ppm}, 0
	n.w.note("%s boots", n.name)
}

// crash takes the power away.
func (n *node) crash() {
	if !n.powered {
		return
	}
	n.w.note("%s loses power", n.name)
	n.w.change(func() {
		n.end()
		n.powered = false
		n.still, n.dog = pause{stood: n.still.stood}, watchdog{}
		n.kernel.open(len(n.runs))
		for g := range n.runs {
			clear(n.runs[g])
		}
	})
}

// start runs the daemon, as its supervisor does.
func (n *node) start() {
	if !n.powered || n.daemon != nil {
		return
	}
	w := n.w
	if n.still.on {
		n.still.held = append(n.still.held, heldBack{0, n.start})
		return
	}
	n.lives++
	wall := uint64(1_700_000_000 + (w.now+n.wall)/time.Second)
	n.disk.incarnation = max(n.disk.incarnation+1, wall)
	saved := copySaved(n.disk.saved)
	saved.Incarnation, saved.Clock = n.disk.incarnation, wall
	saved.SameBoot = n.disk.boot == n.boots
	n.standby = saved.Standby
	if saved.Groups == nil {
		saved.Groups = map[string]cluster.SavedGroup{}
	}
	for g := range w.setup.Groups {
		name := w.setup.Groups[g].Name
		s := saved.Groups[name]
		s.Until, s.Quiet = 0, false
		if e := n.kernel.leases[g]; e.end > n.ticks() { // only this boot can have written it
			s.Until, s.Quiet, saved.SameBoot = e.end.Add(n.jumped), e.quiet, true
		}
		saved.Groups[name] = s
	}
	w.change(func() { n.daemon = newDaemon(n, saved) })
	w.note("%s daemon starts, life %d", n.name, n.lives)
	n.daemon.begin()
}

// end is what kill -9 does: the daemon is gone, and so is what it had not yet
// written. Its supervisor ends its agents too: half of them had done their work.
func (n *node) end() {
	d := n.daemon
	if d == nil {
		return
	}
	d.alive = false
	n.daemon = nil
	for _, a := range d.actions {
		a.kill()
	}
	n.standby = n.disk.saved.Standby
}

func (n *node) kill() {
	if n.daemon == nil {
		return
	}
	n.w.note("%s kill -9", n.name)
	n.w.change(n.end)
}

func (n *node) freeze() {
	if d := n.daemon; d != nil && !d.frozen {
		n.w.note("%s freezes", n.name)
		n.w.change(func() { d.frozen = true })
	}
}

func (n *node) thaw() {
	d := n.daemon
	if d == nil || !d.frozen {
		return
	}
	n.w.note("%s thaws", n.name)
	n.w.change(func() { d.frozen = false })
	held := d.held
	d.held = nil
	for _, do := range held {
		d.later(between(n.w.sched, 0, 300*time.Microsecond), do)
	}
	d.wakeBy(n.w.now + between(n.w.sched, 0, 300*time.Microsecond))
}

// live says that the daemon runs: it is not frozen, and the machine does not stand still.
func (n *node) live() bool { return n.daemon != nil && n.daemon.running() }

// save is the last step of a Save.
func (n *node) save(s cluster.Saved) {
	if n.disk.full {
		return
	}
	n.disk.saved, n.disk.boot = s, n.boots
}

func copySaved(s cluster.Saved) cluster.Saved {
	s.PeerMACs = append([]string(nil), s.PeerMACs...)
	if s.Groups == nil {
		return s
	}
	groups := make(map[string]cluster.SavedGroup, len(s.Groups))
	for name, g := range s.Groups { // the order does not matter: it fills a map
		groups[name] = g
	}
	s.Groups = groups
	return s
}

func copyBeat(b cluster.Beat) cluster.Beat {
	b.MACs = append([]string(nil), b.MACs...)
	b.Groups = append([]cluster.GroupBeat(nil), b.Groups...)
	b.Digests = append([]cluster.Digest(nil), b.Digests...)
	return b
}
