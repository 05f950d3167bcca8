package cluster

import (
	"strings"
	"testing"
	"time"
)

// watchedPair are two nodes that run and watch a tree whose digest is not known yet.
func watchedPair(t *testing.T) *pair {
	t.Helper()
	cfg := tutorial()
	cfg.Digests = []Digest{{"haresources", "aa"}, {"/srv/www", ""}}
	p := newPair(cfg)
	p.start("alpha")
	p.start("beta")
	p.pass(3 * time.Second)
	p.log.Reset()
	return p
}

// tell says what a node's tree holds, and lets the news arrive.
func (p *pair) tell(node, sum string) string {
	p.log.Reset()
	p.step(p.nodes[node], Digested{[]Digest{{"/srv/www", sum}, {"haresources", "other"}, {"/unknown", "x"}}})
	p.pass(50 * time.Millisecond)
	return p.log.String()
}

func (p *pair) differs(node string) string {
	return strings.Join(p.nodes[node].m.Status().Differs, " ")
}

// A difference is said on both nodes when it begins and when it ends, at once; a digest that is not known is none.
func TestDigested(t *testing.T) {
	p := watchedPair(t)
	if got := p.tell("alpha", "11") + p.differs("alpha") + p.differs("beta"); got != "" {
		t.Errorf("beta's digest is not known yet, but: %s", got)
	}
	if got := p.tell("beta", "22"); strings.Count(got, "/srv/www differs from the one on ") != 2 || p.differs("alpha") != "/srv/www" || p.differs("beta") != "/srv/www" {
		t.Errorf("begin: %s", got)
	}
	warnings := strings.Join(p.nodes["alpha"].m.Status().Warnings, "\n")
	if !strings.Contains(warnings, "/srv/www differs from the one on beta: to see where: lubdub sync --plan") {
		t.Errorf("warnings: %s", warnings)
	}
	if got := p.tell("beta", ""); got != "" || p.differs("alpha") != "/srv/www" {
		t.Errorf("while beta does not know, the difference is neither said again nor over: %s", got)
	}
	if got := p.tell("beta", "11"); strings.Count(got, "/srv/www is the same on both nodes again") != 2 || p.differs("alpha")+p.differs("beta") != "" {
		t.Errorf("end: %s", got)
	}
}

// What a tree holds decides nothing but a failback: who is preferred is what haresources says.
func TestWatchedDecidesNoPreference(t *testing.T) {
	p := watchedPair(t)
	for _, s := range p.nodes {
		s.cfg.Groups[0].Preferred = "beta"
	}
	p.tell("alpha", "11")
	p.tell("beta", "22")
	m := p.nodes["alpha"].m
	if m.settingsDiffer() || !m.preferred(m.groups[0]) {
		t.Errorf("settings differ: %v, preferred: %v", m.settingsDiffer(), m.preferred(m.groups[0]))
	}
	m.peer.differs = append(m.peer.differs, "haresources")
	if !m.settingsDiffer() {
		t.Error("a difference of haresources counts")
	}
	words := m.differWords(m.peer.differs)
	if !strings.Contains(words, "nothing moves by itself; and /srv/www differs") {
		t.Error(words)
	}
}

// A failback waits until the trees agree.
func TestWatchedHoldsFailbackBack(t *testing.T) {
	cfg := tutorial()
	cfg.AutoFailback = true
	cfg.Digests = []Digest{{"/srv/www", ""}}
	p := newPair(cfg)
	p.start("beta")
	p.pass(20 * time.Second)
	p.start("alpha")
	p.step(p.nodes["alpha"], Digested{[]Digest{{"/srv/www", "11"}}})
	p.step(p.nodes["beta"], Digested{[]Digest{{"/srv/www", "22"}}})
	p.pass(time.Minute)
	owner := func() string { return p.nodes["beta"].m.Status().Groups[0].Owner }
	if owner() != "beta" {
		t.Fatalf("it went back to %s in spite of a tree that differs", owner())
	}
	next := strings.Join(p.nodes["beta"].m.Status().Groups[0].Next, "\n")
	if !strings.Contains(next, "it does not go back by itself: /srv/www differs from the one on alpha") {
		t.Error(next)
	}
	p.tell("alpha", "22")
	p.pass(time.Minute)
	if owner() != "alpha" {
		t.Errorf("it did not go back when the trees agreed: %s", owner())
	}
}

func TestDigestsOfOddPaths(t *testing.T) {
	want := []Digest{{"/srv/a=b", "0123456789abcdef"}, {"/srv/c", ""}, {"ha.cf", "ff"}}
	b := Beat{Protocol: 1, Node: "alpha", Incarnation: 1, Seq: 1, DeadTime: time.Second, Digests: want}
	m, err := b.Message([16]byte{}, 1, "n/a")
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseBeat(m)
	if err != nil || len(got.Digests) != 3 || got.Digests[0] != want[0] || got.Digests[1] != want[1] || got.Digests[2] != want[2] {
		t.Errorf("%v %v", got.Digests, err)
	}
}

// A digest that is not known yet is counted as long as it will be.
func TestBeatSizeOfUnknownDigests(t *testing.T) {
	short, long := tutorial(), tutorial()
	short.Digests, long.Digests = []Digest{{"/srv/www", ""}}, []Digest{{"/srv/www", "0123456789abcdef"}}
	if short.BeatSize() != long.BeatSize() {
		t.Errorf("%d bytes before it is known, %d after", short.BeatSize(), long.BeatSize())
	}
}
