package cluster

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"lubdub/internal/wire"
)

// The fields of ours in a heartbeat. A real Heartbeat takes the message for a
// beat of its own and passes over them (docs/protocol.md, "On the wire").
const (
	fieldProtocol = "lub"  // our protocol version, decimal
	fieldCluster  = "lubc" // the cluster's name
	fieldSent     = "lubt" // the sender's boot clock, ns, hex
	fieldEcho     = "lube" // INCARNATION:SEQ:SENT:LINKS:SILENCE, hex, silence in ms
	fieldFlags    = "lubf" // s: standby, l: left
	fieldSight    = "lubp" // a bit for each ping node that answers, hex; missing: not known yet
	fieldMACs     = "lubm" // hardware addresses, blank between
	fieldGroups   = "lubg" // NAME=STATE:EPOCH:FLAGS or NAME=STATE:EPOCH:FLAGS:VERSION:END, a list
	fieldDigests  = "lubd" // FILE=SUM, a list
	statusType    = "status"
	statusActive  = "active"
)

// MaxBeat bounds a heartbeat: it must fit one frame of 1,500 bytes with its
// headers and signature.
const MaxBeat = 1400

// Message is the heartbeat as Heartbeat 3.0.6 would send a status, our fields behind.
func (b Beat) Message(uuid [16]byte, wallSeconds uint64, load string) (wire.Message, error) {
	m := b.fields(uuid, wallSeconds, load)
	packet, err := m.Append(nil)
	if err == nil && len(packet) > MaxBeat {
		err = fmt.Errorf("heartbeat of %d bytes: at most %d fit; use fewer groups or shorter names", len(packet), MaxBeat)
	}
	return m, err
}

// fields are those of the heartbeat, in Heartbeat's order.
func (b Beat) fields(uuid [16]byte, wallSeconds uint64, load string) wire.Message {
	var m wire.Message
	m.Set("t", statusType)
	m.Set("st", statusActive)
	m.SetUint("dt", uint64(b.DeadTime.Milliseconds()), 16)
	m.Set("protocol", "1")
	m.Set("src", b.Node)
	m.SetBinary("srcuuid", string(uuid[:]))
	m.SetUint("seq", b.Seq, 16)
	m.SetUint("hg", b.Incarnation, 16)
	m.SetUint("ts", wallSeconds, 16)
	m.Set("ld", load)
	m.Set("ttl", "3")
	m.SetUint(fieldProtocol, uint64(b.Protocol), 10)
	if b.Cluster != "" {
		m.Set(fieldCluster, b.Cluster)
	}
	m.SetUint(fieldSent, uint64(b.Sent), 16)
	if b.Echo.Incarnation != 0 {
		m.Set(fieldEcho, b.Echo.String())
	}
	if f := flags("sl", b.Standby, b.Left); f != "" {
		m.Set(fieldFlags, f)
	}
	if b.Looked {
		m.SetUint(fieldSight, uint64(b.Sight), 16)
	}
	if len(b.MACs) > 0 {
		m.Set(fieldMACs, strings.Join(b.MACs, " "))
	}
	m.SetField(wire.ListField(fieldGroups, groupItems(b.Groups)...))
	m.SetField(wire.ListField(fieldDigests, digestItems(b.Digests)...))
	return m
}

// BeatSize is the length of the longest heartbeat, in bytes, that a node with
// this configuration ever sends: at most MaxBeat.
func (c Config) BeatSize() int {
	const (
		most       = 1<<63 - 1
		mostEpoch  = 1<<36 - 1 // they begin at seconds of the wall clock, and grow by one with each takeover
		mostUptime = 1<<28 - 1 // seconds: eight years
	)
	b := Beat{Protocol: protocolVersion, Cluster: c.Cluster, Node: c.Self, Incarnation: most, Seq: most, Sent: most,
		DeadTime: c.DeadTime, Echo: Echo{Incarnation: most, Seq: most, Sent: most, Links: 1<<32 - 1, Silence: 24 * time.Hour},
		Standby: true, Left: true, Sight: 1<<len(c.Pings) - 1, Looked: len(c.Pings) > 0, Digests: widest(c.Digests)}
	if len(c.Peer) > len(c.Self) {
		b.Node = c.Peer // both nodes have the same files
	}
	fronts := map[string]bool{}
	for _, g := range c.Groups {
		// Of able and soon, and of claim, offer and intent, one at most is said.
		b.Groups = append(b.Groups, GroupBeat{Name: g.Name, State: Blocked, Epoch: mostEpoch, Able: true, Offer: true, Want: true, Keep: true,
			Failed: true, Maintenance: Maintenance{Version: 1<<16 - 1, On: true, Until: mostUptime * Time(time.Second)}})
		for _, r := range g.Resources {
			if r.isAddress() && !fronts[r.Interface] {
				fronts[r.Interface] = true
				b.MACs = append(b.MACs, "00:00:00:00:00:00")
			}
		}
	}
	m := b.fields([16]byte{}, most, "n/a")
	packet, err := m.Append(nil)
	if err != nil {
		return MaxBeat + 1
	}
	return len(packet) + signatureSize
}

// signatureSize is the trailer of the longest signature: length, key, HMAC-SHA256.
const signatureSize = 3 + 3 + 64 + 1

func groupItems(groups []GroupBeat) []string {
	items := make([]string, len(groups))
	for i, g := range groups {
		items[i] = fmt.Sprintf("%s=%d:%x:%s", g.Name, g.State, g.Epoch,
			flags("ascoiwkfm", g.Able, g.Soon, g.Claim, g.Offer, g.Intent, g.Want, g.Keep, g.Failed, g.Maintenance.On))
		if v := g.Maintenance; v.Version > 0 {
			items[i] += fmt.Sprintf(":%x:%x", v.Version, uint64(v.Until/Time(time.Second)))
		}
	}
	return items
}

