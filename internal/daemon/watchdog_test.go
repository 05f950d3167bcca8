package daemon

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lubdub/internal/cluster"
	"lubdub/internal/config"
)

// fakeDog is a watchdog device as the kernel's documentation describes them. It
// keeps what was asked of it, in order.
type fakeDog struct {
	calls []string

	least, step int // of its time-out, in seconds
	timeout     int
	options     uint32
	nowayout    bool
	old         bool // a driver of before the kernel's watchdog core: few calls
	busy        bool
	timeLeft    int // what it says it has left; 0: it does not say
	noTimeout   bool
	failing     error         // of each write
	slow        time.Duration // of each write

	isOpen, runs, let bool
}

func (d *fakeDog) did(format string, args ...any) {
	d.calls = append(d.calls, fmt.Sprintf(format, args...))
}

func (d *fakeDog) open(path string) (int, error) {
	d.did("open %s", path)
	if d.busy || d.isOpen {
		return 0, unix.EBUSY
	}
	d.isOpen, d.runs, d.let = true, true, false
	return 7, nil
}

func (d *fakeDog) support(int) (string, uint32, error) { return "Fake Dog", d.options, nil }

func (d *fakeDog) get(_ int, request uint) (int, error) {
	switch {
	case request == unix.WDIOC_GETTIMEOUT && !d.noTimeout:
		return d.timeout, nil
	case request == unix.WDIOC_GETTIMELEFT && d.timeLeft > 0:
		return d.timeLeft, nil
	case request == unix.WDIOC_GETPRETIMEOUT && d.options&unix.WDIOF_PRETIMEOUT != 0:
		return 1, nil
	}
	return 0, unix.EOPNOTSUPP
}

func (d *fakeDog) set(_ int, request uint, value int) error {
	switch {
	case request == unix.WDIOC_SETTIMEOUT && d.options&unix.WDIOF_SETTIMEOUT == 0:
		return unix.EOPNOTSUPP
	case request == unix.WDIOC_SETTIMEOUT && value < d.least:
		d.did("time-out %d: no", value)
		return unix.EINVAL
	case request == unix.WDIOC_SETTIMEOUT:
		d.did("time-out %d", value)
		step := max(1, d.step)
		d.timeout = (value + step - 1) / step * step
		return nil
	case request == unix.WDIOC_SETOPTIONS && d.old:
		return unix.ENOTTY
	case request == unix.WDIOC_SETOPTIONS && d.nowayout:
		d.did("stop: no")
		return unix.EBUSY
	case request == unix.WDIOC_SETOPTIONS && value == unix.WDIOS_DISABLECARD:
		d.did("stop")
		d.runs = false
		return nil
	}
	return unix.EINVAL
}

func (d *fakeDog) write(_ int, b byte) error {
	time.Sleep(d.slow)
	if d.failing != nil {
		d.did("write fails")
		return d.failing
	}
	if d.let = b == 'V'; d.let {
		d.did("V")
	} else {
		d.did("feed")
	}
	return nil
}

func (d *fakeDog) close(int) error {
	d.did("close")
	d.isOpen = false
	if !d.nowayout && (d.let || d.options&unix.WDIOF_MAGICCLOSE == 0) {
		d.runs = false
	}
	return nil
}

func (d *fakeDog) left(string) (time.Duration, bool) {
	return time.Duration(d.timeout) * time.Second, d.runs
}

const usualOptions = unix.WDIOF_SETTIMEOUT | unix.WDIOF_KEEPALIVEPING | unix.WDIOF_MAGICCLOSE

func usualDog() *fakeDog { return &fakeDog{least: 1, timeout: 60, options: usualOptions} }

// dogWants is a keepalive of 250 ms and a deadtime of 2 s.
var dogWants = config.Watchdog{Device: "/dev/dog", Wanted: time.Second, Least: 750 * time.Millisecond}

// dogTimes are the times of a cluster with such a dead time.
func dogTimes(dead time.Duration) cluster.Config {
	return cluster.Config{Keepalive: 250 * time.Millisecond, DeadTime: dead}
}

// soonTime is until when a feeding that is decided now is good.
func soonTime() cluster.Time { return bubbleTime().Add(650 * time.Millisecond) }

// notes collects what is said.
type notes []cluster.Noted

func (n *notes) add(one cluster.Noted) { *n = append(*n, one) }

