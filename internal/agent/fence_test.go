package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lubdub/internal/cluster"
)

// fenceAgentBody is a well-made agent: its power is a file, and what it is asked goes to another.
const fenceAgentBody = `#!/bin/sh
while read -r line; do
	echo "$line" >> DIR/asked
	case $line in action=*) action=${line#action=};; esac
done
case $action in
off) echo off > DIR/power; echo "Success: Powered OFF";;
reboot) echo on > DIR/power;;
status) [ "$(cat DIR/power)" = off ] && exit 2; exit 0;;
metadata) echo '<parameter name="ip" unique="0"/> <parameter name="password"/> <actions> <action name="off"/> <action name="reboot"/> <action name="status"/> <action name="monitor"/></actions>';;
*) echo "ERROR: no action $action" >&2; exit 1;;
esac
`

// fenceDevice writes an agent into the world and returns a device of it.
func (w *world) fenceDevice(t *testing.T, name, body string) FenceDevice {
	t.Helper()
	path := w.write(t, name, strings.ReplaceAll(body, "DIR", w.dir))
	return FenceDevice{Name: name, Agent: path, Target: "beta", Level: 1, Timeout: time.Minute}
}

// untimed is a sentence without what the devices took: only what takes long is told.
func untimed(words string) string {
	return regexp.MustCompile(` \((\d+m)?[0-9.]+m?s\)`).ReplaceAllString(words, "")
}

func TestFenceAgents(t *testing.T) {
	answer := func(status string) string {
		return "#!/bin/sh\nwhile read -r line; do case $line in action=*) action=${line#action=};; esac; done\ncase $action in\n" + status + "\nesac\n"
	}
	for name, c := range map[string]struct {
		body, action string
		ok           bool
		words        string // a beginning, if it ends in "..."
	}{
		"good":           {fenceAgentBody, "", true, "good switched it off, and its state reads off"},
		"reboot":         {fenceAgentBody, "reboot", true, "reboot restarted it; after that no state can be read back"},
		"fails":          {answer("off) echo 'ERROR: login refused'; exit 1;;"), "", false, "fails: off: exit code 1: login refused"},
		"fails silently": {answer("off) exit 7;;"), "", false, "fails silently: off: exit code 7, and it said nothing"},
		"lies":           {answer("off) exit 0;;\nstatus) exit 0;;"), "", false, "lies: it says that it switched off, but its state reads on: it lies, or it switches another machine; look at its parameters"},
		"slow to see":    {answer("off) ;;\nstatus) [ -e DIR/second ] && exit 2; touch DIR/second; exit 0;;"), "", true, "slow to see switched it off, and its state reads off"},
		"no status":      {answer(`metadata) echo '<action name="off"/><action name="monitor"/>';;` + "\nstatus) exit 1;;"), "", true, "no status switched it off; it has no state to read back"},
		"status broken":  {answer(`metadata) echo '<action name="off"/><action name="status"/>';;` + "\nstatus) echo ERROR: timeout; exit 1;;"), "", false, "status broken: it says that it switched off, but its state cannot be read back: exit code 1: timeout"},
		"status silent":  {answer("status) exit 1;;"), "", false, "status silent: it says that it switched off, but its state cannot be read back: exit code 1, and it said nothing"},
		"no off":         {answer("off) echo 'Unrecognised action'; exit 1;;\n" + `metadata) echo '<action name="reboot"/>';;`), "", true, "no off restarted it; after that no state can be read back"},
		"off demanded":   {answer("off) echo 'Unrecognised action'; exit 1;;\n" + `metadata) echo '<action name="reboot"/>';;`), "off", false, "off demanded: off: exit code 1: Unrecognised action"},
		"megabytes":      {answer("off) head -c 9000000 /dev/zero | tr '\\0' x; echo; echo ERROR: full; exit 1;;"), "", false, "megabytes: off: exit code 1: full"},
		"killed":         {answer("off) kill -9 $$;;"), "", false, "killed: off: signal killed ended it, and it said nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			d := w.fenceDevice(t, name, c.body)
			d.Action = c.action
			out := Fence(t.Context(), "beta", []FenceDevice{d})
			if got := untimed(out.Words); out.OK != c.ok || got != c.words {
				t.Errorf("got %v %q, want %v %q", out.OK, got, c.ok, c.words)
			}
			if len(out.Lines) > maxLines {
				t.Errorf("%d lines were kept", len(out.Lines))
			}
		})
	}
}

// hangs makes an attempt that its time-out, TIME in the words, must end, with more time in the next try where the machine is too busy
// for the agent to come that far.
func (w *world) hangs(t *testing.T, d FenceDevice, words string, files ...string) cluster.Fenced {
	t.Helper()
	for d.Timeout = 300 * time.Millisecond; ; d.Timeout *= 3 {
		out := Fence(t.Context(), "beta", []FenceDevice{d})
		want := strings.ReplaceAll(words, "TIME", d.Timeout.String())
		far := untimed(out.Words) == want
		for _, f := range files {
			text, err := os.ReadFile(filepath.Join(w.dir, f))
			far = far && err == nil && len(text) > 0
		}
		if far || out.OK || d.Timeout > patience {
			if out.OK || !far {
				t.Errorf("got %v %q, want %q, and the files %q", out.OK, untimed(out.Words), want, files)
			}
			return out
		}
	}
}

