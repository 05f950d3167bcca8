package main

import (
	"strings"
	"testing"
)

func TestHeapIsFlat(t *testing.T) {
	// A tenth of what the benchmark does: a byte a beat would still show, and the race detector needs its time.
	early, late, sentence, err := growth(million / 10)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("at 10 %%: %d, at 100 %%: %d bytes; %s", early, late, sentence)
	if !strings.Contains(sentence, "web runs on "+owner) {
		t.Errorf("the pair did not do what it is to be measured at: %s", sentence)
	}
	if late-early > maxGrowth {
		t.Errorf("the heap grew by %d bytes from %d", late-early, early)
	}
}
