package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"lubdub/internal/agent"
	"lubdub/internal/api"
	"lubdub/internal/cluster"
	"lubdub/internal/config"
	"lubdub/internal/vip"
	"lubdub/internal/wire"
)

// Options say what a daemon runs with.
type Options struct {
	Loaded     *config.Loaded
	StateDir   string // what outlives the daemon: /var/lib/lubdub
	RuntimeDir string // the control socket: /run/lubdub
	Version    string
	Build      string // the version, and what it was made from
	Stderr     io.Writer
	Proxy      agent.Proxy                              // runs the built-in reverse proxy
	Load       func() (*config.Loaded, config.Problems) // reads the files again
	Leave      <-chan struct{}                          // closed: hand over and end (SIGTERM)
	Reload     <-chan struct{}                          // a value: read authkeys again (SIGHUP)
	Again      <-chan struct{}                          // closed: end with ErrAgain (SIGQUIT)
	Before     *cluster.Machine                         // of the life that a reload ended, as Again has it
}

// ErrRunning says that a daemon runs on this node already.
var ErrRunning = errors.New("lubdub runs on this node already")

// ErrAgain says that the daemon ended because it is to be started again at once,
// from the binary that is there now. What runs goes on running, and so do actions.
var ErrAgain = errors.New("lubdub ended to be started again")

// ErrUnclean says that the daemon ended although something did not stop.
var ErrUnclean = errors.New("something did not stop: see the log")

// SocketName is the name of the control socket in the runtime directory.
const SocketName = "api.sock"

// daemon is everything between the machine and the outside.
type daemon struct {
	Options
	cfg       cluster.Config
	ctx       context.Context // of the loop and the edges
	end       context.CancelCauseFunc
	loop      *loop
	store     *store
	record    *record
	paths     *paths
	fronts    *fronts
	leases    *leases
	addresses *addresses
	actions   *actions
	pings     *pings
	fencing   *fencing
	dog       *watchdog       // nil without one
	work      context.Context // of agents: they outlive a daemon that is started again
	endWork   context.CancelFunc
	former    former
	past      api.Before // the same, for the status
	pulse     *pulse
	hooks     *hooks
	alerts    *alerts
	taken     map[string]bool // the groups that were taken over from it
	scanners  []*scanner
	uuid      [16]byte
	started   time.Time
	restored  time.Time         // when it was last said; the lease's goroutine alone
	announces map[string]uint64 // by group: the Entitle to announce when it is granted
	until     map[string]cluster.Time
	replies   chan reply
	placeable chan struct{}                 // an address came to an interface
	orders    atomic.Uint64                 // numbers orders; 0 is ours
	keyed     atomic.Pointer[config.Loaded] // whose keys count: SIGHUP reads them alone
	edges     sync.WaitGroup
}

// reply is an answer on its way to who gave the order.
type reply struct {
	id uint64
	to chan<- api.Answer
	is *api.Answer
}

// now is the boot clock.
func now() cluster.Time { return cluster.Time(vip.Boottime()) }

// Run is the daemon's life. It returns when it has left, or when ctx ends: then
// at once, and what runs goes on running.
func Run(ctx context.Context, o Options) error {
	lock, err := takeLock(o.RuntimeDir)
	if err != nil {
		return err
	}
	defer lock.Close()
	name, err := net.Listen("unix", networkLock)
	switch {
	case err == nil:
		defer name.Close()
	case heldByRoot(networkLock):
		return fmt.Errorf("%w, with another runtime directory: two would fight over the network", ErrRunning)
	default: // some other program has the name: it proves nothing
		fmt.Fprintf(o.Stderr, "lubdub: the name %s is taken by a program that is not lubdub: %v\n", networkLock, err)
	}
	edges, end := context.WithCancelCause(ctx)
	defer end(nil)
	d, saved, err := open(edges, o)
	if err != nil {
		return err
	}
	d.end = end
	return d.live(saved)
}

