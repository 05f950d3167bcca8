package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"lubdub/internal/config"
)

// checked is what there is to say about a configuration.
type checked struct {
	Good     bool
	Summary  string
	Problems []found
	// Protection is what guards the shared addresses, and what that does not survive.
	Protection *protection `json:",omitempty"`
	Fences     []string    `json:",omitempty"` // the fence devices there are
	Alerts     []string    `json:",omitempty"` // the hooks and alerts there are
	Agents     []string    `json:",omitempty"` // what was run to examine the resources
	NodeLines  []string    `json:",omitempty"` // lines of lubdub.conf for one node, and whether they count here
	Rules      []string    `json:",omitempty"` // for failures, where they are not the usual ones
	Files      []string    `json:",omitempty"` // what else must be equal on both nodes
	Live       []string    `json:",omitempty"` // what the machine and the network say
}

// found is one problem. One that the files themselves do not show has no line.
type found struct {
	Severity     string
	File         string
	Line, Column int `json:",omitempty"`
	Words        string
	Remedy       string `json:",omitempty"`
}

// protection is a level of docs/protocol.md in words.
type protection struct {
	Level, Words string
	Limits       []string
}

func checkCommand(w world) *cobra.Command {
	var dir, node, runtime string
	var live, asJSON, quiet, digest bool
	c := &cobra.Command{
		Use: "check", Short: "Read the configuration as the daemon would, and say all that is wrong", Args: cobra.NoArgs,
		Long: `Check changes nothing. It prints every error and warning with its place, looks for the agents of
all resources and at the commands of hooks, asks those that can (validate-all) what they think of their parameters, and says in
one line for each resource what was run. It ends with 0 when the configuration is good, with 1 when
the daemon would refuse it or a resource could not run here. --quiet leaves out what is good.

--live also looks at the interfaces, and asks the network whether somebody else has a shared address.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, problems, err := w.load(dir, node)
			if err != nil {
				return err
			}
			if digest && loaded != nil {
				return printDigests(w.Stdout, loaded)
			}
			report := examine(loaded, problems)
			if loaded != nil {
				report.agents(cmd.Context(), loaded)
				report.fences(cmd.Context(), loaded)
				report.alerts(loaded)
				report.watched(loaded)
			}
			if live && loaded != nil {
				w.lookAround(cmd.Context(), runtime, loaded, &report)
				w.compared(cmd.Context(), runtime, &report)
			}
			report.conclude(loaded)
			if quiet {
				report.hush()
				problems = slices.DeleteFunc(problems, func(p config.Problem) bool { return p.Severity == config.Notice })
			}
			if asJSON {
				err = printJSON(w.Stdout, report)
			} else {
				err = report.print(w.Stdout, problems)
			}
			if err == nil && !report.Good {
				return exit{code: exitFailed}
			}
			return err
		},
	}
	c.Flags().StringVarP(&dir, "dir", "d", w.ConfigDir, "where ha.cf, haresources and authkeys are")
	c.Flags().StringVar(&node, "node", "", "read it as this node would")
	c.Flags().StringVar(&runtime, "runtime", w.RuntimeDir, "where the daemon's control socket is")
	c.Flags().BoolVar(&live, "live", false, "look at the interfaces and ask the network, too")
	c.Flags().BoolVar(&digest, "digest", false, "print only the digests of what must be the same on both nodes")
	c.Flags().BoolVar(&asJSON, "json", false, "for programs")
	c.Flags().BoolVarP(&quiet, "quiet", "q", false, "errors and warnings alone; nothing when there are none")
	return c
}

// hush leaves out what is good.
func (c *checked) hush() {
	c.NodeLines, c.Rules, c.Agents, c.Fences, c.Live, c.Protection = nil, nil, nil, nil, nil, nil
	c.Problems = slices.DeleteFunc(c.Problems, func(f found) bool { return f.Severity == config.Notice.String() })
	if c.Good {
		c.Summary = ""
	}
}

// examine collects what the files show, and what the agents they name lack.
func examine(loaded *config.Loaded, problems config.Problems) checked {
	c := checked{Problems: []found{}}
	for _, p := range problems {
		c.Problems = append(c.Problems, found{p.Severity.String(), p.File, p.Line, p.Column, p.Words, p.Remedy})
	}
	if loaded == nil {
		return c
	}
	for _, p := range loaded.Proxies {
		if _, err := proxySettings(p).Complete(); err != nil {
			c.add(config.Error, filepath.Join(loaded.Dir, "lubdub.conf"), err.Error(), "")
		}
	}
	c.NodeLines, c.Rules = loaded.NodeLines, rules(loaded.Config)
	runner := checkRunner(loaded)
	for _, g := range loaded.Config.Groups {
		for _, r := range g.Resources {
			if len(r.Addresses) > 0 {
				continue // config has looked at it
			}
			for _, p := range runner.Check(r) {
				c.add(config.Error, filepath.Join(loaded.Dir, "haresources"), fmt.Sprintf("%s of %s: %s", r.Name, g.Name, p.Words), p.Remedy)
			}
		}
	}
	return c
}

func (c *checked) add(s config.Severity, file, words, remedy string) {
	c.Problems = append(c.Problems, found{Severity: s.String(), File: file, Words: words, Remedy: remedy})
}

// conclude writes the closing line.
func (c *checked) conclude(loaded *config.Loaded) {
	errs, warnings := c.count(config.Error), c.count(config.Warning)
	c.Good = loaded != nil && errs == 0
	if !c.Good {
		c.Summary = number(errs, "error")
		return
	}
	cfg := loaded.Config
	p := &protection{}
	p.Level, p.Words, p.Limits = cfg.Protection()
	c.Protection = p
	c.Summary = fmt.Sprintf("configuration is good: %s, %s, %s; protection %s", number(len(loaded.Nodes), "node"),
		number(len(cfg.Groups), "group"), number(len(cfg.Links), "link"), p.Level)
	if warnings > 0 {
		c.Summary += "; " + number(warnings, "warning")
	}
}

func (c *checked) count(s config.Severity) int {
	n := 0
	for _, p := range c.Problems {
		if p.Severity == s.String() {
			n++
		}
	}
	return n
}

func number(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

// errorsIn is the closing line of a configuration that is refused.
func (w world) errorsIn(problems config.Problems, dir string) error {
	c := examine(nil, problems)
	return fmt.Errorf("the configuration has %s; to see it again: %s", number(c.count(config.Error), "error"), w.withDir("check", dir))
}

// withDir is a command line as it must be typed: with the directory, if that is not the usual one.
func (w world) withDir(command, dir string) string {
	if dir == w.ConfigDir {
		return "lubdub " + command
	}
	return "lubdub " + command + " -d " + dir
}

// print writes the problems with their lines, then those that have no line.
func (c *checked) print(out io.Writer, problems config.Problems) error {
	if err := problems.Print(out); err != nil {
		return err
	}
	for _, p := range c.Problems[len(problems):] {
		text := fmt.Sprintf("%s: %s: %s", p.File, p.Severity, p.Words)
		if p.Remedy != "" {
			text += "; " + p.Remedy
		}
		if _, err := fmt.Fprintln(out, text); err != nil {
			return err
		}
	}
	for _, l := range slices.Concat(c.NodeLines, c.Rules, c.Agents, c.Fences, c.Alerts, c.Files, c.Live) {
		if _, err := fmt.Fprintln(out, l); err != nil {
			return err
		}
	}
	if p := c.Protection; p != nil {
		if err := p.print(out); err != nil {
			return err
		}
	}
	if c.Summary == "" {
		return nil
	}
	_, err := fmt.Fprintln(out, c.Summary)
	return err
}

// print says what guards the addresses, and below it what that does not survive.
func (p *protection) print(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "protection %s: %s; it does not survive:\n", p.Level, p.Words)
	for _, l := range p.Limits {
		for i, line := range wrap(l, pageWidth-4) {
			fmt.Fprintf(&b, "  %s %s\n", map[bool]string{true: "-", false: " "}[i == 0], line)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}
