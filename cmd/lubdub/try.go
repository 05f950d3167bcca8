package main

import (
	"bytes"
	"cmp"

	"lubdub/internal/config"
)

// What stands for the answers that are still to come: whatever they will be, nothing is wrong with these.
const (
	someLink    = "bcast eth0"
	someAddress = "198.51.100.254" // of RFC 5737: no machine has it
)

// try says what is wrong with the answers so far, as the daemon would say it of the files; empty: nothing is.
func (w world) try(a wishes) string {
	a.address = cmp.Or(a.address, someAddress)
	if len(a.links) == 0 {
		a.links = []string{someLink}
	}
	answers, err := a.answers(bytes.NewReader(make([]byte, secretBytes)))
	if err != nil {
		return err.Error()
	}
	files, err := config.Render(answers)
	if err != nil {
		return err.Error()
	}
	opts, err := w.options(answers.Nodes[0])
	if err != nil {
		return err.Error()
	}
	_, problems := config.Parse(files, opts)
	for _, p := range problems {
		if p.Severity == config.Error && p.Source != "" { // the others are about what is still to come
			return p.Words + "; " + p.Remedy
		}
	}
	return ""
}
