package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"lubdub/internal/config"
)

// carryOut copies what the plan shows: the configuration first, for what it lists may be copied then.
func (s *syncing) carryOut(ctx context.Context, plan *syncPlan) error {
	if err := s.carrySettings(ctx, plan); err != nil {
		return err
	}
	for _, t := range plan.Trees {
		if len(t.diffs) == 0 {
			continue
		}
		if err := s.carryTree(ctx, t); err != nil {
			return fmt.Errorf("copy %s: %w", t.Path, err)
		}
	}
	return nil
}

// carrySettings brings the files that change into a directory beside those of the
// target, which checks them and puts them in their place.
func (s *syncing) carrySettings(ctx context.Context, plan *syncPlan) (err error) {
	q := syncRequest{Verb: syncApply, Nonce: plan.nonce, Before: map[string]string{}, After: map[string]string{}}
	var changed []settingsPlan
	for _, f := range plan.Settings {
		if !f.changes {
			continue
		}
		changed = append(changed, f)
		q.Before[f.Name] = s.ontoAnswer.Settings[f.Name].Sum
		q.After[f.Name] = s.fromAnswer.Settings[f.Name].Sum
		if f.Name != authkeysName {
			q.After[f.Name] = noncedSum(plan.nonce, f.text)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	staged, err := s.target.ask(ctx, syncRequest{Verb: syncStage})
	if err != nil {
		return err
	}
	q.Staging = staged.Staging
	if err := s.bring(ctx, changed, staged.Staging); err != nil {
		_, discardErr := s.target.ask(ctx, syncRequest{Verb: syncDiscard, Staging: staged.Staging})
		return errors.Join(err, discardErr)
	}
	a, err := s.target.ask(ctx, q)
	if err != nil {
		return err
	}
	for _, l := range a.Words {
		if _, err := fmt.Fprintf(s.Stdout, "%s says: %s\n", plan.Onto, visible(l)); err != nil {
			return err
		}
	}
	return nil
}

// bring copies the files into the staging directory, with owner and mode.
func (s *syncing) bring(ctx context.Context, changed []settingsPlan, staging string) error {
	if s.pulls {
		var list []byte
		for _, f := range changed {
			if s.fromAnswer.Settings[f.Name].There {
				list = append(list, f.Name+"\x00"...)
			}
		}
		if err := s.peer.rsync(ctx, list, s.peer.remote(s.fromAnswer.Dir)+"/", staging+"/"); err != nil {
			return err
		}
		return putTexts(changed, staging)
	}
	out, err := s.self.stage()
	if err != nil {
		return err
	}
	defer os.RemoveAll(out)
	var list []byte
	for _, f := range changed {
		list = append(list, f.Name+"\x00"...)
		if err := copySettings(filepath.Join(s.self.dir, f.Name), filepath.Join(out, f.Name)); err != nil {
			return err
		}
	}
	if err := putTexts(changed, out); err != nil {
		return err
	}
	return s.peer.rsync(ctx, list, out+"/", s.peer.remote(staging)+"/")
}

// putTexts writes what was made of two nodes' files, and leaves owner and mode alone.
func putTexts(changed []settingsPlan, dir string) error {
	for _, f := range changed {
		if f.Name == authkeysName {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// copySettings copies a file with owner and mode. One that is not there is made: only lines of the other node are in it.
func copySettings(from, to string) error {
	f, err := readSettings(from, nil)
	if err != nil {
		return err
	}
	if !f.There {
		return nil
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if err := os.WriteFile(to, f.Text, 0o600); err != nil {
		return err
	}
	st := info.Sys().(*syscall.Stat_t)
	return errors.Join(os.Lchown(to, int(st.Uid), int(st.Gid)), os.Chmod(to, info.Mode().Perm()), os.Chtimes(to, info.ModTime(), info.ModTime()))
}

// carryTree copies the names that differ, and none else: first what is something
// else there goes, then what is here comes, at last what is not here goes.
func (s *syncing) carryTree(ctx context.Context, t treePlan) error {
	var retyped, gone []string
	var list []byte
	for _, d := range t.diffs {
		switch {
		case d.From == nil && !within(d.Path, retyped):
			gone = append(gone, d.Path)
		case d.From == nil: // below what is to be a file: it has to go first
			retyped = append(retyped, d.Path)
		case d.Retyped():
			retyped = append(retyped, d.Path)
		}
		if d.From != nil {
			list = append(list, "./"+d.Path+"\x00"...)
		}
	}
	slices.Reverse(retyped) // what is deeper first
	slices.Reverse(gone)
	room, err := s.target.ask(ctx, syncRequest{Verb: syncRoom, Watches: []config.Watch{t.watch}, Names: retyped})
	if err != nil {
		return err
	}
	if len(room.Words) > 0 {
		return errors.New(strings.Join(room.Words, "; "))
	}
	if err := s.copyNames(ctx, t, room.Root, list); err != nil {
		return err
	}
	if len(gone) == 0 {
		return nil
	}
	removed, err := s.target.ask(ctx, syncRequest{Verb: syncRemove, Watches: []config.Watch{t.watch}, Names: gone})
	for _, l := range removed.Words {
		fmt.Fprintln(s.Stdout, visible(l))
	}
	return err
}

// within says that a path is below one of the others.
func within(path string, of []string) bool {
	return slices.ContainsFunc(of, func(dir string) bool { return strings.HasPrefix(path, dir+"/") })
}

func (s *syncing) copyNames(ctx context.Context, t treePlan, root string, list []byte) error {
	from, onto := t.from.Real, root
	if t.watch.Tree {
		from, onto = from+"/", onto+"/"
	} else {
		list = nil
	}
	if s.pulls {
		return s.peer.rsync(ctx, list, s.peer.remote(from), onto)
	}
	return s.peer.rsync(ctx, list, from, s.peer.remote(onto))
}
