package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"lubdub/internal/config"
)

// secretBytes are what HMAC-SHA256 and SHA1 keys are worth at most here: 160 bits.
const secretBytes = 20

// wishes are the answers as they are typed, by flag or when asked.
type wishes struct {
	nodes, links, service, pings []string
	address                      string
	heartbeat, failback          bool
	dir                          string
	force                        bool
}

func initCommand(w world) *cobra.Command {
	var a wishes
	c := &cobra.Command{
		Use: "init", Short: "Write the three files, with a new secret", Args: cobra.NoArgs,
		Long: `Init asks for the two nodes, the links between them, the shared address, what runs behind it and a
third machine that both nodes can ping, and writes ha.cf, haresources and authkeys. What a flag says is not asked. It overwrites nothing
without --force.`,
		Example: `  lubdub init
  lubdub init --nodes alpha,beta --link "bcast eth1" --link "bcast eth0" \
              --address 192.0.2.100 --service apache::/etc/apache2/apache2.conf`,
		RunE: func(*cobra.Command, []string) error { return w.setUp(a) },
	}
	f := c.Flags()
	f.StringSliceVar(&a.nodes, "nodes", nil, "both nodes as uname -n prints them there, the preferred one first")
	f.StringArrayVar(&a.links, "link", nil, `a path between the nodes, as "bcast eth1" or "ucast eth0 192.0.2.12"; two on different cables`)
	f.StringVar(&a.address, "address", "", "the shared address: IP, IP/BITS or IP/BITS/INTERFACE")
	f.StringArrayVar(&a.service, "service", nil, "what runs behind the address, as a word of haresources")
	f.StringArrayVar(&a.pings, "ping", nil, "a third machine that both nodes can ask, such as the router: its address")
	f.BoolVar(&a.heartbeat, "heartbeat-peer", false, "the other node runs Heartbeat: sign with sha1")
	f.BoolVar(&a.failback, "failback", false, "the service returns to the preferred node")
	f.StringVarP(&a.dir, "dir", "d", w.ConfigDir, "where to write")
	f.BoolVar(&a.force, "force", false, "overwrite files that are there")
	return c
}

// setUp asks for what is missing, writes the files and says what to do next.
func (w world) setUp(a wishes) error {
	if there := existing(a.dir); len(there) > 0 && !a.force {
		return fmt.Errorf("refused: there is already %s; --force overwrites, and makes a new secret", strings.Join(there, ", "))
	}
	if err := w.askMissing(&a); err != nil {
		return err
	}
	answers, err := a.answers(w.Random)
	if err != nil {
		return err
	}
	files, err := config.Render(answers)
	if err != nil {
		return exit{exitMisuse, err}
	}
	files.Dir = a.dir
	opts, err := w.options(answers.Nodes[0])
	if err != nil {
		return err
	}
	loaded, problems := config.Parse(files, opts)
	if err := problems.Print(w.Stderr); err != nil {
		return err
	}
	if loaded == nil {
		return errors.New("with these answers the files would have errors; nothing is written")
	}
	if err := writeFiles(a.dir, files); err != nil {
		return err
	}
	return w.sayNext(a, answers)
}

// toWrite is one file that init makes.
type toWrite struct {
	name string
	text []byte
	mode fs.FileMode
}

func threeFiles(f config.Files) []toWrite {
	return []toWrite{{"ha.cf", f.HaCF, 0o644}, {"haresources", f.Haresources, 0o644}, {"authkeys", f.Authkeys, 0o600}}
}

func existing(dir string) []string {
	var there []string
	for _, f := range threeFiles(config.Files{}) {
		path := filepath.Join(dir, f.name)
		if _, err := os.Lstat(path); err == nil {
			there = append(there, path)
		}
	}
	return there
}

// writeFiles writes each file whole or not at all.
func writeFiles(dir string, files config.Files) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the directory: %w", err)
	}
	for _, f := range threeFiles(files) {
		if err := renameio.WriteFile(filepath.Join(dir, f.name), f.text, f.mode, renameio.IgnoreUmask()); err != nil {
			return fmt.Errorf("write %s: %w", filepath.Join(dir, f.name), err)
		}
	}
	return nil
}

func (w world) sayNext(a wishes, answers config.Answers) error {
	host, err := w.Hostname()
	if err != nil {
		return err
	}
	other := answers.Nodes[1]
	if strings.EqualFold(host, other) {
		other = answers.Nodes[0]
	}
	dir, err := filepath.Abs(a.dir)
	if err != nil {
		return err
	}
	check, start := w.withDir("check", a.dir), "systemctl enable --now lubdub"
	if a.dir != w.ConfigDir {
		check = w.withDir("check", dir)
		start = "lubdub run -d " + dir + " (the unit of systemd reads " + w.ConfigDir + ")"
	}
	_, err = fmt.Fprintf(w.Stdout, `Written: %[1]s/ha.cf, %[1]s/haresources, %[1]s/authkeys (mode 600: it holds the secret).

Next:
  1. read them: every line says what it is for
  2. here:       %[3]s --live
  3. copy them:  scp -p %[1]s/ha.cf %[1]s/haresources %[1]s/authkeys %[2]s:%[1]s/
  4. on %[2]s:  %[3]s --live
  5. on both:    systemctl disable --now the programs that lubdub is to start; it starts them itself
  6. on both:    %[4]s
  7. look:       lubdub status
`, dir, other, check, start)
	return err
}

// answers turns what was typed into values.
func (a wishes) answers(random io.Reader) (config.Answers, error) {
	out := config.Answers{Address: a.address, Service: a.service, Pings: a.pings, HeartbeatPeer: a.heartbeat, AutoFailback: a.failback,
		Random: make([]byte, secretBytes)}
	if len(a.nodes) != len(out.Nodes) {
		return out, misuse("two nodes make a cluster; there are %d: write --nodes alpha,beta", len(a.nodes))
	}
	for i, n := range a.nodes {
		out.Nodes[i] = strings.ToLower(strings.TrimSpace(n))
	}
	for _, text := range a.links {
		l, err := parseLink(text)
		if err != nil {
			return out, err
		}
		out.Links = append(out.Links, l)
	}
	if _, err := io.ReadFull(random, out.Random); err != nil {
		return out, fmt.Errorf("make a secret: %w", err)
	}
	return out, nil
}

// The settings of a multicast link that is written without them.
const (
	usualGroup = "239.0.0.43" // Heartbeat's own example, of the range for private use
	usualPort  = 694
	usualTTL   = 1 // it does not leave the network
)

// parseLink reads a link as ha.cf has it. Whether its words are right is for package config to say.
func parseLink(text string) (config.Link, error) {
	f := strings.Fields(text)
	switch {
	case len(f) == 2 && f[0] == "bcast":
		return config.Link{Kind: f[0], Interface: f[1]}, nil
	case len(f) == 3 && (f[0] == "ucast" || f[0] == "ucast6"):
		return config.Link{Kind: f[0], Interface: f[1], Address: f[2]}, nil
	case len(f) == 2 && f[0] == "mcast":
		return config.Link{Kind: f[0], Interface: f[1], Address: usualGroup, Port: usualPort, TTL: usualTTL}, nil
	case len(f) == 3 && (f[0] == "mcast" || f[0] == "mcast6"):
		return config.Link{Kind: f[0], Interface: f[1], Address: f[2], Port: usualPort, TTL: usualTTL}, nil
	}
	return config.Link{}, misuse(`%q is no link; write "bcast eth1", "ucast eth0 ADDRESS" or "mcast eth0 GROUP"`, text)
}
