package main

import (
	"fmt"
	"os"
	"strings"
)

// The lines of a page between which the newest run's tables stand.
const (
	beginMark = "<!-- begin: printed by make bench -->\n"
	endMark   = "<!-- end: printed by make bench -->\n"
)

// into puts text in its place in a page, between two lines, instead of what an earlier run left there.
func into(path, begin, end, text string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, found := strings.Cut(string(page), begin)
	_, tail, ends := strings.Cut(rest, end)
	if !found || !ends {
		return fmt.Errorf("%s lacks the lines %q and %q, between which the tables belong", path, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return os.WriteFile(path, []byte(head+begin+"\n"+strings.TrimSpace(text)+"\n\n"+end+tail), 0o644)
}