func (n *notes) String() string {
	var b strings.Builder
	for _, one := range *n {
		fmt.Fprintf(&b, "%v: %s\n", one.Level, one.Words)
	}
	return b.String()
}

func openedDog(t *testing.T, c config.Watchdog, k dogKernel, served bool) (*watchdog, *notes) {
	t.Helper()
	said := &notes{}
	w, err := openWatchdog(c, dogTimes(2*time.Second), k, served, said.add)
	if err != nil || w == nil {
		t.Fatalf("no watchdog: %v\n%s", err, said)
	}
	w.now = bubbleTime
	return w, said
}

// TestWatchdogAtStart says which devices are taken, and how each is left.
func TestWatchdogAtStart(t *testing.T) {
	const looked = "open /dev/dog,time-out 1,stop,V,close"
	tests := map[string]struct {
		dog   func(*fakeDog)
		had   time.Duration // 0: not taken
		calls string
		says  string
		level cluster.Level
		runs  bool
		must  bool // "watchdog required" refuses it
	}{
		"usual":         {nil, time.Second, looked, "(Fake Dog): time-out 1s wanted, 1s had: a node that serves and is hung or cut off is reset before the deadtime of 2s is over", "", false, false},
		"rounded up":    {func(d *fakeDog) { d.step = 4 }, 4 * time.Second, looked, "1s wanted, 4s had: too long for the deadtime of 2s, so the other node is asked to wait about 5.43s", cluster.Warning, false, true},
		"least is more": {func(d *fakeDog) { d.least = 3 }, 3 * time.Second, "open /dev/dog,time-out 1: no,time-out 2: no,time-out 3,stop,V,close", "1s wanted, 3s had: too long", cluster.Warning, false, true},
		"not settable":  {func(d *fakeDog) { d.options = unix.WDIOF_MAGICCLOSE }, time.Minute, "open /dev/dog,stop,V,close", "its time-out cannot be set", cluster.Warning, false, true},
		"counts longer": {func(d *fakeDog) { d.timeLeft = 2 }, 2 * time.Second, looked, "1s wanted, 2s had: too long", cluster.Warning, false, true},
		"taken":         {func(d *fakeDog) { d.busy = true }, 0, "open /dev/dog", "another program has it: systemd (RuntimeWatchdogSec=", cluster.Alarm, false, true},
		"silent":        {func(d *fakeDog) { d.noTimeout = true }, 0, looked, "it does not say its time-out", cluster.Alarm, false, true},
		"too quick":     {func(d *fakeDog) { d.options, d.timeout = unix.WDIOF_MAGICCLOSE, -1 }, 0, "open /dev/dog,stop,V,close", "does not say its time-out", cluster.Alarm, false, true},
		"no magic":      {func(d *fakeDog) { d.options = unix.WDIOF_SETTIMEOUT }, time.Second, looked, "it stops whenever it is closed", "", false, false},
		"old driver":    {func(d *fakeDog) { d.old = true }, time.Second, "open /dev/dog,time-out 1,V,close", "1s had: a node", "", false, false},
		"nowayout":      {func(d *fakeDog) { d.nowayout = true }, time.Second, "open /dev/dog,time-out 1,stop: no,feed", "nowayout: it can never be stopped again", "", true, false},
		"pretimeout":    {func(d *fakeDog) { d.options |= unix.WDIOF_PRETIMEOUT }, time.Second, looked, "it warns the kernel 1 s before", "", false, false},
		"write fails":   {func(d *fakeDog) { d.failing = unix.EIO }, 0, "open /dev/dog,time-out 1,stop,write fails", "it cannot be told to stop", cluster.Alarm, false, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dog := usualDog()
			if test.dog != nil {
				test.dog(dog)
			}
			said := &notes{}
			w, err := openWatchdog(dogWants, dogTimes(2*time.Second), dog, false, said.add)
			if err != nil || (w != nil) != (test.had > 0) {
				t.Fatalf("got %+v, %v; want a time-out of %v", w, err, test.had)
			}
			if w != nil && w.had != test.had {
				t.Errorf("it has %v, want %v", w.had, test.had)
			}
			if got := strings.Join(dog.calls, ","); got != test.calls {
				t.Errorf("asked of the device:\n%s\nwant:\n%s", got, test.calls)
			}
			if len(*said) != 1 || (*said)[0].Level != test.level || !strings.Contains((*said)[0].Words, test.says) {
				t.Errorf("it says:\n%swant one line of level %v with: %s", said, test.level, test.says)
			}
			if dog.runs != test.runs {
				t.Errorf("it runs: %v, want %v", dog.runs, test.runs)
			}
			required, again := dogWants, usualDog()
			required.Required = true
			if test.dog != nil {
				test.dog(again)
			}
			if _, err := openWatchdog(required, dogTimes(2*time.Second), again, false, said.add); (err != nil) != test.must {
				t.Errorf("with 'watchdog required': %v, want an error: %v", err, test.must)
			}
		})
	}
}

