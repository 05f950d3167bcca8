package config

import (
	"io/fs"
	"net/netip"
	"strings"

	"lubdub/internal/cluster"
)

// Loaded is a configuration without an error. It is never changed.
type Loaded struct {
	Config      cluster.Config    // what decisions depend on
	Dir         string            // where the files are, and resource.d
	Nodes       []string          // as in ha.cf, lower case
	Links       []Link            // Config.Links has their names, in the same order
	Pings       []Ping            // Config.Pings has their names, in the same order
	Keys        []Key             // by number
	Sign        int               // the number of the key that signs
	Log         Logging           // where the log goes
	Directives  map[string]string // ha.cf as scripts see it, HA_<name>: as written, or Heartbeat's default
	Env         []string          // NAME=VALUE of ha.cf's env lines; scripts get HA_NAME
	Proxies     []Proxy
	Watched     []Watch       // files and trees whose digests are compared
	PeerCommand []string      // how a command is run on the peer
	APIGroup    string        // who may read the control socket
	NodeLines   []string      // the lines of lubdub.conf that count on one node, and whether on this one
	Watchdog    Watchdog      // of this node
	Fences      []FenceDevice // those of both nodes
	Hooks       []Hook        // in the order of lubdub.conf
	Alerts      []Alert
}

// Logging is what ha.cf says about the log.
type Logging struct {
	Facility  string // of syslog; "none" or empty: not there
	File      string
	DebugFile string
	UseLogd   bool // only for scripts: HA_LOGD
	Debug     int  // 0 to 255
}

// Options are what the files do not say.
type Options struct {
	Node       string       // this node's name from the command line; wins over nodeinfo
	Hostname   string       // what uname -n prints
	Port       int          // ha-cluster in /etc/services; 0: Heartbeat's 694
	Interfaces []Interface  // of this machine; nil: not known, and nothing is checked against them
	Own        []netip.Addr // addresses that belong to this machine itself, whatever lubdub does
}

// Files are the texts of a configuration. Nil is a file that does not exist.
type Files struct {
	Dir         string // stands before the names in messages
	HaCF        []byte
	Haresources []byte
	Authkeys    []byte
	LubdubConf  []byte // may be missing
	Nodeinfo    []byte // may be missing

	findings map[string]finding     // what reading the files from disk found wrong, by name
	modes    map[string]fs.FileMode // of the files on disk, by name
}

// finding is what is wrong with a file beside its text.
type finding struct {
	words, remedy string
	unread        bool // its text is not there
}

// The files' names, in the order in which problems are shown.
const (
	nameHaCF = iota
	nameHaresources
	nameAuthkeys
	nameLubdubConf
	nameNodeinfo
)

// Parse turns the files into a configuration, or nil if there is an error in
// them. The problems are sorted by file and position.
func Parse(files Files, opts Options) (*Loaded, Problems) {
	log := &report{}
	ha := readHaCF(files.source(nameHaCF, log), opts)
	groups := readHaresources(files.source(nameHaresources, log))
	keys := readAuthkeys(files.source(nameAuthkeys, log))
	name, from := ownName(opts, files.source(nameNodeinfo, log), files.Nodeinfo)
	extra := readLubdubConf(files.source(nameLubdubConf, log), groups, ha.nodes, name)

	l := &Loaded{Dir: files.Dir, Nodes: texts(ha.nodes), Env: ha.env, Log: ha.logging(), Proxies: extra.proxies,
		Watched: extra.watches, PeerCommand: extra.command, APIGroup: extra.apiGroup, NodeLines: extra.nodeLines()}
	l.Config.Cluster = ha.text("cluster")
	l.Config.AutoFailback = ha.failback()
	ha.times(&l.Config)
	ha.identify(&l.Config, name, from)
	l.Links = ha.finishLinks()
	for _, k := range l.Links {
		l.Config.Links = append(l.Config.Links, k.Name)
	}
	l.Keys, l.Sign = keys.list(), number(keys.sign.text)
	if keys.keys[l.Sign].Method == "crc" && keys.found {
		ha.checkCRC(extra.point)
	}
	extra.finish(ha, l.Config)
	groups.checkNodes(ha.nodes)
	shared := groups.addresses(groups.checkKeys())
	groups.place(opts.Interfaces, shared)
	l.Pings = ha.finishPings(&l.Config, shared)
	extra.checkIsolated(l.Pings)
	groups.checkOwn(opts.Own)
	l.Config.Groups = groups.list()
	extra.policies(&l.Config)
	l.Watchdog = ha.watchdog(extra, l)
	l.Fences = finishFences(ha, extra, &l.Config)
	l.Hooks, l.Alerts = extra.hooks, extra.finishAlerts(l.Config.Self)
	l.Directives = ha.recorded()
	l.Config.Digests = append(digests(ha, groups, extra, l), extra.watchDigests()...)

	groups.checkSize(l.Config)
	extra.checkBeat(l.Config)
	for i, w := range l.PeerCommand {
		if w == "NODE" {
			l.PeerCommand[i] = l.Config.Peer
		}
	}
	problems := log.sorted()
	if problems.HasErrors() {
		return nil, problems
	}
	return l, problems
}

// failback is the value of auto_failback; legacy behaves as on.
func (h *haCF) failback() bool {
	text := h.text("auto_failback")
	if !strings.EqualFold(text, "legacy") {
		on, _ := parseBoolean(text)
		return on
	}
	const words, remedy = "which behaves as on", "write auto_failback on, or off so that a group stays where it is"
	if w, ok := h.last["auto_failback"]; ok {
		h.at(Notice, w, "auto_failback is legacy, "+words, remedy)
	} else if h.usable() {
		h.whole(Notice, "without a line auto_failback is legacy, "+words, remedy)
	}
	return true
}

// source makes the lines of a file, and reports when it cannot.
func (f Files) source(which int, log *report) *source {
	file := [...]struct {
		name string
		data []byte
		need string
	}{
		nameHaCF:        {"ha.cf", f.HaCF, "the nodes, links and times"},
		nameHaresources: {"haresources", f.Haresources, "the resource groups"},
		nameAuthkeys:    {"authkeys", f.Authkeys, "the keys"},
		nameLubdubConf:  {"lubdub.conf", f.LubdubConf, ""},
		nameNodeinfo:    {"nodeinfo", f.Nodeinfo, ""},
	}[which]
	found, bad := f.findings[file.name]
	if bad && found.unread {
		file.data = nil
	}
	s := newSource(which, f.Dir, file.name, file.data, log)
	s.mode = f.modes[file.name]
	switch {
	case bad:
		s.broken = s.broken || found.unread
		s.whole(Error, found.words, found.remedy)
	case s.absent && file.need != "":
		s.whole(Error, "there is no such file; it holds "+file.need, "'lubdub init"+f.otherDir()+"' writes all three files")
	}
	return s
}

// usualDir is where the files are unless a command is told otherwise.
const usualDir = "/etc/ha.d"

// otherDir is what a command needs to find the files.
func (f Files) otherDir() string {
	if f.Dir == usualDir || f.Dir == "" {
		return ""
	}
	return " -d " + f.Dir
}
