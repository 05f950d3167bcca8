package sim

import (
	"time"

	"lubdub/internal/cluster"
	"lubdub/internal/wire"
)

// keys are the key of the cluster, and one that an enemy made up.
func keys(secret string) *wire.Keyring {
	r, err := wire.NewKeyring(1, []wire.Key{{Number: 1, Method: wire.SHA1, Secret: secret}})
	if err != nil {
		panic(err)
	}
	return r
}

// sealed is the packet of a beat.
func (w *World) sealed(b cluster.Beat, by *wire.Keyring) []byte {
	m, err := b.Message([16]byte{1}, uint64(w.now/time.Second), "0.00")
	if err != nil {
		w.fail("wire", "a beat cannot be sent: %v", err)
		return nil
	}
	p, err := by.Seal(nil, m)
	if err != nil {
		w.fail("wire", "a beat cannot be signed: %v", err)
	}
	return p
}

// mangle sends a beat with a bit turned over somewhere: it must not be read.
func (w *World) mangle(b cluster.Beat) {
	p := w.sealed(b, w.keys)
	if len(p) > 0 {
		p[w.net.IntN(len(p))] ^= 1 << w.net.IntN(8)
		w.open(p)
	}
}

// forge sends a beat that an enemy made of one that it saw: a later number, a
// higher epoch, whatever it likes; but without the key.
func (w *World) forge(from int) {
	l := w.links[w.net.IntN(len(w.links))]
	if len(l.history[from]) == 0 {
		return
	}
	b := copyBeat(l.history[from][w.net.IntN(len(l.history[from]))])
	b.Incarnation += uint64(w.net.IntN(3))
	b.Seq += uint64(w.net.IntN(1 << 20))
	b.Left = w.net.IntN(4) == 0
	for i := range b.Groups {
		g := &b.Groups[i]
		g.Epoch += uint64(w.net.IntN(100))
		g.State, g.Intent, g.Claim = cluster.State(w.net.IntN(7)), w.net.IntN(2) == 0, w.net.IntN(2) == 0
	}
	w.open(w.sealed(b, w.enemy))
}

// open gives a packet to the receiver's keyring, as package daemon does. What
// is refused is counted there and ends there.
func (w *World) open(packet []byte) {
	m, err := w.keys.Open(packet)
	if err != nil {
		return
	}
	b, err := cluster.ParseBeat(m)
	w.fail("I8", "a packet that was damaged or forged was accepted: %+v, %v", b, err)
}
