package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"lubdub/internal/api"
	"lubdub/internal/cluster"
)

// What a life leaves for the next one: its file in the state directory says which lubdub it was and how it ended; its
// pulse in the runtime directory, when it was last alive.
const (
	lifeFile  = "life.json"
	pulseFile = "pulse"
)

// The ways in which a life ends that is not killed and does not crash.
const (
	endedLeft  = "left"  // it stopped everything and left the cluster
	endedAgain = "again" // it was to be started again at once: what ran goes on running
)

// lived is the content of lifeFile.
type lived struct {
	Build string // which lubdub it was
	Boot  string // of the machine
	Pid   int    // of its process
	Ended string // empty while it lives
}

// beat is the content of pulseFile.
type beat struct {
	At    cluster.Time
	Until map[string]cluster.Time // by group: to when the kernel may answer
}

// former is the life of the daemon before this one.
type former struct {
	lived
	sameBoot bool
	beat     beat
}

// succeed reads what the last life left, and begins this one's file.
func succeed(s *store, runtimeDir, build string, events []api.Event) (former, error) {
	var f former
	text, err := os.ReadFile(s.path(lifeFile))
	switch {
	case err == nil && json.Unmarshal(text, &f.lived) == nil:
		f.sameBoot = f.Boot == s.boot
	default: // versions before 0.3 left events only
		f.Build = startedBefore(events)
	}
	if text, err := os.ReadFile(filepath.Join(runtimeDir, pulseFile)); err == nil && f.sameBoot {
		// A newer text may be shorter than the one that it was written over.
		if json.NewDecoder(bytes.NewReader(text)).Decode(&f.beat) != nil {
			f.beat = beat{}
		}
	}
	return f, s.live(build, "")
}

// live notes which lubdub this life is, or how it ends.
func (s *store) live(build, ended string) error {
	text, err := json.Marshal(lived{Build: build, Boot: s.boot, Pid: os.Getpid(), Ended: ended})
	if err != nil {
		return err
	}
	return s.write(lifeFile, append(text, '\n'))
}

// startWords begin the event of a start.
const startWords = "lubdub %s starts on %s"

// startedBefore is the lubdub that last said that it starts.
func startedBefore(events []api.Event) string {
	for _, e := range slices.Backward(events) {
		if words := strings.Fields(e.Words); e.Kind == "start" && len(words) > 2 && words[0] == "lubdub" {
			return words[1]
		}
	}
	return ""
}

// away is how long no lubdub was there; 0 when that is not known.
func (f former) away(at cluster.Time) time.Duration {
	if f.beat.At == 0 || at < f.beat.At {
		return 0
	}
	return max(time.Millisecond, at.Sub(f.beat.At))
}

// started is the event of this life's start: what was before it, how that ended, and how long ago.
func (f former) started(build, self string, at cluster.Time) cluster.Noted {
	note := cluster.Noted{Level: cluster.Info, Kind: "start", Words: fmt.Sprintf(startWords, build, self)}
	if f.Build == "" {
		return note
	}
	which := " again; it "
	switch {
	case f.Build != build:
		which = fmt.Sprintf(" in place of lubdub %s, which ", f.Build)
	case f.Boot == "":
		which = " in place of another build, which "
	}
	how := "was killed or crashed"
	switch {
	case f.Boot == "":
		how = "ran here before"
	case f.Ended == endedLeft:
		how = "had left"
	case f.Ended == endedAgain:
		how = "ended for that"
	case !f.sameBoot:
		how = "ran until the machine was started anew"
	default:
		note.Level = cluster.Warning
	}
	note.Words += which + how
	if away := f.away(at); away > 0 {
		note.Words += fmt.Sprintf(" %v ago", rounded(away))
	}
	return note
}

