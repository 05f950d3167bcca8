package main

import (
	"context"
	"errors"
	"fmt"

	"lubdub/internal/agent"
	"lubdub/internal/config"
	"lubdub/internal/proxy"
)

// proxies runs the built-in reverse proxies of lubdub.conf for the daemon: it
// joins packages proxy and agent, neither of which knows the other.
type proxies struct {
	place    proxy.Place
	settings map[string]proxy.Settings
}

func newProxies(loaded *config.Loaded, runtime string) proxies {
	p := proxies{place: proxy.Place{Runtime: runtime}, settings: map[string]proxy.Settings{}}
	for _, c := range loaded.Proxies {
		p.settings[c.Name] = proxySettings(c)
	}
	return p
}

var _ agent.Proxy = proxies{}

// proxySettings says in the proxy's words what lubdub.conf says.
func proxySettings(c config.Proxy) proxy.Settings {
	s := proxy.Settings{Name: c.Name, BackEnds: c.Backends, Check: proxy.HealthCheck{Path: c.Health}, AccessLog: c.Log, User: c.User}
	if c.Cert == "" {
		s.Listen = c.Listen
		return s
	}
	s.ListenTLS, s.Certificate, s.Key = c.Listen, c.Cert, c.Key
	return s
}

// Start starts the proxy of that name, or brings in its settings.
func (p proxies) Start(ctx context.Context, name string) error {
	s, ok := p.settings[name]
	if !ok {
		return fmt.Errorf("start proxy %s: lubdub.conf says nothing about it", name)
	}
	return proxy.Start(ctx, s, p.place)
}

// Stop ends the proxy of that name.
func (p proxies) Stop(ctx context.Context, name string) error { return proxy.Stop(ctx, name, p.place) }

// Monitor says whether the proxy of that name runs, and what is wrong with it when it is sick.
func (p proxies) Monitor(ctx context.Context, name string) (running bool, err error) {
	_, err = proxy.Monitor(ctx, name, p.place)
	if errors.Is(err, proxy.ErrNotRunning) {
		return false, nil
	}
	return err == nil, err
}
