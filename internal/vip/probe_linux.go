package vip

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

const (
	// maxNeighbours is how many neighbours a probing asks for a sign of life; one that answers is enough.
	maxNeighbours = 4

	// maxProbes bounds a probing; RFC 5227 uses three.
	maxProbes = 16

	// maxAnswers bounds the stations that one probing names.
	maxAnswers = 8

	// controls is how many addresses that nobody should have are asked for, when somebody answers. Who answers for all
	// of them answers for anything. A machine that really has half of a network's addresses is mistaken for such a one
	// in one probing of eight.
	controls = 3
)

// Query says what a probing asks.
type Query struct {
	Address    netip.Addr
	Count      int           // probes, three as a rule
	Gap        time.Duration // between them, and after the last
	Neighbours []netip.Addr  // asked too, as proof that the front carries frames; the first four are

	// Subnet is where addresses that nobody has are looked for when somebody answers, to learn whether that station
	// answers for anything (proxy ARP, some clouds). Zero: they are not looked for.
	Subnet   netip.Prefix
	Taken    []netip.Addr // addresses of the subnet that somebody has
	Believed []MAC        // stations whose answer is taken as it is
}

// ProbeResult is what a probing heard. Without a holder it says that nobody answered; whether that is evidence depends on
// the rest.
type ProbeResult struct {
	Began, Ended int64  // boot time: before the first probe was sent, after the last frame was read
	Holders      []MAC  // stations that claimed the address meanwhile
	Anything     bool   // each of the holders claimed addresses too that nobody should have: their answer proves nothing
	Rivals       []MAC  // stations that probed for the same address meanwhile
	Frames       uint64 // frames of any kind received from any other station meanwhile
	Neighbour    bool   // an asked neighbour answered
	Carrier      bool   // the interface carried frames from the beginning to the end
	Young        bool   // the carrier was lost lately and no frame came since: the switch may keep the port shut
}

// Probe asks the network whether a station holds an address, by ARP probes (RFC 5227) or by solicitations as of duplicate
// address detection (RFC 4862). It returns at the first answer that is believed, else a gap after the last probe; an answer
// that may be one for anything takes up to a gap more. It is an error, and nothing is known, if the interface is missing,
// down or was replaced, if the kernel dropped frames, or if ctx ends.
func (f *Front) Probe(ctx context.Context, q Query) (ProbeResult, error) {
	r, err := f.probe(ctx, q)
	if err != nil {
		return r, fmt.Errorf("probe %s on %s: %w", q.Address, f.iface, err)
	}
	return r, nil
}

func (f *Front) probe(ctx context.Context, q Query) (ProbeResult, error) {
	r := ProbeResult{Began: Boottime()}
	if err := q.check(); err != nil {
		return r, err
	}
	s, err := f.ensure()
	if err != nil {
		return r, err
	}
	p := newProbing(q)
	was, questions, err := f.prepare(s, p)
	if err != nil {
		return r, err
	}
	if err := f.begin(s, p); err != nil {
		return r, err
	}
	askErr := p.ask(ctx, s, questions)
	endErr := f.end(s, p)
	r.Ended = Boottime()
	r.Holders, r.Anything = p.verdict()
	r.Rivals, r.Neighbour, r.Frames = p.rivals, p.neighbour, p.frames
	if err := errors.Join(askErr, endErr); err != nil {
		return r, err
	}
	link, err := readLink(s.index)
	r.Carrier = err == nil && was.Carrier && link.Carrier && link.losses == was.losses
	r.Young = err == nil && f.young(s, link)
	if len(r.Holders) == 0 && p.lost > 0 {
		return r, fmt.Errorf("the kernel dropped %d frames, so silence proves nothing: probe again", p.lost)
	}
	return r, nil
}

func (q Query) check() error {
	if err := hostAddress(q.Address); err != nil {
		return err
	}
	if q.Count < 1 || q.Count > maxProbes || q.Gap <= 0 {
		return fmt.Errorf("%d probes each %v make no sense: 1 to %d, some time apart", q.Count, q.Gap, maxProbes)
	}
	return nil
}

// young reports whether the carrier was lost lately and no frame of another machine came since.
func (f *Front) young(s *session, link Link) bool {
	f.noteCarrier(s, link)
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lostAt != 0 && f.lastFrame == 0 && Boottime()-f.lostAt < int64(forwardDelay)
}

// prepare looks at this machine: which hardware addresses are its own, is the cable in, what to ask with which sender.
func (f *Front) prepare(s *session, p *probing) (was Link, questions [][]byte, err error) {
	q := p.query
	links, err := listLinks()
	if err != nil {
		return Link{}, nil, err
	}
	own := make(map[MAC]bool, len(links))
	for _, l := range links {
		if l.MAC.station() {
			own[l.MAC] = true
		}
	}
	own[s.mac] = true
	f.mu.Lock()
	f.own = own
	f.mu.Unlock()
	entries, err := listAddresses()
	if err != nil {
		return Link{}, nil, err
	}
	p.unused = f.unused(q, entries)
	for _, a := range p.unused {
		p.controls[a] = nil
	}
	questions = [][]byte{question(s.mac, netip.Addr{}, q.Address)}
	for _, n := range q.neighbours() {
		questions = append(questions, question(s.mac, sender(entries, s.index, n), n))
	}
	return links[s.index], questions, nil
}

// neighbours returns those that are asked.
func (q Query) neighbours() []netip.Addr {
	var asked []netip.Addr
	for _, n := range q.Neighbours {
		if len(asked) < maxNeighbours && n != q.Address && hostAddress(n) == nil {
			asked = append(asked, n)
		}
	}
	return asked
}

