package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"lubdub/internal/lab"
)

func main() {
	if err := lab.Enter(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	do, args := run, os.Args[1:]
	if len(args) > 0 && args[0] == "chaos" {
		do, args = chaos, args[1:]
	}
	err := do(ctx, args)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// wishes is what the command line asks for.
type wishes struct {
	reps   int
	only   string
	binary string // of lubdub; empty: built from the source
	page   string // gets the tables, too; empty: none
	dir    string // keeps logs and captures; empty: a temporary one
	out    io.Writer
}

// wants reports whether something of this name is to be measured.
func (w wishes) wants(name string) bool {
	for part := range strings.SplitSeq(w.only, ",") {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

func run(ctx context.Context, args []string) error {
	w := wishes{out: os.Stdout}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&w.reps, "reps", 5, "repetitions of each series")
	flags.StringVar(&w.only, "only", "", "measure only what has one of these words in its name, separated by commas")
	flags.StringVar(&w.binary, "lubdub", "", "the lubdub to measure (default: build it)")
	flags.StringVar(&w.dir, "dir", "", "keep logs and captures here")
	flags.StringVar(&w.page, "into", "", "put the tables into this page, too, in place of an earlier run's")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if w.reps < 1 {
		return errors.New("-reps: want at least 1")
	}
	done, err := w.settle(ctx)
	if err != nil {
		return err
	}
	defer done()
	if w.page == "" {
		return w.measure(ctx)
	}
	var text strings.Builder
	w.out = io.MultiWriter(os.Stdout, &text)
	if err := w.measure(ctx); err != nil {
		return err
	}
	return into(w.page, beginMark, endMark, text.String())
}

// settle sees to it that there is a directory and a binary, and returns what removes the directory if it is ours.
func (w *wishes) settle(ctx context.Context) (done func(), err error) {
	done = func() {}
	if w.dir == "" {
		if w.dir, err = os.MkdirTemp("", "lubdub-bench-"); err != nil {
			return done, err
		}
		done = func() { os.RemoveAll(w.dir) }
	}
	err = os.MkdirAll(w.dir, 0o755)
	if w.binary == "" && err == nil {
		w.binary = filepath.Join(w.dir, "lubdub")
		err = build(ctx, w.binary)
	}
	if err == nil {
		w.binary, err = filepath.Abs(w.binary)
	}
	if err != nil {
		done()
	}
	return done, err
}

// build makes the binary as it is shipped: static.
func build(ctx context.Context, to string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", to, "lubdub/cmd/lubdub")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build lubdub: %w: %s", err, out)
	}
	return nil
}

// measure runs what is wanted, and prints each part as soon as it is complete.
func (w wishes) measure(ctx context.Context) error {
	began := time.Now()
	r := report{out: w.out}
	r.machine(ctx, w)
	var all []result
	for _, s := range everySeries(w.binary) {
		s.steps = w.chosen(s)
		if len(s.steps) == 0 {
			continue
		}
		r.begins(s.name())
		for n := range w.reps {
			fmt.Fprintf(os.Stderr, "%7.1fs  %s, repetition %d\n", time.Since(began).Seconds(), s.name(), n+1)
			all = append(all, s.repeat(ctx, filepath.Join(w.dir, fmt.Sprintf("%s-%d", s.file(), n+1)))...)
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	r.goals(all)
	r.moves(all)
	r.decisions(all)
	for _, part := range []struct {
		name string
		do   func(context.Context, wishes) error
	}{{"moves", r.many}, {"cost", r.cost}, {"heap", r.heap}, {"wire", r.wire}} {
		if !w.wants(part.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%7.1fs  %s\n", time.Since(began).Seconds(), part.name)
		if err := part.do(ctx, w); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	fmt.Fprintf(w.out, "\nThe whole run took %v.\n", time.Since(began).Round(time.Second))
	return nil
}

// chosen are the steps of a series up to the last one that is wanted: a step needs those before it.
func (w wishes) chosen(s series) []step {
	last := 0
	for i, one := range s.steps {
		if w.wants(s.name()) || w.wants(one.scenario) {
			last = i + 1
		}
	}
	return s.steps[:last]
}
