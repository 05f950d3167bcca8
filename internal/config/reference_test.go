package config

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const referencePage = "../../docs/lubdub.conf.md"

// otherWords is the page's table for those who come from other programs.
func otherWords() string {
	by := map[string][]string{}
	for theirs, ours := range foreign() {
		by[ours] = append(by[ours], "`"+theirs+"`")
	}
	text := "\n## Words of other programs\n\nWho writes one of these into the file is told the same.\n\n| there | here |\n| --- | --- |\n"
	for _, ours := range slices.Sorted(maps.Keys(by)) {
		words := strings.ReplaceAll(strings.TrimPrefix(ours, "here it is "), "'", "`")
		text += "| " + strings.Join(slices.Sorted(slices.Values(by[ours])), " ") + " | " + strings.ReplaceAll(words, "|", "\\|") + " |\n"
	}
	return text
}

// No word of other programs is ours, and what is said instead exists.
func TestForeignWords(t *testing.T) {
	known := vocabulary()
	for theirs, ours := range foreign() {
		if _, ok := known[dashed(theirs)]; ok {
			t.Errorf("%s is a word of ours", theirs)
		}
		if _, form, ok := strings.Cut(ours, "here it is '"); ok {
			word := strings.Fields(form)[0]
			_, there := known[word]
			if !there && !slices.ContainsFunc(directives(), func(d directive) bool { return d.name == word }) {
				t.Errorf("%s: there is no word %s", theirs, word)
			}
		}
	}
}

// TestReferencePage holds the page of the docs to what the parser knows.
func TestReferencePage(t *testing.T) {
	want := "# lubdub.conf\n\n" +
		"Optional, in `/etc/ha.d`, the same on both nodes: what Heartbeat has no word for. `lubdub check` reads it.\n\n" +
		"```\n" + Reference() + "```\n" + otherWords()
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
