package agent

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lubdub/internal/cluster"
)

// surroundings prints what an agent sees, less what the shell itself adds.
const surroundings = `env | grep -v -e '^PWD=' -e '^_=' -e '^SHLVL=' -e '^OLDPWD=' | sort
	echo "umask $(umask)"; echo "in $(pwd)"; echo "input $(readlink /proc/self/fd/0)"
	[ $(ps -o pgid= -p $$) = $$ ] && [ $(ps -o sid= -p $$) = $$ ] && echo "own group and session"
	ls /proc/$$/fd | grep -v -e '^[012]$' -e '^1[01]$' | sed 's/^/stray descriptor /'`

// see runs an agent that prints its surroundings into a file.
func see(t *testing.T, w *world, q Request) []string {
	t.Helper()
	w.expect(t, q, cluster.OK, q.Resource.Name+" is stopped")
	text := strings.ReplaceAll(read(t, w.dir+"/seen"), w.dir, "DIR")
	return strings.Split(strings.TrimSpace(text), "\n")
}

func TestEnvironmentOCF(t *testing.T) {
	t.Setenv("SECRET", "of the daemon")
	stray, err := unix.Open("/dev/null", unix.O_RDONLY, 0) // inherited by every child
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(stray)
	if stray < 12 { // out of the way of those that the shell opens for itself
		const high = 100
		if err := unix.Dup3(stray, high, 0); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(high)
	}
	w := newWorld(t)
	w.Settings = []string{"keepalive=500ms", "auto_failback=on", "SITE=north one", "LOGFACILITY=local0", "bad name=x"}
	w.write(t, "ocf/resource.d/acme/web", "#!/bin/sh\n("+surroundings+") >"+w.dir+"/seen 2>&1\n")
	q := Request{Group: "192.0.2.100", Action: cluster.Stop, Timeout: 20 * time.Second, Epoch: 42, Deadline: 123456789,
		Resource: cluster.Resource{Name: "ocf:acme:web", Class: "ocf", Provider: "acme", Type: "web",
			Params: []string{"a=b=c d", "OCF_CHECK_LEVEL=10", "no-variable=1"}}}
	want := []string{
		"HA_BIN=/usr/libexec/heartbeat",
		"HA_CF=DIR/ha.cf",
		"HA_CURHOST=proxy01",
		"HA_DATEFMT=%Y/%m/%d_%T\t",
		"HA_DEBUGLOG=/dev/null",
		"HA_DIR=DIR",
		"HA_DOCDIR=/usr/share/doc/heartbeat",
		"HA_FIFO=/var/lib/heartbeat/fifo",
		"HA_FUNCS=/etc/ha.d/shellfuncs",
		"HA_LOGD=no",
		"HA_LOGFACILITY=",
		"HA_LOGFILE=",
		"HA_NICEFAILBACK=yes",
		"HA_RCDIR=DIR/rc.d",
		"HA_RESOURCEDIR=DIR/resource.d",
		"HA_RSCTMP=DIR/tmp",
		"HA_SITE=north one",
		"HA_auto_failback=on",
		"HA_debug=0",
		"HA_keepalive=500ms",
		"LC_ALL=C",
		"LUBDUB_DEADLINE=123456789",
		"LUBDUB_EPOCH=42",
		"OCF_AGENTS=DIR/ocf/resource.d/heartbeat/",
		"OCF_CHECK_LEVEL=10",
		"OCF_EXIT_REASON_PREFIX=ocf-exit-reason:",
		"OCF_RA_VERSION_MAJOR=1",
		"OCF_RA_VERSION_MINOR=1",
		"OCF_RESKEY_CRM_meta_interval=0",
		"OCF_RESKEY_CRM_meta_name=stop",
		"OCF_RESKEY_CRM_meta_timeout=20000",
		"OCF_RESKEY_OCF_CHECK_LEVEL=10",
		"OCF_RESKEY_a=b=c d",
		"OCF_RESOURCE_INSTANCE=192.0.2.100_ocf-acme-web",
		"OCF_RESOURCE_PROVIDER=acme",
		"OCF_RESOURCE_TYPE=web",
		"OCF_ROOT=DIR/ocf",
		"PATH=/usr/libexec/heartbeat:/usr/sbin:/usr/share/heartbeat:/usr/bin:/sbin:/bin",
		"SYSTEMCTL_SKIP_REDIRECT=1",
		"umask 0022", "in /", "input /dev/null", "own group and session",
	}
	if diff := cmp.Diff(want, see(t, w, q)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEnvironmentHeartbeat(t *testing.T) {
	w := newWorld(t)
	w.Settings = []string{"auto_failback=legacy", "debug=1"}
	w.heartbeat(t, "db", "(echo \"$0 $*\"; "+surroundings+") >"+w.dir+"/seen 2>&1")
	q := request("db", cluster.Stop, "one", "two words")
	q.Resource.Params = []string{"statusurl=http://localhost/"}
	seen := strings.Join(see(t, w, q), "\n")
	for _, want := range []string{"DIR/resource.d/db one two words stop\n", "HA_debug=1\n", "HA_auto_failback=legacy\n",
		"OCF_RESKEY_statusurl=http://localhost/\n", "HA_CURHOST=proxy01\n"} {
		if !strings.Contains(seen, want) {
			t.Errorf("%q is missing in:\n%s", want, seen)
		}
	}
	for _, wrong := range []string{"HA_NICEFAILBACK", "OCF_RESOURCE_INSTANCE", "CRM_meta_interval", "LUBDUB_DEADLINE"} {
		if strings.Contains(seen, wrong) {
			t.Errorf("%q should not be in:\n%s", wrong, seen)
		}
	}
}
