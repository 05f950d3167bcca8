package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const watchInterval = time.Second // between two looks at the certificate and at the log's name

// event is what happens to a supervisor: closed, each kind is handled in supervisor.handle.
type event interface{ isEvent() }

type (
	readied struct{ child *child } // it accepts
	muted   struct{ child *child } // it does not answer any more
	exited  struct {
		child *child
		why   string
	}
	asked struct { // for the status
		reply chan<- view
	}
	told struct { // to go on with other settings
		settings Settings
		reply    chan<- error
	}
	stopped struct{} // to end
)

func (readied) isEvent() {}
func (muted) isEvent()   {}
func (exited) isEvent()  {}
func (asked) isEvent()   {}
func (told) isEvent()    {}
func (stopped) isEvent() {}

// view is the supervisor's part of the status, and whom to ask for the rest.
type view struct {
	status  Status
	serving *child
}

// supervisor holds what outlives a worker. Its fields belong to the goroutine that runs loop.
type supervisor struct {
	place    Place
	log      *slog.Logger
	dir      directory
	lock     *os.File
	settings Settings
	sockets  sockets
	keys     *keyFiles
	pair     *keyPair
	file     *logFile
	count    int // children so far

	serving  *child
	next     *child  // started, not yet ready
	pending  *change // what next is to bring, if it is a change of settings
	all      map[*child]context.CancelFunc
	retry    <-chan time.Time // a pause after a crash
	backoff  backoff
	past     report // counters of the dead
	restarts int
	lastExit string
	stopping bool

	events chan event
	ended  chan struct{} // closed when loop has returned
	tasks  sync.WaitGroup
	ready  func()
}

// RunSupervisor holds the proxy's sockets and keeps a worker on them, until the context ends or Stop asks for it. It
// calls ready, if that is not nil, when the first worker accepts. SIGHUP makes it look at the log and the certificate
// at once. If the first worker does not come up, that is its error.
func RunSupervisor(ctx context.Context, settings Settings, place Place, ready func()) error {
	settings, err := settings.Complete()
	if err != nil {
		return err
	}
	s := &supervisor{
		place: place, log: place.log().With("proxy", settings.Name), dir: place.directory(settings.Name), ready: ready,
		all: map[*child]context.CancelFunc{}, events: make(chan event), ended: make(chan struct{}),
	}
	if err := s.dir.make(); err != nil {
		return err
	}
	only, err := lock(s.dir.supervisorLock(), unix.LOCK_EX)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("proxy %s: runs already; `lubdub proxy status %s` shows it: %w", settings.Name, settings.Name, err)
	}
	if err != nil {
		return err
	}
	defer only.Close()
	if s.lock, err = lock(s.dir.processesLock(), unix.LOCK_SH); err != nil {
		return err
	}
	defer s.lock.Close()
	s.dir.sweep()
	if err := s.run(ctx, settings); err != nil {
		return fmt.Errorf("proxy %s: %w", settings.Name, err)
	}
	return nil
}

func (s *supervisor) run(ctx context.Context, settings Settings) error {
	first, err := s.prepare(ctx, settings)
	if err != nil {
		return err
	}
	reply := make(chan error, 1)
	first.reply = reply
	defer func() {
		s.sockets.closeExcept(nil)
		if s.file != nil {
			s.file.close()
		}
	}()
	control, err := s.openControl()
	if err != nil {
		first.sockets.closeExcept(nil)
		first.file.close()
		return err
	}
	s.bring(first)
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	s.loop(ctx, hangup)
	close(s.ended)
	s.tasks.Wait()
	control.close()
	return <-reply
}

// loop is the supervisor's life: it ends when it was told to and no child is left.
func (s *supervisor) loop(ctx context.Context, hangup <-chan os.Signal) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	done := ctx.Done()
	for !s.stopping || len(s.all) > 0 {
		select {
		case e := <-s.events:
			s.handle(e)
		case <-s.retry:
			s.retry = nil
			s.restart()
		case <-tick.C:
			s.look()
		case <-hangup:
			s.look()
		case <-done:
			done = nil
			s.handle(stopped{})
		}
	}
}

func (s *supervisor) handle(e event) {
	switch e := e.(type) {
	case readied:
		s.onReady(e.child)
	case muted:
		s.log.Error("worker does not answer: killed", "pid", e.child.id())
		e.child.kill()
	case exited:
		s.onExit(e.child, e.why)
	case asked:
		e.reply <- view{s.status(), s.serving}
	case told:
		s.onTold(e)
	case stopped:
		s.onStop()
	}
}

