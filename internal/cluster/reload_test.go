package cluster

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// again begins the life after a reload, as the daemon does.
func (p *pair) again(s *side) {
	p.note(s, "begins anew")
	before := s.m
	// Outcomes and answers of the life before find nobody.
	p.queue = slices.DeleteFunc(p.queue, func(a arrival) bool {
		_, beat := a.input.(Heard)
		return a.to == s.name && !beat
	})
	s.cfg = s.next
	p.live(s.name, before)
}

// edit changes a node's files: change NAME, cold NAME, add NAME, drop NAME (of web), group
// NAME, no-group NAME, address, deadtime D.
func (p *pair) edit(t *testing.T, name string, w []string) {
	t.Helper()
	s := p.nodes[name]
	c := s.cfg
	if s.next.Self != "" {
		c = s.next
	}
	c.Groups = slices.Clone(c.Groups)
	web := &c.Groups[0]
	web.Resources = slices.Clone(web.Resources)
	called := func(r Resource) bool { return r.Name == w[1] }
	made := Resource{Type: "other", Timeouts: web.Resources[0].Timeouts, Interval: 10 * time.Second}
	if len(w) > 1 {
		made.Name = w[1]
	}
	switch w[0] {
	case "change":
		web.Resources[slices.IndexFunc(web.Resources, called)].Args = []string{"another"}
	case "cold":
		web.Resources[slices.IndexFunc(web.Resources, called)].Warm = false
	case "add":
		web.Resources = append(web.Resources, made)
	case "drop":
		web.Resources = slices.DeleteFunc(web.Resources, called)
	case "address":
		made = web.Resources[0]
		made.Name, made.Addresses = "192.0.2.101", []netip.Prefix{netip.MustParsePrefix("192.0.2.101/24")}
		web.Resources = slices.Insert(web.Resources, 1, made)
	case "group":
		made.Name = "run"
		c.Groups = append(c.Groups, Group{Name: w[1], Preferred: "alpha", Resources: []Resource{made}})
	case "no-group":
		c.Groups = slices.DeleteFunc(c.Groups, func(g Group) bool { return g.Name == w[1] })
	case "deadtime":
		d, err := time.ParseDuration(w[1])
		if err != nil {
			t.Fatal(err)
		}
		c.DeadTime = d
	default:
		t.Fatalf("edit %q is unknown", w[0])
	}
	sum := strings.Join(w, " ")
	if len(c.Digests) > 0 {
		sum = c.Digests[0].Sum + ", " + sum
	}
	c.Digests = []Digest{{File: "haresources", Sum: sum}}
	s.next = c
}

// reloadOrder is the order that package config would make of the edits.
func (p *pair) reloadOrder(t *testing.T, name string, w []string) Reload {
	t.Helper()
	s := p.nodes[name]
	o := Reload{ID: 1, DeadTime: s.next.DeadTime, Digests: s.next.Digests}
	for _, word := range w {
		key, value, _ := strings.Cut(word, "=")
		group, resource, _ := strings.Cut(value, "/")
		switch key {
		case "halt":
			o.Halt = append(o.Halt, Member{group, resource})
		case "fresh":
			o.Fresh = append(o.Fresh, Member{group, resource})
		case "renew":
			o.Renew = append(o.Renew, Member{group, resource})
		case "cold":
			o.Cold = append(o.Cold, Member{group, resource})
		case "silence":
			o.Silence = append(o.Silence, group)
		case "remove":
			o.Remove = append(o.Remove, group)
		case "moved":
			o.Moved = append(o.Moved, value+" would run on both")
		case "signs":
			o.Signs = "beta does not know the key"
		case "alone":
			o.Alone = true
		case "dry":
			o.Dry = true
		case "watchdog":
			o.Watchdog = true
		default:
			t.Fatalf("reload %q is unknown", word)
		}
	}
	return o
}

// Before a life with a shorter dead time the lease is cut to what that allows, and no longer prolonged.
func TestReloadShortensTheLease(t *testing.T) {
	p := newPair(tutorial())
	p.start("alpha")
	p.start("beta")
	p.pass(5 * time.Second)
	p.edit(t, "alpha", []string{"deadtime", "500ms"})
	alpha := p.nodes["alpha"]
	life := alpha.m
	p.step(alpha, p.reloadOrder(t, "alpha", nil))
	for alpha.m == life {
		p.pass(time.Millisecond)
	}
	if left := alpha.lease["web"].Until.Sub(p.now); left <= 0 || left > 350*time.Millisecond {
		t.Errorf("the next life finds a lease of %v, want at most 0.7 of its dead time", left)
	}
	if s := alpha.m.Status().Groups[0].State; s != "running" {
		t.Errorf("web is %s in the next life", s)
	}
}

