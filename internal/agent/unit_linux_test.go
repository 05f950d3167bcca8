package agent

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"

	"lubdub/internal/cluster"
)

const (
	systemdName = "org.freedesktop.systemd1"
	systemdPath = godbus.ObjectPath("/org/freedesktop/systemd1")
)

// fakeSystemd answers on a bus of the test's own as systemd does: units, jobs, and the signals of both.
type fakeSystemd struct {
	conn *godbus.Conn
	mu   sync.Mutex
	all  map[string]*fakeUnit
	jobs int
	log  []string
}

// fakeUnit is a unit and how its jobs end.
type fakeUnit struct {
	unitState
	name   string
	result string // of a start; empty: done
	takes  time.Duration
	again  string // Restart=
	in     *fakeSystemd
}

func (u *fakeUnit) path() godbus.ObjectPath {
	return systemdPath + "/unit/" + godbus.ObjectPath(dbus.PathBusEscape(u.name))
}

// newSystemd starts a bus and puts systemd on it.
func newSystemd(t *testing.T, all ...*fakeUnit) *fakeSystemd {
	t.Helper()
	program, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skip("there is no dbus-daemon")
	}
	address := "unix:path=" + t.TempDir() + "/bus"
	cmd := exec.Command(program, "--session", "--nofork", "--nopidfile", "--address="+address)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
	s := &fakeSystemd{all: map[string]*fakeUnit{}}
	eventually(t, "the bus", func() bool {
		s.conn, err = godbus.Connect(address)
		return err == nil
	})
	t.Cleanup(func() { s.conn.Close() })
	for _, u := range all {
		u.in = s
		s.all[u.name] = u
		if err := s.conn.Export(u, u.path(), "org.freedesktop.DBus.Properties"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.conn.Export(s, systemdPath, systemdName+".Manager"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.conn.RequestName(systemdName, godbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	return s
}

func loaded(name, active string) *fakeUnit {
	return &fakeUnit{name: name, unitState: unitState{load: "loaded", active: active, sub: active, file: "disabled"}}
}

func (u *fakeUnit) GetAll(string) (map[string]godbus.Variant, *godbus.Error) {
	u.in.mu.Lock()
	defer u.in.mu.Unlock()
	v := godbus.MakeVariant
	return map[string]godbus.Variant{"LoadState": v(u.load), "ActiveState": v(u.active), "SubState": v(u.sub), "UnitFileState": v(u.file)}, nil
}

func (u *fakeUnit) Get(_, name string) (godbus.Variant, *godbus.Error) {
	u.in.mu.Lock()
	defer u.in.mu.Unlock()
	switch name {
	case "ExecMainStatus":
		return godbus.MakeVariant(int32(1)), nil
	case "Restart":
		return godbus.MakeVariant(u.again), nil
	}
	return godbus.MakeVariant(u.unitState.result), nil
}

// become changes the unit's state and tells.
func (u *fakeUnit) become(active, sub, result string) {
	u.in.mu.Lock()
	u.active, u.sub, u.unitState.result = active, sub, result
	u.in.mu.Unlock()
	changed := map[string]godbus.Variant{"ActiveState": godbus.MakeVariant(active), "SubState": godbus.MakeVariant(sub)}
	_ = u.in.conn.Emit(u.path(), "org.freedesktop.DBus.Properties.PropertiesChanged", systemdName+".Unit", changed, []string{})
}

func (s *fakeSystemd) Subscribe() *godbus.Error { s.note("subscribe"); return nil }

func (s *fakeSystemd) ResetFailedUnit(name string) *godbus.Error {
	s.note("reset " + name)
	return nil
}

func (s *fakeSystemd) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, what)
}

func (s *fakeSystemd) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.log, ", ")
}

func (s *fakeSystemd) StartUnit(name, mode string) (godbus.ObjectPath, *godbus.Error) {
	return s.job("start", name, mode, func(u *fakeUnit) string {
		switch u.result {
		case "":
			u.become("active", "running", "")
			return jobDone
		case "stillborn":
			u.become("failed", "failed", "exit-code")
			return jobDone
		}
		u.become("failed", "failed", "exit-code")
		return u.result
	})
}

func (s *fakeSystemd) StopUnit(name, mode string) (godbus.ObjectPath, *godbus.Error) {
	return s.job("stop", name, mode, func(u *fakeUnit) string {
		if u.result == "sticky" {
			return "timeout"
		}
		u.become("inactive", "dead", "")
		return jobDone
	})
}

