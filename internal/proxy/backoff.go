package proxy

import "time"

const (
	firstPause = 10 * time.Millisecond // after the second death in a row; the first is answered at once
	longPause  = time.Second           // a worker that cannot live is tried again this often, for good
	healthy    = 10 * time.Second      // a life this long clears the record
)

// backoff says how long to wait before the next worker, so that a crash loop does not eat the machine.
type backoff struct{ next time.Duration }

// after returns the pause after a worker that lived so long.
func (b *backoff) after(life time.Duration) time.Duration {
	if life >= healthy {
		b.next = 0
	}
	pause := b.next
	b.next = min(max(firstPause, 2*pause), longPause)
	return pause
}
