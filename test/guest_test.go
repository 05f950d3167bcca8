package test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The stories of the watchdog need a machine that may be reset: a guest of qemu, without any accelerator, with the kernel of a
// Debian package and nothing else but the program under test and this test as its first process (guest_inside_test.go).
// "make watchdog" fetches the kernel and sets this variable to where it is unpacked.
const kernelVariable = "LUBDUB_GUEST_KERNEL"

// guest is one boot.
type guest struct {
	lines chan guestLine
	done  chan struct{} // qemu has ended: the guest was reset, or switched itself off
	cmd   *exec.Cmd
	log   []string
}

type guestLine struct {
	at    time.Time
	words string
}

// guestStory is what the guest is told to do, and with which device.
type guestStory struct {
	story   string
	modules []string // with their parameters, as "softdog nowayout=1"
	qemu    []string
}

// softdog and the emulated card of Intel's 6300ESB; the kernel's own is a timer of the kernel, the card is seen by qemu alone.
var (
	softDog = []string{"softdog"}
	cardDog = []string{"i6300esb"}
	card    = []string{"-device", "i6300esb", "-watchdog-action", "reset"}
)

// bootGuest boots, and ends the guest with the test.
func bootGuest(t *testing.T, s guestStory) *guest {
	t.Helper()
	kernel := os.Getenv(kernelVariable)
	if kernel == "" {
		t.Skip("no kernel for a guest: run it by make watchdog")
	}
	qemu, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		missing(t, err)
	}
	images, err := filepath.Glob(filepath.Join(kernel, "boot", "vmlinuz-*"))
	if err != nil || len(images) != 1 {
		t.Fatalf("want one kernel in %s/boot, there are %q (%v)", kernel, images, err)
	}
	initrd := filepath.Join(t.TempDir(), "initrd")
	must(t, writeInitrd(initrd, kernel, s.modules))
	args := append([]string{"-machine", "pc,accel=tcg", "-cpu", "max", "-m", "512", "-display", "none", "-no-reboot", "-nodefaults", "-serial", "stdio",
		"-kernel", images[0], "-initrd", initrd,
		"-append", "console=ttyS0 quiet panic=-1 tsc=unstable random.trust_cpu=on " + storyVariable + "=" + s.story}, s.qemu...)
	g := &guest{lines: make(chan guestLine, 1000), done: make(chan struct{}), cmd: exec.Command(qemu, args...)}
	out, err := g.cmd.StdoutPipe()
	must(t, err)
	g.cmd.Stderr = g.cmd.Stdout
	must(t, g.cmd.Start())
	go func() {
		defer close(g.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			select {
			case g.lines <- guestLine{time.Now(), strings.TrimRight(lines.Text(), "\r")}:
			default: // nobody reads any more
			}
		}
	}()
	t.Cleanup(func() {
		_ = g.cmd.Process.Kill()
		for l := range g.lines {
			g.log = append(g.log, l.words)
		}
		_ = g.cmd.Wait()
		if t.Failed() {
			t.Logf("the guest's console:\n%s", strings.Join(g.log, "\n"))
		}
	})
	return g
}

// bootTime is a boot without accelerator on a busy machine, and the start of the group.
const bootTime = 4 * time.Minute

// wait waits for words on the guest's console, or for its end: then at is when, and found is false.
func (g *guest) wait(t *testing.T, limit time.Duration, words string) (at time.Time, line string, found bool) {
	t.Helper()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		select {
		case l, ok := <-g.lines:
			if !ok {
				return time.Now(), "", false
			}
			g.log = append(g.log, l.words)
			if strings.Contains(l.words, words) {
				return l.at, l.words, true
			}
			if strings.Contains(l.words, guestFailed) {
				t.Fatal(l.words)
			}
		case <-timer.C:
			t.Fatalf("after %v still not on the guest's console: %s", limit, words)
		}
	}
}

// expect is wait for words that must come.
func (g *guest) expect(t *testing.T, limit time.Duration, words string) (at time.Time, line string) {
	t.Helper()
	at, line, found := g.wait(t, limit, words)
	if !found {
		t.Fatalf("the guest has ended before: %s", words)
	}
	return at, line
}

// What the guest's ha.cf says, and the time-out that follows from it.
const (
	guestKeepalive = time.Second
	guestDeadTime  = 5 * time.Second
	guestTimeout   = 3 * time.Second
)

