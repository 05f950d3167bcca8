package agent

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lubdub/internal/cluster"
)

// insideSystemd says that this process runs where the test's own systemd is the first process.
const insideSystemd = "LUBDUB_TEST_SYSTEMD"

// firstProcess makes the world of a real systemd: namespaces of its own, and no unit of this machine.
const firstProcess = `set -e
for c in /sys/fs/cgroup "$@"; do [ -e $c/$NAME/cgroup.procs ] && echo 0 >$c/$NAME/cgroup.procs; done
exec unshare --kill-child=KILL --mount --pid --fork --net --uts --ipc --cgroup --mount-proc sh -c '
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/units /run/empty /run/empty/ld.target.wants
unit() { printf "[Unit]\nDefaultDependencies=no\n$2" >/run/units/$1; }
unit ld.target ""
unit good.service "[Service]\nExecStart=/bin/sleep 600\n[Install]\nWantedBy=ld.target\n"
unit bad.service "[Service]\nType=forking\nExecStart=/bin/false\n"
mount --bind /run/units /lib/systemd/system
mount --bind /run/empty /etc/systemd/system
exec env -i container=lubdub PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=ld.target --log-target=null --show-status=no'
`

// newRealSystemd starts systemd as the first process of a world of its own and returns its process id here.
func newRealSystemd(t *testing.T) string {
	t.Helper()
	for _, path := range []string{"/lib/systemd/systemd", "/usr/bin/unshare", "/usr/bin/nsenter"} {
		if _, err := os.Stat(path); err != nil {
			t.Skipf("the real thing is not installed: %v", err)
		}
	}
	if os.Getuid() != 0 {
		t.Skip("only root can make namespaces")
	}
	name := fmt.Sprintf("ldag%d", os.Getpid())
	mounts, err := filepath.Glob("/sys/fs/cgroup/*")
	if err != nil {
		t.Fatal(err)
	}
	mounts = slices.DeleteFunc(mounts, func(dir string) bool {
		_, err := os.Stat(dir + "/cgroup.procs")
		return err != nil
	})
	for _, dir := range append(mounts, "/sys/fs/cgroup") {
		if os.Mkdir(filepath.Join(dir, name), 0o755) != nil {
			continue // no hierarchy, or none that can be written
		}
		t.Cleanup(func() { removeGroups(t, filepath.Join(dir, name)) })
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} { // version 1 wants them before anybody enters
			if text, err := os.ReadFile(filepath.Join(dir, file)); err == nil {
				_ = os.WriteFile(filepath.Join(dir, name, file), text, 0o644)
			}
		}
	}
	cmd := exec.Command("/bin/sh", append([]string{"-c", firstProcess, "sh"}, mounts...)...)
	cmd.Env = append(os.Environ(), "NAME="+name)
	var said strings.Builder
	cmd.Stderr = &said
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var first string
	t.Cleanup(func() {
		if pid, err := strconv.Atoi(first); err == nil {
			_ = unix.Kill(pid, unix.SIGKILL) // the rest of its world goes with it
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for end := time.Now().Add(3 * patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", cmd.Process.Pid))
		first = strings.TrimSpace(string(children))
		if _, err := os.Stat("/proc/" + first + "/root/run/systemd/private"); first != "" && err == nil {
			return first
		}
	}
	t.Skipf("systemd does not run in namespaces here: %s", said.String())
	return ""
}

// removeGroups removes a control group and those below it, as soon as they are empty.
func removeGroups(t *testing.T, dir string) {
	t.Helper()
	eventually(t, "the end of "+dir, func() bool {
		var all []string
		_ = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				all = append(all, path)
			}
			return nil
		})
		slices.Reverse(all)
		for _, one := range all {
			_ = unix.Rmdir(one)
		}
		_, err := os.Stat(dir)
		return os.IsNotExist(err)
	})
}

// TestRealSystemd takes units of a real systemd, which is the first process of its world, through their lives.
func TestRealSystemd(t *testing.T) {
	if os.Getenv(insideSystemd) != "" {
		insideRealSystemd(t)
		return
	}
	first := newRealSystemd(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/bin/nsenter", "-t", first, "-m", "-p", "-n", "-C", self, "-test.run=^TestRealSystemd$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), insideSystemd+"=1", "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	t.Logf("%s", out)
}

func insideRealSystemd(t *testing.T) {
	w := newWorld(t)
	const ok, not, failed, unusable = cluster.OK, cluster.NotRunning, cluster.Failed, cluster.Unusable
	do := func(unit string, a cluster.Action, result cluster.Result, words string) {
		t.Helper()
		out := w.expect(t, unitRequest(unit, a), result, words)
		t.Logf("%s %s took %v: %s", unit, a, out.Took.Round(time.Millisecond), out.Words)
	}
	do("good", cluster.Monitor, not, "systemd:good does not run: good.service is inactive (dead)")
	do("good", cluster.Start, ok, "systemd:good is started")
	do("good", cluster.Monitor, ok, "systemd:good runs")
	do("bad", cluster.Start, failed, `systemd:bad start: the job of bad.service ended with "failed", and the unit is failed: exit-code...`)
	do("bad", cluster.Monitor, not, "systemd:bad does not run: bad.service is failed: exit-code...")
	do("none", cluster.Start, unusable, "systemd:none start: systemd has no unit none.service...")
	do("none", cluster.Monitor, not, "systemd:none does not run: none.service is not-found")

	ctx, end := context.WithCancel(t.Context())
	changed, ended := make(chan time.Time, 10), make(chan struct{})
	go func() {
		defer close(ended)
		WatchUnits(ctx, []string{"good"}, func(string) { changed <- time.Now() })
	}()
	ctl, path := w.openSystemctl()
	if path == "" {
		t.Fatal("systemd without systemctl")
	}
	time.Sleep(300 * time.Millisecond) // until the watch listens: nothing shows that it does
	began := time.Now()
	if _, err := ctl.run(t.Context(), "kill", "--signal=KILL", "good.service"); err != nil {
		t.Fatal(err)
	}
	select {
	case at := <-changed:
		t.Logf("the end of the unit was known %v after it was killed, the command included", at.Sub(began).Round(time.Millisecond))
	case <-time.After(patience):
		t.Error("the end of the unit was not seen")
	}
	end()
	<-ended
	do("good", cluster.Monitor, not, "systemd:good does not run: good.service is failed: signal, status 9")
	do("good", cluster.Start, ok, "systemd:good is started")
	do("good", cluster.Stop, ok, "systemd:good is stopped")

	if s, err := ctl.state(t.Context(), "bad.service"); err != nil || !strings.HasPrefix(s.String(), "failed: exit-code") || s.load != "loaded" {
		t.Errorf("systemctl says %+v, %v", s, err)
	}
	if result, err := ctl.job(t.Context(), cluster.Start, "bad.service"); err != nil || !strings.HasPrefix(result, "exit code 1: ") {
		t.Errorf("systemctl start says %q, %v", result, err)
	}
	if err := os.Symlink("/lib/systemd/system/good.service", "/etc/systemd/system/ld.target.wants/good.service"); err != nil {
		t.Fatal(err)
	}
	if _, err := ctl.run(t.Context(), "daemon-reload"); err != nil {
		t.Fatal(err)
	}
	e := w.Examine(t.Context(), "web", unitRequest("good", "").Resource)
	if len(e.Doubts) != 1 || !strings.HasPrefix(e.Doubts[0].Words, "good.service is started at boot") {
		t.Errorf("got %+v", e)
	}
}