func question(own MAC, from, addr netip.Addr) []byte {
	if addr.Is4() {
		return arpQuestion(own, from, addr)
	}
	return ndQuestion(own, from, addr)
}

// sender returns the machine's own address to ask a neighbour from, zero if it has none: some devices complain about
// probes for their address, so an ordinary question is kinder.
func sender(entries []entry, index int, neighbour netip.Addr) netip.Addr {
	for _, e := range entries {
		if e.index != index || e.marked || !e.usable {
			continue
		}
		own := e.Prefix.Addr()
		if own.Is4() && e.Prefix.Contains(neighbour) || own.Is6() && neighbour.Is6() && own.IsLinkLocalUnicast() {
			return own
		}
	}
	return netip.Addr{}
}

// probing is one Probe under way. The front's lock guards what it heard.
type probing struct {
	query     Query
	asked     map[netip.Addr]bool
	unused    []netip.Addr         // addresses that nobody should have; not changed once it begins
	controls  map[netip.Addr][]MAC // the same, and who claims them
	doubted   chan struct{}        // one token: there is an answer that is not clear
	found     chan struct{}        // closed when more answers would change nothing
	clear     bool                 // found is closed
	holders   []MAC
	rivals    []MAC
	neighbour bool
	frames    uint64 // received by the front: before, then meanwhile
	lost      uint64 // likewise, dropped by the kernel
}

func newProbing(q Query) *probing {
	p := &probing{query: q, asked: make(map[netip.Addr]bool), controls: make(map[netip.Addr][]MAC),
		doubted: make(chan struct{}, 1), found: make(chan struct{})}
	for _, n := range q.neighbours() {
		p.asked[n] = true
	}
	return p
}

// hear takes a sighting of another station.
func (p *probing) hear(s Sighting) {
	switch {
	case p.asked[s.Address] && s.Kind.Claims():
		p.neighbour = true
	case p.control(s.Address):
		if s.Kind.Claims() {
			p.controls[s.Address] = addMAC(p.controls[s.Address], s.MAC)
			p.settle()
		}
	case s.Address != p.query.Address:
	case !s.Kind.Claims():
		p.rivals = addMAC(p.rivals, s.MAC)
	default:
		p.holders = addMAC(p.holders, s.MAC)
		if p.settle(); !p.clear {
			select {
			case p.doubted <- struct{}{}:
			default: // it is known
			}
		}
	}
}

// about reports whether an address is asked for to learn whether anybody has it.
func (p *probing) about(a netip.Addr) bool { return a == p.query.Address || p.control(a) }

func (p *probing) control(a netip.Addr) bool {
	_, ok := p.controls[a]
	return ok
}

// settle ends the probing when more answers would change nothing.
func (p *probing) settle() {
	if p.clear || len(p.holders) == 0 {
		return
	}
	believed := len(p.controls) == 0 || slices.ContainsFunc(p.holders, p.believes)
	if _, anything := p.verdict(); believed || anything {
		p.clear = true
		close(p.found)
	}
}

func (p *probing) believes(m MAC) bool { return slices.Contains(p.query.Believed, m) }

// answersAll reports whether a station claimed every address that nobody should have.
func (p *probing) answersAll(m MAC) bool {
	for _, claimed := range p.controls {
		if !slices.Contains(claimed, m) {
			return false
		}
	}
	return len(p.controls) > 0 && !p.believes(m)
}

// verdict names the holders. Where one of them does not answer for anything, only the word of such counts.
func (p *probing) verdict() (holders []MAC, anything bool) {
	for _, m := range p.holders {
		if !p.answersAll(m) {
			holders = append(holders, m)
		}
	}
	if len(holders) == 0 {
		return p.holders, len(p.holders) > 0
	}
	return holders, false
}

func addMAC(list []MAC, m MAC) []MAC {
	if len(list) == maxAnswers || slices.Contains(list, m) {
		return list
	}
	return append(list, m)
}

// ask sends the questions again and again until a clear answer, the end of the last gap, or the end of ctx. After the first
// answer it asks for addresses that nobody should have, for one gap at least.
func (p *probing) ask(ctx context.Context, s *session, questions [][]byte) error {
	gap := time.NewTimer(p.query.Gap)
	defer gap.Stop()
	doubted := p.doubted
	for left := p.query.Count; left > 0; left-- {
		if err := s.send(questions...); err != nil {
			return err
		}
		gap.Reset(p.query.Gap)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.found:
			return nil
		case <-doubted:
			doubted, questions = nil, p.doubts(s.mac)
			left = max(left, 2)
		case <-gap.C:
		}
	}
	return nil
}

// doubts are the questions for addresses that nobody should have, and again for the address itself.
func (p *probing) doubts(own MAC) [][]byte {
	questions := [][]byte{question(own, netip.Addr{}, p.query.Address)}
	for _, a := range p.unused {
		questions = append(questions, question(own, netip.Addr{}, a))
	}
	return questions
}

// begin throws away what arrived before, then lets p hear.
func (f *Front) begin(s *session, p *probing) error {
	if err := f.settle(s); err != nil {
		return err
	}
	f.sample(s)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.join(p.query.Address); err != nil {
		return err
	}
	f.countLost(s)
	p.frames, p.lost = f.frames, f.lost
	f.probings[p] = true
	return nil
}

// end reads the last frames that arrived, then lets p hear no more.
func (f *Front) end(s *session, p *probing) error {
	err := f.settle(s)
	f.sample(s)
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.probings, p)
	f.leave(p.query.Address)
	f.countLost(s)
	p.frames, p.lost = f.frames-p.frames, f.lost-p.lost
	if f.session != s {
		err = errors.Join(err, errors.New("the interface was replaced meanwhile: probe again"))
	}
	return err
}
