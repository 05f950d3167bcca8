package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lubdub/internal/lab"
)

// chaosWishes is what the command line of chaos asks for.
type chaosWishes struct {
	minutes int
	seed    uint64
	product string
	faults  string // a file with the faults, instead of those drawn
	pings   string
	wishes
}

// The lines of a page between which the newest run's tables stand.
const (
	chaosBegin = "<!-- chaos: written by go run ./bench chaos -into -->\n"
	chaosEnd   = "<!-- chaos: end -->\n"
)

// errBroken says that a promise was broken; the report says which.
var errBroken = errors.New("chaos: promises were broken; the report says which, and how to play the night again")

// chaos plays nights of faults to real processes.
func chaos(ctx context.Context, args []string) error {
	w := chaosWishes{wishes: wishes{out: os.Stdout}}
	flags := flag.NewFlagSet("bench chaos", flag.ContinueOnError)
	flags.IntVar(&w.minutes, "minutes", 2, "nights, of about a minute each")
	flags.Uint64Var(&w.seed, "seed", 1, "the first night's seed; the next ones count up")
	flags.StringVar(&w.product, "product", "lubdub", "what is put to it: lubdub, heartbeat, keepalived, or all, to the same faults each")
	flags.StringVar(&w.faults, "faults", "", "play the faults of this file in the night of the seed, instead of those drawn")
	flags.StringVar(&w.pings, "ping", "auto", "half of the nights have a ping node: on, off, or auto, if lubdub knows what it is for")
	flags.StringVar(&w.binary, "lubdub", "", "the lubdub to try (default: build it)")
	flags.StringVar(&w.dir, "dir", "", "keep logs and captures here")
	flags.StringVar(&w.page, "into", "", "put the tables into this page, too, in place of an earlier run's")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if w.minutes < 1 {
		return errors.New("-minutes: want at least 1")
	}
	done, err := w.settle(ctx)
	if err != nil {
		return err
	}
	defer done()
	var text strings.Builder
	out := w.out
	if w.page != "" {
		out = io.MultiWriter(w.out, &text)
	}
	broken, err := w.play(ctx, out)
	if err != nil {
		return err
	}
	if w.page != "" {
		if err := into(w.page, chaosBegin, chaosEnd, text.String()); err != nil {
			return err
		}
	}
	if broken {
		return errBroken
	}
	return nil
}

// play plays all nights with each product, and prints the tables. It reports whether a promise was broken.
func (w chaosWishes) play(ctx context.Context, out io.Writer) (broken bool, err error) {
	pings, err := w.knowsPings(ctx)
	if err != nil {
		return false, err
	}
	began := time.Now()
	var rows []standing
	for _, who := range contestants(w.binary) {
		if w.product != "all" && !strings.HasPrefix(strings.ToLower(who.title), w.product) {
			continue
		}
		row := standing{who: who}
		for i := range w.minutes {
			n := &night{seed: w.seed + uint64(i), who: who}
			n.setup, n.faults = draw(n.seed, pings)
			n.setup.ping = n.setup.ping && who.pings
			if err := w.replace(n); err != nil {
				return false, err
			}
			fmt.Fprintf(os.Stderr, "%7.1fs  %s, night %d: %s\n", time.Since(began).Seconds(), who.title, n.seed, n.setup)
			v, err := w.night(ctx, n)
			if err != nil {
				return false, fmt.Errorf("%s, night %d: %w", who.title, n.seed, err)
			}
			row.add(v)
		}
		broken = broken || who.judged && len(row.broken) > 0
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return false, fmt.Errorf("-product %s: want lubdub, heartbeat, keepalived or all", w.product)
	}
	report{out: out}.chaos(ctx, w, rows)
	return broken, nil
}

// replace puts the faults of a file in place of those drawn.
func (w chaosWishes) replace(n *night) error {
	if w.faults == "" {
		return nil
	}
	text, err := os.ReadFile(w.faults)
	if err != nil {
		return err
	}
	n.faults, err = parseFaults(string(text))
	return err
}

// night plays one night, and prints what a broken promise needs to be understood.
func (w chaosWishes) night(ctx context.Context, n *night) (v verdict, err error) {
	n.dir = filepath.Join(w.dir, fmt.Sprintf("%s-%d", strings.Fields(n.who.title)[0], n.seed))
	defer func() { err = errors.Join(err, n.close()) }()
	if err := newNight(ctx, n); err != nil {
		return v, err
	}
	if err := n.run(ctx); err != nil {
		if ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, n.words())
		}
		return v, err
	}
	n.page.Stop()
	for _, p := range n.probers {
		p.Stop()
	}
	n.capture.Stop()
	v, all, err := n.judge()
	if err != nil {
		return v, err
	}
	if n.who.judged && len(v.broken) > 0 {
		n.accuse(w, v, all)
	}
	return v, n.keep(v, all)
}

// accuse prints the faults, the time-line around each broken promise, and the last words of both nodes.
func (n *night) accuse(w chaosWishes, v verdict, all []claim) {
	out := os.Stderr
	fmt.Fprintf(out, "\nNight %d of %s broke a promise (%s). Again: go run ./bench chaos -minutes 1 -seed %d -ping %s -dir DIR\n\nIts faults:\n\n", n.seed, n.who.title, n.setup, n.seed, w.pings)
	for _, f := range n.faults {
		fmt.Fprintf(out, "  %s\n", f)
	}
	for _, b := range v.broken {
		fmt.Fprintf(out, "\n%.3fs: %s\n\n%s", (b.at - n.began).Seconds(), b.words, n.tale(all, around(b.at)))
	}
	fmt.Fprint(out, n.words())
}

// knowsPings finds out whether this lubdub does something with a ping node.
func (w chaosWishes) knowsPings(ctx context.Context) (bool, error) {
	switch w.pings {
	case "on", "off":
		return w.pings == "on", nil
	case "auto":
	default:
		return false, fmt.Errorf("-ping %s: want on, off or auto", w.pings)
	}
	l, err := lab.New(w.dir, stormPlan()...)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	h := l.Host(owner)
	who := contestants(w.binary)[0]
	if err := who.prepare(h, nodes{owner, other}, setup{ping: true}, filepath.Join(w.dir, "storage.log")); err != nil {
		return false, err
	}
	said, err := h.Run(ctx, w.binary, "check")
	if err != nil {
		return false, err
	}
	return !strings.Contains(said, "come with a later version"), nil
}
