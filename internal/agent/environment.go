package agent

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"lubdub/internal/cluster"
)

// searchPath is where agents find their commands: Heartbeat's directories first, as its shellfuncs has them, and none
// that others than root may change on a usual system (which rules /usr/local out).
const searchPath = "/usr/libexec/heartbeat:/usr/sbin:/usr/share/heartbeat:/usr/bin:/sbin:/bin"

// shellFunctions is the file that Heartbeat's scripts source.
const shellFunctions = usualConfigDir + "/shellfuncs"

// reasonPrefix begins the line in which an OCF agent says why it failed.
const reasonPrefix = "ocf-exit-reason:"

// environment returns all variables that an agent gets, sorted. A later layer wins: what ha.cf says, then ours, then
// the agent's parameters.
func (r *Runner) environment(q Request, p plan, interval time.Duration) []string {
	env := map[string]string{}
	r.addSettings(env)
	r.addHeartbeat(env)
	r.addRequest(env, q)
	if p.class == classOCF {
		addOCF(env, q, p, interval)
	} else if interval > 0 {
		// A script of Heartbeat's that hands on to an OCF agent hands this on, too.
		env["OCF_RESKEY_CRM_meta_interval"] = milliseconds(interval)
	}
	for _, param := range append(unless(q.Resource.Type), p.params...) {
		name, value, _ := strings.Cut(param, "=")
		if isVariable(name) {
			env["OCF_RESKEY_"+name] = value
		}
		if name == "OCF_CHECK_LEVEL" {
			env[name] = value
		}
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		out = append(out, name+"="+env[name])
	}
	return out
}

// unless are parameters of an agent that hold unless others are given. Delay waits half a minute each time that it is
// asked whether it runs, longer than an answer may take; and nobody who wants a delay between two resources wants that.
func unless(kind string) []string {
	if kind == "Delay" {
		return []string{"mondelay=0"}
	}
	return nil
}

// addSettings adds what ha.cf says. debug is there for scripts that look.
func (r *Runner) addSettings(env map[string]string) {
	env["HA_debug"] = "0"
	env["HA_NICEFAILBACK"] = "yes"
	for _, s := range r.Settings {
		name, value, _ := strings.Cut(s, "=")
		if !isVariable(name) {
			continue
		}
		env["HA_"+name] = value
		if name == "auto_failback" && value == "legacy" {
			delete(env, "HA_NICEFAILBACK")
		}
	}
}

// addHeartbeat adds what Heartbeat 3.0.6 gives its scripts. The log variables are ours: with no log facility, no log
// file and no log daemon, agents write their words to standard error, where we hear them.
func (r *Runner) addHeartbeat(env map[string]string) {
	maps.Copy(env, map[string]string{
		"PATH":   searchPath,
		"LC_ALL": "C",
		// An init script that hands over to systemctl would wait for lubdub itself when the machine shuts down.
		"SYSTEMCTL_SKIP_REDIRECT": "1",
		"HA_CURHOST":              r.Node,
		"HA_DIR":                  r.configDir(),
		"HA_CF":                   r.configDir() + "/ha.cf",
		"HA_RCDIR":                r.configDir() + "/rc.d",
		"HA_RESOURCEDIR":          r.resourceDir(),
		"HA_FUNCS":                shellFunctions,
		"HA_BIN":                  "/usr/libexec/heartbeat",
		"HA_FIFO":                 "/var/lib/heartbeat/fifo",
		"HA_DOCDIR":               "/usr/share/doc/heartbeat",
		"HA_DATEFMT":              "%Y/%m/%d_%T\t",
		"HA_LOGD":                 "no",
		"HA_LOGFACILITY":          "",
		"HA_LOGFILE":              "",
		"HA_DEBUGLOG":             "/dev/null",
		"HA_RSCTMP":               r.tempDir(),
		"OCF_ROOT":                r.ocfRoot(),
		"OCF_AGENTS":              r.ocfRoot() + "/resource.d/" + usualProvider + "/",
	})
}

// addRequest adds what holds for this action.
func (r *Runner) addRequest(env map[string]string, q Request) {
	env["LUBDUB_EPOCH"] = strconv.FormatUint(q.Epoch, 10)
	if q.Deadline != 0 {
		env["LUBDUB_DEADLINE"] = strconv.FormatInt(int64(q.Deadline), 10)
	}
	env["OCF_EXIT_REASON_PREFIX"] = reasonPrefix
	env["OCF_RESKEY_CRM_meta_timeout"] = milliseconds(q.Timeout)
}

// addOCF adds what the OCF resource agent API 1.1 says.
func addOCF(env map[string]string, q Request, p plan, interval time.Duration) {
	maps.Copy(env, map[string]string{
		"OCF_RA_VERSION_MAJOR":         "1",
		"OCF_RA_VERSION_MINOR":         "1",
		"OCF_RESOURCE_INSTANCE":        instance(q.Group, q.Resource),
		"OCF_RESOURCE_TYPE":            q.Resource.Type,
		"OCF_RESOURCE_PROVIDER":        p.provider,
		"OCF_CHECK_LEVEL":              depth(q),
		"OCF_RESKEY_CRM_meta_name":     string(q.Action),
		"OCF_RESKEY_CRM_meta_interval": milliseconds(interval),
	})
}

// depth is how thorough a monitor action is to be.
func depth(q Request) string {
	if q.Action != cluster.Monitor {
		return "0"
	}
	return strconv.Itoa(q.Resource.Depth)
}

// instance names a resource for its agent, which uses that name for files: only letters, digits, dot, dash, underscore.
func instance(group string, res cluster.Resource) string {
	name := res.Name
	if group != "" {
		name = group + "_" + name
	}
	return strings.Map(func(c rune) rune {
		if c < 0x80 && (isWordByte(byte(c)) || c == '.' || c == '-') {
			return c
		}
		return '-'
	}, name)
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// isVariable says that text can end the name of a variable.
func isVariable(text string) bool {
	for i := range len(text) {
		if !isWordByte(text[i]) {
			return false
		}
	}
	return text != ""
}

func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
