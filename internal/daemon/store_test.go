package daemon

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lubdub/internal/cluster"
)

func TestIncarnationGrows(t *testing.T) {
	wall := time.Unix(1_700_000_000, 0)
	for name, c := range map[string]struct {
		before string
		clock  time.Time
		want   uint64
	}{
		"first start: the clock":         {"", wall, 1_700_000_000},
		"clock ahead":                    {"5\n", wall, 1_700_000_000},
		"clock set back: saved plus one": {"1800000000\n", wall, 1_800_000_001},
		"unreadable: the clock":          {"soon\n", wall, 1_700_000_000},
		"clock before 1970":              {"", time.Unix(-5, 0), 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := mustStore(t)
			if c.before != "" {
				if err := os.WriteFile(s.path(incarnationFile), []byte(c.before), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			saved, err := s.begin(c.clock)
			if err != nil {
				t.Fatal(err)
			}
			if saved.Incarnation < c.want {
				t.Errorf("incarnation %d, want at least %d", saved.Incarnation, c.want)
			}
			next, err := s.begin(c.clock)
			if err != nil || next.Incarnation <= saved.Incarnation {
				t.Errorf("the next life has %d after %d (%v)", next.Incarnation, saved.Incarnation, err)
			}
		})
	}
}

// With a disk that takes nothing a life still gets an incarnation above the last one: the clock's.
func TestIncarnationGrowsWithoutADisk(t *testing.T) {
	s := mustStore(t)
	saved, err := s.begin(time.Unix(1_700_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
	next, err := s.begin(time.Unix(1_700_000_060, 0))
	if err == nil {
		t.Error("no error although nothing was written")
	}
	if next.Incarnation <= saved.Incarnation {
		t.Errorf("incarnation %d after %d", next.Incarnation, saved.Incarnation)
	}
}

func TestSavedSurvives(t *testing.T) {
	s := mustStore(t)
	s.trouble = func(err error) { t.Error(err) }
	s.keep(cluster.Saved{Standby: true, PeerMACs: []string{"02:00:00:00:00:01"}, PeerLife: 17,
		Groups: map[string]cluster.SavedGroup{"web": {Epoch: 3, Owner: true}}})
	got, err := s.begin(time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	want := cluster.Saved{Incarnation: got.Incarnation, Clock: 1, Standby: true, PeerMACs: []string{"02:00:00:00:00:01"}, PeerLife: 17,
		SameBoot: true, Groups: map[string]cluster.SavedGroup{"web": {Epoch: 3, Owner: true}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	other := *s
	other.boot = "another boot"
	if got, err := other.begin(time.Unix(1, 0)); err != nil || got.SameBoot {
		t.Errorf("after a restart of the machine: same boot %v (%v)", got.SameBoot, err)
	}
}

func TestBrokenStateFileIsSaid(t *testing.T) {
	s := mustStore(t)
	if err := os.WriteFile(s.path(savedFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.begin(time.Unix(1, 0)); err == nil {
		t.Error("no error for a file that cannot be read")
	}
}

func TestNewestSaveWins(t *testing.T) {
	s := mustStore(t)
	s.save(cluster.Saved{Standby: true})
	s.save(cluster.Saved{Standby: false, PeerLife: 2})
	if got := <-s.newest; got.PeerLife != 2 {
		t.Errorf("got %+v, want the newest", got)
	}
}

func TestUUIDStays(t *testing.T) {
	s := mustStore(t)
	first, err := s.uuid()
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.uuid()
	if err != nil || first != second || first == [16]byte{} {
		t.Errorf("uuid %x, then %x (%v)", first, second, err)
	}
}

func mustStore(t *testing.T) *store {
	t.Helper()
	s, err := openStore(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
