package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// installed skips, or fails in CI, where a program is not here.
func installed(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// The contract of fence-agents, as their own test agent has it.
func TestFenceDummy(t *testing.T) {
	installed(t, "/usr/sbin/fence_dummy")
	state := filepath.Join(t.TempDir(), "power")
	if err := os.WriteFile(state, []byte("on"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := FenceDevice{Name: "dummy", Agent: "fence_dummy", Target: "beta", Level: 1, Timeout: 30 * time.Second, Params: []string{"type=file", "status_file=" + state}}
	if problems := d.Check(t.Context()); len(problems) > 0 {
		t.Errorf("check: %v", problems)
	}
	if words, err := d.Test(t.Context()); err != nil || words != "it answers, and reads on" {
		t.Errorf("test: %q, %v", words, err)
	}
	if out := Fence(t.Context(), "beta", []FenceDevice{d}); !out.OK || untimed(out.Words) != "dummy switched it off, and its state reads off" {
		t.Errorf("fence: %+v", out)
	}
	if got := read(t, state); got != "off" {
		t.Errorf("the power is %s", got)
	}
	if words, err := d.Test(t.Context()); err != nil || words != "it answers, and reads off" {
		t.Errorf("test: %q, %v", words, err)
	}
	d.Params = append(d.Params, "satus_file=/x")
	if problems := d.Check(t.Context()); len(problems) != 1 || problems[0].Words != "fence_dummy has no parameter satus_file, and would ignore it" {
		t.Errorf("check: %v", problems)
	}
	d.Params = []string{"type=fail", "power_timeout=1"}
	if out := Fence(t.Context(), "beta", []FenceDevice{d}); out.OK || !strings.HasPrefix(out.Words, "dummy: off: exit code 1: ") {
		t.Errorf("an agent that fails: %+v", out)
	}
	d.Params, d.Timeout = []string{"type=file", "status_file=" + state, "random_sleep_range=600"}, 500*time.Millisecond
	if out := Fence(t.Context(), "beta", []FenceDevice{d}); out.OK || !strings.Contains(out.Words, "did not answer within 500ms") {
		t.Errorf("an agent that sleeps: %+v", out)
	}
}

// The plug-ins of cluster-glue: parameters by name, by position, and in a file.
func TestStonithPlugins(t *testing.T) {
	installed(t, stonithProgram)
	w := newWorld(t)
	file := w.write(t, "null.conf", "alpha beta\n")
	device := func(plugin string) FenceDevice {
		return FenceDevice{Name: plugin, Agent: pluginPrefix + plugin, Target: "beta", Level: 1, Timeout: 30 * time.Second}
	}
	byName, byLine, byFile := device("null"), device("null"), device("null")
	byName.Params, byLine.Line, byFile.File = []string{"hostlist=alpha beta"}, "alpha beta", file
	for name, d := range map[string]FenceDevice{"by name": byName, "by position": byLine, "in a file": byFile} {
		t.Run(name, func(t *testing.T) {
			if problems := d.Check(t.Context()); len(problems) > 0 {
				t.Errorf("check: %v", problems)
			}
			if words, err := d.Test(t.Context()); err != nil || words != "it answers, and controls beta" {
				t.Errorf("test: %q, %v", words, err)
			}
			if out := Fence(t.Context(), "beta", []FenceDevice{d}); !out.OK || untimed(out.Words) != "null did off; its state cannot be read back" {
				t.Errorf("fence: %+v", out)
			}
			d.Target = "gamma"
			if words, err := d.Test(t.Context()); err == nil || err.Error() != `it answers, but controls "alpha beta" and not gamma` {
				t.Errorf("test for a stranger: %q, %v", words, err)
			}
		})
	}
	t.Run("ssh", func(t *testing.T) { // it has no off, and cannot reach a node that does not exist
		d := device("ssh")
		d.Line = "ldnosuch.invalid"
		d.Target = "ldnosuch.invalid"
		if out := Fence(t.Context(), d.Target, []FenceDevice{d}); out.OK || !strings.HasPrefix(out.Words, "ssh: reset: exit code 5 (the device did not do it)") {
			t.Errorf("fence: %+v", out)
		}
	})
	t.Run("suicide", func(t *testing.T) { // it is refused by config; here it must not pass for a device that ends the other node
		if words, err := device("suicide").Test(t.Context()); err == nil || !strings.HasSuffix(err.Error(), "and not beta") {
			t.Errorf("test: %q, %v", words, err)
		}
	})
	t.Run("unknown", func(t *testing.T) {
		if out := Fence(t.Context(), "beta", []FenceDevice{device("nosuch")}); out.OK || !strings.Contains(out.Words, "exit code 8 (there is no such plug-in, or it broke)") {
			t.Errorf("fence: %+v", out)
		}
		if got := device("nosuch").Check(t.Context()); len(got) != 1 || got[0].Words != "stonith knows no plug-in nosuch" {
			t.Errorf("check: %v", got)
		}
		if got := device("null").Check(t.Context()); len(got) != 1 || got[0].Words != "the plug-in null needs the parameter hostlist" {
			t.Errorf("check without parameters: %v", got)
		}
	})
	t.Run("hangs", func(t *testing.T) { // the real meatware waits for its operator
		d := device(operatorAgent)
		d.Target = fmt.Sprintf("ldfence%d", os.Getpid())
		d.Line, d.Timeout = d.Target, 500*time.Millisecond
		t.Cleanup(func() { os.Remove("/run/meatware." + d.Target) }) // where it listens for its operator
		d.Agent = pluginPrefix + operatorAgent
		if out := Fence(t.Context(), d.Target, []FenceDevice{d}); out.OK || !strings.Contains(out.Words, "did not answer within 500ms") {
			t.Errorf("fence: %+v", out)
		}
	})
}

// The parameters that docs/fencing.md uses are those that the agents know.
func TestFenceParametersOfTheDocs(t *testing.T) {
	for agent, params := range map[string]string{
		"fence_ipmilan":            "ip=10.0.9.12 lanplus=1 username=lubdub password=x",
		"fence_apc_snmp":           "ip=10.0.9.21 port=4 community=x",
		"stonith:external/libvirt": "hostlist=beta hypervisor_uri=qemu+ssh://10.0.9.1/system reboot_method=reboot",
	} {
		t.Run(strings.ReplaceAll(agent, "/", "-"), func(t *testing.T) {
			path := stonithProgram
			if !strings.HasPrefix(agent, pluginPrefix) {
				path = filepath.Join(agentDir, agent)
			}
			installed(t, path)
			d := FenceDevice{Name: "docs", Agent: agent, Target: "beta", Timeout: 30 * time.Second, Params: strings.Fields(params)}
			if problems := d.Check(t.Context()); len(problems) > 0 {
				t.Errorf("check: %v", problems)
			}
		})
	}
}
