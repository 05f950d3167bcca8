package agent

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"lubdub/internal/cluster"
)

// unitsOf are the names under which the machine itself may start what an agent runs, by the agent's type; that comes first.
// What is not in the table has its agent's name.
func unitsOf(name string) []string {
	k, _ := kindOf(name)
	others := slices.DeleteFunc(slices.Concat(k.names, k.units), func(other string) bool { return other == name })
	return append([]string{name}, others...)
}

// startedAtBoot says that the machine starts by itself what the resource runs: then it runs on both nodes, and the
// resource's start finds its port or its data taken.
func (r *Runner) startedAtBoot(ctx context.Context, res cluster.Resource) []Problem {
	if res.Warm {
		return nil
	}
	u, err := r.openUnits(ctx)
	if err == nil {
		defer u.close()
	}
	var out []Problem
	for _, name := range unitsOf(res.Type) {
		if !isName(name) {
			continue
		}
		unit, file := unitName(name), ""
		if err == nil {
			if s, err := u.state(ctx, unit); err == nil && s.load == "loaded" {
				file = s.file
			}
		}
		switch {
		case strings.HasPrefix(file, "enabled"):
			out = append(out, bootProblem(unit, "systemctl disable "+unit))
		case file == "" && wanted(r.etcDir(), unit):
			out = append(out, bootProblem(unit, "systemctl disable "+unit))
		case file != "" && file != "generated":
			// A unit of its own counts, whatever the links of its init script say.
		default:
			if link := r.bootLink(name); link != "" {
				out = append(out, bootProblem(link, fmt.Sprintf("update-rc.d %s disable (or: chkconfig %s off)", name, name)))
			}
		}
	}
	return out
}

func bootProblem(what, remedy string) Problem {
	return Problem{Words: what + " is started at boot, by both nodes and without lubdub", Remedy: remedy}
}

// bootLink is a link by which an init script is started at boot; empty: there is none.
func (r *Runner) bootLink(name string) string {
	found, err := filepath.Glob(filepath.Join(r.etcDir(), "rc[2-5].d", "S[0-9][0-9]"+globSafe(name)))
	if err != nil || len(found) == 0 {
		return ""
	}
	return slices.Min(found)
}

// globSafe is a name that stands for itself in a pattern.
func globSafe(name string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(name)
}

// examineScript says what is known of a script that cannot be asked: of Heartbeat's resource.d, or of init.d.
func (r *Runner) examineScript(ctx context.Context, res cluster.Resource, p plan) Examined {
	ctx, free := context.WithTimeout(ctx, validateTime)
	defer free()
	return Examined{Doubts: r.startedAtBoot(ctx, res),
		Ran: []string{p.path + ": it is there, and only root can change it; such scripts have no validate-all, so nothing was run"}}
}

// examineCommands says what is known of plain commands: [Runner.Check] has looked at their paths.
func examineCommands(res cluster.Resource) Examined {
	var all []string
	for _, a := range []cluster.Action{cluster.Start, cluster.Stop, cluster.Monitor} {
		if argv := commandOf(res.Commands, a); len(argv) > 0 && !slices.Contains(all, argv[0]) {
			all = append(all, argv[0])
		}
	}
	are, them := "they are", "them"
	if len(all) == 1 {
		are, them = "it is", "it"
	}
	return Examined{Ran: []string{fmt.Sprintf("%s: %s there, and only root can change %s; nothing was run", strings.Join(all, ", "), are, them)}}
}
