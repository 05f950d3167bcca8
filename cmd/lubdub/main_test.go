package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"lubdub/internal/config"
	"lubdub/internal/proxy"
	"lubdub/internal/vip"
)

// TestMain lets the scripts run the program under its name, on a machine that is always the same.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"lubdub": func() { os.Exit(execute(context.Background(), scriptWorld())) },
	})
}

// TestScripts runs the scripts, which read like a manual.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("TZ", "UTC")
			e.Setenv("HOST", "alpha")
			return nil
		},
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"daemon": startDaemon, "mode": checkMode},
		Condition:           condition,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE") != "",
	})
}

// condition is what a script may ask for in brackets, beside what is usual.
func condition(name string) (bool, error) {
	if name == "root" {
		return os.Geteuid() == 0, nil
	}
	return false, fmt.Errorf("there is no condition %q", name)
}

// scriptWorld is the real world but for the machine: alpha, with two interfaces.
// In a script HOST is its name, FRONT and CROSS those of its interfaces, TERMINAL=1 lets both ends be a terminal, and
// HOLDER is the MAC of a station that answers for every address.
func scriptWorld() world {
	w := realWorld()
	work := os.Getenv("WORK")
	w.ConfigDir, w.StateDir, w.RuntimeDir = filepath.Join(work, "ha.d"), filepath.Join(work, "lib"), filepath.Join(work, "run")
	w.TerminalIn = os.Getenv("TERMINAL") == "1"
	w.TerminalOut = w.TerminalIn
	w.Random = bytes.NewReader(bytes.Repeat([]byte{0x5a}, secretBytes))
	w.Patience = 2 * time.Second
	w.Hostname = func() (string, error) { return os.Getenv("HOST"), nil }
	w.Interfaces = func() ([]vip.Interface, error) {
		return []vip.Interface{wired(2, cmp.Or(os.Getenv("FRONT"), "eth0"), "192.0.2.11/24"), wired(3, cmp.Or(os.Getenv("CROSS"), "eth1"), "10.77.0.1/30")}, nil
	}
	w.Probe = func(context.Context, string, netip.Addr) (vip.ProbeResult, error) {
		r := vip.ProbeResult{Frames: 1, Carrier: true}
		if os.Getenv("HOLDER") != "" {
			r.Holders = []vip.MAC{{2, 0, 0, 0, 0, 0x66}}
		}
		return r, nil
	}
	return w
}

func wired(index int, name, address string) vip.Interface {
	l := vip.Link{Name: name, Index: index, MAC: vip.MAC{2, 0, 0, 0, 0, byte(index)}, Up: true, Carrier: true}
	return vip.Interface{Link: l, Addresses: []vip.Address{{Prefix: netip.MustParsePrefix(address), Interface: name}}}
}

// checkMode is the script command that compares the mode of a file: mode 0600 FILE.
func checkMode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode MODE FILE")
	}
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := info.Mode().Perm().String(); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second:                   "0s",
		12345 * time.Microsecond:       "12ms",
		3*time.Minute + 5*time.Second:  "3m5s",
		5*time.Hour + 12*time.Minute:   "5h12m",
		47*time.Hour + 59*time.Minute:  "47h59m",
		75*time.Hour + 40*time.Minute:  "3d4h",
		240*time.Hour - 10*time.Minute: "10d0h",
	} {
		if got := age(d); got != want {
			t.Errorf("age(%v) = %s, want %s", d, got, want)
		}
	}
}

// What an agent prints cannot move the cursor or repaint the screen.
func TestVisible(t *testing.T) {
	if got := visible("a\x1b[2Jb\tc\r\u202ed\xff"); got != "a?[2Jb c??d?" {
		t.Errorf("got %q", got)
	}
	if got := paint(true).as(red, "x\x1b"); got != "\x1b[31mx?\x1b[0m" {
		t.Errorf("got %q", got)
	}
}

func TestColourNeedsATerminalThatWantsIt(t *testing.T) {
	for _, c := range []struct {
		terminal bool
		env      map[string]string
		want     paint
	}{
		{true, nil, true},
		{false, nil, false},
		{true, map[string]string{"NO_COLOR": "1"}, false},
		{true, map[string]string{"TERM": "dumb"}, false},
	} {
		w := world{TerminalOut: c.terminal, Getenv: func(name string) string { return c.env[name] }}
		if got := w.painter(); got != c.want {
			t.Errorf("%+v: colour %v", c, got)
		}
	}
}

func TestProxyStatus(t *testing.T) {
	var out bytes.Buffer
	s := proxy.Status{Name: "web", Worker: 7, Accepting: true, Restarts: 1, Listen: []string{":80"}, Served: 1200, Failed: 3,
		BackEnds: []proxy.BackEnd{{URL: "http://10.0.0.11:8080", Up: true, Running: 2}, {URL: "http://10.0.0.12:8080", Reason: "connection refused"}}}
	if err := paint(false).proxy(&out, s); err != nil {
		t.Fatal(err)
	}
	const want = `proxy web  accepts connections on :80
           1200 requests served, 3 failed; 1 worker died
  http://10.0.0.11:8080  up    2 requests running
  http://10.0.0.12:8080  down  0 requests running; connection refused
`
	if out.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", out.String(), want)
	}
}

// A proxy of lubdub.conf with a certificate listens for TLS only.
func TestProxySettings(t *testing.T) {
	c := config.Proxy{Name: "web", Listen: []string{":443"}, Backends: []string{"http://10.0.0.11:8080"}, Health: "/up", User: "nobody"}
	if s := proxySettings(c); len(s.Listen) != 1 || len(s.ListenTLS) != 0 || s.Check.Path != "/up" {
		t.Errorf("plain: %+v", s)
	}
	c.Cert, c.Key = "/etc/ssl/web.pem", "/etc/ssl/web.key"
	s := proxySettings(c)
	if len(s.Listen) != 0 || len(s.ListenTLS) != 1 || s.Key != c.Key {
		t.Errorf("TLS: %+v", s)
	}
	if _, err := s.Complete(); err != nil {
		t.Error(err)
	}
}
