package config

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSlips reads what new users write, a line or two each, and compares what they are told. \n begins a line.
func TestSlips(t *testing.T) {
	const path = "testdata/slips.txt"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	slips := 0
	for line := range strings.Lines(string(data)) {
		slip, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "== ")
		if !ok {
			continue
		}
		slips++
		name, text, _ := strings.Cut(slip, ": ")
		text = strings.ReplaceAll(text, `\n`, "\n") + "\n"
		files := goodFiles()
		switch name {
		case "ha.cf":
			files.HaCF = append(files.HaCF, text...)
		case "haresources":
			files.Haresources = []byte(text)
		case "authkeys":
			files.Authkeys = []byte(text)
		case "lubdub.conf":
			files.LubdubConf = []byte(text)
		default:
			t.Fatalf("no file is called %q", name)
		}
		got.WriteString("== " + slip + "\n")
		_, problems := Parse(files, machine())
		for told := range strings.Lines(printed(problems)) {
			if strings.Contains(text, "password") && strings.Contains(told, "secret") {
				t.Errorf("%s: a secret is printed: %s", slip, told)
			}
			if !strings.HasPrefix(told, "    ") {
				got.WriteString(strings.TrimPrefix(told, "/etc/ha.d/"))
			}
		}
	}
	if *update {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(data), got.String()); diff != "" && !*update {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if slips < 40 {
		t.Errorf("%d slips are few", slips)
	}
}
