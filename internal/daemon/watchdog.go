package daemon

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lubdub/internal/cluster"
	"lubdub/internal/config"
)

// watchdog is the edge of the watchdog device. The loop leaves word of what the
// machine wants, and one goroutine tells the device, for some drivers wait for
// their hardware, a BMC for seconds. The newest word wins. A word to feed is good
// for one feeding, and only while it is fresh: so it is still the step that
// feeds, and a loop that hangs or was frozen feeds nothing.
type watchdog struct {
	config.Watchdog
	kernel  dogKernel
	now     func() cluster.Time
	note    func(cluster.Noted)
	had     time.Duration // the time-out that the device really has
	words   chan dogWord
	running sync.WaitGroup

	serves bool // the loop's: a group is owned here

	fd        int    // the goroutine's: the open device, or closed
	inherited bool   // an earlier life left it running, and nobody has opened it since
	kept      bool   // the device cannot be stopped (nowayout): it is fed in each turn of the loop
	trouble   string // why the last word could not be carried out: said once
}

// dogWord is what the machine wants: to feed, but not after a time, or to stop.
type dogWord struct {
	feed     bool
	notAfter cluster.Time
}

// closed is no file descriptor.
const closed = -1

// partTimeout is given to a device that cannot be stopped when the daemon ends
// and serves nothing: time to start it again, or whatever else is to feed it.
// No driver in use takes less.
const partTimeout = 10 * time.Minute

// openWatchdog looks at the device, sets its time-out and stops it again: it
// runs only while a group is owned. With again, there was an earlier life in this
// boot; a device that is found running is its, and is not touched before the machine
// has decided. The result is nil where there is no device, or none to go by.
func openWatchdog(c config.Watchdog, cfg cluster.Config, k dogKernel, again bool, note func(cluster.Noted)) (*watchdog, error) {
	if c.Device == "" {
		return nil, nil
	}
	w := &watchdog{Watchdog: c, kernel: k, now: now, note: note, words: make(chan dogWord, 1), fd: closed}
	found, err := w.find(again)
	if err != nil {
		err = fmt.Errorf("watchdog %s: %w", c.Device, err)
		if c.Required {
			return nil, fmt.Errorf("%w; lubdub.conf says 'watchdog required', so nothing is started", err)
		}
		note(cluster.Noted{Level: cluster.Alarm, Kind: "watchdog", Words: oneLine(err) + "; this node serves without a watchdog"})
		return nil, nil
	}
	cfg.Watchdog = w.had
	quick := w.had <= cfg.WatchdogLimit()
	if !quick && c.Required {
		w.part()
		return nil, fmt.Errorf("watchdog %s: it cannot be set below %v, and the deadtime of %v needs %v; lubdub.conf says 'watchdog required', so nothing is started: make deadtime longer",
			c.Device, w.had, cfg.DeadTime, cfg.WatchdogLimit().Truncate(time.Millisecond))
	}
	note(w.verdict(found, cfg, quick))
	return w, nil
}

// verdict is the line at start.
func (w *watchdog) verdict(found []string, cfg cluster.Config, quick bool) cluster.Noted {
	n := cluster.Noted{Kind: "watchdog", Words: fmt.Sprintf("watchdog %s (%s): time-out %v wanted, %v had: ", w.Device, found[0], w.Wanted, w.had)}
	if quick {
		n.Words += fmt.Sprintf("a node that serves and is hung or cut off is reset before the deadtime of %v is over", cfg.DeadTime)
	} else {
		n.Level = cluster.Warning
		n.Words += fmt.Sprintf("too long for the deadtime of %v, so the other node is asked to wait about %v; make deadtime longer, or use a quicker device",
			cfg.DeadTime, cfg.AdvertisedDeadTime().Round(10*time.Millisecond))
	}
	for _, remark := range found[1:] {
		n.Words += "; " + remark
	}
	return n
}

