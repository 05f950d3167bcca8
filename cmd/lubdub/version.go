package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// release is the version that this source becomes.
const release = "0.3.0"

// build says what this binary was made from.
type build struct {
	Version  string
	Revision string `json:",omitempty"`
	Modified bool   `json:",omitempty"` // the source was changed after that revision
	Go       string
	Platform string
}

func thisBuild() build {
	b := build{Version: release, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	made, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range made.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func (b build) String() string { return "lubdub " + b.short() + " " + b.Go + " " + b.Platform }

// short is the version, and what it was made from.
func (b build) short() string {
	text := b.Version
	if b.Revision != "" {
		text += " (" + b.Revision
		if b.Modified {
			text += ", changed since"
		}
		text += ")"
	}
	return text
}

func versionCommand(w world) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "version", Short: "Say which lubdub this is", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return printJSON(w.Stdout, thisBuild())
			}
			_, err := fmt.Fprintln(w.Stdout, thisBuild())
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "for programs")
	return c
}
