package agent

import (
	"os"
	"testing"

	"lubdub/internal/cluster"
)

func TestLookupOrder(t *testing.T) {
	w := newWorld(t)
	tell := func(what string) string { return "#!/bin/sh\necho " + what + "; exit 1\n" }
	places := []string{"resource.d/db", "init.d/db", "ocf/resource.d/heartbeat/db", "ocf/resource.d/acme/db", "ocf/resource.d/zzz/db"}
	for _, p := range places {
		w.write(t, p, tell(p))
	}
	w.write(t, "ocf/resource.d/.hidden/db", tell("hidden"))
	stop := request("db", cluster.Stop)
	for _, p := range places {
		w.expect(t, stop, cluster.Failed, "db stop: exit code 1 (generic error): "+p)
		if err := os.Remove(w.dir + "/" + p); err != nil {
			t.Fatal(err)
		}
	}
	dirs := ""
	for _, d := range []string{"resource.d", "init.d", "ocf/resource.d/heartbeat", "ocf/resource.d/acme", "ocf/resource.d/zzz"} {
		dirs += ", " + w.dir + "/" + d
	}
	w.expect(t, stop, cluster.Unusable, "db stop: there is no agent db in "+dirs[2:]+
		": install it (OCF agents are in the package resource-agents) or correct the name")
}

func TestClasses(t *testing.T) {
	w := newWorld(t)
	for _, p := range []string{"resource.d/db", "init.d/db", "ocf/resource.d/heartbeat/db", "ocf/resource.d/acme/db"} {
		w.write(t, p, "#!/bin/sh\necho "+p+"; exit 1\n")
	}
	for _, c := range []struct{ class, provider, kind, want string }{
		{"heartbeat", "", "db", "db stop: exit code 1 (generic error): resource.d/db"},
		{"lsb", "", "db", "db stop: exit code 1 (generic error): init.d/db"},
		{"ocf", "", "db", "db stop: exit code 1 (generic error): ocf/resource.d/heartbeat/db"},
		{"ocf", "acme", "db", "db stop: exit code 1 (generic error): ocf/resource.d/acme/db"},
		{"ocf", "nobody", "db", "db stop: there is no agent db in " + w.dir + "/ocf/resource.d/nobody..."},
		{"ocf", "../x", "db", `db stop: "db" cannot be the name of an agent`},
		{"upstart", "", "db", "db stop: resources of class upstart cannot be run: ..."},
		{"systemd", "", "../db", `db stop: "../db" cannot be the name of a unit`},
		{"", "", "../db", `db stop: "../db" cannot be the name of an agent`},
		{"", "", ".db", `db stop: ".db" cannot be the name of an agent`},
		{"address", "", "", "db stop: this program cannot change addresses"},
		{"proxy", "", "", "db stop: this program has no built-in proxy"},
	} {
		q := request("db", cluster.Stop)
		q.Resource.Class, q.Resource.Provider, q.Resource.Type = c.class, c.provider, c.kind
		want := cluster.Unusable
		if c.class != "upstart" && c.class != "systemd" && c.want[len("db stop: ")] == 'e' {
			want = cluster.Failed
		}
		w.expect(t, q, want, c.want)
	}
}

func TestNotExecutable(t *testing.T) {
	w := newWorld(t)
	path := w.write(t, "resource.d/db", "#!/bin/sh\n")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	w.expect(t, request("db", cluster.Start), cluster.Unusable, "db start: "+path+" cannot be executed: chmod +x "+path)
	q := request("db", "promote")
	w.expect(t, q, cluster.Unusable, "db promote: there is no such action")
}

func TestWithoutInterpreterLine(t *testing.T) {
	w := newWorld(t)
	w.write(t, "resource.d/db", "echo running\n")
	w.expect(t, request("db", cluster.Monitor), cluster.OK, "db runs")
}

func TestArgumentsAreNotExpanded(t *testing.T) {
	w := newWorld(t)
	w.heartbeat(t, "db", `echo "ERROR: $1"; exit 1`)
	w.expect(t, request("db", cluster.Stop, "$(id) `id` * ; reboot"), cluster.Failed,
		"db stop: exit code 1 (generic error): $(id) `id` * ; reboot")
}
