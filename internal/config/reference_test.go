package config

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const referencePage = "../../docs/lubdub.conf.md"

// TestReferencePage holds the page of the docs to what the parser knows.
func TestReferencePage(t *testing.T) {
	want := "# lubdub.conf\n\n" +
		"Optional, in `/etc/ha.d`, the same on both nodes: what Heartbeat has no word for. `lubdub check` reads it.\n\n" +
		"```\n" + Reference() + "```\n"
	if *update {
		if err := os.WriteFile(referencePage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referencePage)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("the page is not what the parser knows; run: go test ./internal/config -run Reference -update (-want +got):\n%s", diff)
	}
}
