package agent

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lubdub/internal/cluster"
)

// What cannot be asked is looked at, and said in one line.
func TestExamineOthers(t *testing.T) {
	newSystemd(t) // which knows no unit: the machine's own is not asked
	w := newWorld(t)
	script, command := w.write(t, "resource.d/queue", "#!/bin/sh\n"), w.write(t, "bin/queue", "#!/bin/sh\n")
	lsb := w.write(t, "init.d/httpd", "#!/bin/sh\n")
	commands := cluster.Commands{Start: []string{command, "-d"}, Stop: []string{command, "stop"}, Monitor: []string{command, "status"}}
	const bare = ": it is there, and only root can change it; such scripts have no validate-all, so nothing was run"
	for _, c := range []struct {
		res cluster.Resource
		ran string
	}{
		{cluster.Resource{Name: "queue", Type: "queue"}, script + bare},
		{cluster.Resource{Name: "lsb:httpd", Class: "lsb", Type: "httpd"}, lsb + bare},
		{cluster.Resource{Name: "exec:queue", Class: "exec", Type: "queue", Commands: commands}, command + ": it is there, and only root can change it; nothing was run"},
		{cluster.Resource{Name: "exec:gone", Class: "exec", Type: "gone", Commands: cluster.Commands{Start: []string{"/nowhere"}}}, ""},
		{cluster.Resource{Name: "absent", Type: "absent"}, ""},
	} {
		e := w.Examine(t.Context(), "web", c.res)
		if got := strings.Join(e.Ran, ";"); got != c.ran || len(e.Doubts) > 0 {
			t.Errorf("%s: ran %q, want %q; doubts %v", c.res.Name, got, c.ran, e.Doubts)
		}
	}
}

// The machine may start a service under any of its names.
func TestUnitsOf(t *testing.T) {
	for name, want := range map[string]string{"apache2": "apache2 apache httpd", "pgsql": "pgsql postgresql", "named": "named bind9",
		"Squid": "Squid squid squid3", "nfsserver": "nfsserver exportfs nfs-server nfs-kernel-server", "queue": "queue"} {
		if got := strings.Join(unitsOf(name), " "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// What the machine starts by itself is found by its links in rc.d, also under the program's name.
func TestStartedAtBoot(t *testing.T) {
	newSystemd(t) // which knows no unit: the machine's own is not asked
	w := newWorld(t)
	w.write(t, "init.d/apache2", "#!/bin/sh\n")
	w.write(t, "resource.d/apache", "#!/bin/sh\n")
	link := filepath.Join(w.dir, "rc3.d", "S20apache2")
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../init.d/apache2", link); err != nil {
		t.Fatal(err)
	}
	want := link + " is started at boot, by both nodes and without lubdub: update-rc.d apache2 disable (or: chkconfig apache2 off)"
	for _, res := range []cluster.Resource{{Name: "apache", Type: "apache"}, {Name: "lsb:apache2", Class: "lsb", Type: "apache2"}} {
		e := w.Examine(t.Context(), "web", res)
		if len(e.Doubts) != 1 || e.Doubts[0].String() != want {
			t.Errorf("%s: got %v, want %s", res.Name, e.Doubts, want)
		}
	}
	if err := os.Rename(link, filepath.Join(w.dir, "rc3.d", "K20apache2")); err != nil {
		t.Fatal(err)
	}
	if e := w.Examine(t.Context(), "web", cluster.Resource{Name: "apache", Type: "apache"}); len(e.Doubts) > 0 {
		t.Errorf("stopped at boot: %v", e.Doubts)
	}
}

// Where systemd runs its word counts, and not that of a link it does not follow.
func TestUnitCountsBeforeLink(t *testing.T) {
	disabled, enabled := loaded("httpd.service", "inactive"), loaded("queue.service", "inactive")
	disabled.file, enabled.file = "disabled", "enabled"
	newSystemd(t, disabled, enabled)
	w := newWorld(t)
	w.write(t, "init.d/httpd", "#!/bin/sh\n")
	w.write(t, "init.d/queue", "#!/bin/sh\n")
	w.write(t, "rc3.d/S20httpd", "")
	if e := w.Examine(t.Context(), "web", cluster.Resource{Name: "lsb:httpd", Class: "lsb", Type: "httpd"}); len(e.Doubts) > 0 {
		t.Errorf("a disabled unit: %v", e.Doubts)
	}
	e := w.Examine(t.Context(), "web", cluster.Resource{Name: "lsb:queue", Class: "lsb", Type: "queue"})
	if len(e.Doubts) != 1 || !strings.HasPrefix(e.Doubts[0].Words, "queue.service is started at boot") {
		t.Errorf("an enabled unit: %v", e.Doubts)
	}
}

// An agent that hangs in validate-all is not called content.
func TestExamineHanging(t *testing.T) {
	w := newWorld(t)
	w.ocf(t, "slow", w.describe(`<action name="validate-all" timeout="5"/>`, "exec sleep 60"))
	ctx, free := context.WithTimeout(t.Context(), 2*time.Second)
	defer free()
	res := cluster.Resource{Name: "slow", Class: "ocf", Type: "slow"}
	if _, err := w.metadata(t.Context(), plan{class: classOCF, provider: "heartbeat", path: filepath.Join(w.dir, "ocf/resource.d/heartbeat/slow"), argv: []string{filepath.Join(w.dir, "ocf/resource.d/heartbeat/slow")}}); err != nil {
		t.Fatal(err) // it is known then, however busy the machine is
	}
	e := w.Examine(ctx, "web", res)
	if len(e.Ran) != 1 || !strings.HasSuffix(e.Ran[0], "slow validate-all: it did not answer") || len(e.Doubts) != 1 {
		t.Errorf("got %+v", e)
	}
}