// open opens every edge, or closes again what it has opened.
func open(ctx context.Context, o Options) (d *daemon, saved cluster.Saved, err error) {
	d = &daemon{Options: o, ctx: ctx, cfg: o.Loaded.Config, started: time.Now(), announces: map[string]uint64{},
		until: map[string]cluster.Time{}, replies: make(chan reply), placeable: make(chan struct{}, 1)}
	d.work, d.endWork = context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, d.endActions)
	if d.store, err = openStore(o.StateDir); err != nil {
		return nil, saved, err
	}
	saved, saveErr := d.store.begin(d.started)
	uuid, uuidErr := d.store.uuid()
	d.uuid = uuid
	d.keyed.Store(o.Loaded)
	keys, err := keyring(o.Loaded)
	if err != nil {
		return nil, saved, err
	}
	d.record = openRecord(o.StateDir, saved.Incarnation, now)
	var lifeErr error
	d.former, lifeErr = succeed(d.store, o.RuntimeDir, o.Build, d.record.snapshot.Load().events)
	// The loop is made first: every edge tells it what it sees, and it listens
	// when the machine stands.
	d.loop = newLoop(nil, now, d.perform, d.before)
	d.pulse = newPulse(o.RuntimeDir, d.cfg, &d.loop.last)
	d.pings = newPings(o.Loaded.Pings, d.loop)
	d.addresses = newAddresses(ctx, d.cfg.DeadTime, func(in cluster.Input) { d.loop.tell(ctx, in) })
	if err := d.openKernel(ctx, &saved); err != nil {
		return nil, saved, err
	}
	if d.fronts, err = openFronts(d.cfg); err != nil {
		return nil, saved, errors.Join(err, d.leases.Close())
	}
	if d.paths, err = openPaths(o.Loaded, keys); err != nil {
		d.fronts.close()
		return nil, saved, errors.Join(err, d.leases.Close())
	}
	for _, in := range append(d.takeUp(saved), unplaced(d.cfg)...) {
		d.loop.offer(in)
	}
	d.openHooks()
	d.fencing = newFencing(o.Loaded)
	d.scanners = newScanners(o.Loaded.Watched, func(in cluster.Input) { d.loop.tell(ctx, in) })
	if err := d.openWatchdog(saved); err != nil {
		return nil, saved, errors.Join(err, d.close())
	}
	if e := errors.Join(saveErr, uuidErr, lifeErr); e != nil {
		d.loop.offer(cluster.Noted{Level: cluster.Alarm, Kind: "disk", Words: fmt.Sprintf("the state directory cannot be written; the cluster runs on: %s", oneLine(e))})
	}
	return d, saved, nil
}

// openWatchdog comes last: a device that cannot be stopped goes on from here.
func (d *daemon) openWatchdog(saved cluster.Saved) (err error) {
	d.dog, err = openWatchdog(d.Loaded.Watchdog, d.cfg, kernelDog{}, saved.SameBoot, func(n cluster.Noted) { d.loop.offer(n) })
	if d.dog != nil {
		d.cfg.Watchdog = d.dog.had
	}
	return err
}

// oneLine makes one line of an error that joins several.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// openKernel opens the lease and finds what an earlier life left in the kernel.
func (d *daemon) openKernel(ctx context.Context, saved *cluster.Saved) error {
	swept, err := sweep(d.cfg)
	for _, a := range swept {
		d.loop.offer(cluster.Noted{Level: cluster.Warning, Kind: "address", Words: fmt.Sprintf("%s was left behind by an earlier life and belongs to no group: it is removed", a)})
	}
	if err != nil {
		return err
	}
	report := func(r vip.Result) { d.reported(ctx, r) }
	at := now() // before the kernel is asked: what is left is never counted too long
	undrained := func(err error) {
		d.loop.offer(cluster.Noted{Level: cluster.Warning, Kind: "lease", Words: fmt.Sprintf("planned moves cut what clients have begun: %v", err)})
	}
	ls, held, err := openLeases(ctx, d.cfg, report, undrained)
	if errors.Is(err, vip.ErrNoNftables) {
		d.cfg.NoLease = true
		d.addresses.life = 0
		ls = newLeases(d.cfg, "valid_lft")
		ls.lessor = newLifetimes(d.cfg, d.addresses, report)
	} else if err != nil {
		return err
	}
	d.leases = ls
	adopt(saved, ls.addresses, held, at)
	return nil
}

