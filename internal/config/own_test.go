package config

import (
	"net/netip"
	"strings"
	"testing"
)

// To guard an address that is the machine's own would cut it off.
func TestOwnAddressIsRefused(t *testing.T) {
	files := Files{HaCF: []byte("node alpha beta\nbcast eth1 eth0\n"), Haresources: []byte("alpha 192.0.2.11\n"),
		Authkeys: []byte("auth 1\n1 sha256 secretsecret\n")}
	for name, own := range map[string][]netip.Addr{
		"own":       {netip.MustParseAddr("192.0.2.11")},
		"other":     {netip.MustParseAddr("192.0.2.12")},
		"not known": nil,
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := Parse(files, Options{Node: "alpha", Own: own})
			refused := false
			for _, p := range problems {
				refused = refused || p.Severity == Error && strings.Contains(p.Words, "own address")
			}
			if refused != (name == "own") {
				t.Errorf("refused: %v; problems: %v", refused, problems)
			}
		})
	}
}
