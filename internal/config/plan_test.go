package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"lubdub/internal/cluster"
)

const planConf = `name 192.0.2.100 web
name 192.0.2.110 db
proxy front listen=:80 backend=http://192.0.2.80
`

// planFiles are two groups, with resources of which some stand behind others.
func planFiles() Files {
	f := goodFiles()
	f.Haresources = []byte("alpha 192.0.2.100 one::a two::b three::c lubdub-proxy::front\nbeta 192.0.2.110 four::d\n")
	f.LubdubConf = []byte(planConf)
	f.Authkeys = []byte("auth 1\n1 sha256 0123456789abcdef\n2 sha256 fedcba9876543210\n")
	return f
}

func planned(t *testing.T, f Files) *Loaded {
	t.Helper()
	l, problems := Parse(f, machine())
	if l == nil {
		t.Fatalf("the test's files have errors:\n%s", printed(problems))
	}
	return l
}

// text shows a plan: a line for each step, and what the core is told.
func (p Plan) text() string {
	var out strings.Builder
	for _, s := range p.Steps {
		fmt.Fprintf(&out, "%s %s: %s\n", s.What, strings.Trim(s.Group+"/"+s.Resource, "/"), s.Words)
	}
	for _, r := range p.Refused {
		fmt.Fprintf(&out, "refused: %s\n", r)
	}
	o := p.Order
	for _, list := range []struct {
		name    string
		members []cluster.Member
	}{{"halt", o.Halt}, {"fresh", o.Fresh}, {"cold", o.Cold}, {"renew", o.Renew}} {
		for _, m := range list.members {
			fmt.Fprintf(&out, "%s %s/%s\n", list.name, m.Group, m.Resource)
		}
	}
	for _, list := range []struct {
		name  string
		words []string
	}{{"silence", o.Silence}, {"remove", o.Remove}, {"together", o.Moved}} {
		for _, w := range list.words {
			fmt.Fprintf(&out, "%s %s\n", list.name, w)
		}
	}
	if o.Signs != "" {
		fmt.Fprintf(&out, "signs: %s\n", o.Signs)
	}
	return out.String()
}

