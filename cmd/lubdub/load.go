package main

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"lubdub/internal/config"
	"lubdub/internal/vip"
)

// load reads the configuration as the daemon does: with what only this machine knows.
func (w world) load(dir, node string) (*config.Loaded, config.Problems, error) {
	opts, err := w.options(node)
	if err != nil {
		return nil, nil, err
	}
	loaded, problems := config.Load(dir, opts)
	if loaded != nil {
		loaded.Dir, err = filepath.Abs(loaded.Dir) // agents run in another directory
	}
	return loaded, problems, err
}

// options are what the files do not say.
func (w world) options(node string) (config.Options, error) {
	host, err := w.Hostname()
	if err != nil {
		return config.Options{}, fmt.Errorf("ask this machine for its name: %w", err)
	}
	all, err := w.Interfaces()
	if err != nil {
		return config.Options{}, err
	}
	opts := config.Options{Node: node, Hostname: strings.ToLower(host), Interfaces: []config.Interface{}}
	if port, err := net.LookupPort("udp", "ha-cluster"); err == nil {
		opts.Port = port // of /etc/services; without a line Heartbeat's own counts
	}
	for _, i := range all {
		opts.Interfaces = append(opts.Interfaces, config.Interface{Name: i.Name, Prefixes: prefixes(i)})
		if vip.KeepsMarks() {
			opts.Own = append(opts.Own, own(i)...)
		}
	}
	return opts, nil
}

// own are the addresses of an interface that the machine lives by: the only ones
// in their networks. Another one beside it may be a shared address that was left.
func own(i vip.Interface) []netip.Addr {
	var out []netip.Addr
	for _, a := range i.Addresses {
		beside := slices.ContainsFunc(i.Addresses, func(b vip.Address) bool {
			return b.Prefix.Addr() != a.Prefix.Addr() && b.Prefix.Contains(a.Prefix.Addr())
		})
		if !beside && i.Name != "lo" {
			out = append(out, a.Prefix.Addr())
		}
	}
	return out
}

// prefixes are an interface's addresses, and the networks that it reaches without having an address in them.
func prefixes(i vip.Interface) []netip.Prefix {
	var out []netip.Prefix
	for _, a := range i.Addresses {
		out = append(out, a.Prefix)
	}
	for _, r := range i.Routes {
		if !slices.ContainsFunc(out, func(p netip.Prefix) bool { return p.Masked() == r }) {
			out = append(out, r)
		}
	}
	return out
}