// find looks at the device: its identity, and remarks.
func (w *watchdog) find(again bool) ([]string, error) {
	if timeout, runs := w.kernel.left(w.Device); again && runs {
		w.serves, w.inherited, w.had = true, true, max(timeout, w.Wanted)
		return []string{"it runs since the life before"}, nil
	}
	if err := w.start(); err != nil {
		return nil, err
	}
	id, options, err := w.kernel.support(w.fd)
	if err != nil {
		id = "a driver that does not say what it is"
	}
	found := []string{id}
	if options&unix.WDIOF_SETTIMEOUT == 0 && err == nil {
		found = append(found, "its time-out cannot be set")
	}
	if options&unix.WDIOF_MAGICCLOSE == 0 && err == nil {
		found = append(found, "it stops whenever it is closed: it guards against a daemon that hangs, not against one that is killed")
	}
	if pre, err := w.kernel.get(w.fd, unix.WDIOC_GETPRETIMEOUT); err == nil && pre > 0 {
		found = append(found, fmt.Sprintf("it warns the kernel %d s before, which may end the machine sooner", pre))
	}
	if err := w.stop(); err != nil {
		return nil, err
	}
	if w.kept {
		found = append(found, "nowayout: it can never be stopped again, so it is fed also while nothing is served here, and this machine is reset when lubdub does not run")
	}
	if w.had < w.Least {
		w.part()
		return nil, fmt.Errorf("its time-out is %v: with this keepalive it needs %v, or a lost heartbeat would reset a healthy node", w.had, w.Least)
	}
	return found, nil
}

// start opens the device, which makes it run, and sets its time-out.
func (w *watchdog) start() (err error) {
	if w.fd, err = w.kernel.open(w.Device); err != nil {
		w.fd = closed
		return explained(err)
	}
	w.inherited = false
	if err := w.setTimeout(); err != nil {
		return errors.Join(err, w.stop())
	}
	return nil
}

// searched bounds the search for the shortest time-out that a device takes.
const searched = time.Minute

// setTimeout sets the time-out, or the next that the device takes, and reads back what it has.
func (w *watchdog) setTimeout() error {
	for t := w.Wanted; t <= w.Wanted+searched; t += time.Second {
		if err := w.kernel.set(w.fd, unix.WDIOC_SETTIMEOUT, int(t/time.Second)); !errors.Is(err, unix.EINVAL) {
			break
		}
	}
	had, err := w.kernel.get(w.fd, unix.WDIOC_GETTIMEOUT)
	if err != nil || had <= 0 {
		return fmt.Errorf("it does not say its time-out (%v), so it cannot be reckoned with", err)
	}
	// What it says it has left is never more than its time-out, unless it rounds.
	if left, err := w.kernel.get(w.fd, unix.WDIOC_GETTIMELEFT); err == nil {
		had = max(had, left)
	}
	w.had = time.Duration(had) * time.Second
	return nil
}

// stop stops the device and closes it, unless it cannot be stopped.
func (w *watchdog) stop() error {
	// Only this call says that a device refuses: a close would not.
	if err := w.kernel.set(w.fd, unix.WDIOC_SETOPTIONS, unix.WDIOS_DISABLECARD); errors.Is(err, unix.EBUSY) {
		w.kept = true
		return w.kernel.write(w.fd, feeding)
	}
	if err := w.kernel.write(w.fd, magic); err != nil {
		return fmt.Errorf("it cannot be told to stop: %w; unless it is, this machine is reset within %v", err, w.had)
	}
	err := w.kernel.close(w.fd)
	w.fd = closed
	return err
}

// What is written to a device: any byte feeds it, and the magic one also lets it
// stop when it is closed.
const (
	feeding = 0
	magic   = 'V'
)

// explained adds what to do.
func explained(err error) error {
	switch {
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("another program has it: systemd (RuntimeWatchdogSec= in system.conf), the watchdog daemon, sbd or Heartbeat; end that, or name another device of /dev/watchdog*: %w", err)
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("no driver for it is loaded: modprobe softdog, or the machine's own, and name it in /etc/modules-load.d: %w", err)
	}
	return err
}

