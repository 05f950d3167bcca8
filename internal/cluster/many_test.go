package cluster

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// many is a cluster of 20 groups with ten resources each.
func many() Config {
	cfg := tutorial()
	times := Timeouts{Start: 60 * time.Second, Stop: 60 * time.Second, Monitor: 20 * time.Second}
	cfg.Groups = nil
	for i := range 20 {
		g := Group{Name: fmt.Sprintf("g%02d", i), Preferred: []string{"alpha", "beta"}[i%2]}
		for k := range 10 {
			r := Resource{Name: fmt.Sprintf("r%d", k), Class: "exec", Type: "x", Timeouts: times, Interval: 10 * time.Second, Limit: UsualLimit, Window: UsualWindow}
			if k == 0 {
				r.Class, r.Interface, r.Addresses = classAddress, "eth0", []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(100 + i)}), 24)}
			}
			g.Resources = append(g.Resources, r)
		}
		cfg.Groups = append(cfg.Groups, g)
	}
	return cfg
}

// TestManyResources: 200 resources in 20 groups fit into a heartbeat, start, and are decided about quickly. How quickly is
// logged (go test -run ManyResources -v ./internal/cluster); a busy machine must not fail it.
func TestManyResources(t *testing.T) {
	if size := many().BeatSize(); size > MaxBeat {
		t.Errorf("the heartbeat may have %d bytes, at most %d fit", size, MaxBeat)
	}
	p := newPair(many())
	var took []time.Duration
	p.timed = func(d time.Duration) { took = append(took, d) }
	p.start("alpha")
	p.start("beta")
	p.pass(2 * time.Minute)
	for i, g := range p.nodes["alpha"].m.groups {
		if want := []State{Running, Stopped}[i%2]; g.state != want {
			t.Errorf("%s is %s on alpha, want %s", g.cfg.Name, g.state, want)
		}
	}
	slices.Sort(took)
	t.Logf("%d steps: median %v, p99 %v, longest %v", len(took), took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
}
