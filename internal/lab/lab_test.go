package lab

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestHostsReachEachOther(t *testing.T) {
	start := Now()
	l := newPair(t)
	t.Logf("built in %v", Now()-start)
	node := l.Host("proxy02")
	for _, target := range []string{"http://192.0.2.12:80", "http://[2001:db8::12]:80", "http://10.0.0.2:80", "udp://10.0.0.2:7"} {
		_, err := node.Serve(target, 0)
		must(t, err)
		if !answered(l, "proxy01", target, patience) {
			t.Errorf("%s does not answer", target)
		}
	}
	if answered(l, "client", "udp://10.0.0.2:7", silence) {
		t.Error("the client reaches the cross-over cable")
	}
	if !answered(l, "client", "http://proxy02/", patience) {
		t.Error("the client does not find proxy02 by name")
	}
}

func TestHostIsAMachineOfItsOwn(t *testing.T) {
	l := newPair(t)
	one, two := l.Host("proxy01"), l.Host("proxy02")
	if got := run(t, one, "uname", "-n"); got != "proxy01\n" {
		t.Errorf("uname -n: got %q", got)
	}
	must(t, one.WriteFile("/etc/ha.d/ldlab", "node proxy01\n", 0o640))
	must(t, one.WriteFile("/run/ldlab/socket", "x", 0o600))
	if got := run(t, one, "cat", "/etc/ha.d/ldlab"); got != "node proxy01\n" {
		t.Errorf("own file: got %q", got)
	}
	for _, path := range []string{"/etc/ha.d/ldlab", "/run/ldlab/socket"} {
		if _, err := two.ReadFile(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s on the other host: got %v, want it not to exist", path, err)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s outside: got %v, want it not to exist", path, err)
		}
	}
	source := t.TempDir()
	must(t, os.WriteFile(source+"/file", []byte("bound"), 0o644))
	must(t, one.Bind(source, "/srv"))
	if got := run(t, one, "cat", "/srv/file"); got != "bound" {
		t.Errorf("bound file: got %q", got)
	}
	if got := run(t, one, "sh", "-c", "ls /sys/class/net; ps -e -o pid= | wc -l"); !strings.Contains(got, "eth1") {
		t.Errorf("/sys shows other interfaces than the host's: %q", got)
	}
}

func TestRun(t *testing.T) {
	l := newPair(t)
	h := l.Host("client")
	if _, err := h.Run(t.Context(), "no-such-program"); err == nil || !strings.Contains(err.Error(), "no-such-program") {
		t.Errorf("missing program: got %v", err)
	}
	if _, err := h.Run(t.Context(), "sh", "-c", "echo sorry; exit 3"); err == nil || !strings.Contains(err.Error(), "sorry") {
		t.Errorf("failing program: got %v, want its output in the error", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := Now()
	if _, err := h.Run(ctx, "sh", "-c", "sleep 4712 & sleep 4713"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hanging program: got %v", err)
	}
	if took := Now() - start; took > 3*patience { // the programs would sleep for an hour
		t.Errorf("hanging program: Run took %v", took)
	}
	if out := run(t, h, "ps", "-e", "-o", "args="); strings.Contains(out, "471") {
		t.Errorf("the process group was not killed:\n%s", out)
	}
}

func TestPowerLoss(t *testing.T) {
	l := newPair(t)
	one, two := l.Host("proxy01"), l.Host("proxy02")
	must(t, one.WriteFile("/etc/ha.d/kept", "yes", 0o644))
	must(t, one.WriteFile("/run/lost", "yes", 0o644))
	before := run(t, one, "cat", "/sys/class/net/eth0/address", "/sys/class/net/eth1/address")
	// An orphan in a session of its own: nothing but the power ends it.
	parent, err := one.Start("sh", "-c", "setsid sleep 4714 & exec sleep 4715")
	must(t, err)
	eventually(t, "both sleeps run", func() bool { return countProcesses(t, "471[45]") == 2 })

	start := Now()
	must(t, one.PowerOff())
	t.Logf("power off took %v", Now()-start)
	if err := unix.Kill(parent.Pid(), 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("process %d after power loss: got %v, want it gone", parent.Pid(), err)
	}
	if n := countProcesses(t, "471[45]"); n != 0 {
		t.Errorf("%d processes survived the power loss", n)
	}
	if err := parent.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("how the process ended: got %v, want killed", err)
	}
	eventually(t, "no carrier of the cable at the other end", func() bool { return carrier(t, two, "eth1") == "0" })
	if got := carrier(t, two, "eth0"); got != "1" {
		t.Errorf("carrier of the other's front: got %s, want 1", got)
	}
	if _, err := one.Start("true"); err == nil {
		t.Error("a program starts without power")
	}

	start = Now()
	must(t, one.PowerOn())
	t.Logf("power on took %v", Now()-start)
	if after := run(t, one, "cat", "/sys/class/net/eth0/address", "/sys/class/net/eth1/address"); after != before {
		t.Errorf("MAC addresses: got %q, want %q as before", after, before)
	}
	if got, err := one.ReadFile("/etc/ha.d/kept"); got != "yes" {
		t.Errorf("the disk after power on: got %q, %v", got, err)
	}
	if _, err := one.ReadFile("/run/lost"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("/run after power on: got %v, want it empty", err)
	}
	eventually(t, "carrier of the cable is back", func() bool { return carrier(t, two, "eth1") == "1" })
	_, err = one.Serve("udp://10.0.0.1:7", 0)
	must(t, err)
	if !answered(l, "proxy02", "udp://10.0.0.1:7", patience) {
		t.Error("no answer over the cable after power on")
	}
}

// TestHostSeesItsOrphansReaped checks the init of a host: a dead orphan must not stay as a zombie.
func TestHostSeesItsOrphansReaped(t *testing.T) {
	h := newPair(t).Host("client")
	run(t, h, "sh", "-c", "for i in 1 2 3 4 5; do (sleep 0.01 &) ; done")
	eventually(t, "no zombies", func() bool {
		return !strings.Contains(run(t, h, "ps", "-e", "-o", "stat="), "Z")
	})
}

func TestTwoLabsAfterEachOtherAndNoNameTwice(t *testing.T) {
	l := newPair(t)
	if second, err := New(t.TempDir(), pair()...); err == nil {
		second.Close()
		t.Error("two labs with the same host names at a time")
	}
	must(t, l.Close())
	must(t, l.Close())
	again, err := New(t.TempDir(), pair()...)
	must(t, err)
	must(t, again.Close())
}

// countProcesses counts the processes of the lab whose command line matches.
func countProcesses(t *testing.T, pattern string) int {
	t.Helper()
	n := 0
	for _, line := range commandLines(t) {
		if matches(t, pattern, line) {
			n++
		}
	}
	return n
}

func carrier(t *testing.T, h *Host, eth string) string {
	t.Helper()
	text, err := h.ReadFile("/sys/class/net/" + eth + "/carrier")
	must(t, err)
	return strings.TrimSpace(text)
}
