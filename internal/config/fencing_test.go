package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lubdub/internal/cluster"
)

func TestFenceDevices(t *testing.T) {
	files := goodFiles()
	files.HaCF = append(files.HaCF, "stonith external/ipmi /etc/ha.d/ipmi.conf\nstonith_host alpha drac3 10.0.0.9 root secret\nstonith_host beta drac3 10.0.0.8 root secret\nstonith_host * meatware Beta alpha\n"...)
	files.LubdubConf = []byte(`fence a agent=fence_ipmilan target=ALPHA ip=10.0.0.11 passwd=hush passwd_script=/etc/x
fence b1 agent=/opt/fence_own target=beta level=2 timeout=90s delay=5s action=reboot "label=a b" token=@/etc/t
fence b2 agent=stonith:meatware target=beta level=3
`)
	l, problems := Parse(files, machine())
	if l == nil || len(problems) > 0 {
		t.Fatal(printed(problems))
	}
	want := []FenceDevice{
		{Name: "a", Agent: "fence_ipmilan", Target: "alpha", Level: 1, Timeout: time.Minute, Params: []string{"ip=10.0.0.11", "passwd=hush", "passwd_script=/etc/x"}, Hidden: []string{"passwd"}},
		{Name: "b1", Agent: "/opt/fence_own", Target: "beta", Level: 2, Timeout: 90 * time.Second, Delay: 5 * time.Second, Action: "reboot", Params: []string{"label=a b", "token=@/etc/t"}, Hidden: []string{"token"}},
		{Name: "b2", Agent: "meatware", Target: "beta", Level: 3, Timeout: time.Minute},
		{Name: "external/ipmi on line 8 of ha.cf", Agent: "stonith:external/ipmi", Target: "beta", Level: 4, Timeout: time.Minute, Action: "reboot", File: "/etc/ha.d/ipmi.conf"},
		{Name: "drac3 on line 9 of ha.cf", Agent: "stonith:drac3", Target: "beta", Level: 5, Timeout: time.Minute, Line: "10.0.0.9 root secret"},
		{Name: "meatware on line 11 of ha.cf", Agent: "meatware", Target: "beta", Level: 6, Timeout: time.Minute, Line: "Beta alpha"},
	}
	if diff := cmp.Diff(want, l.Fences); diff != "" {
		t.Errorf("devices (-want +got):\n%s", diff)
	}
	if !l.Config.Fencing || l.Config.FenceDelay != 3*time.Minute {
		t.Errorf("fencing %v, delay %v; want true, twice 90s", l.Config.Fencing, l.Config.FenceDelay)
	}
}

func TestFencing(t *testing.T) {
	for name, c := range map[string]struct {
		ha, conf string
		fencing  bool
		delay    time.Duration
	}{
		"none":             {"", "", false, 0},
		"the peer":         {"", "fence b agent=fence_apc target=beta\n", true, 2 * time.Minute},
		"only this node":   {"", "fence a agent=fence_apc target=alpha timeout=10s\n", false, 20 * time.Second},
		"written delay":    {"", "fence b agent=fence_apc target=beta\nfence-delay 5s\n", true, 5 * time.Second},
		"a person":         {"", "fence b agent=meatware target=beta\n", true, 0},
		"ha.cf":            {"stonith apcmaster /etc/apc\n", "", true, 2 * time.Minute},
		"ha.cf, theirs":    {"stonith_host beta apcmaster a b c\n", "", false, 0},
		"ha.cf, everybody": {"stonith_host * apcmaster a b c\n", "", true, 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			files := goodFiles()
			files.HaCF, files.LubdubConf = append(files.HaCF, c.ha...), []byte(c.conf)
			l, problems := Parse(files, machine())
			if l == nil {
				t.Fatal(printed(problems))
			}
			if l.Config.Fencing != c.fencing || l.Config.FenceDelay != c.delay {
				t.Errorf("fencing %v after %v, want %v after %v", l.Config.Fencing, l.Config.FenceDelay, c.fencing, c.delay)
			}
		})
	}
}

