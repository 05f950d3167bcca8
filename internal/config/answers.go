package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// minRandom are the random bytes that make a secret nobody guesses.
const minRandom = 16

// Answers are what 'lubdub init' asks for.
type Answers struct {
	Nodes         [2]string // the preferred one first, as uname -n prints them
	Links         []Link    // Kind, Interface, Address and, for mcast, the rest; at least two on different cables
	Address       string    // the shared address: IP, IP/BITS or IP/BITS/INTERFACE
	Service       []string  // what runs behind the address, as words of haresources
	Pings         []string  // machines that both nodes can ask, such as the router; may be empty
	Random        []byte    // at least 16 bytes that nobody can guess: they become the secret
	HeartbeatPeer bool      // the other node runs Heartbeat: sign with sha1
	AutoFailback  bool      // return to the preferred node
}

// Render writes the three files. They are the same for both nodes.
func Render(a Answers) (Files, error) {
	if err := a.check(); err != nil {
		return Files{}, err
	}
	method, failback := "sha256", "off"
	if a.HeartbeatPeer {
		method = "sha1"
	}
	if a.AutoFailback {
		failback = "on"
	}
	group := strings.Join(append([]string{a.Nodes[0], a.Address}, a.Service...), " ")
	return Files{
		HaCF: fmt.Appendf(nil, `# ha.cf: who is in the cluster, how the nodes hear each other, how fast.
# The same file belongs on both nodes. 'lubdub check' reads it as the daemon does.

# The two nodes, as 'uname -n' prints them there.
node %s
node %s

# The links between them. Two on different cables: if one is pulled, nothing moves.
# A ucast line that points to the node itself is passed over.
udpport 694
%s
# A heartbeat each keepalive. A node that is silent for deadtime is taken for
# dead; after a boot it is given initdead. A gap of warntime is logged.
keepalive 250ms
warntime 1
deadtime 2
initdead 12
%s
# off: a group stays where it is when its preferred node returns. on: it moves back.
auto_failback %s

# Groups are written in haresources, not in Pacemaker.
crm no

logfacility daemon
`, a.Nodes[0], a.Nodes[1], a.linkLines(), a.pingLines(), failback),
		Haresources: fmt.Appendf(nil, `# haresources: one group a line: the preferred node, then its resources.
# They are started from left to right and stopped from right to left.
# The same file belongs on both nodes.
%s
`, group),
		Authkeys: fmt.Appendf(nil, `# authkeys: the secret that signs every heartbeat. Mode 600, the same on both nodes.
auth 1
1 %s %s
`, method, hex.EncodeToString(a.Random)),
	}, nil
}

// check refuses answers that would not be one word each.
func (a Answers) check() error {
	if len(a.Random) < minRandom {
		return fmt.Errorf("make a secret: %d random bytes are too few, at least %d are needed", len(a.Random), minRandom)
	}
	if len(a.Links) == 0 {
		return errors.New("write ha.cf: no link between the nodes is given; name two, on different cables")
	}
	words := append([]string{a.Nodes[0], a.Nodes[1], a.Address}, a.Service...)
	for _, l := range a.Links {
		words = append(words, l.Kind, l.Interface)
		if l.Address != "" {
			words = append(words, l.Address)
		}
	}
	for _, w := range append(words, a.Pings...) {
		if w == "" || strings.ContainsAny(w, " \t\r\n\v\f#,\\\x00") {
			return fmt.Errorf("write the files: the answer %q is not one word; leave out blanks, commas and '#'", w)
		}
	}
	return nil
}

// pingLines are the ping nodes, and what they are for.
func (a Answers) pingLines() string {
	if len(a.Pings) == 0 {
		return ""
	}
	text := `
# Third machines that both nodes can ask. When the nodes do not hear each other,
# the one that gets an answer serves; an owner that gets none falls silent.
`
	for _, p := range a.Pings {
		text += "ping " + p + "\n"
	}
	return text
}

// linkLines are the links as ha.cf declares them.
func (a Answers) linkLines() string {
	var text strings.Builder
	for _, l := range a.Links {
		switch {
		case strings.HasPrefix(l.Kind, "mcast"):
			loop := 0
			if l.Loop {
				loop = 1
			}
			fmt.Fprintf(&text, "%s %s %s %d %d %d\n", l.Kind, l.Interface, l.Address, l.Port, l.TTL, loop)
		case l.Kind != "bcast":
			fmt.Fprintf(&text, "%s %s %s\n", l.Kind, l.Interface, l.Address)
		default:
			fmt.Fprintf(&text, "%s %s\n", l.Kind, l.Interface)
		}
	}
	return text.String()
}