// difference is the order that leads from what runs on a node to its edited files.
func (p *pair) difference(s *side) Reload {
	o := Reload{ID: 1, DeadTime: s.next.DeadTime, Digests: s.next.Digests}
	was, is := s.cfg.Groups[0], s.next.Groups[0]
	stopped := false
	for _, r := range is.Resources {
		i := slices.IndexFunc(was.Resources, func(w Resource) bool { return w.Name == r.Name })
		same := i >= 0 && slices.Equal(was.Resources[i].Args, r.Args)
		switch {
		case r.isAddress() && i < 0:
			o.Silence, o.Fresh = []string{"web"}, append(o.Fresh, Member{"web", r.Name})
		case r.isAddress():
		case stopped || !same:
			stopped = true
			o.Fresh = append(o.Fresh, Member{"web", r.Name})
			if i >= 0 {
				o.Halt = append(o.Halt, Member{"web", r.Name})
			}
		}
	}
	for _, r := range was.Resources {
		if !slices.ContainsFunc(is.Resources, func(n Resource) bool { return n.Name == r.Name }) {
			o.Halt = append(o.Halt, Member{"web", r.Name})
		}
	}
	return o
}

// Reloads among kills, cuts, moves and stops that fail: two nodes never answer,
// a second step is always silent (the pair panics else), and in the calm that
// follows one node serves with everything that its files say.
func TestReloadsAtRandom(t *testing.T) {
	for seed := range uint64(60) {
		chance := rand.New(rand.NewPCG(seed, 4))
		cfg := tutorial()
		cfg.Groups[0].Resources[1].Warm = seed%5 == 0
		cfg.AutoFailback = seed%3 == 0
		p := newPair(cfg)
		p.hear = true
		for _, name := range p.order {
			p.nodes[name].next = p.nodes[name].cfg
			p.start(name)
		}
		for range 60 {
			s := p.nodes[p.order[chance.IntN(2)]]
			p.disturb(t, chance, s)
			for range chance.IntN(40) {
				p.pass(time.Duration(chance.IntN(60)) * time.Millisecond)
				if p.answers(p.nodes["alpha"], "web") && p.answers(p.nodes["beta"], "web") {
					t.Fatalf("seed %d: both nodes answer\n%s", seed, tailLog(p))
				}
			}
		}
		p.calm(t, seed)
	}
}

// disturb does one thing at random.
func (p *pair) disturb(t *testing.T, chance *rand.Rand, s *side) {
	p.note(s, "... next")
	switch chance.IntN(12) {
	case 0, 1, 2, 3, 4:
		edits := [][]string{{"change", "apache"}, {"add", "mail"}, {"drop", "mail"}, {"deadtime", "1s"}, {"deadtime", "2s"}, {"address"}}
		w := edits[chance.IntN(len(edits))]
		if has := slices.ContainsFunc(s.next.Groups[0].Resources, func(r Resource) bool { return r.Name == "mail" || len(w) == 1 && r.Name == "192.0.2.101" }); has == (w[0] == "drop") || w[0] == "change" || w[0] == "deadtime" {
			p.edit(t, s.name, w)
		}
		o := p.difference(s)
		o.Alone = chance.IntN(4) == 0
		p.step(s, o)
	case 5:
		p.kill(s.name)
	case 6:
		p.cut["bcast eth1"], p.cut["bcast eth0"] = true, chance.IntN(2) == 0
	case 7:
		p.cut = map[string]bool{}
	case 8:
		p.step(s, Command{ID: 2, Verb: Move, Group: "web"})
	case 9:
		s.fails["stop apache"] = Failed
	case 10:
		s.fails = map[string]Result{}
		p.step(s, Command{ID: 3, Verb: Cleanup})
	default:
		if s.m == nil {
			s.cfg = s.next // a restart reads the files
			p.start(s.name)
		}
	}
}

// calm mends everything, brings the files of both nodes in, and demands that one serves.
func (p *pair) calm(t *testing.T, seed uint64) {
	p.cut = map[string]bool{}
	for _, name := range p.order {
		s := p.nodes[name]
		s.fails = map[string]Result{}
		if s.m == nil {
			s.cfg = s.next
			p.start(name)
		}
		p.step(s, Command{ID: 4, Verb: Cleanup})
	}
	p.pass(40 * time.Second)
	for _, name := range p.order {
		s := p.nodes[name]
		if got := s.m.Status(); got.Peer.Membership != "up" {
			t.Errorf("seed %d: %s has a peer that is %s", seed, name, got.Peer.Membership)
		}
		p.step(s, p.difference(s))
		p.pass(10 * time.Second)
	}
	owner := p.nodes["alpha"]
	if !p.answers(owner, "web") {
		owner = p.nodes["beta"]
	}
	if !p.answers(owner, "web") || p.answers(p.other(owner), "web") {
		t.Fatalf("seed %d: not one node answers in the calm\n%s", seed, tailLog(p))
	}
	if diff := cmp.Diff(owner.next, owner.cfg, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Fatalf("seed %d: %s runs something else than its files say:\n%s\n%s", seed, owner.name, diff, tailLog(p))
	}
	for _, r := range owner.cfg.Groups[0].Resources {
		if !owner.runs["web/"+r.Name] {
			t.Fatalf("seed %d: %s does not run on %s\n%s", seed, r.Name, owner.name, tailLog(p))
		}
	}
}

func tailLog(p *pair) string {
	lines := strings.Split(p.log.String(), "\n")
	return strings.Join(lines[max(0, len(lines)-80):], "\n")
}
