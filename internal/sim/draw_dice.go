package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// strike is one fault of a night: when, what, and all that belongs to it. Nothing
// about it is drawn when it happens, so a list of them is the whole night.
type strike struct {
	at    time.Duration
	kind  string
	words []word
	then  *strike // what an ambush does when its place is reached
}

// word is one parameter, as in way=both or for=1400ms.
type word struct{ name, value string }

// dice deal a fault its parameters: from a seed, which writes them down, or from
// what is written. A fault takes all of them before it does anything.
type dice struct {
	s     *schedule
	rng   *rand.Rand    // nil: they are read
	last  time.Duration // the mean time that a fault lasts
	of    *strike
	taken int
	err   error
}

// drawStrike draws a fault, or the two of a pair.
func (s *schedule) drawStrike(f *fault, r *rand.Rand, at, last time.Duration) []strike {
	var all []strike
	for _, name := range f.names() {
		k := strike{at: at, kind: name}
		d := &dice{s: s, rng: r, last: last, of: &k}
		if s.named(name).strike(s, d) != nil {
			all = append(all, k)
		}
	}
	return all
}

// read makes what a strike does out of what is written.
func (s *schedule) read(k *strike) (func(), error) {
	f := s.named(k.kind)
	if f == nil {
		return nil, fmt.Errorf("no fault is called %q", k.kind)
	}
	d := &dice{s: s, of: k}
	do := f.strike(s, d)
	if d.err == nil && d.taken != len(k.words) {
		d.err = fmt.Errorf("one of %v means nothing here", k.words)
	}
	if d.err != nil {
		return nil, fmt.Errorf("%s: %w", k.kind, d.err)
	}
	return do, nil
}

func (s *schedule) named(name string) *fault {
	i := slices.IndexFunc(s.kinds, func(f fault) bool { return f.name == name && f.strike != nil })
	if i < 0 {
		return nil
	}
	return &s.kinds[i]
}

func (d *dice) wrong(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
}

// word is where every parameter comes from.
func (d *dice) word(name string, draw func(*rand.Rand) string) string {
	if d.rng != nil {
		v := draw(d.rng)
		d.of.words = append(d.of.words, word{name, v})
		return v
	}
	for _, w := range d.of.words {
		if w.name == name {
			d.taken++
			return w.value
		}
	}
	d.wrong("%s= is missing", name)
	return ""
}

// choose is one of some words, by its index.
func (d *dice) choose(name string, words []string, draw func(*rand.Rand) int) int {
	v := d.word(name, func(r *rand.Rand) string { return joined(words[draw(r)]) })
	i := slices.IndexFunc(words, func(w string) bool { return joined(w) == v })
	if i < 0 {
		d.wrong("%s=%s is none of %s", name, v, strings.Join(words, ", "))
		return 0
	}
	return i
}

// joined makes one word of several.
func joined(s string) string { return strings.ReplaceAll(s, " ", "-") }

// pick is one of some words, each as likely as the others.
func (d *dice) pick(name string, words ...string) int {
	return d.choose(name, words, func(r *rand.Rand) int { return r.IntN(len(words)) })
}

// flag is true once in so many times.
func (d *dice) flag(name string, oneIn int) bool {
	return d.choose(name, []string{"no", "yes"}, func(r *rand.Rand) int {
		if r.IntN(oneIn) == 0 {
			return 1
		}
		return 0
	}) == 1
}

// number is a whole number from low up to but not including high.
func (d *dice) number(name string, low, high int) int {
	v := d.word(name, func(r *rand.Rand) string { return strconv.Itoa(low + r.IntN(high-low)) })
	i, err := strconv.Atoi(v)
	if err != nil {
		d.wrong("%s=%s is no whole number", name, v)
	}
	return i
}

// time is a duration.
func (d *dice) time(name string, draw func(*rand.Rand) time.Duration) time.Duration {
	v := d.word(name, func(r *rand.Rand) string { return millis(micro(draw(r))) })
	t, err := parseMillis(v)
	if err != nil {
		d.wrong("%s=%s: %w", name, v, err)
	}
	return t
}

// between is a duration, each as likely as the others.
func (d *dice) between(name string, low, high time.Duration) time.Duration {
	return d.time(name, func(r *rand.Rand) time.Duration { return between(r, low, high) })
}

// span is how long a fault lasts.
func (d *dice) span() time.Duration { return d.time("for", d.lasting) }

func (d *dice) lasting(r *rand.Rand) time.Duration {
	return time.Millisecond + time.Duration(r.ExpFloat64()*float64(d.last))
}

func (d *dice) node() *node { return d.nodeAs("node") }

func (d *dice) nodeAs(name string) *node { return d.s.w.nodes[d.pick(name, "a", "b")] }

// link is one of the links, by its number.
func (d *dice) link() *link {
	links := d.s.w.links
	i := d.number("link", 0, len(links))
	if i < 0 || i >= len(links) {
		d.wrong("link=%d is not there", i)
		return links[0]
	}
	return links[i]
}

// group is one of the groups, by its index.
func (d *dice) group() int {
	var names []string
	for _, g := range d.s.w.setup.Groups {
		names = append(names, g.Name)
	}
	return d.pick("group", names...)
}

// resource is one of the resources: an address, or one that is none; found says
// that this cluster has such a one.
func (d *dice) resource(addresses bool) (g, r int, found bool) {
	var names []string
	var at [][2]int
	for g, group := range d.s.w.setup.Groups {
		for r, res := range group.Resources {
			if isAddress(res) == addresses {
				names = append(names, group.Name+"/"+res.Name)
				at = append(at, [2]int{g, r})
			}
		}
	}
	if len(names) == 0 {
		d.taken = len(d.of.words)
		return 0, 0, false
	}
	i := d.pick("resource", names...)
	return at[i][0], at[i][1], true
}

// then is a second fault, one of some kinds, that comes when the first one lets it.
func (d *dice) then(kinds ...string) func() {
	if d.rng == nil {
		if d.of.then == nil {
			d.wrong("then is missing")
			return func() {}
		}
		do, err := d.s.read(d.of.then)
		if err != nil {
			d.wrong("%w", err)
		}
		return do
	}
	k := &strike{kind: kinds[d.rng.IntN(len(kinds))]}
	d.of.then = k
	return d.s.named(k.kind).strike(d.s, &dice{s: d.s, rng: d.rng, last: d.last, of: k})
}

// micro is a duration as a list writes it: in ms with three decimals.
func micro(d time.Duration) time.Duration { return d.Truncate(time.Microsecond) }

// millis writes a duration: 1400ms, or 1400.125ms.
func millis(d time.Duration) string {
	return strconv.FormatFloat(float64(d/time.Microsecond)/1000, 'f', -1, 64) + "ms"
}

func parseMillis(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || !strings.HasSuffix(s, "ms") || d < 0 {
		return 0, fmt.Errorf("want a time as 1400ms")
	}
	return d, nil
}
