package agent

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// kernelCauses are what the kernel tells of a service that it stopped or hindered.
func kernelCauses() []cause {
	return []cause{
		{"SELinux forbids it", regexp.MustCompile(`avc: +denied +\{ ([^}]+) \} for (.*)`), deniedBySELinux},
		{"AppArmor forbids it", regexp.MustCompile(`apparmor="DENIED" (.*)`), deniedByAppArmor},
		{"Memory ran out", regexp.MustCompile(`[Oo]ut of memory: Killed process (\d+) \(([^)]+)\)`), killedForMemory},
		{"It crashed", regexp.MustCompile(`([^\s\[]+)\[(\d+)\]:? (?:segfault at \S+|general protection fault|trap invalid opcode)[^\n]*?(?: in ([^\s\[,]+)\[|$)`), crashed},
		{"It crashed", regexp.MustCompile(`traps: ([^\s\[]+)\[(\d+)\] (?:general protection fault|trap )[^\n]*?(?: in ([^\s\[,]+)\[|$)`), crashed},
	}
}

// fields reads NAME=VALUE and NAME="VALUE", as audit writes them.
func fields(text string) map[string]string {
	out := map[string]string{}
	for _, m := range auditField.FindAllStringSubmatch(text, -1) {
		out[m[1]] = strings.Trim(m[2], `"`)
	}
	return out
}

var auditField = regexp.MustCompile(`(\w+)=("[^"]*"|\S+)`)

// denials are what was denied according to auditd's log. It is a log of the evidence no longer: it is the kernel that speaks.
func (e *evidence) denials() []string {
	i := slices.IndexFunc(e.logs, func(s source) bool { return s.name == auditLog })
	if i < 0 {
		return nil
	}
	lines := e.logs[i].lines
	e.logs = slices.Delete(e.logs, i, i+1)
	return lines
}

// ours says that a process of that name belongs to the resource, as far as a name can tell.
func (e *evidence) ours(name string) bool {
	return slices.ContainsFunc(programsOf(e.q.Resource), func(p string) bool {
		const kept = 15 // bytes of a program's name in the kernel
		return name != "" && (name == p || name == p[:min(len(p), kept)])
	})
}

func deniedBySELinux(e *evidence, m []string) *Problem {
	f := fields(m[2])
	context := strings.Split(f["scontext"], ":")
	if len(context) < 3 || f["permissive"] == "1" || !e.ours(f["comm"]) && !strings.HasPrefix(context[2], programsOf(e.q.Resource)[0]+"_") {
		return nil
	}
	rights := strings.Fields(m[1])
	words := fmt.Sprintf("SELinux forbids %s to %s", f["comm"], strings.Join(rights, ", "))
	switch port := cmp.Or(f["src"], f["dest"]); {
	case slices.Contains(rights, "name_bind"):
		return &Problem{fmt.Sprintf("SELinux forbids %s to listen on port %s", f["comm"], port),
			fmt.Sprintf("allow it with: semanage port -a -t http_port_t -p tcp %s (http_port_t is for web servers: semanage port -l)", port)}
	case slices.Contains(rights, "name_connect"):
		remedy := "allow it with a boolean: getsebool -a"
		if context[2] == "httpd_t" {
			remedy = "allow it with: setsebool -P httpd_can_network_connect on"
		}
		return &Problem{fmt.Sprintf("SELinux forbids %s to connect to port %s", f["comm"], port), remedy}
	}
	name := cmp.Or(f["path"], f["name"])
	if name == "" {
		return &Problem{words + fmt.Sprintf(" (%s)", f["tclass"]), "see why with: ausearch -m avc -ts recent | audit2why"}
	}
	remedy := "restorecon -Rv " + name
	if !path.IsAbs(name) {
		remedy = "find it and put its label right: restorecon -Rv DIRECTORY"
	}
	target := strings.Split(f["tcontext"], ":")
	if len(target) > 2 {
		name += ", which has the label " + target[2]
	}
	return &Problem{words + " " + name, remedy + "; if the label is right, see: ausearch -m avc -ts recent | audit2why"}
}

func deniedByAppArmor(e *evidence, m []string) *Problem {
	f := fields(m[1])
	if !e.ours(f["comm"]) && !e.ours(path.Base(f["profile"])) {
		return nil
	}
	what := strings.TrimSpace(f["operation"] + " " + f["name"])
	if f["capability"] != "" && f["capname"] != "" {
		what = "use the capability " + f["capname"]
	}
	if mask := f["requested_mask"]; mask != "" && f["name"] != "" {
		what += " (" + mask + ")"
	}
	return &Problem{fmt.Sprintf("AppArmor forbids %s to %s, by the profile %s", f["comm"], what, f["profile"]),
		fmt.Sprintf("add it to the profile in /etc/apparmor.d/local and reload that; to see whether that is all: aa-complain %s", f["profile"])}
}

func killedForMemory(e *evidence, m []string) *Problem {
	if !e.ours(m[2]) {
		return nil
	}
	return &Problem{fmt.Sprintf("the kernel killed %s (process %s), for memory ran out", m[2], m[1]), "see who takes it with ps --sort=-rss aux; give the machine or its unit (MemoryMax=) more"}
}

func crashed(e *evidence, m []string) *Problem {
	if !e.ours(m[1]) {
		return nil
	}
	where := ""
	if m[3] != "" && m[3] != m[1] {
		where = " in " + m[3]
	}
	return &Problem{fmt.Sprintf("%s (process %s) crashed%s", m[1], m[2], where), "look for a newer version of it, or do without what crashed; coredumpctl may know more"}
}
