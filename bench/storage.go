package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"lubdub/internal/lab"
)

// entry is a line of the storage's log.
type entry struct {
	at         time.Duration
	node, verb string // start, stop, or off: the machine lost power
	epoch      uint64
}

// note writes a line of the harness into the storage's log.
func (n *night) note(node, verb string) error {
	f, err := os.OpenFile(n.storageLog(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%.2f %s %s 0\n", lab.Now().Seconds(), node, verb)
	return errors.Join(err, f.Close())
}

// readStorage reads the log; without a storage there is none.
func readStorage(file string) (all []entry, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) != 4 {
			return nil, fmt.Errorf("%s: %q is no line of the storage", file, line)
		}
		up, err := strconv.ParseFloat(words[0], 64)
		if err != nil {
			return nil, err
		}
		epoch, err := strconv.ParseUint(words[3], 10, 64)
		if err != nil {
			return nil, err
		}
		all = append(all, entry{time.Duration(up * float64(time.Second)), words[1], words[2], epoch})
	}
	return all, nil
}

// runsTwice are the spans in which two nodes were between start and stop. One that lost power has stopped.
func runsTwice(all []entry, end time.Duration) (spans []lab.Span) {
	on := map[string]bool{}
	since := time.Duration(-1)
	for _, e := range all {
		on[e.node] = e.verb == "start"
		switch doubled := on[owner] && on[other]; {
		case doubled && since < 0:
			since = e.at
		case !doubled && since >= 0:
			spans = append(spans, lab.Span{From: since, To: e.at})
			since = -1
		}
	}
	if since >= 0 {
		spans = append(spans, lab.Span{From: since, To: end})
	}
	return spans
}

// goesBack finds the starts whose epoch is below one that the storage has seen, or that of another node.
func goesBack(all []entry) (wrong []entry) {
	highest, holder := uint64(0), ""
	for _, e := range all {
		if e.verb != "start" {
			continue
		}
		if e.epoch < highest || e.epoch == highest && e.node != holder {
			wrong = append(wrong, e)
		}
		if e.epoch >= highest {
			highest, holder = e.epoch, e.node
		}
	}
	return wrong
}
