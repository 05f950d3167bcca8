package main

import (
	"context"
	"fmt"
	"time"

	"lubdub/internal/lab"
)

// keepalived is the real keepalived 2.2.7 with VRRP version 3.
type keepalived struct {
	advert time.Duration
	// leave is what standby writes into the file that keepalived watches. It has no command for it: -254 puts the node into
	// the fault state, and -100 lowers its priority below the other's, which then takes the address from it.
	leave string
}

const (
	// leaveFault and leavePriority are the two ways off a node.
	leaveFault, leavePriority = "-254", "-100"
	watched                   = "/run/leave"
)

// priorities, the preferred node's first.
const preferredPriority, otherPriority = 150, 100

func (k keepalived) prepare(h *lab.Host, n nodes) error {
	state, priority := "MASTER", preferredPriority
	if h.Name() != n.first {
		state, priority = "BACKUP", otherPriority
	}
	// The real-time limit: with the default of 10 ms the kernel kills keepalived on a busy machine.
	text := fmt.Sprintf(`global_defs {
	router_id %s
	vrrp_version 3
	vrrp_rt_priority 50
	vrrp_rlimit_rttime 2000000
	vrrp_no_swap
}
track_file leave {
	file "%s"
	weight 1
	init_file 0 overwrite
}
vrrp_instance web {
	state %s
	interface eth0
	virtual_router_id 51
	priority %d
	advert_int %.3g
	track_file {
		leave
	}
	virtual_ipaddress {
		%s/24 dev eth0
	}
}
`, h.Name(), watched, state, priority, k.advert.Seconds(), shared)
	return writeFiles(h, map[string]string{"/etc/keepalived/keepalived.conf": text})
}

func (k keepalived) start(_ context.Context, h *lab.Host) (*lab.Process, error) {
	return h.Start("/usr/sbin/keepalived", "-n", "-l", "-D")
}

func (k keepalived) stop(ctx context.Context, _ *lab.Host, p *lab.Process) error {
	return terminate(ctx, p)
}

func (k keepalived) standby(ctx context.Context, h *lab.Host) error { return k.write(ctx, h, k.leave) }
func (k keepalived) online(ctx context.Context, h *lab.Host) error  { return k.write(ctx, h, "0") }

func (k keepalived) write(ctx context.Context, h *lab.Host, value string) error {
	return command(ctx, h, "sh", "-c", "echo "+value+" > "+watched)
}