func rounded(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// adopted says of each group that this life takes over what became of it meanwhile (rules B1 and B2).
func (f former) adopted(cfg cluster.Config, saved cluster.Saved, at cluster.Time) []cluster.Input {
	var notes []cluster.Input
	for _, g := range cfg.Groups {
		was := saved.Groups[g.Name]
		if !takenOver(was, saved.SameBoot, at) {
			continue
		}
		note := cluster.Noted{Level: cluster.Info, Kind: "adopted", Group: g.Name, Words: g.Name + " is taken up again: "}
		away, silent := f.away(at), time.Duration(0)
		if end := f.beat.Until[g.Name]; end != 0 {
			silent = at.Sub(end)
		}
		switch {
		case !slices.ContainsFunc(g.Resources, func(r cluster.Resource) bool { return len(r.Addresses) > 0 }):
			note.Words += "what runs goes on running"
		case was.Until > at && was.Quiet:
			note.Words += "its address is quiet, as it was"
		case was.Until > at:
			note.Words += "its address answered all the while, and nothing moved"
		case away >= cfg.DeadTime:
			note.Level = cluster.Warning
			note.Words += fmt.Sprintf("its address is silent; lubdub was away for %v, longer than the dead time (%v): the other node may serve it by now", rounded(away), cfg.DeadTime)
		case away > 0 && silent > 0:
			note.Level = cluster.Warning
			note.Words += fmt.Sprintf("its address has been silent for %v, for lubdub was away for %v; that is less than the dead time (%v), and nothing moved", rounded(silent), rounded(away), cfg.DeadTime)
		default:
			note.Level = cluster.Warning
			note.Words += "its address is silent, for its lease has ended"
		}
		notes = append(notes, note)
	}
	return notes
}

// takenOver says that the machine will own the group from its first moment (rule B2).
func takenOver(was cluster.SavedGroup, sameBoot bool, at cluster.Time) bool {
	return was.Until > at || sameBoot && was.Owner
}

// before is what the status says of the former life.
func (f former) before(at cluster.Time) api.Before {
	return api.Before{Build: f.Build, Ended: f.Ended, Away: f.away(at)}
}

// pulse writes down that this life lives.
type pulse struct {
	path  string
	every time.Duration
	last  *atomic.Int64 // when the loop last stepped: a life that decides nothing is none
	until map[string]*atomic.Int64
	now   chan struct{} // the kernel was told to begin or to end: that is written at once
}

func newPulse(runtimeDir string, cfg cluster.Config, last *atomic.Int64) *pulse {
	p := &pulse{path: filepath.Join(runtimeDir, pulseFile), every: cfg.Keepalive, last: last, until: map[string]*atomic.Int64{}, now: make(chan struct{}, 1)}
	for _, g := range cfg.Groups {
		p.until[g.Name] = &atomic.Int64{}
	}
	return p
}

// entitled notes to when the kernel may answer for a group. It is called by the loop.
func (p *pulse) entitled(group string, until cluster.Time) {
	if u := p.until[group]; u != nil && (u.Swap(int64(until)) == 0 || until == 0) {
		select {
		case p.now <- struct{}{}:
		default:
		}
	}
}

// run writes each keepalive until ctx ends, and then once more. What cannot be written is a length that nobody knows.
func (p *pulse) run(ctx context.Context) {
	f, err := os.OpenFile(p.path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	for over := false; ; {
		text, err := json.Marshal(p.beat())
		if err != nil {
			return
		}
		_, _ = f.WriteAt(append(text, '\n'), 0)
		if over {
			return
		}
		select {
		case <-tick.C:
		case <-p.now:
		case <-ctx.Done():
			over = true
		}
	}
}

func (p *pulse) beat() beat {
	b := beat{At: cluster.Time(p.last.Load()), Until: map[string]cluster.Time{}}
	for name, u := range p.until {
		if until := u.Load(); until != 0 {
			b.Until[name] = cluster.Time(until)
		}
	}
	return b
}

// takeUp says how this life begins.
func (d *daemon) takeUp(saved cluster.Saved) []cluster.Input {
	at := now()
	notes := []cluster.Input{d.former.started(d.Build, d.cfg.Self, at)}
	d.past, d.taken = d.former.before(at), map[string]bool{}
	for name, was := range saved.Groups {
		d.taken[name] = takenOver(was, saved.SameBoot, at)
	}
	if d.Before != nil {
		return []cluster.Input{cluster.Noted{Kind: "reload", Words: fmt.Sprintf("%s has the new configuration", d.cfg.Self)}}
	}
	return append(notes, d.former.adopted(d.cfg, saved, at)...)
}

// endActions ends the agents with the daemon, unless that is started again.
func (d *daemon) endActions() {
	if !errors.Is(context.Cause(d.ctx), ErrAgain) {
		d.endWork()
	}
}

// ended notes how this life ends.
func (d *daemon) ended(log *logger, left bool) {
	how, next := "", (*Again)(nil)
	switch cause := context.Cause(d.ctx); {
	case left:
		how = endedLeft
	case errors.As(cause, &next):
		how = endedAgain
	case errors.Is(cause, ErrAgain):
		how = endedAgain
		log.line(cluster.Info, time.Now(), "lubdub ends to be started again: what runs goes on running")
	}
	if followed(d.ctx) {
		d.lost(log)
	}
	if err := d.store.live(d.Build, how); err != nil {
		log.line(cluster.Warning, time.Now(), oneLine(err))
	}
}

// agentTold records what an agent's side has to say beside its outcome.
func (d *daemon) agentTold(group, words string, lines []string) {
	d.loop.offer(cluster.Noted{Level: cluster.Warning, Kind: "resource", Group: group, Words: words, Lines: lines})
}
