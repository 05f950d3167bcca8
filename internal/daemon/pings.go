package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"lubdub/internal/cluster"
	"lubdub/internal/config"
	"lubdub/internal/ping"
)

const (
	// lookupLimit is how long the name server may take to say where the ping nodes
	// are: nobody is asked before.
	lookupLimit = 5 * time.Second

	// answersWaiting is how many answers of one ping node may wait in the loop's queue.
	// A loop that was held up gets a run of them, without a gap, and then the newest;
	// all ping nodes together fill an eighth of the queue at most.
	answersWaiting = 8
)

// pings are the ping nodes: they are found and asked beside the loop, which gets their answers.
type pings struct {
	config   []config.Ping
	pinger   atomic.Pointer[ping.Pinger] // nil while they are looked up
	interval atomic.Int64
	loop     *loop
	nodes    []pinged // in the order of Config.Pings
}

// pinged is what a ping node has answered.
type pinged struct {
	newest  atomic.Int64 // when the newest answered question was sent
	offered atomic.Int64 // the one that the loop was offered last
	waiting atomic.Int32 // answers in the loop's queue
}

func newPings(c []config.Ping, l *loop) *pings {
	return &pings{config: c, loop: l, nodes: make([]pinged, len(c))}
}

// find finds out where the ping nodes are. One that cannot be found answers nothing.
func (p *pings) find(ctx context.Context) [][]netip.Addr {
	ctx, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	sets := make([][]netip.Addr, len(p.config))
	for i, node := range p.config {
		for _, host := range node.Hosts {
			addr, err := resolve(ctx, host, node.Six)
			if err != nil {
				p.say(cluster.Alarm, i, fmt.Errorf("it cannot be found, and counts as dead: %w; write the address itself, or put the name into /etc/hosts, and restart lubdub", err))
				continue
			}
			sets[i] = append(sets[i], addr)
		}
	}
	return sets
}

func (p *pings) say(level cluster.Level, node int, err error) {
	p.loop.offer(cluster.Noted{Level: level, Kind: "ping", Words: fmt.Sprintf("ping node %s: %v", p.config[node].Name, err)})
}

// resolve is the address of a host; a name is looked up once.
func resolve(ctx context.Context, host string, six bool) (netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr, nil
	}
	network := "ip4"
	if six {
		network = "ip6"
	}
	all, err := net.DefaultResolver.LookupNetIP(ctx, network, host)
	if err != nil {
		return netip.Addr{}, err
	}
	if len(all) == 0 {
		return netip.Addr{}, errors.New("it has no address")
	}
	return all[0].Unmap(), nil
}

// run asks until ctx ends.
func (p *pings) run(ctx context.Context) {
	if len(p.config) == 0 {
		return
	}
	trouble := func(node int, err error) { p.say(cluster.Warning, node, err) }
	pinger := ping.New(p.find(ctx), p.answered, trouble)
	p.pinger.Store(pinger)
	if every := time.Duration(p.interval.Load()); every > 0 {
		pinger.Every(every)
	}
	pinger.Run(ctx)
}

// every changes how often the ping nodes are asked, from now on.
func (p *pings) every(interval time.Duration) {
	p.interval.Store(int64(interval))
	if pinger := p.pinger.Load(); pinger != nil {
		pinger.Every(interval)
	}
}

// answered takes an answer from the pinger's goroutine.
func (p *pings) answered(node int, sent int64) {
	n := &p.nodes[node]
	if sent <= n.newest.Load() {
		return // another host of a ping_group was faster
	}
	n.newest.Store(sent)
	p.offer(node)
}

// taken says that the loop has an answer: there is room for the next one.
func (p *pings) taken(in cluster.Pinged) {
	n := &p.nodes[in.Node]
	n.waiting.Add(-1)
	if n.newest.Load() > n.offered.Load() {
		p.offer(in.Node)
	}
}

// offer gives the loop the newest answer, unless enough of them wait already:
// then it follows when one was taken.
func (p *pings) offer(node int) {
	n := &p.nodes[node]
	if n.waiting.Add(1) > answersWaiting {
		n.waiting.Add(-1)
		return
	}
	sent := n.newest.Load()
	n.offered.Store(sent)
	if !p.loop.offer(cluster.Pinged{Node: node, Sent: cluster.Time(sent)}) {
		n.waiting.Add(-1) // the whole queue is full: the next answer is on its way
	}
}
