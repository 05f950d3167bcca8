package main

import (
	"fmt"
	"strings"

	"lubdub/internal/lab"
)

// contestant is a product in the chaos.
type contestant struct {
	title   string
	product product
	binary  string // lubdub's
	// files changes the configuration that the product writes for the measurements into that of a night.
	files func(h *lab.Host, n nodes, s setup) (map[string]string, error)
	state string   // the directory of its state, which is small; empty: none of its own
	beats string   // the match of nft for its heartbeats
	skips []string // kinds that make no sense for it
	// whole says that a crash takes all of its processes: it is made of several, and its own watch over each other is not what
	// is looked at here.
	whole bool
	// judged says that a run fails when it breaks a promise.
	judged bool
	epochs bool
	pings  bool // a ping node means something to it
}

func contestants(binary string) []contestant {
	at := times{stormKeepalive, stormDead}
	const udp = "udp dport 694"
	return []contestant{
		{
			title: "lubdub", product: ours{binary: binary, times: at}, binary: binary, files: lubdubFiles, state: "/var/lib/lubdub", beats: udp,
			judged: true, epochs: true, pings: true,
		},
		// Without ipfail a ping node decides nothing in Heartbeat.
		{title: "Heartbeat 3.0.6", product: heartbeat{at}, files: heartbeatFiles, beats: udp, skips: []string{kindFull, kindMove}, whole: true},
		{
			title: "keepalived", product: keepalived{stormAdvert, leaveFault}, files: keepalivedFiles, beats: "ip protocol 112",
			skips: []string{kindFull, kindMove}, whole: true,
		},
	}
}

// prepare writes the configuration of a node, and the script of the storage.
func (c contestant) prepare(h *lab.Host, n nodes, s setup, storageLog string) error {
	if err := c.product.prepare(h, n); err != nil {
		return err
	}
	files, err := c.files(h, n, s)
	if err != nil {
		return err
	}
	if err := h.WriteFile("/etc/ha.d/resource.d/storage", storageScript(storageLog), 0o755); err != nil {
		return err
	}
	return writeFiles(h, files)
}

// stormHaCF is the configuration that Heartbeat and lubdub share.
func stormHaCF(n nodes, s setup, more string) string {
	failback := "off"
	if s.failback {
		failback = "on"
	}
	if s.ping {
		more += "ping " + routed + "\n"
	}
	return fmt.Sprintf("udpport 694\nkeepalive %dms\nwarntime %dms\ndeadtime %dms\ninitdead %dms\nbcast eth1\nbcast eth0\nauto_failback %s\nnode %s %s\n",
		stormKeepalive.Milliseconds(), stormDead.Milliseconds()/2, stormDead.Milliseconds(), stormInitDead.Milliseconds(), failback, n.first, n.second) + more
}

func lubdubFiles(_ *lab.Host, n nodes, s setup) (map[string]string, error) {
	group := n.first + " " + shared + "/24/eth0 " + shared6 + "/64/eth0"
	if s.storage {
		group += " storage"
	}
	return map[string]string{
		"/etc/ha.d/ha.cf": stormHaCF(n, s, ""), "/etc/ha.d/haresources": group + "\n",
		"/etc/ha.d/lubdub.conf": "name " + shared + " web\nmonitor web interval=2s\n",
	}, nil
}

func heartbeatFiles(_ *lab.Host, n nodes, s setup) (map[string]string, error) {
	group := n.first + " IPaddr2::" + shared + "/24/eth0"
	if s.storage {
		group += " storage"
	}
	return map[string]string{"/etc/ha.d/ha.cf": stormHaCF(n, s, "logfile /var/log/ha-log\n"), "/etc/ha.d/haresources": group + "\n"}, nil
}

// keepalivedFiles turns the preference off where nothing is to fail back: both begin as backups then.
func keepalivedFiles(h *lab.Host, _ nodes, s setup) (map[string]string, error) {
	const path = "/etc/keepalived/keepalived.conf"
	text, err := h.ReadFile(path)
	if err == nil && !s.failback {
		text = strings.Replace(strings.Replace(text, "state MASTER", "state BACKUP", 1), "state BACKUP\n", "state BACKUP\n\tnopreempt\n", 1)
	}
	return map[string]string{path: text}, err
}

// storageScript is the script of a resource that may run in one place only. It tells a log outside of both nodes what is done to it,
// with the epoch of who does it, as a storage would that checks epochs.
func storageScript(log string) string {
	return `#!/bin/sh
say() { read -r up _ </proc/uptime; echo "$up $(uname -n) $1 ${LUBDUB_EPOCH:-0}" >>` + log + `; }
case $1 in
start) [ -e /run/storage ] || say start; : >/run/storage ;;
stop) [ ! -e /run/storage ] || { rm -f /run/storage; say stop; } ;;
*) if [ -e /run/storage ]; then echo running; else echo stopped; exit 3; fi ;;
esac
`
}
