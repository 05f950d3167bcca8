package test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"lubdub/internal/lab"
)

// diary is a resource that writes down what is done with it.
const diary = `#!/bin/sh
name=${0##*/}
for action; do :; done
[ "$action" = status ] || echo "$name $*" >> /run/diary
case $action in
start) touch "/run/on-$name" ;;
stop) rm -f "/run/on-$name" ;;
status) [ -e "/run/on-$name" ] && echo running || { echo stopped; exit 3; } ;;
esac
`

// reloading is a pair whose files change.
type reloading struct {
	*pair
	files map[string]string
}

func newReloading(t *testing.T) *reloading {
	asRoot(t)
	s := setup{resources: shared + " first::a second::b\n" + two + " other::x", conf: "peer-command /etc/ha.d/peer NODE\n"}
	r := &reloading{newPair(t, s), s.files()}
	for _, node := range []string{one, two} {
		for _, name := range []string{"first", "second", "third", "other", "another"} {
			must(t, r.Host(node).WriteFile("/etc/ha.d/resource.d/"+name, diary, 0o755))
		}
		// What ssh would bring: what the other node's files say.
		must(t, r.Host(node).WriteFile("/etc/ha.d/peer", "#!/bin/sh\n[ \"$2 $3 $4\" = 'lubdub check --digest' ] && cat /run/peer\n", 0o755))
		_, err := r.Host(node).Serve("http://"+shared+":80", 0)
		must(t, err)
	}
	r.serve()
	eventually(t, busy, "the other group runs", func() bool { return r.status(two).Groups[1].State == "running" })
	r.did(one)
	r.did(two)
	return r
}

// edit changes a file on nodes; each knows what the other one's files say then.
func (r *reloading) edit(file, from, to string, nodes ...string) {
	r.t.Helper()
	text := strings.Replace(r.files[file], from, to, 1)
	if text == r.files[file] {
		r.t.Fatalf("%s does not contain %q", file, from)
	}
	if len(nodes) == 0 {
		nodes = []string{one, two}
		r.files[file] = text
	}
	for _, node := range nodes {
		must(r.t, r.Host(node).WriteFile("/etc/ha.d/"+file, text, 0o600))
	}
	for node, other := range map[string]string{one: two, two: one} {
		if digests, err := r.tries(node, "check --digest"); err == nil {
			must(r.t, r.Host(other).WriteFile("/run/peer", digests, 0o600))
		}
	}
}

// back writes a node's file as it was before an edit of that node alone.
func (r *reloading) back(file, node string) {
	must(r.t, r.Host(node).WriteFile("/etc/ha.d/"+file, r.files[file], 0o600))
}

func (r *reloading) tries(node, words string) (string, error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), 4*question)
	defer cancel()
	return r.Host(node).Run(ctx, "sh", "-c", lubdub+" "+words+" 2>&1")
}

// reload brings the files in on a node: these actions are done there, and no other.
func (r *reloading) reload(node string, actions ...string) string {
	r.t.Helper()
	was := r.status(node).Incarnation
	out, err := r.tries(node, "reload")
	if err != nil {
		r.t.Fatalf("reload on %s: %v\n%s", node, err, out)
	}
	if is := r.status(node).Incarnation; is <= was {
		r.t.Errorf("no new life after the reload on %s:\n%s", node, out)
	}
	if got, want := r.did(node), strings.Join(actions, "; "); got != want {
		r.t.Errorf("the reload on %s did %q, want %q:\n%s", node, got, want, out)
	}
	eventually(r.t, busy, "the nodes know each other again", func() bool {
		return r.status(one).Peer.Membership == "up" && r.status(two).Peer.Membership == "up"
	})
	return out
}

// refused gives a reload that changes nothing, and says why.
func (r *reloading) refused(node, words string) {
	r.t.Helper()
	was := r.status(node).Incarnation
	out, err := r.tries(node, "reload")
	if err == nil || !containsAll(out, words) {
		r.t.Errorf("reload on %s is not refused with %q: %v\n%s", node, words, err, out)
	}
	if did := r.did(node); did != "" || r.status(node).Incarnation != was {
		r.t.Errorf("a refused reload on %s changed something: %s", node, did)
	}
}

// did are the actions on a node since the last time.
func (r *reloading) did(node string) string {
	r.t.Helper()
	return strings.ReplaceAll(strings.TrimSpace(r.run(node, "cat /run/diary 2>/dev/null; rm -f /run/diary")), "\n", "; ")
}

// TestReload: changes of all kinds are rolled over both nodes, while a client asks.
func TestReload(t *testing.T) {
	r := newReloading(t)
	l := r.lives()
	began := lab.Now()

	r.edit("haresources", one+" ", "# a comment\n"+one+"   ")
	if out, err := r.tries(one, "reload"); err != nil || !containsAll(out, "nothing has changed") {
		t.Errorf("a comment is a change: %v\n%s", err, out)
	}
	r.edit("ha.cf", "deadtime 2", "deadtime two", one)
	r.refused(one, "ha.cf:2:10: ")
	r.back("ha.cf", one)
	r.edit("haresources", "second::b", "second::c", one)
	r.refused(one, "haresources on the other node says something else than here")

	r.edit("haresources", "second::b", "second::B third::c")
	if out, err := r.tries(one, "reload --plan"); err != nil || !containsAll(out, "restarted web/second: its arguments changed", "added web/third") {
		t.Errorf("the plan: %v\n%s", err, out)
	}
	out := r.reload(one, "second b stop", "second B start", "third c start")
	r.reload(two)
	t.Logf("what reload prints:\n%s", out)

	r.edit("lubdub.conf", fmt.Sprint("interval=", interval), "interval=1s")
	r.reload(one)
	r.reload(two)

	r.edit("haresources", two+" other::x", two+" another::y")
	r.refused(two, "reload there first")
	r.reload(one, "another y start")
	r.reload(two, "other x stop")
	eventually(t, busy, "the new group runs", func() bool { return r.status(one).Groups[1].State == "running" })

	r.edit("ha.cf", "keepalive 250ms", "keepalive 200ms")
	r.edit("ha.cf", bothLinks, cableLink)
	r.reload(two)
	r.reload(one)
	if s := r.status(one); len(s.Links) != 1 || s.Groups[0].State != "running" {
		t.Errorf("after the last reload: %+v", s)
	}

	r.edit("ha.cf", "warntime 1", "warntime 1500ms")
	must(t, r.daemon(one).Signal(syscall.SIGHUP))
	r.says(one, "lubdub reload --plan")
	r.reload(one)
	r.reload(two)
	r.unbroken(l, began, 3*second)

	const more = "192.0.2.101"
	r.edit("haresources", "first::a", more+" first::a")
	added := lab.Now()
	r.reload(one)
	r.reload(two)
	r.alone(one, added)
	t.Logf("with an address more the group is silent for %v", round(l.Summary(added, lab.Now()).Gap.Duration()))
	r.run(client, "ping -c 1 -w 5 "+more)
}
