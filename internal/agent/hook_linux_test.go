package agent

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lubdub/internal/cluster"
)

func hookOf(path string) Hook {
	return Hook{Name: "hook after-start web (" + path + ")", Argv: []string{path, "a", "b c"}, Timeout: 20 * time.Second}
}

func TestHook(t *testing.T) {
	w := newWorld(t)
	path := w.write(t, "tell", "#!/bin/sh\necho \"$1|$2|$LUBDUB_WORDS\"; env >&2; exit ${CODE:-0}\n")
	t.Setenv("OURS", "not theirs")
	h := hookOf(path)
	out := h.Run(t.Context(), []string{"LUBDUB_WORDS=one\ntwo\x00=three", "HOME=/"})
	if out.Result != cluster.OK || out.Words != h.Name+" ended well" || out.Took <= 0 {
		t.Errorf("got %+v", out)
	}
	for _, want := range []string{"a|b c|onetwo=three", "LC_ALL=C", "HOME=/", "PATH=" + searchPath} {
		if !slices.Contains(out.Lines, want) {
			t.Errorf("no line %q in %q", want, out.Lines)
		}
	}
	if strings.Contains(strings.Join(out.Lines, "\n"), "OURS") {
		t.Error("it inherited the daemon's environment")
	}

	h.Env = []string{"CODE=3"}
	if out := h.Run(t.Context(), []string{"LUBDUB_WORDS=x"}); out.Result != cluster.Failed || !strings.HasPrefix(out.Words, h.Name+": exit code 3: ") {
		t.Errorf("got %+v", out)
	}
	h.Argv[0] = w.write(t, "dies", "#!/bin/sh\necho bye; kill -9 $$\n")
	if out := h.Run(t.Context(), nil); out.Result != cluster.Failed || out.Words != h.Name+": ended by signal 9 (killed): bye" {
		t.Errorf("got %+v", out)
	}
}

// What looks like a secret is not told, however a hook comes to print it.
func TestHookIsDiscreet(t *testing.T) {
	w := newWorld(t)
	h := hookOf(w.write(t, "babbles", `#!/bin/sh
echo "curl -H 'Authorization: Bearer geheim1' --oauth2-token geheim2 https://u:geheim3@x/"
echo "authorization: Basic geheim4, --password 'geheim 5' --user web"
echo "password=geheim6 refused for web; authorization: denied"
exit 1
`))
	out := h.Run(t.Context(), nil)
	all := strings.Join(append(out.Lines, out.Words), "\n")
	if strings.Contains(all, "geheim") {
		t.Errorf("a secret shows:\n%s", all)
	}
	for _, kept := range []string{"Authorization: Bearer ***", "--oauth2-token *** https://u:***@x/", "Basic ***, --password *** --user web",
		"password=*** refused for web; authorization: denied"} {
		if !strings.Contains(all, kept) {
			t.Errorf("no %q in:\n%s", kept, all)
		}
	}
}

// A hook that hangs is ended with all that it started, when its time is over or nobody waits for it any more.
func TestHookEnds(t *testing.T) {
	w := newWorld(t)
	h := hookOf(w.write(t, "hangs", "#!/bin/sh\nsleep 600 &\necho $!\nwait\n"))
	h.Timeout = 200 * time.Millisecond
	out := h.Run(t.Context(), nil)
	if out.Result != cluster.TimedOut || !strings.HasPrefix(out.Words, h.Name+": ended after 200ms: it did not finish; it said: ") {
		t.Errorf("got %+v", out)
	}
	var child int
	for _, c := range strings.Join(out.Lines, "") {
		child = child*10 + int(c-'0')
	}
	for end := time.Now().Add(10 * time.Second); unix.Kill(child, 0) == nil && !isZombie(child); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("what it started lives on")
		}
	}
	h.Timeout = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if out := h.Run(ctx, nil); out.Result != cluster.Failed || out.Words != h.Name+": cancelled" {
		t.Errorf("got %+v", out)
	}
}

