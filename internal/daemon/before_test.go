package daemon

import (
	"context"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lubdub/internal/api"
	"lubdub/internal/cluster"
)

// What a life leaves is read by the next one, which says what was before it.
func TestFormerLife(t *testing.T) {
	dir := t.TempDir()
	cfg := cluster.Config{Keepalive: time.Millisecond, Groups: []cluster.Group{{Name: "web"}}}
	begin := func(build string, events ...api.Event) former {
		t.Helper()
		s, err := openStore(dir)
		if err != nil {
			t.Fatal(err)
		}
		f, err := succeed(s, dir, build, events)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	if got := begin("0.1.0").started("0.1.0", "alpha", 1).Words; got != "lubdub 0.1.0 starts on alpha" {
		t.Errorf("the first one: %q", got)
	}
	var last atomic.Int64
	p := newPulse(dir, cfg, &last)
	p.entitled("web", 77)
	p.entitled("other", 78)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	stepped := now()
	last.Store(int64(stepped)) // and no more: it goes on writing, but not that it lives
	p.run(ctx)
	f := begin("0.2.0")
	if f.beat.At != stepped || f.beat.Until["web"] != 77 || len(f.beat.Until) != 1 {
		t.Errorf("the pulse: %+v", f.beat)
	}
	note := f.started("0.2.0", "alpha", f.beat.At.Add(180*time.Millisecond))
	if note.Words != "lubdub 0.2.0 starts on alpha in place of lubdub 0.1.0, which was killed or crashed 180ms ago" || note.Level != cluster.Warning {
		t.Errorf("got %+v", note)
	}
	s, err := openStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	for ended, want := range map[string]string{
		endedLeft:  "lubdub 0.2.0 starts on alpha again; it had left 5ms ago",
		endedAgain: "lubdub 0.2.0 starts on alpha again; it ended for that 5ms ago",
	} {
		if err := s.live("0.2.0", ended); err != nil {
			t.Fatal(err)
		}
		f := begin("0.2.0")
		if note := f.started("0.2.0", "alpha", f.beat.At.Add(5*time.Millisecond)); note.Words != want || note.Level != cluster.Info {
			t.Errorf("got %+v, want %q", note, want)
		}
		if b := f.before(f.beat.At.Add(5 * time.Millisecond)); b != (api.Before{Build: "0.2.0", Ended: ended, Away: 5 * time.Millisecond}) {
			t.Errorf("got %+v", b)
		}
	}
	s.boot = "another"
	f, err = succeed(s, dir, "0.2.0", nil)
	if err != nil || f.beat.At != 0 {
		t.Errorf("a pulse of another boot: %+v, %v", f, err)
	}
}

// The versions before this one left nothing but their events.
func TestFormerLifeInEvents(t *testing.T) {
	s, err := openStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	events := []api.Event{{Kind: "start", Words: "lubdub 0.1.0 starts on alpha"}, {Kind: "start", Words: "lubdub 0.1.1 starts on alpha"}, {Kind: "link", Words: "lubdub 9"}}
	f, err := succeed(s, t.TempDir(), "0.2.0", events)
	if err != nil {
		t.Fatal(err)
	}
	if note := f.started("0.2.0", "alpha", 5); note.Words != "lubdub 0.2.0 starts on alpha in place of lubdub 0.1.1, which ran here before" {
		t.Errorf("got %+v", note)
	}
}

func TestAdoptedWords(t *testing.T) {
	const at = cluster.Time(100 * time.Second)
	ago := func(d time.Duration) cluster.Time { return at.Add(-d) }
	address := cluster.Resource{Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.100/24")}}
	cfg := cluster.Config{DeadTime: 4 * time.Second, Groups: []cluster.Group{{Name: "web", Resources: []cluster.Resource{address}}}}
	owner := cluster.SavedGroup{Owner: true}
	for _, c := range []struct {
		name   string
		group  cluster.SavedGroup
		beat   beat
		words  string
		level  cluster.Level
		groups []cluster.Group
	}{
		{"held", cluster.SavedGroup{Until: at + 1}, beat{At: ago(time.Second)}, "its address answered all the while, and nothing moved", cluster.Info, nil},
		{"quiet", cluster.SavedGroup{Until: at + 1, Quiet: true}, beat{}, "its address is quiet, as it was", cluster.Info, nil},
		{"between yield and dead time", owner, beat{At: ago(3500 * time.Millisecond), Until: map[string]cluster.Time{"web": ago(700 * time.Millisecond)}},
			"its address has been silent for 700ms, for lubdub was away for 3.5s; that is less than the dead time (4s), and nothing moved", cluster.Warning, nil},
		{"longer than the dead time", owner, beat{At: ago(5 * time.Second), Until: map[string]cluster.Time{"web": ago(2 * time.Second)}},
			"its address is silent; lubdub was away for 5s, longer than the dead time (4s): the other node may serve it by now", cluster.Warning, nil},
		{"not known", owner, beat{}, "its address is silent, for its lease has ended", cluster.Warning, nil},
		{"no address", owner, beat{}, "what runs goes on running", cluster.Info, []cluster.Group{{Name: "web"}}},
		{"not ours", cluster.SavedGroup{}, beat{At: ago(time.Second)}, "", "", nil},
	} {
		cfg := cfg
		if c.groups != nil {
			cfg.Groups = c.groups
		}
		saved := cluster.Saved{SameBoot: true, Groups: map[string]cluster.SavedGroup{"web": c.group}}
		notes := former{beat: c.beat}.adopted(cfg, saved, at)
		if c.words == "" {
			if len(notes) > 0 {
				t.Errorf("%s: got %+v", c.name, notes)
			}
			continue
		}
		got := notes[0].(cluster.Noted)
		if words, ok := strings.CutPrefix(got.Words, "web is taken up again: "); !ok || words != c.words || got.Level != c.level {
			t.Errorf("%s: got %s %q, want %s %q", c.name, got.Level, got.Words, c.level, c.words)
		}
	}
}
