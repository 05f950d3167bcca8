package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lubdub/internal/cluster"
)

func TestUnsafe(t *testing.T) {
	const stranger = 12345
	chmod := func(mode os.FileMode, name string) func(*testing.T, *world) {
		return func(t *testing.T, w *world) {
			if err := os.Chmod(filepath.Join(w.dir, name), mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	chown := func(name string) func(*testing.T, *world) {
		return func(t *testing.T, w *world) {
			if os.Getuid() != 0 {
				t.Skip("only root can give files away")
			}
			if err := os.Lchown(filepath.Join(w.dir, name), stranger, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	link := func(target string) func(*testing.T, *world) {
		return func(t *testing.T, w *world) {
			agent := w.dir + "/resource.d/db"
			if err := os.Rename(agent, w.dir+"/real"); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(w.dir+"/a/b", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(strings.ReplaceAll(target, "DIR", w.dir), agent); err != nil {
				t.Fatal(err)
			}
		}
	}
	interpreter := func(line string) func(*testing.T, *world) {
		return func(t *testing.T, w *world) {
			w.write(t, "bin/interpreter", "#!/bin/sh\necho running\n")
			w.write(t, "resource.d/db", strings.ReplaceAll(line, "DIR", w.dir)+"\n")
		}
	}
	for name, c := range map[string]struct {
		steps []func(*testing.T, *world)
		want  string // empty: it runs
	}{
		"safe":                  {nil, ""},
		"writable file":         {[]func(*testing.T, *world){chmod(0o775, "resource.d/db")}, "DIR/resource.d/db can be changed by others than its owner (mode 0775): chmod go-w DIR/resource.d/db"},
		"world-writable file":   {[]func(*testing.T, *world){chmod(0o757, "resource.d/db")}, "DIR/resource.d/db can be changed by others than its owner (mode 0757): chmod go-w DIR/resource.d/db"},
		"foreign file":          {[]func(*testing.T, *world){chown("resource.d/db")}, "DIR/resource.d/db belongs to user 12345, who could change what root runs: chown -h root DIR/resource.d/db"},
		"writable directory":    {[]func(*testing.T, *world){chmod(0o777, "resource.d")}, "DIR/resource.d can be changed by others than its owner (mode 0777): chmod go-w DIR/resource.d"},
		"foreign directory":     {[]func(*testing.T, *world){chown("resource.d")}, "DIR/resource.d belongs to user 12345, who could change what root runs: chown -h root DIR/resource.d"},
		"sticky above a dir":    {[]func(*testing.T, *world){chmod(0o777|os.ModeSticky, "")}, ""},
		"sticky above the file": {[]func(*testing.T, *world){chmod(0o777|os.ModeSticky, "resource.d")}, "DIR/resource.d/db lies in DIR/resource.d, where everybody may write: move it"},
		"sticky, foreign below": {[]func(*testing.T, *world){chmod(0o777|os.ModeSticky, ""), chown("resource.d")}, "DIR/resource.d belongs to user 12345, who could change what root runs: chown -h root DIR/resource.d"},
		"link":                  {[]func(*testing.T, *world){link("DIR/a/b/../../real")}, ""},
		"relative link":         {[]func(*testing.T, *world){link("../a/../real")}, ""},
		"link into sticky":      {[]func(*testing.T, *world){link("../real"), chmod(0o777|os.ModeSticky, "")}, "DIR/real lies in DIR, where everybody may write: move it"},
		"link to writable file": {[]func(*testing.T, *world){link("../real"), chmod(0o777, "real")}, "DIR/real can be changed by others than its owner (mode 0777): chmod go-w DIR/real"},
		"link through writable": {[]func(*testing.T, *world){link("../a/b/../../real"), chmod(0o777, "a")}, "DIR/a can be changed by others than its owner (mode 0777): chmod go-w DIR/a"},
		"foreign link":          {[]func(*testing.T, *world){link("../real"), chown("resource.d/db")}, "DIR/resource.d/db belongs to user 12345, who could change what root runs: chown -h root DIR/resource.d/db"},
		"interpreter":           {[]func(*testing.T, *world){interpreter("#!DIR/bin/interpreter")}, ""},
		"writable interpreter":  {[]func(*testing.T, *world){interpreter("#! DIR/bin/interpreter -x"), chmod(0o777, "bin/interpreter")}, "DIR/bin/interpreter can be changed by others than its owner (mode 0777): chmod go-w DIR/bin/interpreter"},
		"interpreter's dir":     {[]func(*testing.T, *world){interpreter("#!DIR/bin/interpreter"), chmod(0o777, "bin")}, "DIR/bin can be changed by others than its owner (mode 0777): chmod go-w DIR/bin"},
		"no interpreter":        {[]func(*testing.T, *world){interpreter("#!DIR/bin/other")}, "DIR/bin/other: no such file or directory: look at the path"},
		"through env":           {[]func(*testing.T, *world){interpreter("#!/usr/bin/env -S sh\necho running")}, ""},
		"its own interpreter":   {[]func(*testing.T, *world){interpreter("#!DIR/resource.d/db")}, "DIR/resource.d/db is run by a script that is run by a script, and so on: name a program behind its #!"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.heartbeat(t, "db", "echo running")
			for _, step := range c.steps {
				step(t, w)
			}
			want := strings.ReplaceAll(c.want, "DIR", w.dir)
			q := request("db", cluster.Monitor)
			problems := w.Check(q.Resource)
			if want == "" {
				w.expect(t, q, cluster.OK, "db runs")
				if len(problems) != 0 {
					t.Errorf("got %v", problems)
				}
				return
			}
			w.expect(t, q, cluster.Unusable, "db monitor: "+want)
			if len(problems) != 1 || problems[0].String() != want {
				t.Errorf("Check: got %v, want %s", problems, want)
			}
		})
	}
}

func TestLinkLoop(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("loop", dir+"/loop"); err != nil {
		t.Fatal(err)
	}
	if wrong := checkPath(dir + "/loop"); wrong == nil || !strings.Contains(wrong.Words, "leads nowhere") {
		t.Errorf("got %v", wrong)
	}
}