// adopt notes what the kernel still grants (rule B2): the shortest lease of a
// group's addresses counts.
func adopt(saved *cluster.Saved, addresses map[string][]netip.Addr, held map[netip.Addr]vip.Held, at cluster.Time) {
	for group, addrs := range addresses {
		g := saved.Groups[group]
		for i, a := range addrs {
			h := held[a]
			until := cluster.Time(0)
			if h.Left > 0 {
				until = at.Add(h.Left)
			}
			if i == 0 || until < g.Until {
				g.Until = until
			}
			g.Quiet = g.Quiet || h.Quiet
		}
		if g != (cluster.SavedGroup{}) {
			saved.Groups[group] = g
		}
	}
}

func keyring(c *config.Loaded) (*wire.Keyring, error) {
	var keys []wire.Key
	for _, k := range c.Keys {
		keys = append(keys, wire.Key{Number: k.Number, Method: wire.Method(k.Method), Secret: k.Secret})
	}
	return wire.NewKeyring(c.Sign, keys)
}

func (d *daemon) newRunner() *agent.Runner {
	r := &agent.Runner{Node: d.cfg.Self, ConfigDir: d.Loaded.Dir, Addresses: d.addresses, Proxy: d.Proxy,
		ResourceDir: filepath.Join(d.Loaded.Dir, "resource.d"), ActionDir: filepath.Join(d.RuntimeDir, "actions"), Adopted: d.taken, Tell: d.agentTold}
	for name, value := range d.Loaded.Directives {
		r.Settings = append(r.Settings, name+"="+value)
	}
	r.Settings = append(r.Settings, d.Loaded.Env...)
	return r
}

// live runs the edges and the loop. The loop ends when it has left, or with the
// context; then the edges are ended, and at last what writes.
func (d *daemon) live(saved cluster.Saved) error {
	saved.Before = d.Before
	d.loop.machine = cluster.New(d.cfg, saved, now())
	d.hooks.watch = newWatcher(d.cfg, d.loop.machine.Status())
	d.Before = nil
	socket, err := api.Listen(filepath.Join(d.RuntimeDir, SocketName))
	if err != nil {
		if words := d.dog.end(); words != "" {
			fmt.Fprintln(d.Stderr, words)
		}
		return errors.Join(err, d.close())
	}
	log := openLogger(d.Loaded.Log, d.Stderr)
	defer log.close()
	d.record.log = log.event
	d.startEdges(socket)
	writers, endWriters := context.WithCancel(context.WithoutCancel(d.ctx))
	written := d.startWriters(writers)
	d.dog.run()
	notify(systemd.SdNotifyReady)
	clean, left := d.loop.run(d.ctx)
	dogWords := d.dog.end()
	if again := d.loop.again; again != nil {
		left, dogWords = false, ""
		d.end(&Again{again.With.(*config.Loaded), d.loop.machine})
	}
	if left {
		notify(systemd.SdNotifyStopping)
		d.lastWords(log)
		d.end(nil)
	}
	d.edges.Wait()
	again := errors.Is(context.Cause(d.ctx), ErrAgain)
	if !again {
		d.actions.running.Wait()
	}
	endWriters()
	written.Wait()
	d.ended(log, left)
	if dogWords != "" {
		log.line(cluster.Alarm, time.Now(), dogWords)
	}
	switch {
	case !left:
		return errors.Join(context.Cause(d.ctx), d.close())
	case !clean:
		return errors.Join(ErrUnclean, d.close())
	}
	d.paths.set.Close()
	d.fronts.close()
	return d.leases.Remove()
}

// close closes the edges and leaves the kernel as it is: what was granted ends by itself.
func (d *daemon) close() error {
	d.paths.set.Close()
	d.fronts.close()
	return d.leases.Close()
}

// notify tells systemd, if it is there. That it is not is no fault.
func notify(state string) { _, _ = systemd.SdNotify(false, state) }