// tell brings an event to the loop; after the loop's end nobody cares.
func (s *supervisor) tell(e event) {
	select {
	case s.events <- e:
	case <-s.ended:
	}
}

func (s *supervisor) startChild(settings Settings, all sockets, pair *keyPair, log *os.File) error {
	s.count++
	c, err := launch{s.count, settings, all, pair, log, s.lock, s.place}.start()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.next = c
	s.all[c] = cancel
	s.tasks.Go(func() { c.follow(s.tell) })
	s.tasks.Go(func() { c.nurse(ctx, s.tell) })
	s.record()
	return nil
}

func (s *supervisor) onReady(c *child) {
	if c != s.next || s.stopping {
		return
	}
	c.limit.Stop()
	old := s.serving
	s.serving, s.next = c, nil
	s.log.Info("worker serves", "pid", c.id(), "after", time.Since(c.born).Round(time.Millisecond))
	if s.pending != nil {
		s.adopt(s.pending)
	}
	if old != nil {
		old.end()
	}
}

func (s *supervisor) onExit(c *child, why string) {
	s.all[c]()
	delete(s.all, c)
	s.record()
	if last := c.last.Load(); last != nil {
		s.past.Served += last.Served
		s.past.Failed += last.Failed
		s.past.LogLost += last.LogLost
	}
	wasServing, wasNext := c == s.serving, c == s.next
	if wasServing {
		s.serving = nil
	}
	if wasNext {
		s.next = nil
	}
	if s.stopping {
		return
	}
	if wasNext && s.pending != nil {
		s.giveUp(fmt.Errorf("the new worker ended before it accepted: %s", why))
		return
	}
	if !wasServing && !wasNext {
		return // it was to end
	}
	s.restarts++
	s.lastExit = why
	s.log.Error("worker died: starting another", "pid", c.id(), "why", why, "lived", time.Since(c.born).Round(time.Millisecond))
	if s.next == nil { // else one is on its way
		s.pause(time.Since(c.born))
	}
}

// pause starts the next child, at once or after the pause that the last one's life calls for.
func (s *supervisor) pause(life time.Duration) {
	wait := s.backoff.after(life)
	if wait == 0 {
		s.restart()
		return
	}
	s.retry = time.After(wait)
}

func (s *supervisor) restart() {
	if s.stopping || s.serving != nil || s.next != nil {
		return
	}
	if err := s.startChild(s.settings, s.sockets, s.pair, s.file.file); err != nil {
		s.lastExit = err.Error()
		s.log.Error("worker does not start", "why", err)
		s.retry = time.After(max(firstPause, s.backoff.after(0)))
	}
}

func (s *supervisor) onStop() {
	if s.stopping {
		return
	}
	s.stopping = true
	if s.pending != nil {
		s.giveUp(errors.New("the proxy was stopped meanwhile"))
	}
	for c := range s.all {
		c.end()
	}
}

// look sees whether the certificate or the log's file changed, and tells the worker.
func (s *supervisor) look() {
	if s.sockets == nil {
		return // the first worker is on its way, with what was read just now
	}
	pair, err := s.keys.load()
	if err != nil {
		s.log.Error("new certificate not used, the old one stays", "why", err)
	}
	if pair != nil {
		s.pair = pair
		s.log.Info("new certificate", "file", s.settings.Certificate)
		s.send(order{Certificate: pair})
	}
	reopened, err := s.file.reopen()
	if err != nil {
		s.log.Error("access log not opened again, the old file stays", "why", err)
	}
	if reopened {
		s.send(order{Log: true}, int(s.file.file.Fd()))
	}
}

func (s *supervisor) send(o order, descriptors ...int) {
	for _, c := range []*child{s.serving, s.next} {
		if c == nil {
			continue
		}
		if err := c.channel.send(o, descriptors...); err != nil {
			s.log.Error("worker not told of a change", "pid", c.id(), "why", err)
		}
	}
}

func (s *supervisor) status() Status {
	st := Status{Name: s.settings.Name, Supervisor: os.Getpid(), Restarts: s.restarts, LastExit: s.lastExit, Listen: s.settings.addresses()}
	st.count(s.past)
	if s.serving != nil {
		st.Worker, st.Since = s.serving.id(), s.serving.born
	}
	for c := range s.all {
		if last := c.last.Load(); c != s.serving && last != nil {
			st.count(*last)
		}
	}
	return st
}

func (s *supervisor) record() {
	list := []process{processOf(os.Getpid())}
	for c := range s.all {
		list = append(list, processOf(c.id()))
	}
	if err := s.dir.record(list); err != nil {
		s.log.Error("processes not recorded: a later stop can ask but not kill", "why", err)
	}
}
