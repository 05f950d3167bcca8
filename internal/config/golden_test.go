package config

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite what the golden files expect")

// machine is the node that the golden files are read on.
func machine() Options {
	return Options{Hostname: "alpha", Interfaces: []Interface{
		{Name: "lo", Prefixes: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}},
		{Name: "eth0", Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.11/24"), netip.MustParsePrefix("2001:db8::11/64"), netip.MustParsePrefix("fe80::1/64")}},
		{Name: "eth1", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/30")}},
	}}
}

// TestGolden reads each archive's files and compares all that is printed.
func TestGolden(t *testing.T) {
	paths, err := filepath.Glob("testdata/golden/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			given, want, ok := strings.Cut(string(data), "-- want --\n")
			if !ok {
				t.Fatal("no want section")
			}
			_, problems := Parse(sections(t, given), machine())
			got := printed(problems)
			if *update {
				if err := os.WriteFile(path, []byte(given+"-- want --\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("printed problems (-want +got):\n%s", diff)
			}
		})
	}
}

// sections reads "-- name --" and the file below it. What is left out is taken
// from a configuration without a problem.
func sections(t *testing.T, text string) Files {
	files := goodFiles()
	into := map[string]*[]byte{"ha.cf": &files.HaCF, "haresources": &files.Haresources, "authkeys": &files.Authkeys,
		"lubdub.conf": &files.LubdubConf, "nodeinfo": &files.Nodeinfo}
	var file *[]byte
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(line, "-- "); ok {
			name = strings.TrimSuffix(name, " --\n")
			if file = into[name]; file == nil {
				t.Fatalf("no file is called %q", name)
			}
			*file = []byte{}
		} else if file != nil {
			*file = append(*file, strings.ReplaceAll(line, "<TAB>", "\t")...)
		}
	}
	return files
}

// goodFiles is a configuration that leaves nothing to be said.
func goodFiles() Files {
	return Files{
		Dir:         "/etc/ha.d",
		HaCF:        []byte("node alpha\nnode beta\nkeepalive 1\ndeadtime 10\nbcast eth1\nbcast eth0\nauto_failback off\n"),
		Haresources: []byte("alpha 192.0.2.100 apache::/etc/httpd/conf/httpd.conf\n"),
		Authkeys:    []byte("auth 1\n1 sha256 0123456789abcdef\n"),
	}
}

func printed(problems Problems) string {
	var text strings.Builder
	if err := problems.Print(&text); err != nil {
		panic(err)
	}
	return text.String()
}
