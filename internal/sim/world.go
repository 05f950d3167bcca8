package sim

import (
	"hash"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"lubdub/internal/cluster"
	"lubdub/internal/wire"
)

// World is two nodes, their links, a front network and its stations, on one
// virtual clock. Nothing in it happens by itself but what its seed says.
type World struct {
	seed  uint64
	setup Setup
	opts  Options
	now   time.Duration // true time
	queue queue
	nodes [2]*node
	links []*link
	front front

	net, sched, agents, plan *rand.Rand // one stream each, so that a fault moves nothing else

	maxLag   time.Duration // the longest scheduling delay of this world
	wired    bool          // beats go through the wire format
	keys     *wire.Keyring // of the cluster
	enemy    *wire.Keyring // of somebody who does not have the key
	slow     time.Duration // how much longer each netlink operation takes
	triggers []trigger
	commands uint64 // operator's commands so far
	judge    judge
	log      transcript
	effects  uint64 // a hash of what the cores want done, names and numbers of lives left out
	tally    tally
	hash     hash.Hash64 // of everything that the cores said
	stop     *Violation
}

// tally counts what happened.
type tally struct {
	events, steps, outputs, beats, faults uint64
}

// New builds a world from a seed: both machines are off.
func New(seed uint64, setup Setup, opts Options) *World {
	w := &World{seed: seed, setup: setup, opts: opts, hash: fnv.New64a()}
	w.net = rand.New(rand.NewPCG(seed, 1))
	w.sched = rand.New(rand.NewPCG(seed, 2))
	w.agents = rand.New(rand.NewPCG(seed, 3))
	w.plan = rand.New(rand.NewPCG(seed, 4))
	w.keys, w.enemy = keys("the key of the cluster"), keys("a key that somebody guessed")
	w.maxLag = min(30*time.Millisecond, setup.DeadTime/20)
	w.log.on, w.log.w = opts.Trace, w
	w.front.gateway = setup.Gateway
	w.front.period = time.Second + time.Duration(w.net.IntN(1000))*time.Millisecond
	w.front.stranger = -1
	w.front.heard = [2]time.Duration{never, never}
	for range setup.Pings {
		w.front.stations = append(w.front.stations, station{far: setup.Far, last: [2]time.Duration{never, never}})
	}
	for i := range w.front.foreign {
		for range setup.Groups {
			w.front.foreign[i] = append(w.front.foreign[i], never)
		}
	}
	for i := range setup.Links {
		w.links = append(w.links, &link{index: i, front: i == 1})
	}
	for i := range w.nodes {
		w.nodes[i] = newNode(w, i)
	}
	w.judge.open(w)
	return w
}

// Now is how long the world has run.
func (w *World) Now() time.Duration { return w.now }

// Violation is the first rule that was broken; nil: none.
func (w *World) Violation() *Violation { return w.stop }

// Pass lets the world run for a while, or until a rule is broken.
func (w *World) Pass(d time.Duration) {
	end := w.now + d
	for w.stop == nil && len(w.queue.heap) > 0 && w.queue.heap[0].at <= end {
		e := w.queue.pop()
		w.now = e.at
		w.tally.events++
		e.do()
		if w.judge.overlapped() {
			w.judge.watch()
		}
	}
	if w.stop == nil {
		w.now = end
	}
}

// At does something at a moment of true time.
func (w *World) At(t time.Duration, do func()) { w.queue.push(t, do) }

func (w *World) after(d time.Duration, do func()) { w.queue.push(w.now+d, do) }

// lag is how late a process runs after it was woken: a body of some tens of
// microseconds and a heavy tail.
func (w *World) lag() time.Duration {
	x := w.sched.Uint64()
	d := 20*time.Microsecond + time.Duration(x%150_000)
	if x>>40&0x1ff == 0 {
		d += time.Duration(x >> 16 % uint64(w.maxLag))
	}
	return d
}

func (w *World) groupIndex(name string) int {
	for g := range w.setup.Groups {
		if w.setup.Groups[g].Name == name {
			return g
		}
	}
	return -1
}

func (w *World) resourceIndex(g int, name string) int {
	for r := range w.setup.Groups[g].Resources {
		if w.setup.Groups[g].Resources[r].Name == name {
			return r
		}
	}
	return -1
}

func isAddress(r cluster.Resource) bool { return r.Class == "address" }

func between(r *rand.Rand, low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	return low + time.Duration(r.Int64N(int64(high-low)))
}
