package config

import (
	"fmt"
	"slices"
	"strings"
)

// maxCompared bounds the words that are compared: nobody mistypes a longer one.
const maxCompared = 64

// didYouMean proposes the known word nearest to text, or else says otherwise.
func didYouMean(text string, known []string, otherwise string) string {
	if best := nearest(text, known); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return otherwise
}

// nearest returns the known word that one or two slips away from text; empty
// when there is none that near.
func nearest(text string, known []string) string {
	if len(text) > maxCompared {
		return ""
	}
	best, least := "", max(1, len(text)/3)+1
	for _, k := range known {
		if len(k) > maxCompared {
			continue
		}
		if d := distance(strings.ToLower(text), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance counts the slips between a and b: a letter too many, missing,
// wrong, or two neighbours swapped.
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			wrong := 1
			if a[i-1] == b[j-1] {
				wrong = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+wrong)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// list joins words for a sentence.
func list(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

// unique returns the words sorted and each once.
func unique(words []string) []string {
	out := slices.Clone(words)
	slices.Sort(out)
	return slices.Compact(out)
}
