package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"lubdub/internal/cluster"
	"lubdub/internal/config"
	"lubdub/internal/vip"
)

// lookTime bounds what asking the network for one address may take.
const lookTime = 5 * time.Second

// lookAround asks the machine for the interfaces, and the network for the addresses.
func (w world) lookAround(ctx context.Context, runtime string, loaded *config.Loaded, c *checked) {
	interfaces, err := w.Interfaces()
	if err != nil {
		c.add(config.Error, "this machine", err.Error(), "")
		return
	}
	for _, l := range loaded.Links {
		c.lookAt(interfaces, l.Interface, "link "+l.Name)
	}
	owners := w.owners(ctx, runtime)
	for _, g := range loaded.Config.Groups {
		for _, r := range g.Resources {
			if len(r.Addresses) == 0 || !c.lookAt(interfaces, r.Interface, "address "+r.Name) {
				continue
			}
			if owner := owners[g.Name]; owner != "" {
				c.Live = append(c.Live, fmt.Sprintf("address %s: %s has it, for it serves %s; the network is not asked", r.Name, owner, g.Name))
				continue
			}
			for _, a := range r.Addresses {
				w.ask(ctx, r, a.Addr(), loaded.Config.Peer, c)
			}
		}
	}
}

// owners are the nodes that have each group, when a daemon runs here that knows.
func (w world) owners(ctx context.Context, runtime string) map[string]string {
	owners := map[string]string{}
	s, err := w.asker(runtime).status(ctx)
	if err != nil {
		return owners // most often there is none yet
	}
	for _, g := range s.Groups {
		owners[g.Name] = g.Owner
	}
	return owners
}

// lookAt says how an interface is.
func (c *checked) lookAt(interfaces []vip.Interface, name, purpose string) bool {
	at := slices.IndexFunc(interfaces, func(i vip.Interface) bool { return i.Name == name })
	switch {
	case at < 0:
		c.add(config.Warning, "this machine", fmt.Sprintf("%s: there is no interface %s", purpose, name), "lubdub starts all the same, and uses it when it comes")
		return false
	case !interfaces[at].Up:
		c.add(config.Warning, "this machine", fmt.Sprintf("%s: %s is switched off", purpose, name), "ip link set "+name+" up")
		return false
	case !interfaces[at].Carrier:
		c.add(config.Warning, "this machine", fmt.Sprintf("%s: %s has no carrier", purpose, name), "look at its cable and its switch port")
		return false
	}
	c.Live = append(c.Live, fmt.Sprintf("%s: %s is up and has carrier", purpose, name))
	return true
}

// ask asks the network whether somebody has the address. Before the first start nobody may.
func (w world) ask(ctx context.Context, r cluster.Resource, addr netip.Addr, peer string, c *checked) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	got, err := w.Probe(ctx, r.Interface, addr)
	if err != nil {
		c.add(config.Warning, "the network", err.Error(), "to ask the network one must be root")
		return
	}
	if len(got.Holders) > 0 {
		var macs []string
		for _, m := range got.Holders {
			macs = append(macs, m.String())
		}
		c.add(config.Error, "the network", fmt.Sprintf("%s is in use on %s: %s answers for it", addr, r.Interface, strings.Join(macs, ", ")),
			fmt.Sprintf("good if that is %s with lubdub running; else find that machine before lubdub is started", peer))
		return
	}
	words := fmt.Sprintf("address %s: nobody answers for it on %s", addr, r.Interface)
	if got.Frames == 0 {
		words += ", but no frame at all came in meanwhile"
	}
	c.Live = append(c.Live, words)
}
