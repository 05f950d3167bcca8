package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// wire quotes the codec's own benchmarks.
func (r report) wire(ctx context.Context, _ wishes) error {
	out, err := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", ".", "-benchmem", "lubdub/internal/wire").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	r.printf("\n## The wire\n\n`go test -run '^$' -bench . -benchmem ./internal/wire`\n\n```\n")
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "Benchmark") {
			r.printf("%s", line)
		}
	}
	r.printf("```\n")
	return nil
}
