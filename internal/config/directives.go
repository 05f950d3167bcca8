package config

import "slices"

// directive is one word of ha.cf, as Heartbeat 3.0.6 knows it.
type directive struct {
	name    string
	form    string // what follows it
	initial string // what scripts are told when it is not written
	value   value  // checks each value of a directive of which the last one counts
	once    bool   // Heartbeat refuses it a second time
	whole   bool   // Heartbeat takes the line as a whole: commas do not part words
	line    func(*haCF, statement)
	idle    string // why it has no effect here, and what lubdub does instead
}

// Why a group of directives has no effect.
const (
	idleSerial   = "serial links come with a later version; use bcast or ucast"
	idleCompress = "heartbeats are never compressed; they fit one packet"
	idleRealtime = "the kernel's lease guards the address when the daemon is late, without real-time priority"
	idleCores    = "the service manager decides about core files"
	idlePrograms = "programs are not run beside the daemon (what ipfail did is built in); make it a resource in haresources or a systemd unit"
	idleCRM      = "there is no Pacemaker here"
)

// directives is the whole vocabulary of ha.cf.
func directives() []directive {
	return slices.Concat(clusterDirectives(), linkDirectives(), logDirectives(), laterDirectives(), idleDirectives())
}

func clusterDirectives() []directive {
	return []directive{
		{name: "node", form: "NAME...", line: (*haCF).node},
		{name: "cluster", form: "NAME", initial: "linux-ha", value: isClusterName},
		{name: "keepalive", form: "TIME", initial: "1000ms", value: isPositiveTime},
		{name: "deadtime", form: "TIME", initial: "30000ms", value: isTime},
		{name: "warntime", form: "TIME", value: isPositiveTime},
		{name: "initdead", form: "TIME", value: isTime},
		{name: "auto_failback", form: "on|off|legacy", initial: "legacy", value: isFailback},
		{name: "nice_failback", form: "on|off", line: (*haCF).niceFailback},
		{name: "crm", form: "no", value: isHaresources, once: true},
		{name: "pacemaker", form: "no", initial: "false", value: isHaresources, once: true},
		{name: "autojoin", form: "none", initial: "none", value: isAutojoin},
		{name: "env", form: "NAME=VALUE...", line: (*haCF).environment},
	}
}

func linkDirectives() []directive {
	return []directive{
		{name: "udpport", form: "PORT", value: isNumber(1, maxPort)},
		{name: "bcast", form: "INTERFACE...", line: (*haCF).bcast},
		{name: "udp", form: "INTERFACE...", line: (*haCF).udp},
		{name: "ucast", form: "INTERFACE ADDRESS", whole: true, line: (*haCF).ucast},
		{name: "ucast6", form: "INTERFACE ADDRESS", whole: true, line: (*haCF).ucast},
		{name: "mcast", form: "INTERFACE GROUP PORT TTL LOOP", whole: true, line: (*haCF).mcast},
		{name: "mcast6", form: "INTERFACE GROUP PORT HOPS LOOP", whole: true, line: (*haCF).mcast},
		{name: "ping", form: "ADDRESS...", line: (*haCF).ping},
		{name: "ping6", form: "ADDRESS...", line: (*haCF).ping},
		{name: "ping_group", form: "NAME ADDRESS...", whole: true, line: (*haCF).pingGroup},
		{name: "deadping", form: "TIME", value: isTime},
	}
}

func logDirectives() []directive {
	return []directive{
		{name: "logfile", form: "PATH", value: isAny},
		{name: "debugfile", form: "PATH", value: isAny},
		{name: "logfacility", form: "FACILITY", value: isFacility},
		{name: "debug", form: "0..255", value: isNumber(0, 255)},
		{name: "use_logd", form: "yes|no", value: isBoolean, idle: "lubdub writes its log itself, to the journal and as logfacility and logfile say"},
		{name: "conn_logd_time", form: "TIME", initial: "60", value: isPositiveTime, idle: "there is no log daemon to connect to"},
		{name: "syslogmsgfmt", form: "yes|no", initial: "true", value: isBoolean, idle: "a log line has one form here"},
		{name: "log_badpack", form: "yes|no", initial: "true", value: isBoolean, idle: "bad packets are counted by reason and logged at a bounded rate"},
	}
}