func (s *fakeSystemd) job(verb, name, mode string, end func(*fakeUnit) string) (godbus.ObjectPath, *godbus.Error) {
	s.note(verb + " " + name + " " + mode)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs++
	id, u := s.jobs, s.all[name]
	path := systemdPath + godbus.ObjectPath(fmt.Sprintf("/job/%d", id))
	time.AfterFunc(u.takes, func() {
		_ = s.conn.Emit(systemdPath, systemdName+".Manager.JobRemoved", uint32(id), path, name, end(u))
	})
	return path, nil
}

func unitRequest(name string, a cluster.Action) Request {
	q := request("systemd:"+name, a)
	q.Resource.Class, q.Resource.Type = "systemd", name
	return q
}

func TestUnits(t *testing.T) {
	sick, stillborn, sticky, missing, masked, slow := loaded("sick.service", "failed"), loaded("stillborn.service", "inactive"),
		loaded("sticky.service", "active"), loaded("missing.service", "inactive"), loaded("masked.service", "inactive"), loaded("slow.service", "inactive")
	sick.result, sick.unitState.result, stillborn.result, sticky.result, slow.takes = "failed", "exit-code", "stillborn", "sticky", time.Hour
	missing.load, masked.load = "not-found", "masked"
	s := newSystemd(t, loaded("httpd.service", "inactive"), loaded("db.socket", "inactive"), sick, stillborn, sticky, missing, masked, slow)
	w := newWorld(t)
	const ok, not, failed, unusable = cluster.OK, cluster.NotRunning, cluster.Failed, cluster.Unusable
	for _, c := range []struct {
		unit   string
		action cluster.Action
		result cluster.Result
		words  string
	}{
		{"httpd", cluster.Monitor, not, "systemd:httpd does not run: httpd.service is inactive"},
		{"httpd", cluster.Start, ok, "systemd:httpd is started"},
		{"httpd", cluster.Start, ok, "systemd:httpd was running already"},
		{"httpd", cluster.Monitor, ok, "systemd:httpd runs"},
		{"httpd", cluster.Stop, ok, "systemd:httpd is stopped"},
		{"httpd.service", cluster.Stop, ok, "systemd:httpd.service is stopped"},
		{"db.socket", cluster.Start, ok, "systemd:db.socket is started"},
		{"sick", cluster.Monitor, not, "systemd:sick does not run: sick.service is failed: exit-code, status 1"},
		{"sick", cluster.Start, failed, `systemd:sick start: the job of sick.service ended with "failed", and the unit is failed: exit-code, status 1`},
		{"stillborn", cluster.Start, failed, `systemd:stillborn start: the job of stillborn.service ended with "done", and the unit is failed: exit-code, status 1`},
		{"sticky", cluster.Stop, failed, `systemd:sticky stop: the job of sticky.service ended with "timeout", and the unit is active`},
		{"missing", cluster.Start, unusable, "systemd:missing start: systemd has no unit missing.service: install it, correct the name, or: systemctl daemon-reload"},
		{"missing", cluster.Monitor, not, "systemd:missing does not run: missing.service is not-found"},
		{"missing", cluster.Stop, ok, "systemd:missing is stopped"},
		{"masked", cluster.Start, unusable, "systemd:masked start: masked.service is masked: systemctl unmask masked.service"},
	} {
		w.expect(t, unitRequest(c.unit, c.action), c.result, c.words)
	}
	q := unitRequest("slow", cluster.Start)
	q.Timeout = time.Second // it is asked once
	w.expect(t, q, cluster.TimedOut, "systemd:slow start: ended after 1s: it did not answer")
	want := "start httpd.service replace, stop httpd.service replace, start db.socket replace, reset sick.service, start sick.service replace, " +
		"start stillborn.service replace, stop sticky.service replace, start slow.service replace"
	if got := s.said(); got != want {
		t.Errorf("systemd was asked:\n%s\nwant\n%s", got, want)
	}
}

// A unit between two states is waited for: systemd may be restarting it by itself.
func TestUnitSettles(t *testing.T) {
	u := loaded("httpd.service", "activating")
	u.sub = "auto-restart"
	newSystemd(t, u)
	w := newWorld(t)
	q := unitRequest("httpd", cluster.Monitor)
	w.hang(t, q, 300*time.Millisecond, "systemd:httpd monitor: ended after TIME: it did not answer; httpd.service is activating (auto-restart)")
	time.AfterFunc(50*time.Millisecond, func() { u.become("active", "running", "") })
	w.expect(t, unitRequest("httpd", cluster.Monitor), cluster.OK, "systemd:httpd runs")
}