// A hanging agent is ended with its children, one that acts late harms nobody here.
func TestFenceAgentHangs(t *testing.T) {
	w := newWorld(t)
	d := w.fenceDevice(t, "hangs", "#!/bin/sh\necho $$ > DIR/pid\nsleep 600 & echo $! > DIR/child\necho logging in\ntrap '' TERM\nwait; sleep 600\n")
	w.hangs(t, d, "hangs: off: it did not answer within TIME and was ended; it said: logging in", "pid", "child")
	for _, file := range []string{"pid", "child"} {
		eventually(t, "the end of the "+file, func() bool { return !alive(t, w.dir+"/"+file) })
	}
}

// What got away from its process group may act after its time: that attempt has failed, and the next one finds the node off.
func TestFenceKillsLate(t *testing.T) {
	w := newWorld(t)
	d := w.fenceDevice(t, "late", `#!/bin/sh
case "$(cat)" in *action=status*) [ -e DIR/off ] && exit 2; exit 0;; esac
[ -e DIR/off ] && exit 0
setsid sh -c 'echo yes > DIR/away; until [ -e DIR/now ]; do sleep 0.05; done; touch DIR/off' & sleep 600
`)
	defer w.write(t, "now", "") // or it waits for ever
	w.hangs(t, d, "late: off: it did not answer within TIME and was ended", "away")
	w.write(t, "now", "")
	eventually(t, "the late end", func() bool { _, err := os.Stat(w.dir + "/off"); return err == nil })
	d.Timeout = time.Minute
	if out := Fence(t.Context(), "beta", []FenceDevice{d}); !out.OK {
		t.Errorf("the next attempt: %+v", out)
	}
}

func TestFenceIsCancelled(t *testing.T) {
	w := newWorld(t)
	d := w.fenceDevice(t, "slow", "#!/bin/sh\ntouch DIR/begun\nexec sleep 600\n")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		eventually(t, "the agent's begin", func() bool { _, err := os.Stat(w.dir + "/begun"); return err == nil })
	}()
	out := Fence(ctx, "beta", []FenceDevice{d, {Name: "next", Agent: "/nowhere", Target: "beta", Level: 2, Timeout: time.Second}})
	if out.OK || untimed(out.Words) != "slow: off: cancelled" {
		t.Errorf("got %+v", out)
	}
	d.Delay = time.Minute
	if out := Fence(ctx, "beta", []FenceDevice{d}); out.Words != "slow: cancelled before it acted" {
		t.Errorf("got %+v", out)
	}
}

// All of a level must succeed; then the next is tried, and none behind the first that did.
func TestFenceLevels(t *testing.T) {
	w := newWorld(t)
	device := func(name string, level int, body string) FenceDevice {
		d := w.fenceDevice(t, name, "#!/bin/sh\necho NAME >> DIR/order; cat >/dev/null\n"+body)
		d.Agent = w.write(t, name, strings.ReplaceAll(read(t, d.Agent), "NAME", name))
		d.Level, d.Action = level, "reboot"
		return d
	}
	const good, bad = "exit 0\n", "echo broken; exit 1\n"
	mine := device("mine", 1, good)
	mine.Target = "alpha"
	devices := []FenceDevice{mine, device("c", 2, good), device("a", 1, good), device("b", 1, bad), device("never", 3, good), device("d", 2, good)}
	out := Fence(t.Context(), "beta", devices)
	const done = " restarted it; after that no state can be read back"
	if want := "c" + done + ", and d" + done; !out.OK || untimed(out.Words) != want {
		t.Errorf("got %+v, want %q", out, want)
	}
	if got := strings.Join(strings.Fields(read(t, w.dir+"/order")), " "); got != "a b c d" {
		t.Errorf("the devices acted in the order %s", got)
	}
	out = Fence(t.Context(), "beta", devices[2:4])
	if want := "b: reboot: exit code 1: broken (although a" + done + ")"; out.OK || strings.Join(strings.Fields(untimed(out.Words)), " ") != want {
		t.Errorf("got  %q\nwant %q", untimed(out.Words), want)
	}
	out = Fence(t.Context(), "beta", []FenceDevice{devices[3], {Name: "man", Agent: operatorAgent, Target: "beta", Level: 2}})
	if want := "b: reboot: exit code 1: broken; man: a person has to switch beta off, and then to type: lubdub fence confirm beta"; out.OK || untimed(out.Words) != want {
		t.Errorf("got  %q\nwant %q", untimed(out.Words), want)
	}
	if out := Fence(t.Context(), "gamma", devices); out.OK || out.Words != "no fence device ends gamma" {
		t.Errorf("got %+v", out)
	}
}

