package sim

import (
	"reflect"
	"slices"
	"time"
)

// clusters tries smaller ones: one link, fewer groups and resources, and each
// setting that can be left out.
func (s *shrinker) clusters() {
	if s.night.setup.Links == 2 {
		s.try(func(n *night) {
			n.setup.Links = 1
			n.renumber()
		})
	}
	for g := len(s.night.setup.Groups) - 1; g >= 0 && len(s.night.setup.Groups) > 1; g-- {
		s.try(func(n *night) {
			name := n.setup.Groups[g].Name
			n.setup.Groups = slices.Delete(n.setup.Groups, g, g+1)
			n.strikes = slices.DeleteFunc(n.strikes, func(k strike) bool { return k.about(name) })
		})
	}
	for g := range s.night.setup.Groups {
		for r := len(s.night.setup.Groups[g].Resources) - 1; r >= 0 && len(s.night.setup.Groups[g].Resources) > 1; r-- {
			if isAddress(s.night.setup.Groups[g].Resources[r]) {
				continue // without an address nobody can tell who serves the group
			}
			s.try(func(n *night) { n.setup.Groups[g].Resources = slices.Delete(n.setup.Groups[g].Resources, r, r+1) })
		}
	}
	s.settings()
	s.try(func(n *night) { n.rescale(250*time.Millisecond, 2*time.Second) })
}

// settings tries the cluster without each of its options. Times, links and
// groups are none.
func (s *shrinker) settings() {
	kind := reflect.TypeFor[Setup]()
	for i := range kind.NumField() {
		switch f := kind.Field(i); {
		case slices.Contains([]string{"Keepalive", "DeadTime", "InitDead", "Links", "Groups"}, f.Name):
		default:
			s.try(func(n *night) { reflect.ValueOf(&n.setup).Elem().Field(i).SetZero() })
		}
	}
}

// rescale gives the night the recommended times, all else in proportion.
func (n *night) rescale(keepalive, deadTime time.Duration) {
	old := n.setup.DeadTime
	if old == deadTime {
		return
	}
	scale := func(d time.Duration) time.Duration {
		return micro(time.Duration(float64(d) * float64(deadTime) / float64(old)))
	}
	n.setup.Keepalive, n.setup.DeadTime, n.setup.InitDead = keepalive, deadTime, scale(n.setup.InitDead)
	n.setup.monitored()
	n.calm = scale(n.calm)
	for i := range n.boots {
		n.boots[i] = boot{scale(n.boots[i].at), scale(n.boots[i].start)}
	}
	for i := range n.strikes {
		n.strikes[i].at = scale(n.strikes[i].at)
		for j := 0; n.strikes[i].nth(j) != nil; j++ {
			if d, err := parseMillis(n.strikes[i].nth(j).value); err == nil {
				n.strikes[i].nth(j).value = millis(scale(d))
			}
		}
	}
}
