package agent

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lubdub/internal/cluster"
)

// The usual places.
const (
	usualConfigDir = "/etc/ha.d"
	usualInitDir   = "/etc/init.d"
	usualOCFRoot   = "/usr/lib/ocf"
	usualTempDir   = "/run/resource-agents"
)

func (r *Runner) configDir() string { return cmp.Or(r.ConfigDir, usualConfigDir) }
func (r *Runner) resourceDir() string {
	return cmp.Or(r.ResourceDir, filepath.Join(usualConfigDir, "resource.d"))
}
func (r *Runner) initDir() string { return cmp.Or(r.InitDir, usualInitDir) }
func (r *Runner) ocfRoot() string { return cmp.Or(r.OCFRoot, usualOCFRoot) }
func (r *Runner) tempDir() string { return cmp.Or(r.TempDir, usualTempDir) }

// usualProvider is the provider whose agents are looked at first.
const usualProvider = "heartbeat"

// plan is how a resource is run.
type plan struct {
	class    string
	path     string   // of the agent
	provider string   // of an OCF agent
	argv     []string // what to execute; the verb goes last
	params   []string // of an OCF agent, each NAME=VALUE
	as       account
}

// plan finds what runs the resource, and checks all that can be checked without running it.
func (r *Runner) plan(res cluster.Resource) (plan, *Problem) {
	p := plan{class: res.Class, provider: res.Provider}
	switch res.Class {
	case classAddress:
		return p, r.checkAddress(res)
	case classProxy:
		if r.Proxy == nil {
			return p, &Problem{Words: "this program has no built-in proxy"}
		}
		return p, nil
	case classSystemd:
		if !isName(res.Type) {
			return p, &Problem{Words: fmt.Sprintf("%q cannot be the name of a unit", res.Type)}
		}
		return p, nil
	}
	var wrong *Problem
	if p.as, wrong = accountOf(res.User); wrong != nil || res.Class == classExec {
		return p, wrong
	}
	if wrong := r.find(&p, res); wrong != nil {
		return p, wrong
	}
	interpreter, wrong := checkProgram(p.path)
	if wrong != nil {
		return p, wrong
	}
	p.argv = append(interpreter, p.path)
	return p, p.arguments(res)
}

func (r *Runner) checkAddress(res cluster.Resource) *Problem {
	switch {
	case r.Addresses == nil:
		return &Problem{Words: "this program cannot change addresses"}
	case len(res.Addresses) == 0:
		return &Problem{Words: "no address is given", Remedy: "write it as ADDRESS/BITS/INTERFACE"}
	case res.Interface == "":
		return &Problem{Words: fmt.Sprintf("no interface fits %s", res.Addresses[0].Addr()), Remedy: "write it as ADDRESS/BITS/INTERFACE"}
	}
	return nil
}

// arguments hands the resource's arguments on, as its class takes them.
func (p *plan) arguments(res cluster.Resource) *Problem {
	if p.class != classOCF {
		p.argv, p.params = append(p.argv, res.Args...), res.Params
		return nil
	}
	byPosition, wrong := parameters(res.Type, res.Args)
	p.params = append(byPosition, res.Params...)
	return wrong
}

// place is a path where an agent may be.
type candidate struct{ class, provider, path string }

// find looks for the agent: the first regular file that can be executed.
func (r *Runner) find(p *plan, res cluster.Resource) *Problem {
	if !isName(res.Type) || res.Provider != "" && !isName(res.Provider) {
		return &Problem{Words: fmt.Sprintf("%q cannot be the name of an agent", res.Type)}
	}
	places, wrong := r.candidates(res)
	if wrong != nil {
		return wrong
	}
	var lame string
	for _, c := range places {
		info, err := os.Stat(c.path)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if info.Mode().Perm()&0o111 == 0 {
			lame = cmp.Or(lame, c.path)
			continue
		}
		p.class, p.provider, p.path = c.class, c.provider, c.path
		return nil
	}
	if lame != "" {
		return &Problem{Words: lame + " cannot be executed", Remedy: "chmod +x " + lame}
	}
	var dirs []string
	for _, c := range places {
		dirs = append(dirs, filepath.Dir(c.path))
	}
	return &Problem{
		Words:  fmt.Sprintf("there is no agent %s in %s", res.Type, strings.Join(dirs, ", ")),
		Remedy: "install it (OCF agents are in the package resource-agents) or correct the name",
	}
}

// candidates returns where an agent may be, best first.
func (r *Runner) candidates(res cluster.Resource) ([]candidate, *Problem) {
	script := candidate{classHeartbeat, "", filepath.Join(r.resourceDir(), res.Type)}
	init := candidate{classLSB, "", filepath.Join(r.initDir(), res.Type)}
	ocf := func(provider string) candidate {
		return candidate{classOCF, provider, filepath.Join(r.ocfRoot(), "resource.d", provider, res.Type)}
	}
	switch res.Class {
	case "":
		places := []candidate{script, init}
		for _, provider := range r.providers() {
			places = append(places, ocf(provider))
		}
		return places, nil
	case classHeartbeat:
		return []candidate{script}, nil
	case classLSB:
		return []candidate{init}, nil
	case classOCF:
		return []candidate{ocf(cmp.Or(res.Provider, usualProvider))}, nil
	}
	return nil, &Problem{Words: fmt.Sprintf("resources of class %s cannot be run", res.Class),
		Remedy: "write lsb:NAME, ocf:PROVIDER:TYPE, systemd:UNIT, or the name of a script"}
}

// providers returns the OCF providers, the usual one first, the others by name.
func (r *Runner) providers() []string {
	all := []string{usualProvider}
	entries, err := os.ReadDir(filepath.Join(r.ocfRoot(), "resource.d"))
	if err != nil {
		return all // without that directory there is no agent in it
	}
	for _, e := range entries {
		if name := e.Name(); isName(name) && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// isName says that text can be the name of an agent or a provider: never a path.
func isName(text string) bool {
	return text != "" && text[0] != '.' && text[0] != '-' && !strings.ContainsAny(text, "/\x00")
}
