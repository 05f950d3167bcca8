package wire

import (
	"hash/crc32"
	"math/bits"
)

// heartbeatCRC is the CRC-32 that Heartbeat computes: polynomial 0x04C11DB7
// with the highest bit first, from zero, inverted at the end. The library
// computes the same polynomial with the lowest bit first, so bytes go in
// mirrored and the result is mirrored back.
func heartbeatCRC(a, b []byte) uint32 {
	crc := mirroredCRC(^uint32(0), a) // the library inverts: this is zero inside
	return bits.Reverse32(mirroredCRC(crc, b))
}

func mirroredCRC(crc uint32, p []byte) uint32 {
	var chunk [256]byte // any size will do; this one stays on the stack
	for len(p) > 0 {
		n := min(len(p), len(chunk))
		for i, c := range p[:n] {
			chunk[i] = bits.Reverse8(c)
		}
		crc = crc32.Update(crc, crc32.IEEETable, chunk[:n])
		p = p[n:]
	}
	return crc
}
