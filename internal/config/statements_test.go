package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// How lines become words: quotes, comments, continued lines.
func TestStatements(t *testing.T) {
	for text, want := range map[string]string{
		"a b\tc\r\n":                   "a|b|c",
		"  # a comment\n\na b#c # d\n": "a|b#c",
		`a "b c" d"e f"g ""`:           "a|b c|de fg|",
		`a "b \" \\ \n"`:               `a|b " \ \n`,
		"a \\\n  b \\ \n c\nd":         "a|b|c;d",
		"a \\":                         "a",
		"a b\\c":                       `a|b\c`,
		"a \\\n# b \\\n c\nd":          "a|c;d",
		"a \\\n# b\nc":                 "a;c",
		"# a \\\nb":                    "b",
		"a \"b\nc":                     "c / 1:3 a quote without its end",
		"a \\\n\"b \\\nc\nd":           "d / 2:1 a quote without its end",
		"a \\ # b\nc\nd":               `d / 1:3 '\' continues a line only as its last character`,
		"a \"b\nc \"d\ne":              "e / 1:3 a quote without its end / 2:3 a quote without its end",
	} {
		log := &report{}
		var lines []string
		for _, st := range statements(newSource(nameLubdubConf, "", "lubdub.conf", []byte(text), log)) {
			lines = append(lines, strings.Join(append([]string{st.key.text}, texts(st.args)...), "|"))
		}
		got := strings.Join(lines, ";")
		for _, p := range log.problems {
			got += " / " + strings.TrimPrefix(printedPlace(p), "lubdub.conf:")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

// printedPlace is a problem as its place and its words.
func printedPlace(p Problem) string {
	first, _, _ := strings.Cut(printed(Problems{p}), "\n")
	place, words, _ := strings.Cut(first, " error: ")
	words, _, _ = strings.Cut(words, "; ")
	return strings.TrimSuffix(place, ":") + " " + words
}