// TestWatchdogGuest tells stories of a node that owns a group, on a machine that can be reset.
func TestWatchdogGuest(t *testing.T) {
	slow(t)
	soft, hard := guestStory{modules: softDog}, guestStory{modules: cardDog, qemu: card}
	t.Run("softdog, lives and leaves", func(t *testing.T) { leaves(t, soft, storyLeave) })
	t.Run("softdog, stopped", func(t *testing.T) { resets(t, soft, storyStop, 0) })
	t.Run("softdog, killed", func(t *testing.T) { resets(t, soft, storyKill, 0) })
	t.Run("softdog, stopped and then killed", func(t *testing.T) { resets(t, soft, storyStopKill, stoppedFor) })
	t.Run("softdog, killed and started again", func(t *testing.T) { leaves(t, soft, storyRestart) })
	t.Run("i6300esb, lives and leaves", func(t *testing.T) { leaves(t, hard, storyLeave) })
	t.Run("i6300esb, stopped", func(t *testing.T) { resets(t, hard, storyStop, 0) })
	t.Run("softdog nowayout, serves nothing", func(t *testing.T) {
		g := bootGuest(t, guestStory{story: storyIdle, modules: []string{"softdog nowayout=1"}})
		_, line := g.expect(t, bootTime, "GUEST lived")
		t.Log(line)
		_, line = g.expect(t, time.Minute, "GUEST left")
		t.Log(line)
		if !strings.Contains(line, "is active, timeout 600") {
			t.Errorf("after the leave: %s; want a time-out of 600 s", line)
		}
		g.expect(t, time.Minute, "GUEST done")
	})
}

// leaves expects a life without a reset: three time-outs of it while the group is served, and three after the leave.
func leaves(t *testing.T, dog guestStory, story string) {
	dog.story = story
	g := bootGuest(t, dog)
	serves, _ := g.expect(t, bootTime, "GUEST serves")
	for _, words := range []string{"GUEST lived", "GUEST left", "GUEST done"} {
		at, line := g.expect(t, time.Minute, words)
		t.Logf("%.1f s: %s", at.Sub(serves).Seconds(), line)
	}
}

// resets expects the guest's end, a time-out after it was fed last: after the daemon was stopped or killed, or, where
// it was first stopped and then killed, after that: the kernel feeds once more when a device is closed.
func resets(t *testing.T, dog guestStory, story string, from time.Duration) {
	dog.story = story
	g := bootGuest(t, dog)
	g.expect(t, bootTime, "GUEST serves")
	began, _ := g.expect(t, time.Minute, "GUEST now")
	ended, line, alive := g.wait(t, time.Minute, guestSurvived)
	if alive {
		t.Fatal(line)
	}
	took := ended.Sub(began)
	t.Logf("reset after %.2f s; the time-out is %v", took.Seconds(), guestTimeout)
	// It was fed last within the keepalive before. What was stopped only is gone before the other node takes over.
	if low, high := from+guestTimeout-3*guestKeepalive/2, from+guestDeadTime; took < low || took > high {
		t.Errorf("reset after %v, want between %v and %v", took, low, high)
	}
}

// TestWatchdogWrites measures how long a feeding keeps who writes it, for each driver that can be had here: this is why the loop
// does not write it itself.
func TestWatchdogWrites(t *testing.T) {
	slow(t)
	took := regexp.MustCompile(`GUEST wrote .*`)
	for name, dog := range map[string]guestStory{
		"softdog":  {modules: softDog},
		"i6300esb": {modules: cardDog, qemu: card},
		"ipmi":     {modules: []string{"ipmi_msghandler", "ipmi_si", "ipmi_watchdog"}, qemu: []string{"-device", "ipmi-bmc-sim,id=bmc", "-device", "isa-ipmi-kcs,bmc=bmc"}},
	} {
		t.Run(name, func(t *testing.T) {
			dog.story = storyWrites
			g := bootGuest(t, dog)
			_, line := g.expect(t, bootTime, "GUEST wrote")
			t.Log(took.FindString(line))
			g.expect(t, time.Minute, "GUEST done")
		})
	}
}

// tell is how the guest speaks to the test outside.
func tell(format string, args ...any) { fmt.Printf("GUEST "+format+"\n", args...) }
