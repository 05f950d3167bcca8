package sim

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxPlays bounds how often a night is played while it is cut down: some
// seconds, and more has never made one shorter. Few are enough for its first cuts.
const (
	maxPlays = 4000
	fewPlays = 500
)

// shrinker cuts a night down to what it takes to break one rule.
type shrinker struct {
	night night
	rule  string
	opts  Options
	plays int    // how often it may still be played
	rolls uint64 // with so many other seeds of the world's small things a cut is tried too
}

// maxRolls is enough: what fails with chance alone, and not in one of so many, needs the fault.
const maxRolls = 12

// shrink keeps of a night what is needed for the same rule to break. A night
// that breaks none is returned as it is.
func (n night) shrink(opts Options, plays int) night {
	opts.Trace, opts.Hash = false, false
	w := n.play(opts)
	if w.stop == nil {
		return n
	}
	s := &shrinker{night: n.clone(), rule: w.stop.Rule, opts: opts, plays: plays}
	s.cutEnd(w.stop.At)
	s.settle()
	s.rolls = maxRolls
	s.settle()
	s.rolls = 0
	s.settle()
	s.try(func(n *night) { n.seed = 1 })
	return s.night
}

// settle makes all cuts until none holds any more.
func (s *shrinker) settle() {
	for before := ""; before != s.night.text() && s.plays > 0; {
		before = s.night.text()
		s.ddmin()
		s.clusters()
		s.calmer()
		s.numbers()
		s.times()
	}
}

// try keeps a change when the same rule still breaks.
func (s *shrinker) try(change func(*night)) bool {
	n := s.night.clone()
	change(&n)
	if n.text() == s.night.text() {
		return false
	}
	for roll := range s.rolls + 1 {
		if roll > 0 {
			n.seed = roll
		}
		if s.plays == 0 {
			return false
		}
		s.plays--
		if w := n.play(s.opts); w.stop != nil && w.stop.Rule == s.rule {
			s.night = n
			s.cutEnd(w.stop.At)
			return true
		}
	}
	return false
}

// cutEnd drops what comes after the violation.
func (s *shrinker) cutEnd(at time.Duration) {
	n := &s.night
	n.calm = min(n.calm, at.Truncate(time.Millisecond)+2*time.Millisecond)
	n.strikes = slices.DeleteFunc(n.strikes, func(k strike) bool { return k.at > n.calm })
}

// ddmin drops faults: halves of the list first, then smaller and smaller parts,
// until none can be spared.
func (s *shrinker) ddmin() {
	for size := (len(s.night.strikes) + 1) / 2; size > 0; size /= 2 {
		for i := 0; i < len(s.night.strikes); {
			if !s.try(func(n *night) { n.strikes = slices.Delete(n.strikes, i, min(i+size, len(n.strikes))) }) {
				i += size
			}
		}
	}
}

// calmer lets less happen by chance: a plain cluster, no jitter, beats that are
// all lost or none.
func (s *shrinker) calmer() {
	s.try(func(n *night) { n.wired = false })
	s.try(func(n *night) { n.lag = time.Millisecond })
	s.try(func(n *night) { n.boots = [2]boot{{0, 100 * time.Millisecond}, {0, 100 * time.Millisecond}} })
	s.words(func(k *strike, w *word) []string {
		switch {
		case w.name == "loss" && w.value != "0" && w.value != "1000":
			return []string{"1000", "0"}
		case w.name == "late":
			return []string{"0ms"}
		case w.value == "both" && w.name == "way":
			return []string{"out", "in"}
		case w.value == "both" && w.name == "from":
			return []string{"a", "b"}
		}
		return nil
	})
}

// numbers makes counts small.
func (s *shrinker) numbers() {
	s.words(func(k *strike, w *word) []string {
		if i, err := strconv.Atoi(w.value); err == nil && w.name == "count" && i > 1 {
			return []string{"1", strconv.Itoa(i - 1)}
		}
		return nil
	})
}

