package main

import (
	"context"

	"lubdub/internal/lab"
)

// Heartbeat's programs, as Debian has them.
const (
	heartbeatProgram  = "/usr/libexec/heartbeat/heartbeat"
	heartbeatStandby  = "/usr/share/heartbeat/hb_standby"
	heartbeatTakeover = "/usr/share/heartbeat/hb_takeover"
)

// heartbeat is the real Heartbeat 3.0.6. All its paths are fixed; each host of the lab has its own.
type heartbeat struct{ times }

func (b heartbeat) prepare(h *lab.Host, n nodes) error {
	return writeFiles(h, map[string]string{
		"/etc/ha.d/ha.cf":       haCF(b.times, n, "logfile /var/log/ha-log\n"),
		"/etc/ha.d/haresources": n.first + " IPaddr2::" + shared + "/24/eth0\n",
		"/etc/ha.d/authkeys":    authKeys,
	})
}

func (b heartbeat) start(ctx context.Context, h *lab.Host) (*lab.Process, error) {
	// Its init script makes these; without them it runs, but cannot be asked.
	const directories = "mkdir -p /run/heartbeat/ccm /run/heartbeat/dopd /run/heartbeat/crm /run/resource-agents && chown -R hacluster:haclient /run/heartbeat"
	if err := command(ctx, h, "sh", "-c", directories); err != nil {
		return nil, err
	}
	return h.Start(heartbeatProgram)
}

func (b heartbeat) stop(ctx context.Context, h *lab.Host, _ *lab.Process) error {
	return command(ctx, h, heartbeatProgram, "-k")
}

func (b heartbeat) standby(ctx context.Context, h *lab.Host) error {
	return command(ctx, h, heartbeatStandby)
}

func (b heartbeat) online(ctx context.Context, h *lab.Host) error {
	return command(ctx, h, heartbeatTakeover)
}
