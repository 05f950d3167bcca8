package test

import (
	"encoding/json"
	"errors"
	"io"
	"strings"

	"lubdub/internal/api"
)

// events are the events that a node has recorded.
func (p *pair) events(node string) []api.Event {
	p.t.Helper()
	d := json.NewDecoder(strings.NewReader(p.run(node, lubdub+" events --json")))
	var all []api.Event
	for {
		var e api.Event
		err := d.Decode(&e)
		if errors.Is(err, io.EOF) {
			return all
		}
		must(p.t, err)
		all = append(all, e)
	}
}