// A file with a password must be root's alone; one that names the password's file need not.
func TestFenceSecretsInFiles(t *testing.T) {
	const plainWord, inFile = "fence b agent=fence_apc target=beta passwd=hush-hush\n", "fence b agent=fence_apc target=beta passwd=@/etc/ha.d/secret\n"
	dir := t.TempDir()
	for _, c := range []struct {
		conf string
		mode fs.FileMode
		want string // of an error's or a warning's words
	}{
		{plainWord, 0o600, ""}, {inFile, 0o644, ""},
		{plainWord, 0o640, "passwd stands in a file that others may read (mode 0640)"},
		{plainWord, 0o644, "passwd stands in a file that others may read (mode 0644)"},
	} {
		files := goodFiles()
		for name, data := range map[string][]byte{"ha.cf": append(files.HaCF, "stonith_host * drac3 10.0.0.9 root hush-hush\n"...), "haresources": files.Haresources, "authkeys": files.Authkeys, "lubdub.conf": []byte(c.conf)} {
			mode := fs.FileMode(0o600)
			if name == "lubdub.conf" {
				mode = c.mode
			}
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, data, mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
		l, problems := Load(dir, machine())
		text := printed(problems)
		if (l == nil) != (c.want != "") || !strings.Contains(text, c.want) || strings.Contains(text, "hush") {
			t.Errorf("mode %04o, %q: refused %v:\n%s", c.mode, c.conf, l == nil, text)
		}
		if err := os.Chmod(filepath.Join(dir, "ha.cf"), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, problems = Load(dir, machine()); !strings.Contains(printed(problems), `the parameters of "drac3" stand in a file that others may read (mode 0644); chmod 600 `) {
			t.Errorf("no warning about ha.cf:\n%s", printed(problems))
		}
	}
}

// No message shows what stands behind the name of a secret, however the line is broken.
func TestFenceSecretsAreNeverShown(t *testing.T) {
	for _, line := range []string{
		`fence b agent=fence_apc target=beta passwd=hush-hush level=0`,
		`fence b agent=fence_apc target=beta "passwd=hush hush hush-hush`,
		`fence b agent=fence_apc target=nobody password="a hush-hush"`,
		`fence b agent=fence_apc target=beta snmp_auth_passwd=x api_key=hush-hush api_key=hush-hush level=x`,
		`fense b SECRET=hush-hush`,
	} {
		files := goodFiles()
		files.LubdubConf = []byte(line + "\n")
		_, problems := Parse(files, machine())
		if text := printed(problems); !problems.HasErrors() || strings.Contains(text, "hush") {
			t.Errorf("%s:\n%s", line, text)
		}
	}
}

// The digest is in each heartbeat, where everybody can read it: no secret is in it, every setting is.
func TestFenceDigest(t *testing.T) {
	digest := func(conf string) string {
		files := goodFiles()
		files.LubdubConf = []byte(conf)
		l, problems := Parse(files, machine())
		if l == nil {
			t.Fatal(printed(problems))
		}
		i := slices.IndexFunc(l.Config.Digests, func(d cluster.Digest) bool { return d.File == "lubdub.conf" })
		return l.Config.Digests[i].Sum
	}
	usual := digest("fence b agent=fence_apc target=beta ip=1 passwd=one\n")
	for conf, same := range map[string]bool{
		"fence b agent=fence_apc target=beta ip=1 passwd=two\n":             true,
		"fence b target=beta agent=fence_apc passwd=one ip=1 level=1\n":     true,
		"fence b agent=fence_apc target=beta ip=2 passwd=one\n":             false,
		"fence b agent=fence_apc target=beta ip=1 passwd=one timeout=20s\n": false,
		"fence b agent=fence_apc target=beta ip=1\n":                        false,
	} {
		if got := digest(conf) == usual; got != same {
			t.Errorf("%sthe digest is the same: %v, want %v", conf, got, same)
		}
	}
}

// Each example of docs/fencing.md is read as its file, and leaves no error.
func TestFencingPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/fencing.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```(lubdub\\.conf|ha\\.cf)\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 5 {
		t.Fatalf("%d examples", len(blocks))
	}
	for _, b := range blocks {
		files := goodFiles()
		if b[1] == "ha.cf" {
			files.HaCF = append(files.HaCF, b[2]...)
		} else {
			files.LubdubConf = []byte(b[2])
		}
		l, problems := Parse(files, machine())
		if l == nil || len(problems) > 0 || !l.Config.Fencing {
			t.Errorf("%s:\n%s\n%s", b[1], b[2], printed(problems))
		}
	}
}
