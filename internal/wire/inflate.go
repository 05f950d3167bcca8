package wire

import (
	"compress/bzip2"
	"compress/zlib"
	"io"
	"strings"
)

const (
	payloadName   = "_compressed_payload"
	algorithmName = "_compression_algorithm"
	// maxInflated bounds what a compressed message may become: the longest
	// message that Heartbeat puts on the wire uncompressed.
	maxInflated = 256<<10 - 1
)

// inflate returns the message inside m, if m was compressed as a whole, else m
// itself. What is inside may not be compressed again. Its own auth field is not
// checked: the signature around it has been.
func inflate(m Message) (Message, error) {
	payload, ok := m.GetBinary(payloadName)
	if !ok {
		return m, nil
	}
	algorithm, _ := m.Get(algorithmName)
	var source io.Reader
	switch algorithm {
	case "zlib":
		r, err := zlib.NewReader(strings.NewReader(payload))
		if err != nil {
			return nil, refuse(BadField, "the compressed message is no zlib stream")
		}
		source = r
	case "bz2":
		source = bzip2.NewReader(strings.NewReader(payload))
	default:
		return nil, refuse(BadField, "the message is compressed in an unknown way")
	}
	inner, err := io.ReadAll(io.LimitReader(source, maxInflated+1))
	if err != nil {
		return nil, refuse(BadField, "the compressed message is damaged")
	}
	if len(inner) > maxInflated {
		return nil, refuse(BadField, "the compressed message inflates beyond any message")
	}
	m, err = Decode(inner)
	if err != nil {
		return nil, refuse(BadField, "the compressed message holds no message")
	}
	if _, again := m.GetBinary(payloadName); again {
		return nil, refuse(BadField, "the message is compressed twice")
	}
	return m, nil
}
