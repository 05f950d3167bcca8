package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// peerPatience bounds one question to the other node: it may have to read a whole
// tree of a terabyte.
const peerPatience = 6 * time.Hour

// peerEnd is how long a peer command may take to end when it was told to.
const peerEnd = 5 * time.Second

// peerNode is the other node, reached through peer-command.
type peerNode struct {
	world
	node, self string
	command    []string
}

// ask runs lubdub on the other node.
func (p *peerNode) ask(ctx context.Context, q syncRequest) (syncAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, peerPatience)
	defer cancel()
	var question, stderr bytes.Buffer
	if err := writeSync(&question, q); err != nil {
		return syncAnswer{}, err
	}
	words := append(append([]string{}, p.command...), "lubdub", "sync", "answer")
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Stdin, cmd.Stderr, cmd.WaitDelay = &question, &stderr, peerEnd
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return syncAnswer{}, err
	}
	if err := cmd.Start(); err != nil {
		return syncAnswer{}, p.unstarted(err)
	}
	var a syncAnswer
	readErr := readSync(bufio.NewReader(pipe), &a)
	waitErr := cmd.Wait()
	switch {
	case waitErr != nil:
		return a, p.explain("lubdub", strings.Join(words, " "), waitErr, stderr.String())
	case readErr != nil:
		return a, fmt.Errorf("%s does not answer as lubdub %s does (%w): install the same version there", p.node, release, readErr)
	case a.Refused != "":
		return a, fmt.Errorf("%s: %s", p.node, a.Refused)
	}
	return a, nil
}

func (p *peerNode) unstarted(err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("there is no %s here: install openssh-client, or write another peer-command into lubdub.conf", p.command[0])
	}
	return fmt.Errorf("run the peer command: %w", err)
}

// complaint is what a program says when it cannot do its work, and what that means.
type complaint struct{ says, words string }

// complaints are what ssh, shells and rsync say. NODE and SELF are the nodes, WHAT what was to be run.
func complaints() []complaint {
	return []complaint{
		{`REMOTE HOST IDENTIFICATION HAS CHANGED`, "the host key of NODE is another than before: if NODE was installed anew, 'ssh-keygen -R NODE' and then 'ssh NODE', as root; if not, somebody may be in between"},
		{`Host key verification failed|host key is known for`, "ssh does not know the host key of NODE: log in once as root with 'ssh NODE', and compare the fingerprint"},
		{`Permission denied \(`, "NODE does not let root of SELF in: bring root's public key there with 'ssh-copy-id NODE', or name another key in peer-command (lubdub.conf)"},
		{`Could not resolve hostname|Name or service not known`, "the name NODE is not known on SELF: write it into /etc/hosts, or its address into peer-command (lubdub.conf)"},
		{`Connection refused|Connection timed out|No route to host|Network is unreachable`, "nobody answers for ssh on NODE: does sshd run there, and does its firewall let SELF in?"},
		{`is your shell clean`, "the login scripts of root on NODE print something, which rsync cannot bear: let them print only where there is a terminal"},
		{`unknown command "sync"|unknown command "answer"`, "NODE has another version of lubdub, without sync: install the same version there"},
		{`WHAT(: command)?:? not found|WHAT: No such file|not find.*WHAT|"?WHAT"?: executable file not found`, "there is no WHAT on NODE, or not in the PATH that the peer command has there: install it there"},
	}
}

// explain says what was wrong with a program that was run for the other node.
func (p *peerNode) explain(what, line string, err error, stderr string) error {
	for _, c := range complaints() {
		if regexp.MustCompile(strings.ReplaceAll(c.says, "WHAT", regexp.QuoteMeta(what))).MatchString(stderr) {
			return errors.New(strings.NewReplacer("NODE", p.node, "SELF", p.self, "WHAT", what).Replace(c.words))
		}
	}
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.ExitCode() == 127 {
		return fmt.Errorf("there is no %s on %s, or not in the PATH that the peer command has there: install it there", what, p.node)
	}
	text := fmt.Sprintf("%s: %v", visible(line), err)
	if last := lastLines(stderr); last != "" {
		text += "; it says: " + last
	}
	return errors.New(text)
}

// saidLines are the last lines of a program that are repeated.
const saidLines = 3

func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return visible(strings.Join(lines[max(0, len(lines)-saidLines):], " / "))
}

// peerCommandVariable holds the peer command for syncShellCommand, as JSON.
const peerCommandVariable = "LUBDUB_PEER_COMMAND"

// syncShellCommand is what rsync takes for a remote shell: it runs the rest of
// its words on the other node through peer-command, whatever that looks like.
func syncShellCommand() *cobra.Command {
	return &cobra.Command{
		Use: "shell", Hidden: true, DisableFlagParsing: true, Short: "Run rsync's other half through peer-command",
		RunE: func(_ *cobra.Command, args []string) error {
			var words []string
			if err := json.Unmarshal([]byte(os.Getenv(peerCommandVariable)), &words); err != nil || len(words) == 0 || len(args) == 0 {
				return misuse("this is for rsync, run by: lubdub sync")
			}
			program, err := exec.LookPath(words[0])
			if err != nil {
				return err
			}
			return unix.Exec(program, append(words, args[1:]...), os.Environ())
		},
	}
}

// rsync runs rsync here, with the other node behind the peer command. The names
// to copy are in list, each with a NUL behind it; nil: what the arguments say.
func (p *peerNode) rsync(ctx context.Context, list []byte, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	command, err := json.Marshal(p.command)
	if err != nil {
		return err
	}
	// -s: the other side takes the arguments from rsync and not from a shell, which would read them its own way.
	all := []string{"-lptgoDc", "-s", "-e", "'" + strings.ReplaceAll(self, "'", "''") + "' sync shell"}
	if list != nil {
		all = append(all, "--from0", "--files-from=-")
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "rsync", append(append(all, "--"), args...)...)
	cmd.Env = append(os.Environ(), peerCommandVariable+"="+string(command))
	cmd.Stdin, cmd.Stderr, cmd.WaitDelay = bytes.NewReader(list), &stderr, peerEnd
	if err := cmd.Run(); err != nil {
		return p.explain("rsync", "rsync "+strings.Join(args, " "), err, stderr.String())
	}
	return nil
}

// remote is a path on the other node, as rsync takes it.
func (p *peerNode) remote(path string) string { return p.node + ":" + path }
