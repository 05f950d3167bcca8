package main

import (
	"strings"
	"testing"
)

// maxGrowth is what the heap may differ by between two collections of an idle program: less than a byte for ten beats.
const maxGrowth = 64 << 10

func TestHeapIsFlat(t *testing.T) {
	beats := million
	if testing.Short() {
		beats /= 10
	}
	early, late, sentence, err := growth(beats)
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
