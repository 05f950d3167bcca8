package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lubdub/internal/lab"
)

// glance is how long the prompt waits for input before it looks whether it should end.
const glance = 200 * time.Millisecond

const promptHelp = `  cut front [NODE]     pull a front cable: that of NODE, or of the node that serves
  cut crossover        pull the cable between the nodes
  heal                 put all cables back
  kill [NODE]          kill -9 of the proxy's worker
  power off|on NODE    NODE is proxy01 or proxy02
  status, why          what lubdub says on each node
  wait                 four seconds: two deadtimes
  quit
Each answer says what the client saw since the one before; Enter alone asks for it.`

// prompt lets a person break things.
func (w *world) prompt(ctx context.Context, n *narrator, in *os.File) error {
	fmt.Fprintf(n.out, "\n%s\n%s\n", n.paint(bold, "Your turn."), promptHelp)
	lines := bufio.NewReader(in)
	for from := lab.Now(); ; {
		fmt.Fprint(n.out, "demo> ")
		text, err := readLine(ctx, in, lines)
		if errors.Is(err, io.EOF) || strings.TrimSpace(text) == "quit" {
			fmt.Fprintln(n.out)
			return nil
		}
		if err != nil {
			return err
		}
		if err := w.obey(ctx, n, strings.Fields(text)); err != nil {
			fmt.Fprintln(n.out, err)
		}
		s := w.load.Summary(from, lab.Now())
		n.client(fmt.Sprintf("outage %7s   failed %3d of %-4d   now answered by %s",
			milliseconds(s.Gap.Duration()), s.Failed, s.Requests, w.nowServed()))
		from = lab.Now()
	}
}

// readLine waits for a line or for the end of ctx; nothing is left waiting behind.
func readLine(ctx context.Context, in *os.File, lines *bufio.Reader) (string, error) {
	for lines.Buffered() == 0 {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		fds := []unix.PollFd{{Fd: int32(in.Fd()), Events: unix.POLLIN}}
		if ready, err := unix.Poll(fds, int(glance.Milliseconds())); ready > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			break
		}
	}
	return lines.ReadString('\n')
}

// obey carries a command of the prompt out.
func (w *world) obey(ctx context.Context, n *narrator, words []string) error {
	if len(words) == 0 {
		return nil
	}
	verb := 1
	if words[0] == "cut" || words[0] == "power" {
		verb = min(2, len(words))
	}
	order := strings.Join(words[:verb], " ")
	chosen, err := w.named(words[verb:])
	if err != nil {
		return err
	}
	switch order {
	case "cut front":
		return w.lab.Unplug(front, short(chosen.name))
	case "cut crossover":
		return w.lab.Unplug(crossOver, short(nameA))
	case "heal":
		return errors.Join(w.lab.Plug(front, short(nameA)), w.lab.Plug(front, short(nameB)), w.lab.Plug(crossOver, short(nameA)))
	case "kill":
		return chosen.killWorker(ctx)
	case "power off":
		return chosen.powerOff()
	case "power on":
		return w.powerOn(ctx, chosen)
	case "wait":
		return pause(ctx, 2*deadTime)
	case "status", "why":
		return w.say(ctx, n, order)
	}
	return fmt.Errorf("there is no order %s; there are:\n%s", order, promptHelp)
}

// powerOn boots a node, and waits until its daemon answers.
func (w *world) powerOn(ctx context.Context, n *node) error {
	if n.daemon != nil {
		return fmt.Errorf("%s has power", short(n.name))
	}
	if err := n.boot(); err != nil {
		return err
	}
	return until(ctx, "lubdub answers on "+short(n.name), func() bool {
		_, ok := n.status(ctx)
		return ok
	})
}

// named is the node that a command names, else the one that served last.
func (w *world) named(words []string) (*node, error) {
	if len(words) == 0 {
		return w.server(), nil
	}
	for _, n := range []*node{w.a, w.b} {
		if short(words[0]) == short(n.name) {
			return n, nil
		}
	}
	return nil, fmt.Errorf("there is no node %q: write %s or %s", words[0], short(nameA), short(nameB))
}

// server is the node that answered the client last.
func (w *world) server() *node {
	now := lab.Now()
	for _, r := range slices.Backward(w.load.Requests(now-calm, now)) {
		if r.Err == "" && r.Server == nameB {
			return w.b
		}
		if r.Err == "" {
			break
		}
	}
	return w.a
}

func (w *world) nowServed() string {
	now := lab.Now()
	if len(w.load.Summary(now-recent, now).Servers) == 0 {
		return "nobody"
	}
	return short(w.server().name)
}

// say prints what lubdub says on each node that has power.
func (w *world) say(ctx context.Context, n *narrator, args ...string) error {
	for _, on := range []*node{w.a, w.b} {
		if on.daemon == nil {
			continue
		}
		out, err := on.lubdub(ctx, args...)
		if err != nil {
			return err
		}
		fmt.Fprintf(n.out, "%s\n%s\n", n.paint(bold, short(on.name)), strings.TrimRight(out, "\n"))
	}
	return nil
}
