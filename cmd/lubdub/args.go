package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// examples are one for each command whose words are easily mistaken, by its path behind "lubdub".
func examples() map[string]string {
	return map[string]string{
		"check": "lubdub check --live", "run": "lubdub run -d /etc/ha.d", "demo": "lubdub demo",
		"status": "lubdub status --watch", "why": "lubdub why web", "events": "lubdub events -f",
		"standby": "lubdub standby --wait", "online": "lubdub online --wait", "move": "lubdub move web beta --wait", "cleanup": "lubdub cleanup web",
		"fence": "lubdub fence test", "fence confirm": "lubdub fence confirm beta", "fence test": "lubdub fence test --node alpha",
		"proxy": "lubdub proxy status web", "proxy status": "lubdub proxy status web", "version": "lubdub version --json",
	}
}

// explain makes every wrong command line of the commands below parent say what is wanted: how the command is
// written, and an example.
func explain(parent *cobra.Command) {
	for _, c := range parent.Commands() {
		explain(c)
		count := c.Args
		c.SetFlagErrorFunc(wrongFlag)
		c.SuggestionsMinimumDistance = 2 // as cobra has it for the commands themselves
		_, path, _ := strings.Cut(c.CommandPath(), " ")
		if example := examples()[path]; c.Example == "" && example != "" {
			c.Example = "  " + example
		}
		if count == nil {
			continue
		}
		c.Args = func(cmd *cobra.Command, args []string) error {
			if count(cmd, args) == nil {
				return nil
			}
			return errors.New(wrongCount(cmd, args) + usage(cmd))
		}
	}
}

// usage is how a command is written, and an example.
func usage(c *cobra.Command) string {
	text := "\nusage: " + c.UseLine()
	if c.HasAvailableSubCommands() {
		text = "\nusage: " + c.CommandPath() + " " + strings.Join(names(c), "|")
	}
	if first, _, _ := strings.Cut(strings.TrimSpace(c.Example), "\n"); first != "" {
		text += "\nexample: " + strings.TrimSuffix(first, ` \`)
	}
	return text
}

// names are those of the commands below c.
func names(c *cobra.Command) []string {
	var out []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			out = append(out, sub.Name())
		}
	}
	return out
}

// wrongCount says what is wrong with the words behind a command.
func wrongCount(c *cobra.Command, args []string) string {
	_, form, _ := strings.Cut(c.Use, " ")
	needed, most := 0, len(strings.Fields(form))
	var missing string
	for i, word := range strings.Fields(form) {
		if strings.HasPrefix(word, "[") {
			continue
		}
		needed++
		if i >= len(args) && missing == "" {
			missing = word
		}
	}
	switch {
	case c.HasAvailableSubCommands() && len(args) > 0:
		words := fmt.Sprintf("%s has no %q; it has %s", c.Name(), args[0], strings.Join(names(c), ", "))
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			words += fmt.Sprintf("; did you mean %q?", near[0])
		}
		return words
	case len(args) < needed:
		return fmt.Sprintf("%s needs %s", c.Name(), missing)
	case most == 0:
		return fmt.Sprintf("%s takes no words, and %q is one%s", c.Name(), args[0], asFlag(c, args[0]))
	case len(args) > most:
		return fmt.Sprintf("%q is too much: %s takes %s", args[most], c.Name(), form)
	}
	return fmt.Sprintf("%s does not understand %q", c.Name(), strings.Join(args, " "))
}

// asFlag proposes the flag of that name.
func asFlag(c *cobra.Command, word string) string {
	if strings.Contains(word, "/") && c.Flags().Lookup("dir") != nil {
		return "; did you mean -d " + word + "?"
	}
	if f := c.Flags().Lookup(strings.ToLower(word)); f != nil {
		return "; did you mean --" + f.Name + "?"
	}
	return ""
}

// wrongFlag explains a flag that the command does not have, or cannot read.
func wrongFlag(c *cobra.Command, err error) error {
	flag, unknown := strings.CutPrefix(err.Error(), "unknown flag: ")
	if !unknown {
		return fmt.Errorf("%s: %w%s", c.Name(), err, usage(c))
	}
	return fmt.Errorf("%s has no flag %s%s\nflags:\n%s", c.Name(), flag, usage(c), strings.TrimRight(c.Flags().FlagUsages(), "\n"))
}