// The end of a unit is known at once, and who comes back to the bus looks at everything.
func TestUnitsAreWatched(t *testing.T) {
	httpd, other := loaded("httpd.service", "active"), loaded("other.service", "active")
	s := newSystemd(t, httpd, other)
	ctx, end := context.WithCancel(t.Context())
	changed, ended := make(chan string, 10), make(chan struct{})
	go func() {
		defer close(ended)
		WatchUnits(ctx, []string{"httpd", "db"}, func(name string) { changed <- name })
	}()
	eventually(t, "the subscription", func() bool { return strings.Contains(s.said(), "subscribe") })
	other.become("failed", "failed", "signal")
	httpd.become("active", "running", "") // nothing new
	began := time.Now()
	httpd.become("failed", "failed", "signal")
	select {
	case name := <-changed:
		t.Logf("known after %v", time.Since(began))
		if name != "httpd" {
			t.Errorf("%q changed", name)
		}
	case <-time.After(patience):
		t.Error("the failure of the unit was not seen")
	}
	if len(changed) > 0 {
		t.Errorf("and %q changed", <-changed)
	}
	end()
	<-ended
}

func TestExamineUnit(t *testing.T) {
	enabled := loaded("httpd.service", "active")
	enabled.file = "enabled"
	eager := loaded("eager.service", "active")
	eager.again = "on-failure"
	newSystemd(t, enabled, eager, loaded("db.service", "inactive"))
	w := newWorld(t)
	e := w.Examine(t.Context(), "web", unitRequest("httpd", "").Resource)
	if len(e.Doubts) != 1 || e.Doubts[0].String() != "httpd.service is started at boot, by both nodes and without lubdub: systemctl disable httpd.service" {
		t.Errorf("got %+v", e)
	}
	e = w.Examine(t.Context(), "web", unitRequest("eager", "").Resource)
	if len(e.Doubts) != 1 || !strings.HasPrefix(e.Doubts[0].String(), "systemd itself starts eager.service again when it ends (Restart=on-failure)") {
		t.Errorf("got %+v", e)
	}
	e = w.Examine(t.Context(), "web", unitRequest("db", "").Resource)
	if len(e.Doubts) != 0 || len(e.Ran) != 1 || e.Ran[0] != "systemd was asked: db.service is loaded, disabled, inactive" {
		t.Errorf("got %+v", e)
	}
}

// Where no bus is, the command does it: here one that answers as systemctl does.
func TestSystemctl(t *testing.T) {
	w := newWorld(t)
	path := w.write(t, "systemctl", `#!/bin/sh
shift
case $1 in
show) [ $2 = --property=Restart ] && exec echo Restart=always
	echo LoadState=loaded; echo "ActiveState=$(cat `+w.dir+`/state)"; echo SubState=x; echo UnitFileState=static; echo Result=exit-code; echo ExecMainStatus=3;;
start) [ $2 = bad.service ] && { echo "Job for bad.service failed." >&2; exit 1; }; echo active >`+w.dir+`/state;;
stop) echo inactive >`+w.dir+`/state;;
esac
`)
	w.write(t, "state", "failed\n")
	ctl := systemctl{path, []string{"PATH=" + searchPath}}
	if s, err := ctl.state(t.Context(), "httpd.service"); err != nil || s.String() != "failed (x): exit-code, status 3" || s.file != "static" {
		t.Errorf("got %+v, %v", s, err)
	}
	if again := ctl.restarts(t.Context(), "httpd.service"); again != "always" {
		t.Errorf("Restart is %q", again)
	}
	for unit, want := range map[string]string{"httpd.service": jobDone, "bad.service": "exit code 1: Job for bad.service failed."} {
		if got, err := ctl.job(t.Context(), cluster.Start, unit); got != want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", unit, got, err, want)
		}
	}
	if _, err := ctl.job(t.Context(), cluster.Stop, "httpd.service"); err != nil || strings.TrimSpace(read(t, w.dir+"/state")) != "inactive" {
		t.Errorf("stop: %v", err)
	}
}

// Without a bus that answers, the words say what is missing.
func TestNoBus(t *testing.T) {
	if _, err := os.Stat("/run/systemd/private"); err == nil {
		t.Skip("systemd runs here")
	}
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+t.TempDir()+"/none")
	w := newWorld(t)
	out := w.Run(t.Context(), unitRequest("httpd", cluster.Monitor))
	if out.Result != cluster.Failed || !strings.Contains(out.Words, "systemd") {
		t.Errorf("got %+v", out)
	}
}