// Each row changes one thing in the files. "file: a => b" replaces; the plan must be word for word.
func TestPlan(t *testing.T) {
	const silent = "; all addresses of the group are silent until the network was asked for it, some tenths of a second"
	tests := []struct{ name, change, want string }{
		{"nothing", "", ""},
		{"a comment", "ha.cf: node alpha => # hello\nnode alpha", ""},
		{"the order of groups", "haresources: whole => beta 192.0.2.110 four::d\n\n# moved\nalpha 192.0.2.100   one::a two::b three::c lubdub-proxy::front\n", ""},
		{"written otherwise", "haresources: 192.0.2.110 => IPaddr::192.0.2.110", "changed : the files are written in another way and mean the same: nothing is touched\n"},
		{"a resource at the end", "haresources: lubdub-proxy::front => lubdub-proxy::front five::e", "added web/five: it is started where the group runs\nfresh web/five\n"},
		{"a resource in the middle", "haresources: two::b => five::e two::b",
			"added web/five: it is started where the group runs\n" +
				"restarted web/two: it stands behind five\nrestarted web/three: it stands behind five\nhalt web/two\nhalt web/three\nfresh web/five\nfresh web/two\nfresh web/three\n"},
		{"a resource goes", "haresources: two::b  => ", "removed web/two: it is stopped where it runs\nrestarted web/three: it stands behind two\nhalt web/two\nhalt web/three\nfresh web/three\n"},
		{"the last resource goes", "haresources:  four::d => ", "removed db/four: it is stopped where it runs\nhalt db/four\n"},
		{"another argument", "haresources: two::b => two::B", "restarted web/two: its arguments changed\nrestarted web/three: it stands behind two\nhalt web/two\nhalt web/three\nfresh web/two\nfresh web/three\n"},
		{"the order in a group", "haresources: one::a two::b => two::b one::a",
			"moved web: its order is 192.0.2.100, two, one, three, lubdub-proxy from the next start on; nothing is stopped for that\n"},
		{"the preferred node", "haresources: beta 192 => alpha 192", "moved db: its preferred node is alpha, and was beta; it goes there when both nodes have the same files, and auto_failback is on\n"},
		{"another mask", "haresources: 192.0.2.100 => 192.0.2.100/25/eth0", "restarted web/192.0.2.100: address: 192.0.2.100/25, and was 192.0.2.100/24" + silent + "\nhalt web/192.0.2.100\nfresh web/192.0.2.100\nsilence web\n"},
		{"an address more", "haresources: one::a => 192.0.2.101 one::a", "added web/192.0.2.101: it is started where the group runs" + silent + "\nfresh web/192.0.2.101\nsilence web\n"},
		{"an address in front", "haresources: 192.0.2.110 => IPaddr::192.0.2.111 IPaddr::192.0.2.110;lubdub.conf: name 192.0.2.110 => name IPaddr::192.0.2.111",
			"added db/IPaddr: it is started where the group runs" + silent + "\nfresh db/IPaddr\nsilence db\n"},
		{"a group more", "haresources: beta 192.0.2.110 => alpha 192.0.2.120 five::e\nbeta 192.0.2.110",
			"added 192.0.2.120: the group (192.0.2.120, five) is started by the node that has the new files first; preferred: alpha\n"},
		{"a group less", "haresources: beta 192.0.2.110 four::d => ;lubdub.conf: name 192.0.2.110 db => ", "removed db: the group is stopped if it runs here, and known no more\nremove db\n"},
		{"another name", "lubdub.conf: 110 db => 110 sql",
			"added sql: the group (192.0.2.110, four) is started by the node that has the new files first; preferred: beta\n" +
				"removed db: the group is stopped if it runs here, and known no more\nmoved sql: 192.0.2.110, four comes from the group db\nremove db\n" +
				"together 192.0.2.110, four would stand in the group sql and stands in db: while the other node has the old files both nodes would run it; stop lubdub there first (systemctl stop lubdub), reload here, and start it there with the new files; or keep the group's name with a line 'name KEY db' in lubdub.conf\n"},
		{"from group to group", "haresources: three::c  => ;haresources: four::d => four::d three::c",
			"removed web/three: it is stopped where it runs\nadded db/three: it is started where the group runs\nmoved db: three comes from the group web\nhalt web/three\nfresh db/three\n" +
				"together three would stand in the group db and stands in web: while the other node has the old files both nodes would run it; stop lubdub there first (systemctl stop lubdub), reload here, and start it there with the new files; or keep the group's name with a line 'name KEY web' in lubdub.conf\n"},
		{"the same in two groups", "haresources: four::d => four::d one::a", "added db/one: it is started where the group runs\nfresh db/one\n"},
		{"intervals", "lubdub.conf: proxy front => monitor two interval=3s\ntimeout two start=7s\nproxy front",
			"changed web/two: monitor interval: 3s, and was 10s; time-out of start: 7s, and was 1m0s; time-outs that the agent may advise: stop monitor, and was start stop monitor; it goes on\n"},
		{"a proxy's settings", "lubdub.conf: :80 => :8080", "changed web/lubdub-proxy: it takes in its new settings and goes on\nrenew web/lubdub-proxy\n"},
		{"warm", "lubdub.conf: proxy front => warm three\nproxy front", "changed web/three: warm: true, and was false; it goes on\n"},
		{"times", "ha.cf: keepalive 1 => keepalive 500ms", "changed : keepalive: 500ms, and was 1s\n"},
		{"links", "ha.cf: bcast eth0 => ucast eth0 192.0.2.12", "changed : links: eth1 port 694, eth0 192.0.2.12 port 694, and was eth1 port 694, eth0 port 694\n"},
		{"a ping node", "ha.cf: bcast eth0 => bcast eth0\nping 192.0.2.1", "changed : ping nodes: 192.0.2.1, and was nothing\nchanged : deadping: 10s, and was nothing\n"},
		{"a policy", "lubdub.conf: proxy front => partition take\nproxy front", "changed : policy partition: take, and was stay\n"},
		{"env", "ha.cf: bcast eth0 => bcast eth0\nenv A=b", "changed : env: A=b, and was nothing\n"},
		{"another cluster", "ha.cf: node beta => node beta\ncluster other",
			"refused: the cluster's name is other now and was linux-ha: two nodes that do not know each other would both serve; stop lubdub on both nodes, then start it on both\n"},
		{"a key more", "authkeys: 2 sha256 => 3 sha256 another-secret\n2 sha256", "changed : authkeys: key 3 is new\n"},
		{"another key signs", "authkeys: auth 1 => auth 2", "changed : authkeys: key 2 signs, and was 1\n"},
		{"the signing key goes", "authkeys: auth 1\n1 sha256 0123456789abcdef => auth 2", "removed : authkeys: key 1\nchanged : authkeys: key 2 signs, and was 1\n" +
			"signs: key 1 of authkeys signed until now and is gone: the other node may sign with it still and would not be heard; let another key sign on both nodes first, and then remove it\n"},
		{"a new key signs at once", "authkeys: 0123456789abcdef => 0123456789abcdee", "changed : authkeys: key 1 is new\n" +
			"signs: key 1 of authkeys is new and signs at once: the other node does not know it and would not hear us; add the key on both nodes first, reload both, and then let it sign\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before, after := planFiles(), planFiles()
			amended(t, &after, test.change)
			if got := NewPlan(planned(t, before), planned(t, after)).text(); got != test.want {
				t.Errorf("got\n%swant\n%s", got, test.want)
			}
		})
	}
}

