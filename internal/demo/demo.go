package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"lubdub/internal/lab"
)

// Options say how the demo is given.
type Options struct {
	Out         io.Writer
	Colour      bool     // Out is a terminal that shows it
	Logs        string   // a directory to keep the daemons' logs in; empty: they go with the demo
	Interactive *os.File // where commands are read from after the steps; nil: none are
}

// Run gives the demo. It must be the first thing a program does: it runs the same
// program again, in namespaces of its own, and there alone it returns. The error
// says what did not go as it must.
func Run(ctx context.Context, o Options) error {
	if err := lab.Enter(); err != nil {
		return fmt.Errorf("the demo needs network namespaces of its own: run it as root, or where the kernel gives them to users (sysctl user.max_user_namespaces, user.max_net_namespaces): %w", err)
	}
	// Ctrl-C reaches us twice on a terminal: it is a request.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	err := play(ctx, o)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return errors.New("interrupted; nothing is left behind")
	}
	return err
}

func play(ctx context.Context, o Options) (err error) {
	began := lab.Now()
	dir, err := logDir(o.Logs)
	if err != nil {
		return err
	}
	n := narrator{out: o.Out, colour: o.Colour}
	n.introduce()
	w, err := build(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if err := w.begin(ctx); err != nil {
		return errors.Join(err, w.logs(dir, o.Logs != ""))
	}
	failed := 0
	for i, s := range w.steps() {
		good, err := w.play(ctx, &n, i+1, s)
		if err != nil {
			return errors.Join(fmt.Errorf("step %d, %s: %w", i+1, s.title, err), w.logs(dir, o.Logs != ""))
		}
		if !good {
			failed++
		}
	}
	if failed > 0 {
		err = errors.Join(fmt.Errorf("%d steps did not go as they must%s", failed, w.busy()), w.logs(dir, o.Logs != ""))
	} else {
		n.conclude(len(w.steps()), lab.Now()-began)
	}
	if o.Interactive != nil {
		return errors.Join(err, w.prompt(ctx, &n, o.Interactive))
	}
	return err
}

// logDir is where the lab writes: a place of the user's, or the lab's own /run,
// which vanishes with it.
func logDir(wanted string) (string, error) {
	if wanted == "" {
		return os.MkdirTemp("/run", "demo-")
	}
	dir, err := filepath.Abs(wanted)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("keep the logs: %w", err)
	}
	return dir, nil
}

// begin starts both nodes, and waits until the client is served.
func (w *world) begin(ctx context.Context) error {
	if err := errors.Join(w.watch(), w.a.start(), w.b.start()); err != nil {
		return err
	}
	err := until(ctx, "both nodes are up, and "+short(nameA)+" serves", func() bool { return w.served(w.a) && w.settled(ctx, w.a) })
	if err != nil {
		return err
	}
	return pause(ctx, calm)
}

// play does one step, and says what came of it.
func (w *world) play(ctx context.Context, n *narrator, number int, s step) (good bool, err error) {
	n.announce(number, s)
	from := lab.Now()
	if err := s.do(ctx); err != nil {
		return false, err
	}
	last := s.must.path[len(s.must.path)-1]
	err = until(ctx, short(last.name)+" serves", func() bool { return w.served(last) })
	if err == nil && s.pair {
		err = until(ctx, "both nodes are at ease", func() bool { return w.settled(ctx, last) })
	}
	if err == nil {
		err = pause(ctx, max(calm, s.hold-(lab.Now()-from)))
	}
	if err != nil {
		return false, err
	}
	to := lab.Now()
	e := w.gather(from, to)
	w.busiest = max(w.busiest, e.calm)
	wrong := s.must.wrong(e)
	words, err := s.words(ctx, last, number == 1)
	if err != nil {
		return false, err
	}
	n.report(e, s.must, words, wrong)
	return len(wrong) == 0, nil
}

// busyCalm is a gap in the calm that no idle machine shows: twenty paces.
const busyCalm = 20 * requestPace

// busy says so when this machine had other things to do.
func (w *world) busy() string {
	if w.busiest < busyCalm {
		return ""
	}
	return fmt.Sprintf("; but this machine is busy: between the steps too the client waited up to %s, so try again in a quiet hour", milliseconds(w.busiest))
}

// logTail is how much of each daemon's log is printed when something went wrong.
const logTail = 30

// logs is an error that shows the end of each daemon's log, or where the logs are.
func (w *world) logs(dir string, kept bool) error {
	if kept {
		return fmt.Errorf("the logs are in %s", dir)
	}
	var b strings.Builder
	for _, n := range []*node{w.a, w.b} {
		if n.daemon == nil {
			continue
		}
		lines := strings.Split(strings.TrimSpace(n.daemon.Output()), "\n")
		lines = lines[max(0, len(lines)-logTail):]
		fmt.Fprintf(&b, "\nlog of %s:\n%s", n.name, strings.Join(lines, "\n"))
	}
	return errors.New("to keep whole logs: lubdub demo --logs DIR" + b.String())
}

// age rounds a duration for people.
func age(d time.Duration) string { return d.Round(time.Second).String() }
