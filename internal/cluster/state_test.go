package cluster

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const protocolPage = "../../docs/protocol.md"

// TestStatesInTheDocs and TestReactionsInTheDocs hold the page of rules to the tables in the code.
func TestStatesInTheDocs(t *testing.T) { tableInTheDocs(t, "states", "States", statesPage()) }

func TestReactionsInTheDocs(t *testing.T) {
	tableInTheDocs(t, "reactions", "Reactions", reactionsPage())
}

func tableInTheDocs(t *testing.T, name, run, want string) {
	t.Helper()
	tableBegin := fmt.Sprintf("<!-- %s: written by go test ./internal/cluster -run %s -rewrite -->\n", name, run)
	tableEnd := fmt.Sprintf("<!-- end of %s -->", name)
	page, err := os.ReadFile(protocolPage)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(page), tableBegin)
	old, tail, closed := strings.Cut(rest, tableEnd)
	if !ok || !closed {
		t.Fatalf("%s has no place for the table: %q ... %q", protocolPage, tableBegin, tableEnd)
	}
	if *rewrite {
		if err := os.WriteFile(protocolPage, []byte(head+tableBegin+want+tableEnd+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != want {
		t.Errorf("%s is not what the code does; run: go test ./internal/cluster -run InTheDocs -rewrite\ngot:\n%s\nwant:\n%s", protocolPage, old, want)
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

// reactionsPage writes what is done when something fails.
func reactionsPage() string {
	var b strings.Builder
	b.WriteString("\n| what fails | when | what is done |\n| --- | --- | --- |\n")
	for _, r := range reactions() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", r.verb, r.when, r.then)
	}
	return b.String() + "\n"
}

// Each action has a last row that always holds: no failure is without an answer.
func TestReactionsAreComplete(t *testing.T) {
	last := map[Action]reaction{}
	for _, r := range reactions() {
		last[r.verb] = r
	}
	m := New(tutorial(), Saved{Incarnation: 1}, 1)
	for _, verb := range []Action{Start, Stop, Monitor} {
		if r, ok := last[verb]; !ok || !r.holds(m, m.groups[0], m.groups[0].resources[0]) {
			t.Errorf("%s: the last row is %+v", verb, r)
		}
	}
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