// edit carries out changes such as "ha.cf: a => b;haresources: c => d".
func amended(t *testing.T, f *Files, changes string) {
	t.Helper()
	for change := range strings.SplitSeq(changes, ";") {
		file, rest, ok := strings.Cut(change, ": ")
		if !ok {
			continue
		}
		from, to, _ := strings.Cut(rest, " => ")
		data := map[string]*[]byte{"ha.cf": &f.HaCF, "haresources": &f.Haresources, "lubdub.conf": &f.LubdubConf, "authkeys": &f.Authkeys}[file]
		if from == "whole" {
			from = string(*data)
		}
		if !strings.Contains(string(*data), from) {
			t.Fatalf("%s does not contain %q", file, from)
		}
		*data = []byte(strings.Replace(string(*data), from, to, 1))
	}
}

// What the other direction says: warm ends, and this stops what runs on a node that is not the owner.
func TestPlanCold(t *testing.T) {
	warm := planFiles()
	amended(t, &warm, "lubdub.conf: proxy front => warm three\nproxy front")
	got := NewPlan(planned(t, warm), planned(t, planFiles())).text()
	if want := "changed web/three: warm: false, and was true; it goes on\ncold web/three\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Every field of a resource is either what a restart is needed for, or a
// detail: a field that somebody adds must not be forgotten.
func TestPlanKnowsEveryField(t *testing.T) {
	aspects := slices.Concat(essentials(), details())
	var visit func(v reflect.Value, path string, whole *cluster.Resource)
	seen := 0
	visit = func(v reflect.Value, path string, whole *cluster.Resource) {
		for i := range v.NumField() {
			field, name := v.Field(i), path+v.Type().Field(i).Name
			if name == "Name" {
				continue
			}
			if field.Kind() == reflect.Struct && (name == "Timeouts" || name == "Commands") {
				visit(field, name+".", whole)
				continue
			}
			seen++
			was := reflect.New(field.Type()).Elem()
			was.Set(field)
			field.Set(other(t, field.Type()))
			if unlike(aspects, cluster.Resource{}, *whole) == "" {
				t.Errorf("a change of %s is not seen", name)
			}
			field.Set(was)
		}
	}
	whole := &cluster.Resource{}
	visit(reflect.ValueOf(whole).Elem(), "", whole)
	if seen < 15 {
		t.Errorf("only %d fields were tried", seen)
	}
}

// other is a value of a type that is not its zero.
func other(t *testing.T, of reflect.Type) reflect.Value {
	v := reflect.New(of).Elem()
	switch of.Kind() {
	case reflect.Slice:
		v = reflect.MakeSlice(of, 1, 1)
		if e := of.Elem().Kind(); e == reflect.String {
			v.Index(0).SetString("x")
		}
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint8:
		v.SetUint(1)
	case reflect.Struct: // netip.Addr
		v = reflect.ValueOf(machine().Interfaces[0].Prefixes[0].Addr())
	default:
		t.Fatalf("no other value of %v", of)
	}
	return v
}

// An interface that comes brings in nothing else that the files say by then.
func TestPlaced(t *testing.T) {
	bare := machine()
	bare.Interfaces = bare.Interfaces[:1]
	before, problems := Parse(planFiles(), bare)
	if before == nil {
		t.Fatal(printed(problems))
	}
	files := planFiles()
	amended(t, &files, "haresources: one::a => one::A;ha.cf: keepalive 1 => keepalive 500ms")
	got := Placed(before, planned(t, files))
	if diff := NewPlan(got, planned(t, planFiles())).text(); diff != "" {
		t.Errorf("beside the interfaces differ:\n%s", diff)
	}
	if r := before.Config.Groups[0].Resources[0]; r.Interface != "" {
		t.Errorf("what ran was changed: %+v", r)
	}
}
