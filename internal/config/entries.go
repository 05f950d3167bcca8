package config

import (
	"fmt"
	"slices"
	"strings"
)

// entry is one word of lubdub.conf. The table of them is both what the reader
// goes by and what Reference prints.
type entry struct {
	name    string
	form    string // what follows it
	meaning string
	usual   string // what holds without it
	example string
	fixed   int // positional words that must be there
	more    bool
	options []option // what may follow as key=value; nil with free: any
	free    bool     // options have names of the user's
	bare    bool     // it may stand without options
	once    bool     // of two the last one counts
	initial string   // the plain word that changes nothing
	alone   bool     // a line may count on one node alone, behind 'on'
	same    string   // why not
	apply   func(*lubdubConf, statement)
}

// option is a key=value of an entry.
type option struct {
	name    string
	value   value
	initial string // what changes nothing when it is written
	need    bool
	many    bool
}

// The names of the policies' values.
const (
	policyStrict = "strict"
	policyTake   = "take"
	policyKeep   = "keep"
)

// entries is the whole vocabulary of lubdub.conf.
func entries() []entry {
	all := slices.Concat(resourceEntries(), failureEntries(), serviceEntries(), nodeEntries(), fenceEntries(), hookEntries(), alertEntries())
	return append(all, onEntry(all))
}

func resourceEntries() []entry {
	return []entry{
		{name: "name", form: "KEY NAME", fixed: 2, apply: (*lubdubConf).name, same: "heartbeats call the group by its name",
			meaning: "Calls the group whose first resource is KEY by a NAME of yours. KEY may be written with or without its arguments.",
			usual:   "a group is called by its first resource", example: "name 192.0.2.100 web"},
		{name: "monitor", form: "GROUP|RESOURCE interval=TIME|off timeout=TIME depth=N deeper=N:TIME...", fixed: 1, alone: true, apply: (*lubdubConf).monitor,
			options: []option{{name: "interval", value: isInterval, initial: "10s"}, {name: "timeout", value: isDuration}, {name: "depth", value: isNumber(0, maxDepth), initial: "0"},
				{name: "deeper", value: isLook, many: true}},
			meaning: "How often a resource is asked whether it runs, how long the answer may take, and how thoroughly an OCF agent looks (OCF_CHECK_LEVEL: its meta-data say what 10 or 20 mean). With deeper= the first look after each TIME goes to that depth instead. A group's name stands for all its resources. RESOURCE is its word of haresources without arguments, or GROUP/RESOURCE where several groups have one of that name.",
			usual:   "interval=10s timeout=20s depth=0, nothing deeper; an OCF agent that advises a longer time-out gets it", example: "monitor web interval=5s timeout=20s\nmonitor apache deeper=10:1m"},
		{name: "timeout", form: "RESOURCE start=TIME stop=TIME", fixed: 1, alone: true, apply: (*lubdubConf).timeout,
			options: []option{{name: "start", value: isDuration}, {name: "stop", value: isDuration}},
			meaning: "How long starting and stopping a resource may take.",
			usual:   "start=60s stop=60s; an OCF agent that advises more gets it", example: "timeout apache start=90s stop=30s"},
		{name: "warm", form: "RESOURCE...", fixed: 1, more: true, apply: (*lubdubConf).warm, same: "it says what runs on both nodes",
			meaning: "The resource runs on both nodes all the time; only the address moves.",
			usual:   "only lubdub-proxy is warm", example: "warm apache"},
		{name: "param", form: "RESOURCE NAME=VALUE...", fixed: 1, free: true, alone: true, apply: (*lubdubConf).param,
			meaning: "Parameters for an OCF agent by name, beside its arguments in haresources.",
			usual:   "none", example: `param apache options="-D SSL" statusurl=http://127.0.0.1/server-status`},
		{name: "proxy", form: "NAME listen=[ADDRESS]:PORT... backend=URL... health=/PATH cert=FILE key=FILE log=FILE user=NAME", fixed: 1, alone: true, apply: (*lubdubConf).proxy,
			options: []option{{name: "listen", value: isListen, need: true, many: true}, {name: "backend", value: isBackend, need: true, many: true},
				{name: "health", value: isPath}, {name: "cert", value: isPath}, {name: "key", value: isPath}, {name: "log", value: isPath}, {name: "user", value: isUser}},
			meaning: "Settings of the built-in reverse proxy that haresources runs as lubdub-proxy::NAME. With several backends those serve that answer health with a status below 400. With cert and key it speaks TLS.",
			usual:   "health=/ user=nobody, no TLS, log beside the daemon's", example: `proxy web listen=192.0.2.100:80 backend=http://10.0.0.11:8080 \
    backend=http://10.0.0.12:8080 health=/healthz`},
	}
}

