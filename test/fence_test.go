package test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lubdub/internal/lab"
)

// boardAgent is a fence agent as those of fence-agents are. Its management board is a directory that all hosts see: it asks for
// power off by a file, and the board answers with another.
const boardAgent = `#!/bin/sh
dir=${0%/*}
while read -r line; do
	case $line in
	action=*) action=${line#action=};;
	port=*) port=${line#port=};;
	esac
done
case $action in
off)
	[ ! -e "$dir/broken" ] || { echo "ERROR: the board does not answer"; exit 1; }
	echo off >> "$dir/asked.$port"
	until [ -e "$dir/dark.$port" ]; do sleep 0.05; done;;
status) [ -e "$dir/dark.$port" ] && exit 2; exit 0;;
metadata) echo '<parameter name="port"/><action name="off"/><action name="status"/>';;
*) exit 1;;
esac
`

// board is what can take the power of both nodes away.
type board struct {
	dir  string
	done chan struct{}
	at   time.Duration // when it took the power of the first node away; read after done
}

// newBoard starts the board of a pair, which takes away the power of the first node when the agent asks for it.
func newBoard(t *testing.T) (*board, string) {
	t.Helper()
	b := &board{dir: t.TempDir(), done: make(chan struct{})}
	agent := filepath.Join(b.dir, "fence_lab")
	must(t, os.WriteFile(agent, []byte(boardAgent), 0o700))
	conf := ""
	for _, node := range []string{one, two} {
		conf += "fence board-" + node + " agent=" + agent + " target=" + node + " port=" + node + " timeout=10s\n"
	}
	return b, conf + "fence-delay 1s\n"
}

// serve waits for the agent's wish until the test ends.
func (b *board) serve(p *pair) {
	end := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
			}
			if _, err := os.Stat(filepath.Join(b.dir, "asked."+one)); err != nil {
				continue
			}
			if err := p.Host(one).PowerOff(); err != nil {
				p.t.Error(err)
			}
			b.at = lab.Now()
			close(b.done)
			b.write(p.t, "dark."+one)
			return
		}
	})
	p.t.Cleanup(func() { close(end); ended.Wait() })
}

func (b *board) write(t *testing.T, name string) {
	if err := os.WriteFile(filepath.Join(b.dir, name), []byte("x"), 0o600); err != nil {
		t.Error(err)
	}
}

// TestFenced: the owner's daemon freezes, and its fence device takes its power before the other node takes over. It is shot once.
func TestFenced(t *testing.T) {
	asRoot(t)
	b, conf := newBoard(t)
	p := newPair(t, setup{conf: conf})
	b.serve(p)
	p.serve()
	if out := p.run(two, lubdub+" fence test"); !strings.Contains(out, "board-proxy01 works: it answers, and reads on") {
		t.Errorf("the test of the devices says: %s", out)
	}
	at := lab.Now()
	must(t, p.daemon(one).Signal(syscall.SIGSTOP))
	first := p.answered(two, at, deadTime+busy)
	select {
	case <-b.done:
	default:
		t.Fatal("proxy02 answers, and proxy01 still has power")
	}
	t.Logf("SIGSTOP of the owner's daemon: power off after %v, the peer's first answer after %v", round(b.at-at), round(first-at))
	if first < b.at {
		t.Errorf("proxy02 answered %v before the power was off", b.at-first)
	}
	p.told(two, busy, `"Membership":"fenced"`)
	if said := p.daemon(two).Output(); !strings.Contains(said, "proxy01 is fenced: board-proxy01 switched it off, and its state reads off") {
		t.Errorf("the log of proxy02 does not say how proxy01 ended:\n%s", tail(said, 10))
	}
	time.Sleep(deadTime)
	p.alone(two, first)
	p.neverTwo()
	asked, err := os.ReadFile(filepath.Join(b.dir, "asked."+one))
	must(t, err)
	if string(asked) != "off\n" {
		t.Errorf("proxy01 was shot %d times", strings.Count(string(asked), "\n"))
	}
}

// TestFenceFails: the device does not answer, so nobody takes over, and the status says what it waits for, until the operator
// says that the node is off.
func TestFenceFails(t *testing.T) {
	asRoot(t)
	b, conf := newBoard(t)
	b.write(t, "broken")
	p := newPair(t, setup{conf: conf})
	p.serve()
	at := p.off(one)
	p.told(two, deadTime+busy, "the board does not answer", "lubdub fence confirm proxy01")
	time.Sleep(3 * deadTime)
	if last := p.quietAt(two, lab.Now()); last > at {
		t.Fatalf("proxy02 answered %v after the power loss, although the fence failed", round(last-at))
	}
	p.order(two, "fence confirm proxy01")
	said := lab.Now()
	first := p.answered(two, said, deadTime+busy)
	t.Logf("the operator's word: the first answer after %v", round(first-said))
	p.told(two, busy, `"Membership":"fenced"`)
	p.neverTwo()
}

// TestMeatware: ha.cf's word for a person, as Heartbeat has it. A node that is heard cannot be confirmed off.
func TestMeatware(t *testing.T) {
	asRoot(t)
	p := newPair(t, setup{more: "stonith_host * meatware proxy01 proxy02\n"})
	p.serve()
	if out := p.run(two, lubdub+" fence confirm proxy01 2>&1; echo $?"); !containsAll(out, "refused: proxy01 was heard", "1") {
		t.Errorf("a node that is heard was confirmed off: %s", out)
	}
	at := p.off(one)
	p.told(two, deadTime+busy, "a person has to switch proxy01 off", "lubdub fence confirm proxy01")
	if last := p.quietAt(two, lab.Now()); last > at {
		t.Fatalf("proxy02 answered %v after the power loss, although nobody confirmed it", round(last-at))
	}
	p.order(two, "fence confirm proxy01")
	p.answered(two, lab.Now(), deadTime+busy)
}