// laterDirectives are those that a later version acts upon.
func laterDirectives() []directive {
	return []directive{
		{name: "stonith", form: "TYPE FILE", whole: true, line: (*haCF).stonith},
		{name: "stonith_host", form: "NODE|* TYPE PARAMETERS", whole: true, line: (*haCF).stonithHost},
		{name: "watchdog", form: "DEVICE", value: isPath, once: true},
		{name: "serial", form: "DEVICE...", line: (*haCF).serial, idle: idleSerial},
		{name: "baud", form: "RATE", initial: "19200", once: true, idle: idleSerial,
			value: isOneOf("9600", "19200", "38400", "57600", "115200", "230400", "460800")},
		{name: "msgfmt", form: "classic|netstring", initial: "classic", value: isOneOf("classic", "netstring"), idle: "heartbeats are sent as netstrings, and both forms are understood"},
		{name: "uuidfrom", form: "file|nodename", initial: "file", value: isOneOf("file", "nodename"), idle: "the node's uuid is kept in a file"},
	}
}

// idleDirectives are those that have nothing to act upon here.
func idleDirectives() []directive {
	return []directive{
		{name: "hopfudge", form: "0..255", initial: "1", value: isNumber(0, 255), idle: "heartbeats are never passed on from link to link"},
		{name: "respawn", form: "USER /PATH ARGUMENTS", whole: true, line: (*haCF).program, idle: idlePrograms},
		{name: "failfast", form: "USER /PATH ARGUMENTS", whole: true, line: (*haCF).program, idle: idlePrograms},
		{name: "apiauth", form: "CLIENT uid=LIST gid=LIST", whole: true, line: (*haCF).apiauth, idle: "the control socket asks the kernel who calls: the group haclient reads, root acts"},
		{name: "compression", form: "zlib|bz2", initial: "zlib", value: isOneOf("zlib", "bz2"), idle: idleCompress},
		{name: "compression_threshold", form: "KIB", initial: "2", value: isNumber(1, maxNumber), idle: idleCompress},
		{name: "traditional_compression", form: "yes|no", initial: "no", value: isBoolean, idle: idleCompress},
		{name: "max_rexmit_delay", form: "MILLISECONDS", initial: "250", value: isNumber(1, maxNumber), idle: "nothing is sent again; the next heartbeat says everything"},
		{name: "hbgenmethod", form: "file|time", initial: "file", value: isOneOf("file", "time"), idle: "the incarnation is above both the saved one and the clock"},
		{name: "realtime", form: "yes|no", initial: "true", value: isBoolean, idle: idleRealtime},
		{name: "rtprio", form: "PRIORITY", value: isNumber(1, 99), idle: idleRealtime},
		{name: "memreserve", form: "KIB", initial: "6500", value: isNumber(1, maxNumber), idle: idleRealtime},
		{name: "quorum_server", form: "NAME", value: isAny, idle: "there is no quorum server; an arbiter comes with a later version"},
		{name: "coredumps", form: "yes|no", initial: "true", value: isBoolean, idle: idleCores},
		{name: "coreroot", form: "PATH", value: isAny, idle: idleCores},
		{name: "use_apphbd", form: "yes|no", value: isBoolean, idle: "the service manager watches the daemon"},
		{name: "normalpoll", form: "yes|no", value: isBoolean, idle: "the daemon has no polling to tune"},
		{name: "crm_daemon_dir", form: "PATH", value: isAny, idle: idleCRM},
		{name: "crmd_spawns_pengine", form: "yes|no", value: isBoolean, idle: idleCRM},
		{name: "record_config_changes", form: "on|off", initial: "on", value: isBoolean, idle: idleCRM},
		{name: "record_pengine_inputs", form: "on|off", initial: "on", value: isBoolean, idle: idleCRM},
		{name: "enable_config_writes", form: "on|off", initial: "on", value: isBoolean, idle: idleCRM},
	}
}

// maxNumber bounds numbers that have no bound of their own.
const maxNumber = 1<<31 - 1

func isHaresources(text string) (wrong, remedy string) {
	if truth, ok := parseBoolean(text); ok && !truth {
		return "", ""
	}
	return "asks for Pacemaker, which is not here", "write 'crm no' or remove the line: groups are written in haresources"
}

func isAutojoin(text string) (wrong, remedy string) {
	if text == "none" {
		return "", ""
	}
	return "would let unknown nodes join", "write 'autojoin none' or remove the line, and name both nodes"
}

// maxClusterName bounds the name, which is in every heartbeat.
const maxClusterName = 64

func isClusterName(text string) (wrong, remedy string) {
	if len(text) > maxClusterName || !consistsOf(text, "-._:@") {
		return "cannot be the name of a cluster", "use at most 64 letters, digits, '-', '_' and dots"
	}
	return "", ""
}

func isFacility(text string) (wrong, remedy string) {
	return isOneOf("none", "auth", "authpriv", "cron", "daemon", "kern", "lpr", "mail", "news", "syslog", "user", "uucp",
		"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7")(text)
}