// run carries the words out until there are no more.
func (w *watchdog) run() {
	if w == nil {
		return
	}
	w.running.Go(func() {
		for word := range w.words {
			w.obey(word)
		}
	})
}

// say leaves word for the goroutine; it never waits, for nobody else leaves any.
func (w *watchdog) say(word dogWord) {
	select {
	case <-w.words:
	default:
	}
	w.words <- word
}

// feed feeds once, unless that comes too late.
func (w *watchdog) feed(notAfter cluster.Time) {
	if w == nil {
		return
	}
	w.serves = true
	w.say(dogWord{feed: true, notAfter: notAfter})
}

// unleash stops the device.
func (w *watchdog) unleash() {
	if w == nil {
		return
	}
	w.serves = false
	w.say(dogWord{})
}

// turn is told of each heartbeat: it feeds what cannot be stopped, while nothing
// is served here, and tries again what went wrong.
func (w *watchdog) turn() {
	if w != nil && !w.serves {
		w.say(dogWord{})
	}
}

// obey carries out a word.
func (w *watchdog) obey(word dogWord) {
	var err error
	if word.feed {
		err = w.feedNow(word.notAfter)
	} else {
		err = w.stopNow()
	}
	trouble := ""
	if err != nil {
		trouble = oneLine(err)
	}
	switch {
	case trouble == w.trouble:
	case trouble == "":
		w.tell(cluster.Info, "it obeys again")
	default:
		w.tell(cluster.Alarm, trouble)
	}
	w.trouble = trouble
}

func (w *watchdog) tell(level cluster.Level, words string) {
	w.note(cluster.Noted{Level: level, Kind: "watchdog", Words: fmt.Sprintf("watchdog %s: %s", w.Device, words)})
}

func (w *watchdog) feedNow(notAfter cluster.Time) error {
	if late := w.now().Sub(notAfter); late > 0 {
		return fmt.Errorf("what should feed it came %v late, so it was not fed: the machine or the device is too slow; it resets this machine %v after it was fed last", late, w.had)
	}
	if w.fd == closed {
		reckoned := w.had
		if err := w.start(); err != nil {
			return fmt.Errorf("%w; this node serves without a watchdog", err)
		}
		if w.had > reckoned {
			w.tell(cluster.Alarm, fmt.Sprintf("its time-out is %v now, and was %v at the start: this machine may be reset later than the other node reckons; restart lubdub", w.had, reckoned))
		}
	}
	if err := w.kernel.write(w.fd, feeding); err != nil {
		return fmt.Errorf("it cannot be fed: %w; unless it can again, this machine is reset within %v", err, w.had)
	}
	return nil
}

func (w *watchdog) stopNow() error {
	switch {
	case w.inherited:
		if err := w.start(); err != nil {
			return err
		}
	case w.fd == closed:
		return nil
	}
	if w.kept {
		return w.kernel.write(w.fd, feeding)
	}
	return w.stop()
}

// end waits for the last word, and says what becomes of a device that goes on.
func (w *watchdog) end() string {
	if w == nil {
		return ""
	}
	close(w.words)
	w.running.Wait()
	switch {
	case w.serves:
		w.leave()
		return fmt.Sprintf("watchdog %s: what runs here goes on running, and so does the watchdog: unless lubdub is started again, this machine is reset within %v", w.Device, w.had)
	case w.fd != closed:
		w.part()
		return fmt.Sprintf("watchdog %s: it cannot be stopped: unless lubdub or another program opens it, this machine is reset within %v", w.Device, w.had)
	}
	return ""
}

// part leaves a device that cannot be stopped the longest time that it takes.
func (w *watchdog) part() {
	if w.fd == closed {
		return
	}
	w.Wanted = partTimeout
	if err := w.kernel.set(w.fd, unix.WDIOC_SETTIMEOUT, int(partTimeout/time.Second)); err == nil {
		w.had = partTimeout
	}
	w.leave()
}

// leave closes the device and lets it run.
func (w *watchdog) leave() {
	if w.fd != closed {
		_ = w.kernel.close(w.fd) // the process ends, and closes it anyway
		w.fd = closed
	}
}
