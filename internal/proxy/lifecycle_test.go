package proxy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// testProcess makes the test binary be another process.
func testProcess(part string, arguments ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", "proxy", part)
	cmd.Env = append(os.Environ(), "PROXY_TEST="+strings.Join(arguments, " "))
	return cmd
}

func stopAtEnd(t testing.TB, place Place) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := Stop(ctx, "web", place); err != nil {
			t.Error(err)
		}
	})
}

func running(pid int) bool { return startOf(pid) != "" }

func TestStartMonitorStop(t *testing.T) {
	s, url := local(t, backEndSaying(t, "ok").URL)
	place := testPlace(t)
	if _, err := Monitor(t.Context(), "web", place); !errors.Is(err, ErrNotRunning) {
		t.Errorf("monitor before the start: %v", err)
	}
	if err := Stop(t.Context(), "web", place); err != nil {
		t.Errorf("stop before the start: %v", err)
	}
	stopAtEnd(t, place)
	for range 2 { // the second changes nothing
		if err := Start(t.Context(), s, place); err != nil {
			t.Fatal(err)
		}
	}
	mustFetch(t, url)
	st := monitored(t, "web", place)
	if st.Supervisor == os.Getpid() || !running(st.Supervisor) || !running(st.Worker) || st.Restarts != 0 {
		t.Fatalf("status: %+v", st)
	}
	status := readFile(t, fmt.Sprintf("/proc/%d/status", st.Supervisor))
	if field(status, "PPid") == fmt.Sprint(os.Getpid()) {
		t.Error("the supervisor is our child: it would be a zombie of ours one day")
	}
	if os.Geteuid() == 0 {
		// setuid, setgid, kill, setpcap, net_bind_service, dac_override and nothing else
		if rights := field(status, "CapEff"); rights != "00000000000005e2" {
			t.Errorf("the supervisor's rights: %s", rights)
		}
	}
	if line := readFile(t, fmt.Sprintf("/proc/%d/cmdline", st.Worker)); strings.Contains(line, "127.0.0.1") {
		t.Errorf("settings in the arguments: %q", line)
	}
	if err := Stop(t.Context(), "web", place); err != nil {
		t.Fatal(err)
	}
	if running(st.Worker) {
		t.Error("the worker outlived the stop")
	}
	if _, _, err := fetch(url); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after the stop: %v", err)
	}
}

func TestStartTellsWhyItCannot(t *testing.T) {
	s, _ := local(t, backEndSaying(t, "ok").URL)
	s.AccessLog = "/nonexistent/access.log"
	place := testPlace(t)
	err := Start(t.Context(), s, place)
	if err == nil || !strings.Contains(err.Error(), "/nonexistent/access.log") {
		t.Errorf("got %v", err)
	}
	if _, err := Monitor(t.Context(), "web", place); !errors.Is(err, ErrNotRunning) {
		t.Errorf("monitor after a failed start: %v", err)
	}
}

// TestSupervisorDies: the worker drains and leaves its port, and a new start takes over at once.
func TestSupervisorDies(t *testing.T) {
	s, url := local(t, backEndSaying(t, "ok").URL)
	place := testPlace(t)
	stopAtEnd(t, place)
	if err := Start(t.Context(), s, place); err != nil {
		t.Fatal(err)
	}
	before := monitored(t, "web", place)
	kill(t, before.Supervisor)
	eventually(t, "monitor notices", func() bool {
		_, err := Monitor(t.Context(), "web", place)
		return errors.Is(err, ErrNotRunning)
	})
	if err := Start(t.Context(), s, place); err != nil {
		t.Fatal(err)
	}
	mustFetch(t, url)
	eventually(t, "the old worker is gone", func() bool { return !running(before.Worker) })
}

// TestStopKillsWhatHangs stops both processes with SIGSTOP first.
func TestStopKillsWhatHangs(t *testing.T) {
	s, url := local(t, backEndSaying(t, "ok").URL)
	place := testPlace(t)
	if err := Start(t.Context(), s, place); err != nil {
		t.Fatal(err)
	}
	st := monitored(t, "web", place)
	for _, pid := range []int{st.Supervisor, st.Worker} {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), killTime+500*time.Millisecond)
	defer cancel()
	if err := Stop(ctx, "web", place); err != nil {
		t.Fatal(err)
	}
	if _, _, err := fetch(url); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after the stop: %v", err)
	}
}

// TestStopSparesANamesake: a recorded number that is another process's by now is left alone.
func TestStopSparesANamesake(t *testing.T) {
	place := testPlace(t)
	dir := place.directory("web")
	if err := dir.make(); err != nil {
		t.Fatal(err)
	}
	other := exec.Command("sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	defer func() {
		if !ended {
			other.Process.Kill()
			other.Wait()
		}
	}()
	if err := dir.record([]process{{other.Process.Pid, "1"}}); err != nil {
		t.Fatal(err)
	}
	if err := dir.kill(); err != nil {
		t.Fatal(err)
	}
	other.Process.Signal(syscall.SIGTERM) // a SIGKILL sent before would win
	other.Wait()
	ended = true
	if how := other.ProcessState.Sys().(syscall.WaitStatus).Signal(); how != syscall.SIGTERM {
		t.Errorf("a process that was not ours ended by %v", how)
	}
}

// TestSocketsBeforeTheAddress runs in a network namespace of its own, which ends with the process.
func TestSocketsBeforeTheAddress(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes a network namespace")
	}
	cmd := testProcess("--namespace", shortDir(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// noRoute stands for the status of a request that found no route.
const noRoute = -1

func beInNamespace(runtime string) error {
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := Settings{Name: "web", Listen: []string{"192.0.2.100:80", "[2001:db8::100]:80"}, BackEnds: []string{"http://127.0.0.1:9"}, DrainTime: time.Second}
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- RunSupervisor(ctx, s, Place{Runtime: runtime}, func() { close(ready) }) }()
	select {
	case err := <-ended:
		return err
	case <-ready:
	}
	for _, address := range []string{"192.0.2.100/32", "2001:db8::100/128"} {
		host := strings.Split(address, "/")[0]
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		if _, _, err := fetch("http://" + host + "/"); err == nil {
			return fmt.Errorf("%s answers before it is here", address)
		}
		a, err := netlink.ParseAddr(address)
		if err != nil {
			return err
		}
		a.Flags |= syscall.IFA_F_NODAD
		if err := netlink.AddrAdd(lo, a); err != nil {
			return err
		}
		status, err := noRoute, error(nil)
		// The kernel makes the route of an IPv6 address a moment after the address.
		for try := 0; status == noRoute && try < 500; try++ {
			if try > 0 {
				<-time.After(20 * time.Millisecond)
			}
			if status, _, err = fetch("http://" + host + "/"); errors.Is(err, syscall.ENETUNREACH) {
				status = noRoute
			}
		}
		if err != nil || status != 503 { // the back end is not there
			return fmt.Errorf("%s: status %d, %w", address, status, err)
		}
	}
	cancel()
	return <-ended
}
