package daemon

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"

	"lubdub/internal/cluster"
)

// subscribed is all of systemd that a listener needs.
type subscribed chan struct{}

func (s subscribed) Subscribe() *godbus.Error {
	s <- struct{}{}
	return nil
}

// When systemd says that a unit ended, the loop is told at once of every resource that it is.
func TestWatchUnits(t *testing.T) {
	program, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skip("there is no dbus-daemon")
	}
	address := "unix:path=" + t.TempDir() + "/bus"
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
	bus := exec.Command(program, "--session", "--nofork", "--nopidfile", "--address="+address)
	if err := bus.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bus.Process.Kill(); _ = bus.Wait() }()
	var conn *godbus.Conn
	for end := time.Now().Add(pingPatience); conn == nil && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		conn, _ = godbus.Connect(address)
	}
	if conn == nil {
		t.Fatal("the bus did not come")
	}
	defer conn.Close()
	listens := make(subscribed, 1)
	if err := conn.Export(listens, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName("org.freedesktop.systemd1", 0); err != nil {
		t.Fatal(err)
	}

	unit := func(name string) cluster.Resource {
		return cluster.Resource{Name: "systemd:" + name, Class: "systemd", Type: name}
	}
	cfg := cluster.Config{Groups: []cluster.Group{
		{Name: "web", Resources: []cluster.Resource{{Name: "ip", Class: "address", Type: "address"}, unit("httpd")}},
		{Name: "db", Resources: []cluster.Resource{unit("pg@1")}}}}
	l := newLoop(nil, now, nil, nil)
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); watchUnits(ctx, cfg, l) }()
	select {
	case <-listens:
	case <-time.After(pingPatience):
		t.Fatal("nobody listens")
	}
	for _, name := range []string{"other.service", "pg@1.service"} {
		path := godbus.ObjectPath("/org/freedesktop/systemd1/unit/" + dbus.PathBusEscape(name))
		changed := map[string]godbus.Variant{"ActiveState": godbus.MakeVariant("failed")}
		if err := conn.Emit(path, "org.freedesktop.DBus.Properties.PropertiesChanged", "org.freedesktop.systemd1.Unit", changed, []string{}); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case in := <-l.inputs:
		if want := (cluster.Suspected{Group: "db", Resource: "systemd:pg@1"}); in != want {
			t.Errorf("got %v, want %v", in, want)
		}
	case <-time.After(pingPatience):
		t.Error("the loop was not told")
	}
	end()
	<-ended
	if len(l.inputs) > 0 {
		t.Errorf("and told of %v", <-l.inputs)
	}
}