// times halves what lasts, pulls faults together and to the front, and makes
// their times round: whole keepalives.
func (s *shrinker) times() {
	h := s.night.setup.Keepalive
	s.words(func(k *strike, w *word) []string {
		d, err := parseMillis(w.value)
		switch {
		case err != nil || d == 0 || d == h:
			return nil
		case d%h == 0:
			return []string{millis(d / 2 / h * h)}
		}
		return []string{millis(d / 2 / h * h), millis(d.Truncate(h)), millis(d.Truncate(h) + h)}
	})
	for i := range s.night.strikes {
		s.earlier(i)
		for _, round := range []func(time.Duration) time.Duration{
			func(d time.Duration) time.Duration { return d.Round(h) },
			func(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) },
		} {
			if i < len(s.night.strikes) && s.try(func(n *night) { n.strikes[i].at = round(n.strikes[i].at) }) {
				break
			}
		}
	}
	if len(s.night.strikes) > 0 {
		s.try(func(n *night) { n.calm = n.strikes[len(n.strikes)-1].at + n.setup.DeadTime })
	}
}

// earlier halves the time before a fault; those after it come with it.
func (s *shrinker) earlier(i int) {
	for again := true; again && i < len(s.night.strikes); {
		before := time.Duration(0)
		if i > 0 {
			before = s.night.strikes[i-1].at
		}
		by := (s.night.strikes[i].at - before) / 2 / s.night.setup.Keepalive * s.night.setup.Keepalive
		again = by > 0 && s.try(func(n *night) {
			for k := i; k < len(n.strikes); k++ {
				n.strikes[k].at -= by
			}
			n.calm -= by
		})
	}
}

// words tries other values for the words of all faults, those of an ambush's
// second half too. The first that holds is kept, and tried again.
func (s *shrinker) words(others func(*strike, *word) []string) {
	for i := 0; i < len(s.night.strikes); i++ {
		for j := 0; ; j++ {
			if i >= len(s.night.strikes) {
				return
			}
			w := s.night.strikes[i].nth(j)
			if w == nil {
				break
			}
			for again := true; again && i < len(s.night.strikes); {
				again = false
				for _, value := range others(&s.night.strikes[i], s.night.strikes[i].nth(j)) {
					if s.try(func(n *night) { n.strikes[i].nth(j).value = value }) {
						again = true
						break
					}
				}
			}
		}
	}
}

// nth is one of the words of a fault and of what it lets come.
func (k *strike) nth(j int) *word {
	switch {
	case j < len(k.words):
		return &k.words[j]
	case k.then != nil:
		return k.then.nth(j - len(k.words))
	}
	return nil
}

func (n night) clone() night {
	n.strikes = slices.Clone(n.strikes)
	for i := range n.strikes {
		n.strikes[i] = n.strikes[i].clone()
	}
	n.setup.Groups = slices.Clone(n.setup.Groups)
	for g := range n.setup.Groups {
		n.setup.Groups[g].Resources = slices.Clone(n.setup.Groups[g].Resources)
	}
	return n
}

func (k strike) clone() strike {
	k.words = slices.Clone(k.words)
	if k.then != nil {
		then := k.then.clone()
		k.then = &then
	}
	return k
}

// renumber lets faults of the second link strike the first one.
func (n *night) renumber() {
	for i := range n.strikes {
		for j := 0; n.strikes[i].nth(j) != nil; j++ {
			if w := n.strikes[i].nth(j); w.name == "link" {
				w.value = "0"
			}
		}
	}
}

// about says that a fault speaks of a group, or of one of its resources.
func (k *strike) about(name string) bool {
	for j := 0; k.nth(j) != nil; j++ {
		if w := k.nth(j); w.value == name || strings.HasPrefix(w.value, name+"/") {
			return true
		}
	}
	return false
}