func digestItems(digests []Digest) []string {
	items := make([]string, len(digests))
	for i, d := range digests {
		items[i] = d.File + "=" + d.Sum
	}
	return items
}

func (e Echo) String() string {
	return fmt.Sprintf("%x:%x:%x:%x:%x", e.Incarnation, e.Seq, uint64(e.Sent), e.Links, e.Silence.Milliseconds())
}

// flags writes the letter of each value that is true.
func flags(letters string, values ...bool) string {
	var b strings.Builder
	for i, v := range values {
		if v {
			b.WriteByte(letters[i])
		}
	}
	return b.String()
}

// errNoBeat says that a message is not a heartbeat: a real Heartbeat's other business.
var errNoBeat = errors.New("not a heartbeat")

// ParseBeat reads a heartbeat. A message of a real Heartbeat, of any type, gives a
// plain one: it proves that its sender lives. Unknown fields are passed over.
func ParseBeat(m wire.Message) (Beat, error) {
	b := Beat{}
	var ok bool
	if b.Node, ok = m.Get("src"); !ok || b.Node == "" {
		return b, fmt.Errorf("%w: no src", errNoBeat)
	}
	version, ours := m.GetUint(fieldProtocol, 10)
	if kind, _ := m.Get("t"); !ours || kind != statusType {
		b.Plain = true
		return b, nil
	}
	r := reader{m: m}
	b.Protocol = int(min(version, 1<<16))
	b.Seq = r.uint("seq", 16)
	b.Incarnation = r.uint("hg", 16)
	b.DeadTime = milliseconds(r.uint("dt", 16))
	b.Sent = Time(r.uint(fieldSent, 16))
	b.Cluster, _ = m.Get(fieldCluster)
	if text, ok := m.Get(fieldEcho); ok {
		b.Echo = r.echo(text)
	}
	set, _ := m.Get(fieldFlags)
	b.Standby, b.Left = strings.Contains(set, "s"), strings.Contains(set, "l")
	if text, ok := m.Get(fieldSight); ok {
		b.Sight, b.Looked = uint32(r.hex(text, 32)), true
	}
	if macs, ok := m.Get(fieldMACs); ok {
		b.MACs = strings.Fields(macs)
	}
	for _, item := range r.items(fieldGroups) {
		b.Groups = append(b.Groups, r.group(item))
	}
	for _, item := range r.items(fieldDigests) {
		b.Digests = append(b.Digests, parseDigest(item))
	}
	if r.err == nil && (b.Seq == 0 || b.Incarnation == 0 || b.DeadTime <= 0 || b.Sent < 0) {
		r.err = errors.New("seq, hg, dt or lubt is out of range")
	}
	return b, r.err
}

// reader reads fields and keeps the first error.
type reader struct {
	m   wire.Message
	err error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *reader) uint(name string, base int) uint64 {
	n, ok := r.m.GetUint(name, base)
	if !ok {
		r.fail("field %s is missing or no number", name)
	}
	return n
}

func (r *reader) items(name string) []string {
	f, ok := r.m.Field(name)
	if !ok {
		return nil
	}
	items, ok := f.Items()
	if !ok {
		r.fail("field %s is no list", name)
	}
	return items
}

func (r *reader) echo(text string) Echo {
	parts := strings.Split(text, ":")
	if len(parts) < 5 {
		r.fail("field %s: %q has %d parts, wanted 5", fieldEcho, text, len(parts))
		return Echo{}
	}
	return Echo{
		Incarnation: r.hex(parts[0], 64),
		Seq:         r.hex(parts[1], 64),
		Sent:        Time(r.hex(parts[2], 63)),
		Links:       uint32(r.hex(parts[3], 32)),
		Silence:     milliseconds(r.hex(parts[4], 63)),
	}
}

func (r *reader) hex(text string, bits int) uint64 {
	n, err := strconv.ParseUint(text, 16, bits)
	if err != nil {
		r.fail("%q is no number", text)
	}
	return n
}

func (r *reader) group(item string) GroupBeat {
	// The name comes first and may hold anything but "=": an IPv6 address has colons.
	name, rest, _ := strings.Cut(item, "=")
	parts := strings.Split(rest, ":")
	if name == "" || len(parts) < 3 {
		r.fail("field %s: %q is no group", fieldGroups, item)
		return GroupBeat{}
	}
	state := r.hex(parts[0], 8)
	if int(state) >= len(stateWords) {
		r.fail("field %s: state %d is unknown", fieldGroups, state)
		state = 0
	}
	has := func(letter string) bool { return strings.Contains(parts[2], letter) }
	g := GroupBeat{Name: name, State: State(state), Epoch: r.hex(parts[1], 64),
		Able: has("a"), Soon: has("s"), Claim: has("c"), Offer: has("o"), Intent: has("i"), Want: has("w"), Keep: has("k"), Failed: has("f")}
	if len(parts) >= 5 {
		// What is not understood of it is no reason to be deaf.
		version, wrong := strconv.ParseUint(parts[3], 16, 32)
		until, wrong2 := strconv.ParseUint(parts[4], 16, 32)
		if wrong == nil && wrong2 == nil {
			g.Maintenance = Maintenance{Version: version, On: has("m"), Until: Time(until) * Time(time.Second)}
		}
	}
	return g
}

// milliseconds bounds what a heartbeat may say: a day is more than any dead time.
func milliseconds(n uint64) time.Duration {
	return time.Duration(min(n, 24*60*60*1000)) * time.Millisecond
}
