package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Answer is one frame in which a machine says that it has the address.
type Answer struct {
	At  time.Duration
	MAC string
	// Announced says that nobody had asked: gratuitous ARP, or an unsolicited neighbour advertisement.
	Announced bool
}

// Prober asks "who has the address?" on one network, at a fixed pace, and records every answer.
type Prober struct{ feed *feed[sighting] }

// sighting is a record of the prober: a question when MAC is empty, else an answer.
type sighting struct {
	At        time.Duration
	MAC       string `json:",omitempty"`
	Announced bool   `json:",omitempty"`
}

// probeConfig is what the prober's process must know.
type probeConfig struct {
	Interface string
	Address   netip.Addr
	Every     time.Duration
}

// Probe starts a prober for an IPv4 or IPv6 address on one of the host's networks. Each 10 ms is a good pace. The host needs an
// address of the same family there.
func (h *Host) Probe(network, address string, every time.Duration) (*Prober, error) {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	if every <= 0 {
		return nil, fmt.Errorf("probe %s: want a pace above zero, not %v", address, every)
	}
	eth, _ := h.Interface(network)
	p, reports, err := h.startTool(roleProbe, probeConfig{eth, a, every})
	if err != nil {
		return nil, err
	}
	return &Prober{newFeed[sighting](p, reports)}, nil
}

// Stop ends the prober. What it recorded can still be asked for.
func (p *Prober) Stop() { p.feed.stop() }

// Answers returns all answers and announcements between two times, in order.
func (p *Prober) Answers(from, to time.Duration) []Answer {
	var answers []Answer
	for _, s := range p.between(from, to) {
		if s.MAC != "" {
			answers = append(answers, Answer(s))
		}
	}
	return answers
}

// First returns the first answer of a MAC address at or after a time; ok is false when there is none.
func (p *Prober) First(mac string, after time.Duration) (first Answer, ok bool) {
	for _, s := range p.between(after, Now()) {
		if s.MAC == mac {
			return Answer(s), true
		}
	}
	return Answer{}, false
}

// Last returns the last answer of a MAC address at or before a time; ok is false when there is none.
func (p *Prober) Last(mac string, before time.Duration) (last Answer, ok bool) {
	for _, s := range slices.Backward(p.between(0, before)) {
		if s.MAC == mac {
			return Answer(s), true
		}
	}
	return Answer{}, false
}

// Overlaps returns the spans in which two machines answered the same question. An answer belongs to the question before it; one
// that is later than the pace is counted with the next.
func (p *Prober) Overlaps(from, to time.Duration) []Span { return overlaps(p.between(from, to)) }

// Questions returns when the prober asked, between two times.
func (p *Prober) Questions(from, to time.Duration) []time.Duration {
	var asked []time.Duration
	for _, s := range p.between(from, to) {
		if s.MAC == "" {
			asked = append(asked, s.At)
		}
	}
	return asked
}

// Silences returns the spans in which questions had no answer of these machines, each from the first such question to the answer
// that ended it, or to the last question. An answer that comes before the next question makes a span as short as it took. A prober
// that was kept from asking has seen no silence.
func (p *Prober) Silences(from, to time.Duration, macs ...string) []Span {
	return silences(p.between(from, to), macs)
}

func silences(seen []sighting, macs []string) []Span {
	var spans []Span
	var open *Span
	for _, s := range seen {
		switch {
		case s.MAC == "" && open == nil:
			open = &Span{s.At, s.At}
		case s.MAC == "":
			open.To = s.At
		case open != nil && !s.Announced && slices.Contains(macs, s.MAC):
			spans, open = append(spans, Span{open.From, s.At}), nil
		}
	}
	if open != nil {
		spans = append(spans, *open)
	}
	return spans
}

func (p *Prober) between(from, to time.Duration) []sighting {
	return p.feed.choose(func(s sighting) bool { return from <= s.At && s.At <= to })
}

// overlaps joins neighbouring questions with more than one answerer to one span, from the question to its last answer.
func overlaps(seen []sighting) []Span {
	var spans []Span
	var asked Span // the question being looked at, and its last answer
	joined := false
	first, second := "", false
	finish := func() {
		switch {
		case !second:
		case joined:
			spans[len(spans)-1].To = asked.To
		default:
			spans = append(spans, asked)
		}
		joined = second
	}
	for _, s := range seen {
		switch {
		case s.MAC == "":
			finish()
			asked, first, second = Span{s.At, s.At}, "", false
		case s.Announced:
		case first == "" || first == s.MAC:
			first = s.MAC
			asked.To = s.At
			if asked.From == 0 {
				asked.From = s.At // the window began between question and answer
			}
		default:
			second, asked.To = true, s.At
		}
	}
	finish()
	return spans
}
