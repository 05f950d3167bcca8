package sim

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"lubdub/internal/cluster"

	"github.com/google/go-cmp/cmp"
)

// TestNightsReadBack writes drawn nights as text and reads them: it is the same
// night, and played it is the same to the last output.
func TestNightsReadBack(t *testing.T) {
	for seed := uint64(1); seed <= 60; seed++ {
		want := draw(seed)
		got, err := parseNight(strings.NewReader(want.text()))
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, want.text())
		}
		if d := cmp.Diff(want.text(), got.text()); d != "" {
			t.Fatalf("seed %d: text differs:\n%s", seed, d)
		}
		if a, b := want.run(Options{Hash: true}), got.run(Options{Hash: true}); a.Hash != b.Hash || a.Simulated != b.Simulated {
			t.Errorf("seed %d: drawn %x after %v, read %x after %v", seed, a.Hash, a.Simulated, b.Hash, b.Simulated)
		}
	}
}

// TestSetupReadBack sets each field of a cluster in turn: none is forgotten.
func TestSetupReadBack(t *testing.T) {
	for i := range reflect.TypeFor[Setup]().NumField() {
		var want, got Setup
		f := reflect.ValueOf(&want).Elem().Field(i)
		switch f.Interface().(type) {
		case []cluster.Group:
			want = Setup{DeadTime: time.Second, Groups: []cluster.Group{group("web", "b", address("ip0", 7), proxy("p"), agent("x"))}}
			want.monitored()
			want.DeadTime = 0
		default:
			switch {
			case f.Kind() == reflect.Bool:
				f.SetBool(true)
			case f.CanInt():
				f.SetInt(3_000_000)
			case f.Kind() == reflect.String:
				f.SetString("word")
			}
		}
		for _, line := range want.keys() {
			if err := got.parse(strings.Fields(line)); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
		if want.Groups != nil {
			got.DeadTime = time.Second
			got.monitored()
			got.DeadTime = 0
		}
		if d := cmp.Diff(fmt.Sprintf("%+v", want), fmt.Sprintf("%+v", got)); d != "" {
			t.Errorf("%s:\n%s", reflect.TypeFor[Setup]().Field(i).Name, d)
		}
	}
}

// TestNightsRefused: what cannot be played is said with its line.
func TestNightsRefused(t *testing.T) {
	head := "seed 1\nkeepalive 250ms\ndeadtime 2000ms\ninitdead 2000ms\nlinks 1\nlag 1ms\ngroup web a ip0=192.0.2.100/24\ncalm 9ms\n"
	if _, err := parseNight(strings.NewReader(head)); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"keepalife 3ms":                                    "line 9: keepalife 3ms: nothing of a night",
		"keepalive 3":                                      "want a time as",
		"boot c 1ms 2ms":                                   "want a or b",
		"group web":                                        "want a name",
		"group web a ip0=192":                              "no IPv4",
		"100 links cut from=a for=3ms":                     "line 9",
		"100ms links cud from=a for=3ms":                   "no fault is called",
		"100ms links cut from=c for=3ms":                   "is none of",
		"100ms links cut for=3ms":                          "from= is missing",
		"100ms links cut from=a for=3ms loss=3":            "means nothing here",
		"100ms beats lost link=1 from=a loss=3 for=1ms":    "link=1 is not there",
		"100ms beats lost link=0 from=a loss=x for=1ms":    "no whole number",
		"100ms ambush node=a place=write count=1":          "then is missing",
		"1ms ambush node=a place=write count=1 then storm": "no fault is called",
	} {
		_, err := parseNight(strings.NewReader(head + line + "\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want it to say %q", line, err, want)
		}
	}
}
