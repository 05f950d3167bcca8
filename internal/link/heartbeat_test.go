package link

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// heartbeatProgram is where the original program may be installed.
const heartbeatProgram = "/usr/lib*/heartbeat/heartbeat"

// A real Heartbeat on the other machine: its datagrams arrive on the right links,
// and ours arrive there.
func TestHeartbeat(t *testing.T) {
	needRoot(t)
	program := findHeartbeat()
	if program == "" {
		t.Skip("Heartbeat is not installed")
	}
	m := newMachine(t)
	m.cable("thb0")
	m.cable("thb1")
	m.addresses("thb0", "10.0.0", "")
	m.addresses("thb1", "10.0.1", "")
	group := Spec{Kind: Multicast, Interface: "thb1", Address: addr("225.0.0.1"), Port: 695, TTL: 1}
	received := make(chan Datagram, 1000)
	_, links := open(t, received, bcast("thb0"), ucast("thb1", "10.0.1.2"), group)
	log := m.heartbeat(program)

	from := map[*Link]string{links[0]: "10.0.0.2", links[1]: "10.0.1.2", links[2]: "10.0.1.2"}
	heard := map[*Link]int{}
	for end := time.After(2 * patience); len(heard) < len(links); {
		select {
		case d := <-received:
			if d.From.Addr() != addr(from[d.Link]) {
				continue // our own broadcast
			}
			if !bytes.HasPrefix(d.Data, []byte("###\n")) || !bytes.Contains(d.Data, []byte("src=beta,")) {
				t.Errorf("%s: got %q", d.Link, d.Data)
			}
			heard[d.Link]++
		case <-end:
			text, _ := os.ReadFile(log)
			t.Fatalf("heard on %v only; its log:\n%s", heard, text)
		}
	}

	// What it does not believe it logs. So we see that it arrived.
	for i, l := range links {
		must(t, l.Send([]byte(">>>\nt=status\nsrc=alpha\n<<<\n")))
		eventually(t, l.String()+": Heartbeat got ours", func() bool {
			text, _ := os.ReadFile(log)
			return bytes.Count(text, []byte("Bad/invalid auth token")) > i
		})
	}
}

func findHeartbeat() string {
	for _, pattern := range []string{heartbeatProgram, "/usr/libexec/heartbeat/heartbeat"} {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			return found[0]
		}
	}
	return ""
}

// heartbeat starts Heartbeat on the other machine, with directories of its own,
// and returns the path of its log. It ends with its first process, a cat.
func (m *machine) heartbeat(program string) (log string) {
	m.t.Helper()
	dir := m.t.TempDir()
	log = filepath.Join(dir, "log")
	files := map[string]string{
		"ha.cf": "logfile " + log + "\nkeepalive 500ms\ndeadtime 10\ninitdead 10\nrealtime false\nauto_failback off\ncrm no\n" +
			"node alpha beta\nbcast thb0\nucast thb1 10.0.1.1\nmcast thb1 225.0.0.1 695 1 0\n",
		"authkeys":    "auth 1\n1 sha1 secret\n",
		"nodeinfo":    "beta\n",
		"haresources": "",
	}
	for name, text := range files {
		must(m.t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	script := fmt.Sprintf(`set -e
mount --bind %s /etc/ha.d
mount -t tmpfs tmpfs /var/lib/heartbeat
mount -t tmpfs tmpfs /run
mkdir -p /run/heartbeat/register /run/heartbeat/rsctmp /var/lib/heartbeat/cores/root
%s
cat`, dir, program)
	cmd := exec.Command("nsenter", "-t", strconv.Itoa(m.pid), "-n",
		"unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script)
	in, err := cmd.StdinPipe()
	must(m.t, err)
	cmd.Stdout, cmd.Stderr = io.Discard, io.Discard
	must(m.t, cmd.Start())
	m.t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			m.t.Error("heartbeat:", err)
		}
	})
	return log
}