// serviceEntries are about how a service is run and asked beside its agent.
func serviceEntries() []entry {
	return []entry{
		{name: "exec", form: `NAME start="COMMAND" stop="COMMAND" monitor="COMMAND"`, fixed: 1, alone: true, apply: (*lubdubConf).exec,
			options: []option{{name: "start", value: isCommand, need: true}, {name: "stop", value: isCommand, need: true}, {name: "monitor", value: isCommand, need: true}},
			meaning: "The commands of a resource that haresources runs as exec:NAME. A command is a full path and its arguments, parted by blanks; no shell reads it. start and stop must end when the service is up or down, with exit code 0. monitor ends with 0 when it runs, and with any other code when it does not.",
			usual:   "none", example: `exec queue start="/usr/local/sbin/queue -d" stop="/usr/local/sbin/queue stop" \
    monitor="/usr/bin/pgrep -x queue"`},
		{name: "user", form: "RESOURCE NAME", fixed: 2, alone: true, apply: (*lubdubConf).user,
			meaning: "The agent or the commands of the resource run as this user and its groups, with HOME, LOGNAME and USER. The programs must belong to root all the same.",
			usual:   "root", example: "user apache www-data"},
		{name: "log", form: "RESOURCE PATH...", fixed: 2, more: true, alone: true, apply: (*lubdubConf).serviceLog,
			meaning: "Where the service writes what it has to say: up to 3 files. When an action on the resource fails, status and why show the last lines written since it began.",
			usual:   "the ErrorLog of httpd, and the usual file of well-known services", example: "log apache /var/log/httpd/ssl_error_log"},
		{name: "probe", form: "RESOURCE tcp HOST:PORT | RESOURCE http[s]://... status=N body=TEXT days=N", fixed: 2, more: true, bare: true, alone: true, apply: (*lubdubConf).probe,
			options: []option{{name: "status", value: isNumber(100, 599)}, {name: "body", value: isAny}, {name: "days", value: isNumber(1, maxDays)}},
			meaning: "What is asked whenever the resource is monitored and its agent says that it runs: it takes connections, or answers over HTTP with a status below 400 or this one, and with this text in the first MiB. Redirects are not followed, and whether a certificate is trusted is not judged; when it ends within so many days the resource is degraded, not failed. One line for each thing to ask. An answer may take 10s, and all of it the time-out of monitor.",
			usual:   "the agent alone is asked; days=14", example: "probe apache http://127.0.0.1/health status=200 body=ok"},
	}
}

