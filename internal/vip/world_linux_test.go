package vip

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

const (
	insideVariable = "LUBDUB_VIP_INSIDE"        // set in a test that runs in a network namespace of its own
	roleVariable   = "LUBDUB_VIP_ROLE"          // set in a process that plays another station, see TestStation
	noExitPause    = "GORACE=atexit_sleep_ms=0" // the race detector waits a second at each exit otherwise
	patience       = 10 * time.Second
)

// inside runs the calling test again, in a process with network namespace and mounts of its own, which vanish with it. It
// reports true in there. Outside it passes the verdict on.
func inside(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideVariable) != "" {
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	t.Parallel() // it waits most of the time, and disturbs nobody
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), insideVariable+"=1", noExitPause)
	cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: unix.SIGKILL}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatal("the test did not run inside")
	}
	return false
}

// world is two machines on one cable: this process's namespace with ld0, and another one with ld1.
type world struct {
	t        *testing.T
	other    int // a process in the other namespace
	mac0     MAC
	mac1     MAC
	sequence int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t}
	keeper := exec.Command("sleep", "300")
	keeper.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: unix.SIGKILL}
	w.start(keeper)
	w.other = keeper.Process.Pid
	w.cable()
	return w
}

// cable joins the machines. IPv6 is kept quiet, so that what is on the cable is what a test put there.
func (w *world) cable() {
	w.t.Helper()
	w.ip("link add ld0 type veth peer name ld1 netns " + strconv.Itoa(w.other))
	w.ip("link set ld0 addrgenmode none up")
	w.there("ip link set ld1 addrgenmode none up")
	w.mac0, w.mac1 = w.mac("ld0"), w.macThere("ld1")
	w.eventually("carrier on ld0", func() bool {
		index, _ := interfaceIndex("ld0")
		l, err := readLink(index)
		return err == nil && l.Carrier
	})
}

// start starts cmd and ends it with the test.
func (w *world) start(cmd *exec.Cmd) {
	w.t.Helper()
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

func (w *world) run(words ...string) string {
	w.t.Helper()
	out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	if err != nil {
		w.t.Fatalf("%v: %v: %s", words, err, out)
	}
	return string(out)
}

// ip runs ip(8) here, there runs any command in the other namespace.
func (w *world) ip(args string) string {
	w.t.Helper()
	return w.run(append([]string{"ip"}, strings.Fields(args)...)...)
}

func (w *world) thereArgs(command string) []string {
	return append([]string{"nsenter", "-n", "-t", strconv.Itoa(w.other)}, strings.Fields(command)...)
}

func (w *world) there(command string) string {
	w.t.Helper()
	return w.run(w.thereArgs(command)...)
}

func (w *world) mac(name string) MAC      { return w.readMAC(w.ip("-br link show dev " + name)) }
func (w *world) macThere(name string) MAC { return w.readMAC(w.there("ip -br link show dev " + name)) }

func (w *world) readMAC(line string) MAC {
	w.t.Helper()
	fields := strings.Fields(line)
	var m MAC
	if _, err := fmt.Sscanf(fields[2], "%02x:%02x:%02x:%02x:%02x:%02x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]); err != nil {
		w.t.Fatalf("%q: %v", line, err)
	}
	return m
}

// eventually waits until the kernel has come to what is expected.
func (w *world) eventually(what string, holds func() bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if holds() {
			return
		}
	}
	w.t.Fatalf("%s: not within %v", what, patience)
}

func (w *world) front(iface string) *Front {
	w.t.Helper()
	f, err := OpenFront(iface)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(f.Close)
	return f
}

// capture records ld1 in the other namespace while act runs, and returns what tshark reads in the fields.
func (w *world) capture(fields []string, filter string, act func()) []string {
	w.t.Helper()
	return w.captureUntil(nil, fields, filter, act)
}

// captureUntil goes on until a frame holds some bytes. Without bytes it sends a frame of its own when act is over: what came before
// that one is in the file then, however busy the machine is.
func (w *world) captureUntil(sign []byte, fields []string, filter string, act func()) []string {
	w.t.Helper()
	w.sequence++
	file := filepath.Join(w.t.TempDir(), fmt.Sprintf("%d.pcap", w.sequence))
	args := w.thereArgs("tcpdump -i ld1 -Z root --immediate-mode -U -w " + file)
	cmd := exec.Command(args[0], args[1:]...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	w.start(cmd)
	lines := bufio.NewScanner(stderr)
	for lines.Scan() && !strings.Contains(lines.Text(), "listening on") {
	}
	act()
	if sign == nil {
		sign = fmt.Appendf(nil, "end of capture %d", w.sequence)
		w.send("ld0", append(appendEthernet(nil, broadcastMAC, w.mac("ld0"), etherTypeLocal), sign...))
	}
	w.eventually("the capture has all", func() bool {
		text, err := os.ReadFile(file)
		return err == nil && bytes.Contains(text, sign)
	})
	if err := cmd.Process.Signal(unix.SIGINT); err != nil {
		w.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, stderr)
	decode := exec.Command("tshark", "-r", file, "-T", "fields", "-E", "separator=/s", "-Y", filter)
	for _, f := range fields {
		decode.Args = append(decode.Args, "-e", f)
	}
	var problems bytes.Buffer
	decode.Stderr = &problems
	out, err := decode.Output()
	if err != nil {
		w.t.Fatalf("%v: %v: %s", decode.Args, err, problems.String())
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// etherTypeLocal is for experiments (IEEE 802): no program means anything by it.
const etherTypeLocal = 0x88b5

// send sends a frame as it is.
func (w *world) send(iface string, frame []byte) {
	w.t.Helper()
	ifi, err := net.InterfaceByName(iface)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := packet.Listen(ifi, packet.Raw, etherTypeLocal, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.WriteTo(frame, &packet.Addr{HardwareAddr: frame[:6]}); err != nil {
		w.t.Fatal(err)
	}
}

// stopped waits until a process stands still: a signal to stop takes its time.
func (w *world) stopped(pid int) {
	w.t.Helper()
	w.eventually("the process stands still", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, rest, _ := strings.Cut(string(stat), ") ")
		return err == nil && strings.HasPrefix(rest, "T")
	})
}

// hears waits until the other machine's kernel has joined the group in which questions for an IPv6 address of ld1 come: that is
// some time after ip(8) has ended.
func (w *world) hears(a netip.Addr) {
	w.t.Helper()
	if a.Is4() {
		return
	}
	last := a.As16()
	group := netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 11: 1, 12: 0xff, 13: last[13], 14: last[14], 15: last[15]})
	w.eventually("ld1 hears questions for "+a.String(), func() bool {
		return slices.Contains(strings.Fields(w.there("ip -6 maddr show dev ld1")), group.String())
	})
}

// station is a process that plays another station.
type station struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

// station starts TestStation in the other namespace.
func (w *world) station(role ...string) *station {
	w.t.Helper()
	args := w.thereArgs(os.Args[0] + " -test.run=^TestStation$ -test.timeout=5m")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), roleVariable+"="+strings.Join(role, " "), noExitPause)
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	w.start(cmd)
	return &station{cmd: cmd, lines: bufio.NewScanner(out)}
}

// line returns the next line that the station printed.
func (s *station) line(t *testing.T) string {
	t.Helper()
	if !s.lines.Scan() {
		t.Fatalf("the station ended: %v", s.lines.Err())
	}
	return s.lines.Text()
}

func addr(text string) netip.Addr { return netip.MustParseAddr(text) }

func shared(text string) Address {
	return Address{Prefix: netip.MustParsePrefix(text), Interface: "ld0"}
}
