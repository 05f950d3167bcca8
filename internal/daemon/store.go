package daemon

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"lubdub/internal/cluster"
)

// The files of the state directory, and Heartbeat's, which are taken over on the first start.
const (
	uuidFile        = "uuid"
	incarnationFile = "incarnation"
	savedFile       = "groups.json"
	heartbeatUUID   = "/var/lib/heartbeat/hb_uuid"
	heartbeatGen    = "/var/lib/heartbeat/hb_generation"
	bootIDFile      = "/proc/sys/kernel/random/boot_id"
)

// store keeps what outlives the daemon. It is read once at start; then one
// goroutine writes, the newest wins, and a full disk is said once.
type store struct {
	dir     string
	boot    string
	newest  chan cluster.Saved
	waiting chan func(error) // who waits for what was saved before
	trouble func(error)
	broken  error // of the last write: said once
}

// kept is the content of savedFile.
type kept struct {
	Boot     string
	Standby  bool
	PeerMACs []string
	PeerLife uint64
	Groups   map[string]keptGroup
}

type keptGroup struct {
	Epoch          uint64
	Owner          bool
	Maintenance    uint64 `json:",omitempty"` // the version of what is known of it
	InMaintenance  bool   `json:",omitempty"`
	MaintenanceEnd uint64 `json:",omitempty"` // wall clock, seconds
}

func openStore(dir string) (*store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the state directory: %w", err)
	}
	boot, err := os.ReadFile(bootIDFile)
	if err != nil {
		return nil, fmt.Errorf("read the boot's name: %w", err)
	}
	return &store{dir: dir, boot: strings.TrimSpace(string(boot)), newest: make(chan cluster.Saved, 1), waiting: make(chan func(error), maxWaiting)}, nil
}

// uuid is the node's, made on the first start.
func (s *store) uuid() ([16]byte, error) {
	var id [16]byte
	for _, path := range []string{s.path(uuidFile), heartbeatUUID} {
		b, err := os.ReadFile(path)
		if err == nil && len(b) == len(id) {
			copy(id[:], b)
			return id, s.write(uuidFile, id[:])
		}
	}
	if _, err := rand.Read(id[:]); err != nil {
		return id, err
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // RFC 9562 section 5.4: version 4
	return id, s.write(uuidFile, id[:])
}

// begin reads what was kept, and gives this life its incarnation: above the last
// one and above the clock, so that it grows even when the disk is full.
func (s *store) begin(wall time.Time) (cluster.Saved, error) {
	clock := uint64(max(1, wall.Unix()))
	last := max(s.number(s.path(incarnationFile)), s.number(heartbeatGen))
	saved := cluster.Saved{Incarnation: max(last+1, clock), Clock: clock, Groups: map[string]cluster.SavedGroup{}}
	err := s.writeNumber(incarnationFile, saved.Incarnation)
	var k kept
	b, readErr := os.ReadFile(s.path(savedFile))
	switch {
	case errors.Is(readErr, os.ErrNotExist):
		return saved, err
	case readErr != nil:
		return saved, errors.Join(err, readErr)
	}
	if jsonErr := json.Unmarshal(b, &k); jsonErr != nil {
		return saved, errors.Join(err, fmt.Errorf("read %s: %w", s.path(savedFile), jsonErr))
	}
	saved.Standby, saved.PeerMACs, saved.PeerLife, saved.SameBoot = k.Standby, k.PeerMACs, k.PeerLife, k.Boot == s.boot
	for name, g := range k.Groups {
		saved.Groups[name] = cluster.SavedGroup{Epoch: g.Epoch, Owner: g.Owner,
			Maintenance: g.Maintenance, InMaintenance: g.InMaintenance, MaintenanceEnd: g.MaintenanceEnd}
	}
	return saved, err
}

// save hands over what is to be kept; it does not wait.
func (s *store) save(saved cluster.Saved) {
	for {
		select {
		case s.newest <- saved:
			return
		default:
		}
		select {
		case <-s.newest:
		default:
		}
	}
}

// maxWaiting bounds who waits for the disk: operators, of whom there are few.
const maxWaiting = 64

// written calls do when everything that was saved before
// is on the disk, or is known not to be. It does not wait for the disk.
func (s *store) written(do func(error)) {
	select {
	case s.waiting <- do:
	default:
		do(errors.New("the disk is too slow"))
	}
}

// run writes until ctx ends, and the newest then.
func (s *store) run(ctx context.Context) {
	for {
		select {
		case saved := <-s.newest:
			s.keep(saved)
		case do := <-s.waiting:
			s.keepNewest()
			do(s.broken)
		case <-ctx.Done():
			s.keepNewest()
			return
		}
	}
}

// keepNewest writes what waits to be written.
func (s *store) keepNewest() {
	select {
	case saved := <-s.newest:
		s.keep(saved)
	default:
	}
}

func (s *store) keep(saved cluster.Saved) {
	k := kept{Boot: s.boot, Standby: saved.Standby, PeerMACs: saved.PeerMACs, PeerLife: saved.PeerLife, Groups: map[string]keptGroup{}}
	for name, g := range saved.Groups {
		k.Groups[name] = keptGroup{g.Epoch, g.Owner, g.Maintenance, g.InMaintenance, g.MaintenanceEnd}
	}
	b, err := json.MarshalIndent(k, "", "  ")
	if err == nil {
		err = s.write(savedFile, append(b, '\n'))
	}
	if err != nil && s.broken == nil {
		s.trouble(err)
	}
	s.broken = err
}

func (s *store) path(name string) string { return filepath.Join(s.dir, name) }

// write replaces a file as a whole.
func (s *store) write(name string, b []byte) error {
	if err := renameio.WriteFile(s.path(name), b, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", s.path(name), err)
	}
	return nil
}

// writeNumber writes a number whose file always has the same length. On a full
// disk it is written over the old one, which needs no space.
func (s *store) writeNumber(name string, n uint64) error {
	text := fmt.Appendf(nil, "%020d\n", n)
	err := s.write(name, text)
	if err == nil {
		return nil
	}
	f, openErr := os.OpenFile(s.path(name), os.O_WRONLY, 0)
	if openErr != nil {
		return err
	}
	_, writeErr := f.WriteAt(text, 0)
	if writeErr = errors.Join(writeErr, f.Sync(), f.Close()); writeErr != nil {
		return errors.Join(err, writeErr)
	}
	return err // it is safe, but the disk wants somebody's attention
}

// number reads a decimal number from a file; 0 if there is none.
func (s *store) number(path string) uint64 {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 63)
	return n
}
