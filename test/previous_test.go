package test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"lubdub/internal/lab"
)

const (
	// previousVariable hands the previous build on into the namespaces: its path, or "!" and why it cannot be had.
	previousVariable = "LUBDUB_TEST_PREVIOUS"
	previousName     = "lubdub-previous"
	previousCommit   = "../build/previous"
	previousTest     = "TestPrevious"
)

// buildPrevious builds the commit that build/previous names, when the tests that are to run need it. Where the history is
// not there, the variable says why.
func buildPrevious(dir string) error {
	flag.Parse()
	wanted, err := regexp.MatchString(strings.Split(flag.Lookup("test.run").Value.String(), "/")[0], previousTest)
	if err != nil || !wanted || testing.Short() {
		return os.Setenv(previousVariable, "!slow: left out with -short")
	}
	commit, err := commitOf(previousCommit)
	if err != nil {
		return err
	}
	if out, err := exec.Command("git", "-C", "..", "cat-file", "-e", commit+"^{commit}").CombinedOutput(); err != nil {
		return os.Setenv(previousVariable, fmt.Sprintf("!commit %s is not here (a shallow clone, or no checkout of git): %v %s", commit, err, out))
	}
	source, program := filepath.Join(dir, "previous"), filepath.Join(dir, previousName)
	if err := os.Mkdir(source, 0o755); err != nil {
		return err
	}
	// Without the paths of this directory in it the next run finds it in the build cache.
	script := "git -C .. archive " + commit + " | tar -x -C " + source + " && cd " + source + " && CGO_ENABLED=0 go build -trimpath -buildvcs=false -o " + program + " ./cmd/lubdub"
	if out, err := exec.Command("bash", "-o", "pipefail", "-c", script).CombinedOutput(); err != nil {
		return fmt.Errorf("build the previous lubdub, %s: %w\n%s", commit, err, out)
	}
	return errors.Join(os.RemoveAll(source), os.Setenv(previousVariable, program))
}

// commitOf reads the commit from its file.
func commitOf(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return line, nil
		}
	}
	return "", fmt.Errorf("%s names no commit", path)
}

// previous is the previous build. It skips where the history is missing, in CI too: a source tree that was exported has none.
func previous(t *testing.T) string {
	t.Helper()
	program := os.Getenv(previousVariable)
	if why, cannot := strings.CutPrefix(program, "!"); cannot || program == "" {
		t.Skip("no previous build: ", why)
	}
	return program
}

// startAs starts a node's daemon from a program of its own.
func (p *pair) startAs(node, program string, args ...string) {
	p.t.Helper()
	d, err := p.Host(node).Start(program, args...)
	must(p.t, err)
	p.mu.Lock()
	p.daemons[node] = d
	p.mu.Unlock()
}

// upgrade ends a node's daemon as a restart by systemd does, and starts another program in its place.
func (p *pair) upgrade(node, program string) {
	p.t.Helper()
	was := p.status(node).Incarnation
	must(p.t, p.daemon(node).Signal(syscall.SIGQUIT))
	ctx, cancel := context.WithTimeout(p.t.Context(), question)
	defer cancel()
	_ = p.daemon(node).Wait(ctx) // it ends with a status of its own, a build that does not know the signal with another
	if ctx.Err() != nil {
		p.t.Fatalf("lubdub on %s does not end to be started again", node)
	}
	p.startAs(node, program, "run")
	eventually(p.t, busy, "the upgraded daemon answers", func() bool {
		s, err := p.ask(node)
		return err == nil && s.Incarnation > was
	})
	p.settled()
}

// TestPrevious upgrades a pair from the previous build, node after node, in both orders. While the builds are mixed the group
// is moved there and back, and the owner loses its power. In place nothing is noticed: no request fails and nothing moves.
func TestPrevious(t *testing.T) {
	slow(t)
	old := previous(t)
	for name, order := range map[string][]string{"standby first": {two, one}, "owner first": {one, two}} {
		t.Run(name, func(t *testing.T) { tellUpgrade(t, old, order) })
	}
}

func tellUpgrade(t *testing.T, old string, order []string) {
	p := newPair(t, setup{})
	for _, node := range []string{one, two} {
		_, err := p.Host(node).Serve("http://"+shared+":80", 0)
		must(t, err)
		p.startAs(node, old, "run")
	}
	p.answered(one, lab.Now(), 15*second+busy)
	p.settled()
	l := p.patient()
	tcp := p.connect()
	p.inPlace(l, tcp, order[0])
	p.agree()
	tcp.close()

	at := lab.Now()
	for _, to := range []string{two, one} {
		p.order(one, "move web "+to)
		p.answered(to, lab.Now(), 5*second+busy)
		p.settled()
		p.drained(other(to))
	}
	s := l.Summary(at, lab.Now()-100*time.Millisecond)
	t.Logf("moved there and back while the builds are mixed: %d requests, %d failed, longest gap %v", s.Requests, s.Failed, round(s.Gap.Duration()))

	off := p.off(one)
	p.within("power loss while the builds are mixed: the other answers", p.answered(two, off, deadTime+busy)-off, deadTime+second+busy)
	p.on(one)
	_, err := p.Host(one).Serve("http://"+shared+":80", 0)
	must(t, err)
	p.startAs(one, map[bool]string{true: lubdub, false: old}[order[0] == one], "run")
	p.settled()
	p.order(one, "move web "+one)
	p.answered(one, lab.Now(), 5*second+busy)
	p.settled()
	p.drained(two)

	tcp = p.connect()
	defer tcp.close()
	p.inPlace(l, tcp, order[1])
	p.agree()
	p.neverTwo()
}

func other(node string) string { return map[string]string{one: two, two: one}[node] }

// inPlace upgrades a node while the first one serves: nothing is noticed, and the node says what was there before.
func (p *pair) inPlace(l *lab.Load, tcp *conversation, node string) {
	p.t.Helper()
	at := lab.Now()
	p.upgrade(node, lubdub)
	time.Sleep(2 * deadTime)
	p.t.Logf("%s upgraded in place:", node)
	p.unnoticed(l, at)
	tcp.unbroken()
	if e := p.started(node); !strings.Contains(e, "starts on "+node+" in place of ") && !strings.Contains(e, "starts on "+node+" again") {
		p.t.Errorf("%s does not say what was there before: %q", node, e)
	}
}

// started is what a node said of its daemon's last start.
func (p *pair) started(node string) (words string) {
	p.t.Helper()
	for _, e := range p.events(node) {
		if e.Kind == "start" {
			words = e.Words
		}
	}
	return words
}

// agree demands that nothing stands between two nodes of different builds.
func (p *pair) agree() {
	p.t.Helper()
	for _, node := range []string{one, two} {
		if w := p.status(node).Warnings; len(w) > 0 {
			p.t.Errorf("%s warns: %q", node, w)
		}
	}
}
