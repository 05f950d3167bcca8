package agent

import (
	"testing"

	"lubdub/internal/cluster"
)

// BenchmarkMonitor is the cost of an action apart from the agent's own: a shell script that says that it runs.
func BenchmarkMonitor(b *testing.B) {
	w := &world{dir: b.TempDir()}
	w.ResourceDir = w.dir + "/resource.d"
	w.TempDir = w.dir
	w.write(b, "resource.d/db", "#!/bin/sh\necho running\n")
	for b.Loop() {
		if out := w.Run(b.Context(), request("db", cluster.Monitor)); out.Result != cluster.OK {
			b.Fatal(out.Words)
		}
	}
}