func TestWatchdogTooQuickForTheKeepalive(t *testing.T) {
	c := dogWants
	c.Wanted, c.Least = 3*time.Second, 3*time.Second
	dog := &fakeDog{options: unix.WDIOF_MAGICCLOSE, timeout: 1}
	said := &notes{}
	if w, err := openWatchdog(c, dogTimes(6*time.Second), dog, false, said.add); w != nil || err != nil {
		t.Fatalf("taken: %+v, %v", w, err)
	}
	if want := "a lost heartbeat would reset a healthy node"; !strings.Contains(said.String(), want) || dog.runs {
		t.Errorf("it says: %s, want %s; it runs: %v", said, want, dog.runs)
	}
}

func TestWatchdogIsFedAndStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dog := usualDog()
		w, said := openedDog(t, dogWants, dog, false)
		dog.calls = nil
		w.run()
		w.turn() // nothing is served: nothing is touched
		for range 3 {
			w.feed(soonTime())
			time.Sleep(250 * time.Millisecond)
			w.turn() // a heartbeat feeds nothing
			synctest.Wait()
		}
		w.unleash()
		synctest.Wait()
		w.feed(soonTime())
		synctest.Wait()
		w.unleash()
		if words := w.end(); words != "" {
			t.Errorf("at a clean end it says %q", words)
		}
		want := []string{"open /dev/dog", "time-out 1", "feed", "feed", "feed", "stop", "V", "close",
			"open /dev/dog", "time-out 1", "feed", "stop", "V", "close"}
		if diff := cmp.Diff(want, dog.calls); diff != "" || dog.runs {
			t.Errorf("asked of the device (-want +got), and it runs: %v\n%s", dog.runs, diff)
		}
		if len(*said) != 1 {
			t.Errorf("it says:\n%s", said)
		}
	})
}

// A feeding that was decided before a freeze is not written after it, and a
// device that hangs holds nobody up.
func TestWatchdogFeedingGrowsStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dog := usualDog()
		w, said := openedDog(t, dogWants, dog, false)
		w.run()
		w.feed(soonTime())
		synctest.Wait()
		dog.calls = nil
		w.feed(bubbleTime() - 1)
		synctest.Wait()
		w.feed(bubbleTime())
		synctest.Wait()
		if diff := cmp.Diff([]string{"feed"}, dog.calls); diff != "" {
			t.Errorf("asked of the device (-want +got):\n%s", diff)
		}
		dog.calls, dog.slow = nil, 5*time.Second
		began := time.Now()
		for range 8 {
			w.feed(soonTime())
			synctest.Wait()
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the loop waited %v for the device", took)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		// One was in the device; the newest of the rest waited too long.
		if diff := cmp.Diff([]string{"feed"}, dog.calls); diff != "" {
			t.Errorf("asked of the slow device (-want +got):\n%s", diff)
		}
		dog.slow = 0
		w.unleash()
		w.end()
		if got := said.String(); strings.Count(got, "late, so it was not fed") != 2 || strings.Count(got, "obeys again") != 2 {
			t.Errorf("it says:\n%s", got)
		}
	})
}

func TestWatchdogThatFailsIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dog := usualDog()
		w, said := openedDog(t, dogWants, dog, false)
		w.run()
		for _, err := range []error{nil, unix.EIO, unix.EIO, nil} {
			dog.failing = err
			w.feed(soonTime())
			synctest.Wait()
		}
		w.unleash()
		synctest.Wait()
		dog.busy = true
		for range 3 {
			w.feed(soonTime())
			synctest.Wait()
		}
		dog.busy = false
		dog.least = 5 // and now it takes no less
		w.feed(soonTime())
		synctest.Wait()
		w.unleash()
		w.end()
		want := []string{"deadtime of 2s is over", "it cannot be fed", "it obeys again", "another program has it", "its time-out is 5s now, and was 1s at the start", "obeys again"}
		for i, words := range want {
			if i >= len(*said) || !strings.Contains((*said)[i].Words, words) {
				t.Fatalf("it says:\n%swant as line %d: %s", said, i+1, words)
			}
		}
	})
}

