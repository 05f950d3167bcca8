package main

import (
	"strings"
	"testing"

	"lubdub/internal/api"
	"lubdub/internal/cluster"
)

// What runs, but not as it should, is said by status and by why.
func TestDegradedIsSaid(t *testing.T) {
	const words = "httpd.service is started at boot"
	g := cluster.GroupStatus{Name: "web", State: "running", Resources: []cluster.ResourceStatus{{Name: "httpd", State: "running", Degraded: words}}}
	s := api.Status{Status: cluster.Status{Self: "alpha", Groups: []cluster.GroupStatus{g}}}
	if text := paint(false).status(s); !strings.Contains(text, "degraded: "+words) {
		t.Errorf("status says:\n%s", text)
	}
	if text := paint(false).story(tell(s, g, nil)); !strings.Contains(text, "beware:  httpd is degraded: "+words) {
		t.Errorf("why says:\n%s", text)
	}
}
