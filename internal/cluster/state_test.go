package cluster

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const (
	protocolPage = "../../docs/protocol.md"
	tableBegin   = "<!-- states: written by go test ./internal/cluster -run States -rewrite -->\n"
	tableEnd     = "<!-- end of states -->"
)

// TestStatesInTheDocs holds the page of rules to the table in the code.
func TestStatesInTheDocs(t *testing.T) {
	page, err := os.ReadFile(protocolPage)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(page), tableBegin)
	old, tail, closed := strings.Cut(rest, tableEnd)
	if !ok || !closed {
		t.Fatalf("%s has no place for the states: %q ... %q", protocolPage, tableBegin, tableEnd)
	}
	want := statesPage()
	if *rewrite {
		if err := os.WriteFile(protocolPage, []byte(head+tableBegin+want+tableEnd+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != want {
		t.Errorf("%s is not what the code does; run: go test ./internal/cluster -run States -rewrite\ngot:\n%s\nwant:\n%s", protocolPage, old, want)
	}
}

// statesPage writes the states and their transitions for people.
func statesPage() string {
	var b strings.Builder
	b.WriteString("\n| state | means |\n| --- | --- |\n")
	for _, w := range stateWords {
		fmt.Fprintf(&b, "| %s | %s |\n", w.name, w.means)
	}
	b.WriteString("\n```mermaid\nstateDiagram-v2\n    [*] --> stopped\n")
	for _, t := range transitions {
		fmt.Fprintf(&b, "    %s --> %s\n", t.from, t.to)
	}
	b.WriteString("```\n\n| from | to | when |\n| --- | --- | --- |\n")
	for _, t := range transitions {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", t.from, t.to, t.when)
	}
	return b.String() + "\n"
}

// Every state can be left, and reached.
func TestNoStateIsATrap(t *testing.T) {
	for s := range stateWords {
		from, to := false, State(s) == Stopped
		for _, tr := range transitions {
			from = from || tr.from == State(s)
			to = to || tr.to == State(s)
		}
		if !from || !to {
			t.Errorf("%s: can be left: %v, can be reached: %v", State(s), from, to)
		}
	}
}

func TestAForbiddenTransitionPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("stopped to running was allowed")
		}
	}()
	m := New(tutorial(), Saved{Incarnation: 1}, 1)
	m.enter(m.groups[0], Running, Event{})
}