// startWriters starts what writes to the disk. It ends after the loop, so that
// the last words are written.
func (d *daemon) startWriters(ctx context.Context) *sync.WaitGroup {
	var wg sync.WaitGroup
	trouble := func(err error) {
		d.loop.offer(cluster.Noted{Level: cluster.Alarm, Kind: "disk", Words: oneLine(err) + "; the cluster runs on"})
	}
	d.store.trouble, d.record.trouble = trouble, trouble
	wg.Go(func() { d.store.run(ctx) })
	wg.Go(func() { d.record.run(ctx) })
	wg.Go(func() { d.pulse.run(ctx) })
	return &wg
}

// startEdges starts every goroutine that tells the loop what it sees.
func (d *daemon) startEdges(socket net.Listener) {
	l, ctx := d.loop, d.ctx
	d.edges.Go(d.addresses.run)
	if lt, ok := d.leases.lessor.(*lifetimes); ok {
		for _, slot := range lt.slots {
			d.edges.Go(func() { lt.run(ctx, slot) })
		}
	}
	for _, one := range d.paths.all {
		d.edges.Go(func() { d.paths.receive(ctx, one, l) })
	}
	d.edges.Go(func() { d.paths.watch(ctx, l) })
	d.edges.Go(func() { d.pings.run(ctx) })
	for _, ft := range d.fronts.byName {
		d.edges.Go(func() { ft.run(ctx, l) })
	}
	d.edges.Go(func() { vip.Watch(ctx, d.observer(ctx)) })
	d.edges.Go(func() { d.signals(ctx) })
	if d.cfg.Fencing {
		d.edges.Go(func() { d.fencing.run(ctx, l) })
	}
	d.edges.Go(func() { watchUnits(ctx, d.cfg, l) })
	d.edges.Go(func() { d.tellTime(ctx) })
	d.startHooks(ctx)
	d.edges.Go(func() { d.placed(ctx) })
	for _, w := range d.scanners {
		d.edges.Go(func() { w.run(ctx) })
	}
	d.edges.Go(func() { d.answer(ctx) })
	d.edges.Go(func() {
		if err := api.Serve(ctx, socket, d); err != nil && ctx.Err() == nil {
			l.tell(ctx, cluster.Noted{Level: cluster.Alarm, Kind: "api", Words: err.Error()})
		}
	})
}

// observer hears what netlink tells.
func (d *daemon) observer(ctx context.Context) vip.Observer {
	return vip.Observer{
		Link: func(link vip.Link, present bool) {
			d.paths.set.Refresh()
			d.fronts.changed(link, present)
		},
		Address: func(a vip.Address, present bool) {
			d.paths.set.Refresh()
			if !present {
				d.addresses.gone(a.Prefix.Addr())
				return
			}
			select {
			case d.placeable <- struct{}{}:
			default: // it is to be looked at already
			}
		},
		Trouble: func(err error) {
			d.loop.offer(cluster.Noted{Level: cluster.Warning, Kind: "netlink", Words: fmt.Sprintf("the kernel's news were lost, and everything is listed again: %v", err)})
		},
	}
}

// placed waits until an address that had no interface has one: then the daemon
// begins anew with the configuration as it means now (Again).
func (d *daemon) placed(ctx context.Context) {
	missing := countUnplaced(d.cfg)
	if missing == 0 {
		return
	}
	for {
		select {
		case <-d.placeable:
			files, _ := d.Load()
			if files == nil {
				continue
			}
			// An end in the midst of a start would cancel it.
			if placed := config.Placed(d.running(), files); countUnplaced(placed.Config) < missing && d.actions.settled(ctx) {
				d.end(&Again{Loaded: placed})
			}
		case <-ctx.Done():
			return
		}
	}
}

