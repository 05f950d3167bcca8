package agent

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lubdub/internal/cluster"
)

// What a Debian system has when apache2, resource-agents and heartbeat are installed.
const (
	realApache  = "/usr/sbin/apache2"
	realAgent   = "/usr/lib/ocf/resource.d/heartbeat/apache"
	realWrapper = "/etc/ha.d/resource.d/apache"
)

// site is a configuration for the real Apache, on loopback.
type site struct{ dir, conf, pid, listen string }

func newSite(t *testing.T) site {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := site{dir: t.TempDir(), listen: l.Addr().String()}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s.conf, s.pid = s.dir+"/httpd.conf", s.dir+"/httpd.pid"
	s.write(t, "")
	return s
}

// write writes the configuration, with one more line.
func (s site) write(t *testing.T, more string) {
	t.Helper()
	text := fmt.Sprintf(`ServerRoot %[1]s
ServerName localhost
PidFile %[2]s
DefaultRuntimeDir %[1]s
ErrorLog %[1]s/error.log
DocumentRoot %[1]s
Listen %[3]s
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule status_module /usr/lib/apache2/modules/mod_status.so
<Location "/server-status">
SetHandler server-status
</Location>
%[4]s
`, s.dir, s.pid, s.listen, more)
	if err := os.WriteFile(s.conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// kill is what no init script sees.
func (s site) kill(t *testing.T) {
	t.Helper()
	pid := s.process()
	if pid < 2 {
		t.Fatal("no process id")
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of Apache", func() bool { return unix.Kill(pid, 0) == unix.ESRCH })
}

// process returns what the pid file says; 0: nothing.
func (s site) process() int {
	text, err := os.ReadFile(s.pid)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return pid
}

// adopt makes the test the parent of an orphaned Apache and buries it, as a machine's first process does at once and a
// container's may not: the agent takes a dead process that nobody buried for a running one.
func (s site) adopt(t *testing.T) {
	t.Helper()
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		look := time.NewTicker(5 * time.Millisecond)
		defer look.Stop()
		for mine := map[int]bool{}; ; {
			select {
			case <-end:
				return
			case <-look.C:
			}
			if pid := s.process(); pid > 1 {
				mine[pid] = true
			}
			for pid := range mine {
				if dead, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); err == nil && dead == pid {
					delete(mine, pid)
				}
			}
		}
	}()
	t.Cleanup(func() {
		close(end)
		<-ended
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0); err != nil {
			t.Error(err)
		}
	})
}

// TestApache is the tutorial's apache::CONFIGFILE with the real agent and the real Apache, with Heartbeat's wrapper and
// without.
func TestApache(t *testing.T) {
	for _, c := range []struct{ name, wrapper, stopped string }{
		{"agent", "", "apache does not run: exit code 7: apache not running"},
		{"wrapper", realWrapper, `apache does not run ("Resource is stopped")`},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, path := range []string{realApache, realAgent, c.wrapper} {
				if _, err := os.Stat(path); path != "" && err != nil {
					t.Skipf("the real thing is not installed: %v", err)
				}
			}
			if os.Getuid() != 0 {
				t.Skip("the agent apache wants root")
			}
			w := newWorld(t)
			w.OCFRoot = ""
			if c.wrapper != "" {
				w.ResourceDir = ""
			}
			s := newSite(t)
			s.adopt(t)
			w.live(t, s, c.stopped)
		})
	}
}

// live takes an Apache through its life.
func (w *world) live(t *testing.T, s site, stopped string) {
	do := func(a cluster.Action, result cluster.Result, words string) cluster.Outcome {
		t.Helper()
		out := w.expect(t, request("apache", a, s.conf), result, words)
		t.Logf("%s took %v: %s", a, out.Took.Round(time.Millisecond), out.Words)
		return out
	}
	defer w.Run(context.Background(), request("apache", cluster.Stop, s.conf))
	do(cluster.Monitor, cluster.NotRunning, stopped)
	do(cluster.Start, cluster.OK, "apache is started")
	do(cluster.Monitor, cluster.OK, "apache runs")
	do(cluster.Start, cluster.OK, "apache ...") // once more does no harm
	s.kill(t)
	do(cluster.Monitor, cluster.NotRunning, stopped)
	do(cluster.Stop, cluster.OK, "apache is stopped")
	do(cluster.Start, cluster.OK, "apache is started")
	if err := os.Remove(s.pid); err != nil { // as apachectl stop leaves it
		t.Fatal(err)
	}
	if out := do(cluster.Monitor, cluster.NotRunning, stopped); out.Took > 15*time.Second { // its time-out is longer
		t.Errorf("it took %v to see that there is no pid file", out.Took)
	}
	do(cluster.Stop, cluster.OK, "apache is stopped")

	s.write(t, "DocumentRot /srv")
	q := request("apache", cluster.Start, s.conf)
	q.Timeout = time.Minute // all of which the agent would wait
	out := w.Run(t.Context(), q)
	want := fmt.Sprintf("apache start: its configuration is wrong in %s, line 14 (Invalid command 'DocumentRot'", s.conf)
	if out.Result != cluster.Failed || !strings.HasPrefix(out.Words, want) || len(out.Lines) == 0 ||
		!strings.HasPrefix(out.Lines[0], "apache start: ended, for it would wait in vain: ") || out.Took > q.Timeout-time.Second {
		t.Errorf("got %d %q, want %q", out.Result, out.Words, want)
	}
	q = request("apache", cluster.Start, s.dir+"/none.conf")
	if out := w.Run(t.Context(), q); !strings.HasPrefix(out.Words, "apache start: "+s.dir+"/none.conf is not there: make it, or correct its path") {
		t.Errorf("without configuration: %q", out.Words)
	}
}

// Scripts of Heartbeat's that source its functions, found where its package puts them.
func TestShellFunctions(t *testing.T) {
	if _, err := os.Stat(shellFunctions); err != nil {
		t.Skipf("Heartbeat's functions are not installed: %v", err)
	}
	w := newWorld(t)
	w.OCFRoot = ""
	w.heartbeat(t, "db", `. $HA_FUNCS; ha_log "ERROR: no licence"; exit 1`)
	w.expect(t, request("db", cluster.Stop), cluster.Failed, "db stop: exit code 1 (generic error): no licence")
}
