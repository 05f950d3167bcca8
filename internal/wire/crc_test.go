package wire

import (
	"math/rand/v2"
	"testing"
)

// bitwiseCRC is the definition, bit by bit.
func bitwiseCRC(p []byte) uint32 {
	crc := uint32(0)
	for _, c := range p {
		crc ^= uint32(c) << 24
		for range 8 {
			high := crc&(1<<31) != 0
			crc <<= 1
			if high {
				crc ^= 0x04c11db7
			}
		}
	}
	return ^crc
}

func TestCRC(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	p := make([]byte, 1000)
	for i := range p {
		p[i] = byte(random.Uint32())
	}
	for _, n := range []int{0, 1, 2, 255, 256, 257, 511, 512, 513, 1000} {
		for _, cut := range []int{0, n / 3, n} {
			if got, want := heartbeatCRC(p[:cut], p[cut:n]), bitwiseCRC(p[:n]); got != want {
				t.Errorf("%d bytes cut at %d: got %x, want %x", n, cut, got, want)
			}
		}
	}
}
