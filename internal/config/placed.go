package config

import (
	"net/netip"
	"slices"

	"lubdub/internal/cluster"
)

// Placed is the configuration that runs, with the interfaces that came since for
// addresses that had none. What else the files say by now waits for a reload.
func Placed(running, files *Loaded) *Loaded {
	where := map[netip.Addr]cluster.Resource{}
	for _, g := range files.Config.Groups {
		for _, r := range g.Resources {
			if len(r.Addresses) > 0 {
				where[r.Addresses[0].Addr()] = r
			}
		}
	}
	out := *running
	out.Config.Groups = slices.Clone(running.Config.Groups)
	for i := range out.Config.Groups {
		g := &out.Config.Groups[i]
		g.Resources = slices.Clone(g.Resources)
		for j := range g.Resources {
			r := &g.Resources[j]
			if len(r.Addresses) == 0 || r.Interface != "" {
				continue
			}
			if now, ok := where[r.Addresses[0].Addr()]; ok && now.Interface != "" {
				r.Interface, r.Addresses = now.Interface, now.Addresses
			}
		}
	}
	return &out
}