// A device that cannot be stopped is fed by the heartbeats of a node that serves
// nothing, never by those of one that serves.
func TestWatchdogNowayout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dog := usualDog()
		dog.nowayout = true
		w, _ := openedDog(t, dogWants, dog, false)
		dog.calls = nil
		w.run()
		step := func(f func()) { f(); synctest.Wait() }
		step(w.turn)
		step(w.turn)
		step(func() { w.feed(soonTime()) })
		step(w.turn)
		step(w.turn)
		step(w.unleash)
		step(w.turn)
		words := w.end()
		if want := []string{"feed", "feed", "feed", "feed", "feed", "time-out 600", "close"}; !cmp.Equal(want, dog.calls) {
			t.Errorf("asked of the device: %q, want %q", dog.calls, want)
		}
		if !strings.Contains(words, "it cannot be stopped") || !strings.Contains(words, "within 10m0s") {
			t.Errorf("at the end it says %q", words)
		}
	})
}

// The daemon ends at once, and what it serves goes on: so does the watchdog. The
// next life does not touch it before its machine has decided.
func TestWatchdogAcrossARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dog := usualDog()
		w, _ := openedDog(t, dogWants, dog, false)
		w.run()
		w.feed(soonTime())
		words := w.end()
		if !strings.Contains(words, "goes on running") || !dog.runs || dog.isOpen {
			t.Fatalf("it runs: %v, is open: %v, and says %q", dog.runs, dog.isOpen, words)
		}
		again := func(then func(*watchdog)) []string {
			dog.calls = nil
			w, _ := openedDog(t, dogWants, dog, true)
			w.run()
			w.turn()
			synctest.Wait()
			if len(dog.calls) > 0 {
				t.Errorf("before anything was decided: %q", dog.calls)
			}
			then(w)
			synctest.Wait()
			w.end()
			return dog.calls
		}
		if diff := cmp.Diff([]string{"open /dev/dog", "time-out 1", "feed", "close"}, again(func(w *watchdog) { w.feed(soonTime()) })); diff != "" {
			t.Errorf("adopted and confirmed (-want +got):\n%s", diff)
		}
		if !dog.runs {
			t.Fatal("it stopped although a group runs")
		}
		if got := again(func(*watchdog) {}); len(got) > 0 || !dog.runs {
			t.Errorf("adopted and never confirmed: %q, and it runs: %v", got, dog.runs)
		}
		if diff := cmp.Diff([]string{"open /dev/dog", "time-out 1", "stop", "V", "close"}, again((*watchdog).unleash)); diff != "" || dog.runs {
			t.Errorf("nothing is served any more; it runs: %v (-want +got):\n%s", dog.runs, diff)
		}
		// And one that did not run is looked at as ever.
		w, _ = openedDog(t, dogWants, dog, true)
		if dog.runs || w.serves {
			t.Errorf("looked at: it runs: %v, serves: %v", dog.runs, w.serves)
		}
	})
}

// The kernel refuses what is no watchdog in words that help.
func TestWatchdogThatIsNone(t *testing.T) {
	for path, want := range map[string]string{"/dev/no-such-dog": "modprobe", "/etc/passwd": "not a character device", "/dev/null": "does not say its time-out"} {
		said := &notes{}
		c := dogWants
		c.Device = path
		w, err := openWatchdog(c, dogTimes(2*time.Second), kernelDog{}, false, said.add)
		if w != nil || err != nil || !strings.Contains(said.String(), want) {
			t.Errorf("%s: %+v, %v, %s; want %s", path, w, err, said, want)
		}
		c.Required = true
		if _, err := openWatchdog(c, dogTimes(2*time.Second), kernelDog{}, false, said.add); err == nil || errors.Is(err, unix.EBUSY) {
			t.Errorf("%s is required, and nothing is refused: %v", path, err)
		}
	}
	if w, err := openWatchdog(config.Watchdog{}, cluster.Config{}, kernelDog{}, false, nil); w != nil || err != nil {
		t.Errorf("without a line: %v, %v", w, err)
	}
	var none *watchdog
	none.run()
	none.feed(0)
	none.turn()
	none.unleash()
	if words := none.end(); words != "" {
		t.Error(words)
	}
}
