package sim

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var mutants = flag.Bool("mutants", false, "play each mutant of testdata/mutants until it is caught")

// mutantLimit is within how many schedules a mutant must be caught.
const mutantLimit = 20_000

// TestMutants shows that the judge bites: each patch leaves one rule out, and
// must be caught.
func TestMutants(t *testing.T) {
	if !*mutants {
		t.Skip("takes minutes: -mutants")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	patches, err := filepath.Glob("../cluster/testdata/mutants/*.patch")
	if err != nil || len(patches) == 0 {
		t.Fatalf("no patches: %v", err)
	}
	for _, p := range patches {
		t.Run(strings.TrimSuffix(filepath.Base(p), ".patch"), func(t *testing.T) {
			overlay, err := mutate(root, p, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("go", "test", "-count=1", "-overlay="+overlay, "./internal/sim", "-run=TestSchedules",
				"-v", fmt.Sprintf("-schedules=%d", mutantLimit))
			cmd.Dir = root
			out, err := cmd.CombinedOutput()
			played := regexp.MustCompile(`(\d+) schedules,`).FindSubmatch(out)
			found := regexp.MustCompile(`seed \d+ at .*`).Find(out)
			if played == nil {
				t.Fatalf("the mutant was not played: %v\n%s", err, out)
			}
			if err == nil || found == nil {
				t.Fatalf("not caught in %s schedules", played[1])
			}
			t.Logf("caught after %s schedules: %s", played[1], found)
		})
	}
}

// mutate applies a patch to copies of the files that it names, and returns an
// overlay that puts them in place of the originals.
func mutate(root, patch, dir string) (string, error) {
	text, err := os.ReadFile(patch)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for _, name := range regexp.MustCompile(`(?m)^\+\+\+ b/(\S+)`).FindAllSubmatch(text, -1) {
		from, to := filepath.Join(root, string(name[1])), filepath.Join(dir, string(name[1]))
		source, err := os.ReadFile(from)
		if err != nil {
			return "", err
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(to, source, 0o644); err != nil {
			return "", err
		}
		replace[from] = to
	}
	cmd := exec.Command("patch", "-p1", "--no-backup-if-mismatch", "-d", dir)
	cmd.Stdin = bytes.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("apply %s: %w: %s", patch, err, out)
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, list, 0o644)
}