// isZombie says that a process has ended, and only its parent has not looked: here that is whoever adopts orphans.
func isZombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, after, _ := strings.Cut(string(text), ") ")
	return strings.HasPrefix(after, "Z")
}

func TestHookRefused(t *testing.T) {
	w := newWorld(t)
	loose := w.write(t, "loose", "#!/bin/sh\n")
	if err := os.Chmod(loose, 0o777); err != nil {
		t.Fatal(err)
	}
	plain := w.write(t, "plain", "#!/bin/sh\n")
	if err := os.Chmod(plain, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		argv []string
		user string
		want string
	}{
		{nil, "", "it has no full path"},
		{[]string{"tell"}, "", "it has no full path"},
		{[]string{"/nowhere/tell"}, "", "/nowhere: no such file or directory: look at the path"},
		{[]string{w.dir}, "", w.dir + " is not a program"},
		{[]string{plain}, "", plain + " cannot be executed: chmod +x " + plain},
		{[]string{loose}, "", loose + " can be changed by others than its owner (mode 0777): chmod go-w " + loose},
		{[]string{loose}, "no-such-user", "there is no user no-such-user here: add the user on both nodes, or correct 'user' in lubdub.conf"},
	} {
		h := Hook{Name: "hook", Argv: c.argv, User: c.user, Timeout: time.Second}
		if wrong := h.Check(); len(wrong) != 1 || wrong[0].String() != c.want && !strings.HasPrefix(c.want, w.dir+" is") {
			t.Errorf("%v: got %v, want %s", c.argv, wrong, c.want)
		}
		if out := h.Run(t.Context(), nil); out.Result != cluster.Unusable || !strings.HasPrefix(out.Words, "hook was not run: ") {
			t.Errorf("%v: got %+v", c.argv, out)
		}
	}
}

func TestHookUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	h := Hook{Name: "hook", Argv: []string{"/usr/bin/id", "-un"}, User: "nobody", Timeout: 20 * time.Second}
	if out := h.Run(t.Context(), nil); !slices.Equal(out.Lines, []string{"nobody"}) {
		t.Errorf("got %+v", out)
	}
}

// A script of rc.d gets what Heartbeat gives it. Heartbeat's own are never run: they start and stop resources.
func TestRC(t *testing.T) {
	w := newWorld(t)
	if _, found, wrong := w.RC("status"); found || wrong != nil {
		t.Errorf("found although nothing is there: %v", wrong)
	}
	w.Settings = []string{"keepalive=250ms", "auto_failback=off"}
	w.write(t, "rc.d/status", "#!/bin/sh\necho \"$0 $* $HA_t $HA_src $HA_st $HA_CURHOST $HA_keepalive $HA_RCDIR $HA_OSTATUS\"\n")
	h, found, wrong := w.RC("status")
	if !found || wrong != nil {
		t.Fatalf("found %v, wrong %v", found, wrong)
	}
	out := h.Run(t.Context(), []string{"HA_src=beta", "HA_st=dead"})
	if want := w.dir + "/rc.d/status status status beta dead proxy01 250ms " + w.dir + "/rc.d active"; !slices.Equal(out.Lines, []string{want}) {
		t.Errorf("got %q, want %q", out.Lines, want)
	}

	for _, theirs := range []string{"case $HA_st in\n  dead) $HA_NOARCHBIN/mach_down $HA_src;;\nesac", "$HA_NOARCHBIN/ResourceManager takegroup x", "hb_standby all"} {
		w.write(t, "rc.d/status", "#!/bin/sh\n"+theirs+"\n")
		if _, found, wrong := w.RC("status"); !found || wrong == nil || !strings.Contains(wrong.Words, "behind lubdub's back") {
			t.Errorf("%s: found %v, wrong %v", theirs, found, wrong)
		}
	}
	path := w.write(t, "rc.d/status", "#!/bin/sh\n")
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, found, _ := w.RC("status"); found {
		t.Error("found although it cannot be executed")
	}
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, found, wrong := w.RC("status"); !found || wrong == nil || !strings.Contains(wrong.Words, "can be changed by others") {
		t.Errorf("found %v, wrong %v", found, wrong)
	}
}
