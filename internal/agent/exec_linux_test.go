package agent

import (
	"os"
	"strings"
	"testing"

	"lubdub/internal/cluster"
)

func TestExec(t *testing.T) {
	w := newWorld(t)
	path := w.write(t, "queue", "#!/bin/sh\necho \"ERROR: $2 of $#\"; exit $1\n")
	commands := func(code string) cluster.Commands {
		argv := []string{path, code, "a b"}
		return cluster.Commands{Start: argv, Stop: argv, Monitor: argv}
	}
	for _, c := range []struct {
		action cluster.Action
		code   string
		result cluster.Result
		words  string
	}{
		{cluster.Start, "0", cluster.OK, "exec:queue is started"},
		{cluster.Start, "7", cluster.Failed, "exec:queue start: exit code 7: a b of 2"},
		{cluster.Stop, "0", cluster.OK, "exec:queue is stopped"},
		{cluster.Stop, "1", cluster.Failed, "exec:queue stop: exit code 1: a b of 2"},
		{cluster.Monitor, "0", cluster.OK, "exec:queue runs"},
		{cluster.Monitor, "1", cluster.NotRunning, "exec:queue does not run: exit code 1: a b of 2"},
		{cluster.Monitor, "190", cluster.NotRunning, "exec:queue does not run: exit code 190: a b of 2"},
	} {
		q := request("exec:queue", c.action)
		q.Resource.Class, q.Resource.Type, q.Resource.Commands = "exec", "queue", commands(c.code)
		w.expect(t, q, c.result, c.words)
	}
	res := cluster.Resource{Name: "exec:queue", Class: "exec", Type: "queue", Commands: commands("0")}
	if wrong := w.Check(res); len(wrong) > 0 {
		t.Errorf("got %v", wrong)
	}
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	q := request("exec:queue", cluster.Start)
	q.Resource.Class, q.Resource.Commands = "exec", commands("0")
	want := path + " can be changed by others than its owner (mode 0777): chmod go-w " + path
	w.expect(t, q, cluster.Unusable, "exec:queue start: "+want)
	if wrong := w.Check(res); len(wrong) != 1 || wrong[0].String() != want {
		t.Errorf("got %v", wrong)
	}
}

func TestUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	w := newWorld(t)
	w.ocf(t, "db", `echo "ERROR: $(id -un) $(id -gn) $(id -Gn) $HOME $USER $LOGNAME"; exit 1`)
	q := request("db", cluster.Stop)
	for dir := w.dir; dir != "/" && strings.HasPrefix(dir, os.TempDir()+"/"); dir = dir[:strings.LastIndex(dir, "/")] {
		if err := os.Chmod(dir, 0o755); err != nil { // so that others can find the agent
			t.Fatal(err)
		}
	}
	q.Resource.User = "nobody"
	w.expect(t, q, cluster.Failed, "db stop: exit code 1 (generic error): nobody nogroup nogroup /nonexistent nobody nobody")
	q.Resource.User = "no-such-user"
	w.expect(t, q, cluster.Unusable, "db stop: there is no user no-such-user here: add the user on both nodes, or correct 'user' in lubdub.conf")
}