// A password reaches the agent's input alone, and no message.
func TestFenceSecrets(t *testing.T) {
	w := newWorld(t)
	d := w.fenceDevice(t, "leaky", "#!/bin/sh\necho \"$0 $*\" > DIR/argv; env > DIR/env; cat > DIR/input; echo \"ERROR: login with $(cat DIR/input | tr '\\n' ' ') refused\"; exit 1\n")
	secret := filepath.Join(w.dir, "secret")
	if err := os.WriteFile(secret, []byte("hush hush\nsecond\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.Params, d.Hidden = []string{"ip=10.0.0.12", "login=@me", "passwd=@" + secret, "token=tickle"}, []string{"passwd", "token"}
	out := Fence(t.Context(), "beta", []FenceDevice{d})
	if want := "leaky: off: exit code 1: login with action=off ip=10.0.0.12 login=@me passwd=**** token=**** refused"; untimed(out.Words) != want {
		t.Errorf("got  %q\nwant %q", untimed(out.Words), want)
	}
	if got, want := read(t, w.dir+"/input"), "action=metadata\n"; got != want { // it was asked whether it has an off at all
		t.Errorf("the last input was %q, want %q", got, want)
	}
	all := fmt.Sprint(out) + read(t, w.dir+"/argv") + read(t, w.dir+"/env")
	if strings.Contains(all, "hush") || strings.Contains(all, "tickle") {
		t.Errorf("a secret shows:\n%s", all)
	}
	for mode, want := range map[os.FileMode]string{
		0o640: "passwd: SECRET can be read by others (mode 0640): chmod 600 SECRET",
		0o602: "passwd: SECRET can be changed by others than its owner (mode 0602): chmod go-w SECRET",
	} {
		if err := os.Chmod(secret, mode); err != nil {
			t.Fatal(err)
		}
		_, err := d.Test(t.Context())
		if want := "status: " + strings.ReplaceAll(want, "SECRET", secret); err == nil || err.Error() != want {
			t.Errorf("mode %04o: %v, want %s", mode, err, want)
		}
	}
}

func TestFenceSelfTest(t *testing.T) {
	w := newWorld(t)
	good := w.fenceDevice(t, "good", fenceAgentBody)
	w.write(t, "power", "on")
	sick := w.fenceDevice(t, "sick", "#!/bin/sh\necho ERROR: no route to host; exit 1\n")
	watcher := w.fenceDevice(t, "watcher", "#!/bin/sh\ncase \"$(cat)\" in *metadata*) echo '<action name=\"monitor\"/>';; *monitor*) ;; *) exit 1;; esac\n")
	man := FenceDevice{Name: "man", Agent: operatorAgent, Target: "beta", Level: 3}
	for _, c := range []struct {
		devices []FenceDevice
		ok      bool
		words   string
	}{
		{[]FenceDevice{good, watcher, man}, true, "good: it answers, and reads on; watcher: it answers; man: a person switches beta off and confirms it"},
		{[]FenceDevice{good, sick}, false, "sick: status: exit code 1: no route to host"},
		{nil, false, "no fence device ends beta"},
	} {
		if got := TestFence(t.Context(), "beta", c.devices); got.OK != c.ok || got.Words != c.words {
			t.Errorf("got %+v, want %v %q", got, c.ok, c.words)
		}
	}
	for line := range strings.Lines(read(t, w.dir+"/asked")) {
		if line != "action=status\n" && line != "action=metadata\n" {
			t.Errorf("a self-test asked for %q", line)
		}
	}
}

func TestFenceCheck(t *testing.T) {
	w := newWorld(t)
	good := w.fenceDevice(t, "good", fenceAgentBody)
	good.Params = []string{"ip=10.0.0.12", "paswd=x", "password=@/nowhere/secret"}
	good.Action = "diag"
	loose := w.fenceDevice(t, "loose", fenceAgentBody)
	if err := os.Chmod(loose.Agent, 0o777); err != nil {
		t.Fatal(err)
	}
	for want, d := range map[string]FenceDevice{
		"password: /nowhere: no such file or directory: look at the path; " + good.Agent + " has no action diag: its actions are: off, reboot, status, monitor; " +
			good.Agent + " has no parameter paswd, and would ignore it: see: man good": good,
		loose.Agent + " can be changed by others than its owner (mode 0777): chmod go-w " + loose.Agent:         loose,
		"there is no /usr/sbin/fence_nosuch: install it (Debian: the package fence-agents) or correct the name": {Agent: "fence_nosuch"},
		"": {Agent: operatorAgent},
	} {
		var got []string
		for _, p := range d.Check(t.Context()) {
			got = append(got, p.String())
		}
		if strings.Join(got, "; ") != want {
			t.Errorf("got  %s\nwant %s", strings.Join(got, "; "), want)
		}
	}
}