func nodeEntries() []entry {
	return []entry{
		{name: "coldstart", form: "compat|strict", fixed: 1, once: true, alone: true, initial: "compat", apply: (*lubdubConf).policy,
			meaning: "What a node does after a boot when it does not hear the other one: start after initdead if nobody answers for the address (compat), or wait for the other node or the operator (strict).",
			usual:   "compat", example: "coldstart compat"},
		{name: "partition", form: "stay|take", fixed: 1, once: true, initial: "stay", apply: (*lubdubConf).policy,
			same:    "who takes an address that still answers is one rule for both",
			meaning: "What a node does when the other one is silent but its address still answers: leave it there (stay), or take it all the same, as Heartbeat does (take).",
			usual:   "stay", example: "partition stay"},
		{name: "isolated", form: "yield|keep", fixed: 1, once: true, initial: "yield", apply: (*lubdubConf).policy,
			same:    "each node reckons with what the other one does",
			meaning: "What an owner does that reaches neither the other node nor enough of the ping nodes of ha.cf: let the address fall silent (yield) or go on (keep).",
			usual:   "yield", example: "isolated yield"},
		{name: wordWatchdog, form: "optional|required", fixed: 1, once: true, alone: true, initial: wordOptional, apply: (*lubdubConf).watchdogPolicy,
			meaning: "What a node does when the watchdog device of ha.cf is missing, taken, or too slow for the deadtime: serve without it, or with a longer deadtime, and say so (optional), or not start at all (required).",
			usual:   wordOptional, example: "watchdog optional"},
		{name: "watchfile", form: "PATH...", fixed: 1, more: true, apply: (*lubdubConf).watchfile, same: "the file is compared with the other node's",
			meaning: "A file that must be equal on both nodes, such as a service's own configuration: content, mode and owner. Both nodes report when it differs; 'lubdub sync' copies it.",
			usual:   "none beside ha.cf, haresources and lubdub.conf", example: "watchfile /etc/httpd/conf/httpd.conf"},
		{name: "watchtree", form: "PATH... exclude=GLOB...", fixed: 1, more: true, bare: true, apply: (*lubdubConf).watchtree, same: "the tree is compared with the other node's",
			options: []option{{name: "exclude", value: isGlob, many: true}},
			meaning: "A directory that must be equal on both nodes with everything below it: names, types, modes, owners, contents and where symlinks point. A GLOB without '/' leaves out names anywhere, one with '/' a path below PATH, and what is below them. Watched in the background, at once where the kernel says that something changed and each minute; content that did not change is not read again. At most 8 files and trees, 200000 names and 64 levels a tree, and no other file system that is mounted in it.",
			usual:   "none", example: "watchtree /var/www exclude=*.log exclude=/cache/*"},
		{name: "point-to-point", form: "INTERFACE...", fixed: 1, more: true, alone: true, apply: (*lubdubConf).pointToPoint,
			meaning: "The links on this interface are one cable between the two nodes, so crc is enough for authentication there.",
			usual:   "every link is a network", example: "point-to-point eth1"},
		{name: "peer-command", form: `"COMMAND NODE"`, fixed: 1, more: true, once: true, alone: true, apply: (*lubdubConf).peerCommand,
			meaning: "How commands that need the other node run there. NODE stands for the other node's name.",
			usual:   `"ssh NODE"`, example: `peer-command "ssh -o BatchMode=yes NODE"`},
		{name: "api-group", form: "GROUP", fixed: 1, once: true, alone: true, apply: (*lubdubConf).setGroup,
			meaning: "Members of this group may read the status over the control socket. Only root may act.",
			usual:   "haclient", example: "api-group haclient"},
	}
}

// Reference explains every word of lubdub.conf: form, meaning, default, example.
func Reference() string {
	var text strings.Builder
	text.WriteString(`lubdub.conf holds what Heartbeat's files have no word for. One directive a line;
words are separated by blanks; "double quotes" keep blanks in a word; '#' at the
beginning of a word starts a comment; '\' at the end of a line continues it.
Times need their unit: 500ms, 10s, 1m30s. The order of lines does not matter:
what is said of a resource counts more than what is said of its group, and what
is said behind 'on NODE' more than what holds on both nodes.
`)
	for _, e := range entries() {
		fmt.Fprintf(&text, "\n%s\n", e.synopsis())
		for _, line := range wrapped(e.meaning) {
			fmt.Fprintf(&text, "    %s\n", line)
		}
		fmt.Fprintf(&text, "    Default: %s\n    Example:\n", e.usual)
		for line := range strings.SplitSeq(e.example, "\n") {
			fmt.Fprintf(&text, "        %s\n", line)
		}
	}
	return text.String()
}

// synopsis is how the entry is written.
func (e entry) synopsis() string { return e.name + " " + e.form }

// lineWidth is what a terminal shows beside the margin.
const lineWidth = 72

// wrapped breaks text into lines.
func wrapped(text string) []string {
	var out []string
	line := ""
	for w := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(w) > lineWidth {
			out = append(out, line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+w, " ")
	}
	return append(out, line)
}
