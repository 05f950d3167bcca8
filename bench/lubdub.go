package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"lubdub/internal/lab"
)

// ours is lubdub.
type ours struct {
	binary string
	times
	proxied bool
}

// haCF is the configuration that Heartbeat and lubdub share.
func haCF(t times, n nodes, more string) string {
	ms := func(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }
	return "udpport 694\nkeepalive " + ms(t.keepalive) + "\nwarntime " + ms(t.dead*6/10) + "\ndeadtime " + ms(t.dead) +
		"\ninitdead " + ms(max(time.Second, 2*t.dead)) + "\nbcast eth1\nbcast eth0\nauto_failback on\nnode " + n.first + " " + n.second + "\n" + more
}

const authKeys = "auth 1\n1 sha1 the-same-on-both-nodes\n"

func (o ours) prepare(h *lab.Host, n nodes) error {
	resources, more := n.first+" "+shared+"/24/eth0\n", "name "+shared+" web\n"
	if o.proxied {
		resources = n.first + " " + shared + "/24/eth0 lubdub-proxy::web\n"
		more += "proxy web listen=" + shared + ":80 backend=http://192.0.2.80:8080\n"
	}
	return writeFiles(h, map[string]string{
		"/etc/ha.d/ha.cf": haCF(o.times, n, ""), "/etc/ha.d/haresources": resources, "/etc/ha.d/authkeys": authKeys, "/etc/ha.d/lubdub.conf": more,
	})
}

// writeFiles writes files that root alone may read, as authkeys must be.
func writeFiles(h *lab.Host, files map[string]string) error {
	for path, text := range files {
		if err := h.WriteFile(path, text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (o ours) start(_ context.Context, h *lab.Host) (*lab.Process, error) {
	return h.Start(o.binary, "run")
}

func (o ours) stop(ctx context.Context, _ *lab.Host, p *lab.Process) error { return terminate(ctx, p) }

func (o ours) standby(ctx context.Context, h *lab.Host) error {
	return command(ctx, h, o.binary, "standby")
}

func (o ours) online(ctx context.Context, h *lab.Host) error {
	return command(ctx, h, o.binary, "online")
}

// eventFile is where lubdub keeps its events, one JSON object a line.
const eventFile = "/var/lib/lubdub/events.jsonl"

// decisions are the moments at which a node's daemon decided to take the service, by the wall clock.
func decisions(h *lab.Host) ([]time.Time, error) {
	text, err := h.ReadFile(eventFile)
	if err != nil {
		return nil, err
	}
	var at []time.Time
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, len(text)+1)
	for lines.Scan() {
		var e struct {
			Time  time.Time
			Words string
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("%s of %s: %w", eventFile, h.Name(), err)
		}
		if strings.HasPrefix(e.Words, h.Name()+" takes web: ") {
			at = append(at, e.Time)
		}
	}
	return at, lines.Err()
}
