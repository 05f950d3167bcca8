package sim

import (
	"fmt"
	"strings"
)

// same plays a night twice: all that the cores say must be the same. Where it
// is not, the first difference is told.
func (n night) same(opts Options) error {
	opts.Hash = true
	a, b := n.run(opts), n.run(opts)
	if a.Hash == b.Hash && a.Events == b.Events {
		return nil
	}
	opts.Trace = true
	one, two := n.play(opts).log.lines, n.play(opts).log.lines
	for i := range min(len(one), len(two)) {
		if one[i] != two[i] {
			return fmt.Errorf("played twice, it is not the same: at %v first\n%s\nthen at %v\n%s",
				one[i].at, strings.TrimSpace(one[i].text), two[i].at, strings.TrimSpace(two[i].text))
		}
	}
	return fmt.Errorf("played twice, it is not the same: %d events and hash %x, then %d and %x", a.Events, a.Hash, b.Events, b.Hash)
}