// signals waits for SIGTERM and SIGHUP, as they come in with Options.
func (d *daemon) signals(ctx context.Context) {
	leave := d.Leave
	for {
		select {
		case <-leave:
			leave = nil // once is enough
			d.loop.tell(ctx, cluster.Command{Verb: cluster.Leave})
		case <-d.Again:
			d.end(ErrAgain)
		case <-d.Reload:
			d.reloadKeys(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// reported takes the lease's answers in. It is called by the lease's goroutine.
func (d *daemon) reported(ctx context.Context, r vip.Result) {
	if r.Op != vip.OpRestore {
		d.loop.tell(ctx, leased(r))
		return
	}
	note := cluster.Noted{Level: cluster.Warning, Kind: "lease", Words: "another program removed lubdub's nftables table (a firewall was reloaded?); it is put back"}
	if r.Err != nil {
		note.Level, note.Words = cluster.Alarm, fmt.Sprintf("another program removed lubdub's nftables table, and it cannot be put back: %v", r.Err)
	}
	if time.Since(d.restored) < restorePause {
		return
	}
	d.restored = time.Now()
	d.loop.offer(note)
}

// restorePause is the time between two lines about our table being removed:
// somebody may do it again and again.
const restorePause = time.Minute

// before sees each input ahead of the machine: what the edges need to know of it.
func (d *daemon) before(in cluster.Input) {
	switch in := in.(type) {
	case cluster.Heard:
		if len(in.Beat.MACs) > 0 {
			d.fronts.peerMACs.Store(&in.Beat.MACs)
		}
		d.hooks.watch.heard(in.Beat)
	case cluster.Leased:
		if seq, ok := d.announces[in.Group]; ok && seq == in.Seq {
			delete(d.announces, in.Group)
			if in.State == cluster.Granted {
				d.fronts.announceAll(in.Group, d.until[in.Group])
			}
		}
	case cluster.Outcome:
		d.actions.ended(in.ID)
	case cluster.Pinged:
		d.pings.taken(in)
	case cluster.Fenced:
		d.fencing.ended(in.Attempt)
	}
}

// perform does what the machine wants. It never waits.
func (d *daemon) perform(o cluster.Output) {
	ctx := d.ctx
	switch o := o.(type) {
	case cluster.Send:
		d.send(o.Beat)
		d.dog.turn()
	case cluster.Entitle:
		d.entitle(o)
	case cluster.Run:
		d.actions.start(d.work, d.loop, o, d.until[o.Group])
	case cluster.Cancel:
		d.actions.cancel(o.ID)
		d.fencing.end(o.ID)
	case cluster.Probe:
		d.actions.running.Go(func() { d.loop.tell(ctx, d.fronts.probe(ctx, o)) })
	case cluster.Feed:
		d.dog.feed(o.NotAfter)
	case cluster.Unleash:
		d.dog.unleash()
	case cluster.Fence:
		d.startFence(o)
	case cluster.Ping:
		d.pings.every(o.Interval)
	case cluster.Announce:
		d.fronts.announceAll(o.Group, d.until[o.Group])
	case cluster.Save:
		d.store.save(o.Saved)
	case cluster.Reply:
		d.answerOrder(o)
	case cluster.Emit:
		d.told(o.Event)
	default:
		panic(fmt.Sprintf("daemon: unknown output %T", o))
	}
}

// entitle tells the kernel's lease, and remembers what is to be announced with it.
func (d *daemon) entitle(o cluster.Entitle) {
	d.until[o.Group] = o.Until
	d.pulse.entitled(o.Group, o.Until)
	if o.Announce {
		d.announces[o.Group] = o.Seq
	}
	d.leases.entitle(o, d.fronts.peerMAC(o.Group))
}

// answerOrder answers an operator, once what the answer promises is on the disk.
func (d *daemon) answerOrder(o cluster.Reply) {
	if o.OK {
		d.store.written(func(err error) { d.reply(o, err) })
		return
	}
	d.reply(o, nil)
}

func (d *daemon) reply(o cluster.Reply, unwritten error) {
	a := api.Answer{OK: o.OK, Words: o.Words, Plan: &api.Plan{Differs: o.Differs}}
	if unwritten != nil && o.OK {
		a.Words += "; but it could not be written to the disk, and is forgotten when lubdub ends: " + oneLine(unwritten)
	}
	select {
	case d.replies <- reply{id: o.ID, is: &a}:
	case <-d.ctx.Done():
	}
}

// send sends a heartbeat. Its load field is not read by anyone, so none is measured.
func (d *daemon) send(b cluster.Beat) {
	m, err := b.Message(d.uuid, uint64(max(1, time.Now().Unix())), "n/a")
	if err == nil {
		err = d.paths.send(m)
	}
	if err != nil {
		d.loop.offer(cluster.Noted{Level: cluster.Alarm, Kind: "link", Words: fmt.Sprintf("the heartbeat was not sent: %v", err)})
	}
}
